/* SPDX-License-Identifier: BSD-3-Clause
 *
 * seccomp: two filters of the whole process, a third of one thread, a thread in strict mode's spirit whose filter kills
 * nearly everything, also the calls that a restore ends with.
 */
#include "load.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static volatile int go, jailed, special;

static void answer(int nr, uint32_t action)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(f) / sizeof(f[0]), f };

	MUST(!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
}

/* Only what this thread needs: a sleep and its end. */
static void jail(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_nanosleep, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_restart_syscall, 3, 0), /* any stop leads to it */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 2),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = { sizeof(f) / sizeof(f[0]), f };

	MUST(!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
}

static long raw(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return ret;
}

static void *jailed_thread(void *arg)
{
	struct timespec nap = { 0, 2000000 };

	(void)arg;
	jail();
	jailed = 1;
	while (!go)
		raw(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, (long)&nap, 0);
	jailed = raw(SYS_getppid, 0, 0, 0, 0) == -EDOM ? 2 : 3;
	for (;;)
		raw(SYS_exit, 0, 0, 0, 0);
	__builtin_unreachable();
}

static void *special_thread(void *arg)
{
	answer(SYS_getpriority, SECCOMP_RET_ERRNO | EXDEV);
	special = 1;
	while (!go)
		load_sleep_ms(2);
	CHECK(getpriority(PRIO_PROCESS, 0) == -1 && errno == EXDEV);
	CHECK(syscall(SYS_getsid, 0) == -1 && errno == EBADE);
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t jail_thread, t;

	load_begin(argc, argv);
	MUST(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	answer(SYS_getsid, SECCOMP_RET_ERRNO | EPERM);
	answer(SYS_getsid, SECCOMP_RET_ERRNO | EBADE); /* the same action: the later one counts */
	answer(SYS_munmap, SECCOMP_RET_ERRNO | EXFULL);
	MUST(!pthread_create(&t, NULL, special_thread, NULL));
	MUST(!pthread_create(&jail_thread, NULL, jailed_thread, NULL));
	while (!jailed || !special)
		load_sleep_ms(1);

	load_ready();

	CHECK_EQ(prctl(PR_GET_SECCOMP), SECCOMP_MODE_FILTER);
	CHECK(syscall(SYS_getsid, 0) == -1 && errno == EBADE);
	CHECK(munmap(load_dir, 4096) == -1 && errno == EXFULL);
	CHECK(getpriority(PRIO_PROCESS, 0) != -1);
	go = 1;
	while (jailed == 1)
		load_sleep_ms(1);
	CHECK_EQ(jailed, 2);
	CHECK(!pthread_join(t, NULL));
	return load_end();
}
