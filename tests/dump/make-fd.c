/* SPDX-License-Identifier: BSD-3-Clause */
#include "maker.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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
