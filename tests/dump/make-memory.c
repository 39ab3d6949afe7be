/* SPDX-License-Identifier: BSD-3-Clause */
#include "maker.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void make_sysv(void)
{
	int id = shmget(IPC_PRIVATE, 4096, 0600);
	void *p;

	need(id >= 0);
	p = shmat(id, NULL, 0);
	shmctl(id, IPC_RMID, NULL);
	need(p != (void *)-1);
}

void make_uring(void)
{
	struct io_uring_params p;
	int fd;

	memset(&p, 0, sizeof(p));
	fd = (int)syscall(SYS_io_uring_setup, 4, &p);
	need(fd >= 0);
	need(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING) != MAP_FAILED);
	close(fd);
}

void make_aio(void)
{
	aio_context_t ctx = 0;

	need(syscall(SYS_io_setup, 4, &ctx) == 0);
}

void make_pkey(void)
{
	int key = (int)syscall(SYS_pkey_alloc, 0, 0);
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(key > 0 && syscall(SYS_pkey_mprotect, p, 4096, PROT_READ | PROT_WRITE, key) == 0);
}

void make_guard(void)
{
	char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(p != MAP_FAILED && madvise(p + 4096, 4096, 102 /* MADV_GUARD_INSTALL, Linux 6.13 */) == 0);
}

/* Shared memory of a device; nearly every machine has one of these. */
void make_device(void)
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

void make_sealed(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(p != MAP_FAILED && syscall(462 /* mseal, Linux 6.10 */, p, 4096, 0) == 0);
}

/* Memory that another process, not a child of ours, has too. */
static void share(int fd)
{
	int flags = MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0);

	need(mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags, fd, 0) != MAP_FAILED);
	if (fork() == 0) {
		if (fork() != 0)
			_exit(0);
		for (;;)
			pause();
	}
	wait(NULL);
	close(fd);
}

void make_shared_memfd(void)
{
	int fd = memfd_create("shared", 0);

	need(fd >= 0 && ftruncate(fd, 4096) == 0);
	share(fd);
}

void make_shared_deleted(void)
{
	char name[] = "/tmp/reprise-refuse-XXXXXX";
	int fd = mkstemp(name);

	need(fd >= 0 && ftruncate(fd, 4096) == 0 && unlink(name) == 0);
	share(fd);
}

void make_shared_anonymous(void)
{
	share(-1);
}

/* All that it may lock is locked, and so would be what it maps. */
void make_at_memlock(void)
{
	struct rlimit limit = { 0 };
	char line[256];
	FILE *f;

	need(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
	f = fopen("/proc/self/status", "r");
	need(f != NULL);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, "VmLck:", 6) == 0)
			limit.rlim_cur = limit.rlim_max = strtoul(line + 6, NULL, 10) * 1024;
	fclose(f);
	need(setrlimit(RLIMIT_MEMLOCK, &limit) == 0 && setresuid(65534, 65534, 65534) == 0);
	need(mmap(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
}
