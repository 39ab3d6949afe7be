/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pipes and FIFOs: contents, order, capacity, flags of each end, packets, an end without the other, descriptions opened
 * again, a FIFO by name.
 */
#include "load.h"

#include <poll.h>
#include <sys/stat.h>

static char big[100000];

static int mode_of(int fd)
{
	return fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_DIRECT);
}

int main(int argc, char **argv)
{
	int p[2], full[2], packet[2], eof[2], broken[2], fifo, fifo_w, again;
	char buf[100000], name[64];
	struct pollfd pfd;

	load_begin(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	MUST(!pipe(p) && write(p[1], "in ", 3) == 3 && write(p[1], "flight", 6) == 6);
	MUST(!pipe2(full, O_NONBLOCK) && fcntl(full[1], F_SETPIPE_SZ, 1 << 20) == 1 << 20);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7);
	MUST(write(full[1], big, sizeof(big)) == sizeof(big));
	MUST(!pipe2(packet, O_DIRECT) && write(packet[1], "abc", 3) == 3 && write(packet[1], "de", 2) == 2);
	MUST(!pipe(eof) && write(eof[1], "last", 4) == 4);
	close(eof[1]);
	MUST(!pipe(broken));
	close(broken[0]);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", p[1]);
	again = open(name, O_WRONLY | O_NONBLOCK);
	MUST(again >= 0);
	mkfifo(load_path("fifo"), 0600);
	fifo = open(load_path("fifo"), O_RDONLY | O_NONBLOCK);
	fifo_w = open(load_path("fifo"), O_WRONLY);
	MUST(fifo >= 0 && fifo_w >= 0 && write(fifo_w, "named", 5) == 5);
	load_ready();

	CHECK(read(p[0], buf, sizeof(buf)) == 9 && !memcmp(buf, "in flight", 9));
	CHECK(mode_of(p[0]) == O_RDONLY && mode_of(p[1]) == O_WRONLY && mode_of(again) == (O_WRONLY | O_NONBLOCK));
	CHECK(write(p[1], "x", 1) == 1 && write(again, "y", 1) == 1 && read(p[0], buf, 2) == 2 &&
	      !memcmp(buf, "xy", 2));
	CHECK(fcntl(full[0], F_GETPIPE_SZ) == 1 << 20 && mode_of(full[0]) == (O_RDONLY | O_NONBLOCK));
	CHECK(read(full[0], buf, sizeof(buf)) == sizeof(big) && !memcmp(buf, big, sizeof(big)));
	CHECK(read(full[0], buf, 1) == -1 && errno == EAGAIN);
	CHECK(mode_of(packet[1]) & O_DIRECT);
	CHECK(read(packet[0], buf, sizeof(buf)) == 3 && !memcmp(buf, "abc", 3));
	CHECK(read(packet[0], buf, sizeof(buf)) == 2 && !memcmp(buf, "de", 2));
	CHECK(read(eof[0], buf, sizeof(buf)) == 4 && !memcmp(buf, "last", 4) && read(eof[0], buf, 1) == 0);
	CHECK(write(broken[1], "x", 1) == -1 && errno == EPIPE);
	CHECK(read(fifo, buf, sizeof(buf)) == 5 && !memcmp(buf, "named", 5));
	CHECK(mode_of(fifo) == (O_RDONLY | O_NONBLOCK) && mode_of(fifo_w) == O_WRONLY);
	close(fifo_w);
	pfd = (struct pollfd){ .fd = fifo, .events = POLLIN };
	CHECK(poll(&pfd, 1, 1000) == 1 && pfd.revents & POLLHUP);
	close(p[1]);
	close(again);
	CHECK(read(p[0], buf, 1) == 0);
	return load_end();
}
