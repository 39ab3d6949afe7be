/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Many descriptors, up to the highest number that the limit allows, some of them sharing a description.
 */
#include "load.h"

#include <sys/eventfd.h>
#include <sys/resource.h>

#define COUNT 2000

static int fds[COUNT];

int main(int argc, char **argv)
{
	struct rlimit lim, now;
	uint64_t v;
	int highest;

	load_begin(argc, argv);
	MUST(!getrlimit(RLIMIT_NOFILE, &lim));
	lim.rlim_cur = lim.rlim_max < 4096 ? lim.rlim_max : 4096;
	MUST(!setrlimit(RLIMIT_NOFILE, &lim));
	for (int i = 0; i < COUNT; i++) {
		fds[i] = i % 3 == 2 ? dup(fds[i - 1]) : eventfd((unsigned)i + 1, EFD_NONBLOCK);
		MUST(fds[i] >= 0);
	}
	highest = fcntl(fds[0], F_DUPFD_CLOEXEC, (int)lim.rlim_cur - 1);
	MUST(highest == (int)lim.rlim_cur - 1);
	load_ready();
	for (int i = 0; i < COUNT; i++) {
		if (i % 3 == 2)
			CHECK(read(fds[i], &v, 8) == -1 && errno == EAGAIN);
		else
			CHECK(read(fds[i], &v, 8) == 8 && v == (uint64_t)i + 1);
	}
	v = 9;
	CHECK(write(highest, &v, 8) == 8 && read(fds[0], &v, 8) == 8 && v == 9);
	CHECK(fcntl(highest, F_GETFD) == FD_CLOEXEC);
	CHECK(!getrlimit(RLIMIT_NOFILE, &now) && now.rlim_cur == lim.rlim_cur && now.rlim_max == lim.rlim_max);
	return load_end();
}
