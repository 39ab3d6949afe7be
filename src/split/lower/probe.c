/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The self-test of the confinement. Text of the C library was changed by pattern; on another library a pattern may not
 * match, and what escapes would be taken for the application's at the next checkpoint.
 */
#include "split/lower/lower.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int is_inside(const void *p)
{
	return rp_addr_is_lower((unsigned long)p);
}

static const char *probe_memory(void)
{
	void *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *grown, *heap;
	const char *bad = NULL;

	if (m == MAP_FAILED || !is_inside(m))
		return "mmap";
	grown = mremap(m, 4096, 64 << 20, MREMAP_MAYMOVE);
	if (grown == MAP_FAILED || !is_inside(grown))
		return "mremap";
	munmap(grown, 64 << 20);
	if (sbrk(4096) != (void *)-1)
		return "brk";
	for (size_t size = 16; size <= 4 << 20 && !bad; size *= 16) {
		heap = malloc(size);
		if (!heap || !is_inside(heap))
			bad = "malloc";
		free(heap);
	}
	return bad;
}

/* Is fd held by the lower half? Closes it. */
static int take(int fd)
{
	struct rp_arena *a = rp_arena();
	int ok = fd >= 0 && fd < RP_FD_BITS && (a->fd_bitmap[fd / 64] >> fd % 64 & 1);

	if (fd >= 0)
		close(fd);
	if (fd >= 0 && fd < RP_FD_BITS && (a->fd_bitmap[fd / 64] >> fd % 64 & 1))
		return 0;
	return ok;
}

static const char *probe_descriptors(void)
{
	int two[2] = { -1, -1 };
	FILE *f;

	if (!take(open("/dev/null", O_RDONLY | O_CLOEXEC)))
		return "open";
	if (!take(openat(AT_FDCWD, "/dev/null", O_RDONLY)))
		return "openat";
	f = fopen("/dev/null", "r");
	if (!f || !take(dup(fileno(f))))
		return "dup";
	if (!take(fcntl(fileno(f), F_DUPFD_CLOEXEC, 3)))
		return "fcntl";
	fclose(f);
	if (!take(socket(AF_UNIX, SOCK_STREAM, 0)))
		return "socket";
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, two) || !take(two[0]) || !take(two[1]))
		return "socketpair";
	if (pipe(two) || !take(two[0]) || !take(two[1]))
		return "pipe";
	if (!take(eventfd(0, 0)))
		return "eventfd";
	if (!take(epoll_create1(0)))
		return "epoll_create1";
	if (!take(timerfd_create(CLOCK_MONOTONIC, 0)))
		return "timerfd_create";
	if (!take(memfd_create("probe", 0)))
		return "memfd_create";
	if (!take((int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY)))
		return "syscall";
	return NULL;
}

const char *rp_lower_probe(void)
{
	const char *bad = probe_memory();

	return bad ? bad : probe_descriptors();
}
