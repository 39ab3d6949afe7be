/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The self-test of the confinement. Text of the C library was changed by pattern; on another library a pattern may not
 * match, and what escapes would be taken for the application's at the next checkpoint.
 */
#include "split/lower/lower.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

static int is_inside(const void *p)
{
	return rp_addr_is_lower((unsigned long)p);
}

static const char *probe_memory(void)
{
	void *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *grown, *heap;
	const char *bad = NULL;

	if (m == MAP_FAILED || !is_inside(m))
		return "mmap";
	grown = mremap(m, 4096, /* the second page is in its way */ 64 << 20, MREMAP_MAYMOVE);
	if (grown == MAP_FAILED || !is_inside(grown))
		return "mremap";
	munmap(grown, 64 << 20);
	munmap((char *)m + 4096, 4096);
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

/* A system without SysV shared memory has nothing that could escape. */
static const char *probe_shm(void)
{
	int id = shmget(IPC_PRIVATE, 4096, 0600);
	const char *bad = NULL;
	void *p;

	if (id < 0)
		return NULL;
	p = shmat(id, NULL, 0);
	if (p != (void *)-1 && !is_inside(p))
		bad = "shmat";
	if (p != (void *)-1)
		shmdt(p);
	shmctl(id, IPC_RMID, NULL);
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

/* A descriptor that comes in a message, and one that comes by a connection. */
static const char *probe_sockets(void)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr head;
	} control = { .head = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(addr);
	struct iovec byte = { &(char){ 0 }, 1 };
	struct msghdr m = {
		.msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	int two[2] = { -1, -1 }, got = -1, server, client;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, two))
		return "socketpair";
	memcpy(CMSG_DATA(&control.head), &two[0], sizeof(int));
	if (sendmsg(two[0], &m, 0) == 1 && recvmsg(two[1], &m, 0) == 1)
		memcpy(&got, CMSG_DATA(&control.head), sizeof(got));
	if (got >= 0 && !take(got))
		return "recvmsg";
	got = -1;
	if (!take(two[0]) || !take(two[1]))
		return "socketpair";
	server = socket(AF_UNIX, SOCK_STREAM, 0);
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	if (!bind(server, (struct sockaddr *)&addr, sizeof(sa_family_t)) && !listen(server, 1) &&
	    !getsockname(server, (struct sockaddr *)&addr, &len) && !connect(client, (struct sockaddr *)&addr, len))
		got = accept(server, NULL, NULL);
	if (got >= 0 && !take(got))
		return "accept";
	return take(server) && take(client) ? NULL : "socket";
}

static const char *probe_descriptors(void)
{
	int two[2] = { -1, -1 };
	sigset_t none;
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
	if (pipe(two) || !take(two[0]) || !take(two[1]))
		return "pipe";
	if (!take(eventfd(0, 0)))
		return "eventfd";
	if (!take(epoll_create1(0)))
		return "epoll_create1";
	if (!take(timerfd_create(CLOCK_MONOTONIC, 0)))
		return "timerfd_create";
	sigemptyset(&none);
	if (!take(signalfd(-1, &none, 0)))
		return "signalfd";
	if (!take(memfd_create("probe", 0)))
		return "memfd_create";
	if (!take((int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY)))
		return "syscall";
	return NULL;
}

const char *rp_lower_probe(void)
{
	const char *bad = probe_memory();

	if (!bad)
		bad = probe_shm();
	if (!bad)
		bad = probe_descriptors();
	return bad ? bad : probe_sockets();
}
