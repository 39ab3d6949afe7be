/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Makes one thing that cannot be carried, prints READY and counts in a file: maker KIND FILE. The count shows that the
 * process runs. Exit status 77: this kernel or machine does not have it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MISSING 77

static void need(int ok)
{
	if (!ok)
		exit(MISSING);
}

static void make_child(void)
{
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
}

static void make_zombie(void)
{
	int pid = fork();
	siginfo_t si;

	if (pid == 0)
		_exit(0);
	waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT);
}

/* A tracer that holds us. It begins only when we have taken the last signal that would stop us for it. */
static void make_traced(void)
{
	int ready[2], go[2], self = getpid();
	char c;

	need(pipe(ready) == 0 && pipe(go) == 0);
	if (fork() == 0) {
		if (fork() != 0)
			_exit(0);
		need(read(go[0], &c, 1) == 1);
		ptrace(PTRACE_SEIZE, self, NULL, NULL);
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	wait(NULL);
	need(write(go[1], "x", 1) == 1 && read(ready[0], &c, 1) == 1);
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	close(go[1]);
}

static void make_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	need(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 1) == 0);
}

static void make_sysv(void)
{
	int id = shmget(IPC_PRIVATE, 4096, 0600);
	void *p;

	need(id >= 0);
	p = shmat(id, NULL, 0);
	shmctl(id, IPC_RMID, NULL);
	need(p != (void *)-1);
}

static void make_uring(void)
{
	struct io_uring_params p;
	int fd;

	memset(&p, 0, sizeof(p));
	fd = (int)syscall(SYS_io_uring_setup, 4, &p);
	need(fd >= 0);
	need(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING) != MAP_FAILED);
	close(fd);
}

static void make_aio(void)
{
	aio_context_t ctx = 0;

	need(syscall(SYS_io_setup, 4, &ctx) == 0);
}

static void make_uffd(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */);

	need(fd >= 0);
}

static void make_pkey(void)
{
	int key = (int)syscall(SYS_pkey_alloc, 0, 0);
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(key > 0 && syscall(SYS_pkey_mprotect, p, 4096, PROT_READ | PROT_WRITE, key) == 0);
}

static void make_guard(void)
{
	char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(p != MAP_FAILED && madvise(p + 4096, 4096, 102 /* MADV_GUARD_INSTALL, Linux 6.13 */) == 0);
}

/* Shared memory of a device; nearly every machine has one of these. */
static void make_device(void)
{
	static const char *const names[] = { "/dev/mem", "/dev/fb0", "/dev/hpet", "/dev/kvm" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int fd = open(names[i], O_RDONLY);

		if (fd >= 0 && mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED) {
			close(fd);
			return;
		}
	}
	exit(MISSING);
}

static void *count_on(void *arg)
{
	volatile uint64_t *count = arg;

	for (;;) {
		(*count)++;
		usleep(1000);
	}
	return NULL;
}

/* The first thread ends, the process lives on. */
static void make_leaderless(volatile uint64_t *count)
{
	pthread_t t;

	pthread_create(&t, NULL, count_on, (void *)count);
	puts("READY");
	fflush(stdout);
	pthread_exit(NULL);
}

static const struct {
	const char *name;
	void (*make)(void);
} kinds[] = {
	{ "nothing", NULL },	   { "child", make_child }, { "zombie", make_zombie }, { "traced", make_traced },
	{ "socket", make_socket }, { "sysv", make_sysv },   { "uring", make_uring },   { "aio", make_aio },
	{ "uffd", make_uffd },	   { "pkey", make_pkey },   { "device", make_device }, { "guard", make_guard },
};

int main(int argc, char **argv)
{
	int fd = argc == 3 ? open(argv[2], O_RDWR | O_CREAT, 0600) : -1;
	volatile uint64_t *count;

	if (fd < 0 || ftruncate(fd, 4096) < 0)
		return 2;
	count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (count == MAP_FAILED)
		return 2;
	if (strcmp(argv[1], "leaderless") == 0)
		make_leaderless(count);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(argv[1], kinds[i].name) != 0)
			continue;
		if (kinds[i].make)
			kinds[i].make();
		puts("READY");
		fflush(stdout);
		count_on((void *)count);
	}
	return 2;
}
