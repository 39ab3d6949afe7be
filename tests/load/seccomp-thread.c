/* SPDX-License-Identifier: BSD-3-Clause
 *
 * seccomp in threads other than the first only: one in strict mode, one under a filter that kills for what a dump and a restore
 * make a thread do.
 */
#include "load.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>

static int to_thread[2][2], from_thread[2];

static long raw(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}

/* Reads a byte and writes it on: all that is allowed. */
static void pass_on(int from) __attribute__((noreturn));
static void pass_on(int from)
{
	char c = 0;

	raw(SYS_read, from, (long)&c, 1);
	raw(SYS_write, from_thread[1], (long)&c, 1);
	for (;;)
		raw(SYS_exit, 0, 0, 0);
}

static void *strict_thread(void *arg)
{
	(void)arg;
	MUST(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
	pass_on(to_thread[0][0]);
}

static void *filtered_thread(void *arg)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = { sizeof(f) / sizeof(f[0]), f };

	(void)arg;
	MUST(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MUST(!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
	pass_on(to_thread[1][0]);
}

/* Is a thread of ours in this mode? */
static int has_mode(const char *mode)
{
	char line[256];
	int found = 0;
	FILE *f = popen("cat /proc/$PPID/task/*/status", "r");

	while (f && fgets(line, sizeof(line), f))
		found += !strncmp(line, "Seccomp:", 8) && strstr(line, mode);
	pclose(f);
	return found;
}

int main(int argc, char **argv)
{
	pthread_t strict, filtered;
	char c;

	load_begin(argc, argv);
	MUST(!pipe(to_thread[0]) && !pipe(to_thread[1]) && !pipe(from_thread));
	MUST(!pthread_create(&strict, NULL, strict_thread, NULL) &&
	     !pthread_create(&filtered, NULL, filtered_thread, NULL));
	while (!has_mode("1") || !has_mode("2"))
		load_sleep_ms(5);
	load_sleep_ms(20);
	load_ready();

	CHECK_EQ(prctl(PR_GET_SECCOMP), SECCOMP_MODE_DISABLED);
	CHECK(has_mode("1") && has_mode("2"));
	for (int i = 0; i < 2; i++)
		CHECK(write(to_thread[i][1], "ab" + i, 1) == 1 && read(from_thread[0], &c, 1) == 1 && c == 'a' + i);
	return load_end();
}
