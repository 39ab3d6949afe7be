/* SPDX-License-Identifier: BSD-3-Clause */
#include "maker.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void make_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	need(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 1) == 0);
}

void make_uffd(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */);

	need(fd >= 0);
}

/* A lease wants a file that nobody writes. */
void make_lease(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	need(fcntl(fd, F_SETLEASE, F_RDLCK) == 0);
}

void make_mqueue(void)
{
	mqd_t q = mq_open("/reprise-refuse", O_RDWR | O_CREAT, 0600, NULL);

	need(q >= 0);
	mq_unlink("/reprise-refuse");
}

void make_pty(void)
{
	need(posix_openpt(O_RDWR | O_NOCTTY) >= 0);
}

/* The other end of a terminal that somebody else has made. */
void make_terminal(void)
{
	char name[64] = "";
	int pipe_fds[2], master;

	need(pipe(pipe_fds) == 0);
	if (fork() == 0) {
		if (fork() != 0)
			_exit(0);
		master = posix_openpt(O_RDWR | O_NOCTTY);
		need(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
		(void)!write(pipe_fds[1], ptsname(master), strlen(ptsname(master)));
		for (;;)
			pause();
	}
	wait(NULL);
	need(read(pipe_fds[0], name, sizeof(name) - 1) > 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	need(open(name, O_RDWR | O_NOCTTY) >= 0);
}

void make_proc_other(void)
{
	need(open("/proc/1/status", O_RDONLY) >= 0);
}

void make_proc_thread(void)
{
	need(open("/proc/thread-self/status", O_RDONLY) >= 0);
}
void make_proc_memory(void)
{
	need(open("/proc/self/maps", O_RDONLY) >= 0);
}

/* The number now leads to another of the same sort. */
void make_epoll_reused(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int epoll = epoll_create1(0), watched = eventfd(0, 0);

	need(epoll_ctl(epoll, EPOLL_CTL_ADD, watched, &ev) == 0 && dup(watched) >= 0);
	close(watched);
	need(eventfd(0, 0) == watched);
}

void make_owner(void)
{
	int fd = open("/dev/null", O_RDWR);

	need(fd >= 0 && fcntl(fd, F_SETOWN, getppid()) == 0);
}

/* Events that nobody has read. */
void make_inotify(void)
{
	int fd = inotify_init1(0);

	need(fd >= 0 && inotify_add_watch(fd, "/proc/self/exe", IN_OPEN) > 0);
	close(open("/proc/self/exe", O_RDONLY));
}
