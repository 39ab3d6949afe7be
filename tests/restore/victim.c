/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A process that counts the signals it gets. argv[1]: file for its pid, written when it is ready. Lines go to standard
 * output. SIGTERM: says what it counted and exits with 42. It has a second thread, so that ids matter.
 * argv[2] "filtered": under a seccomp filter. "--wait FILE": waits for a child that it did not make and writes "PID STATUS".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t count[65], stop;

static void on_signal(int sig)
{
	count[sig]++;
	if (sig == SIGTERM)
		stop = 1;
}

static void *idle(void *arg)
{
	pid_t tid = gettid();

	while (!stop)
		usleep(10000);
	*(int *)arg = gettid() == tid;
	return NULL;
}

static int wait_for_child(const char *name)
{
	FILE *f = fopen(name, "w");
	int status;
	pid_t pid = wait(&status);

	if (!f)
		return 1;
	fprintf(f, "%d %d\n", pid, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
	return fclose(f) != 0;
}

/* A filter that allows everything it needs. */
static void set_filter(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 0, 1), /* a restorer's last call */
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(f) / sizeof(f[0]), f };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
		_exit(9);
}

int main(int argc, char **argv)
{
	static const int counted[] = { SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP, SIGWINCH };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pid_t me = getpid();
	pthread_t thread;
	char line[128];
	int fd, same = 0;

	if (argc > 2 && !strcmp(argv[1], "--wait"))
		return wait_for_child(argv[2]);
	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++)
		sigaction(counted[i], &sa, NULL);
	if (argc > 2 && !strcmp(argv[2], "filtered"))
		set_filter();
	pthread_create(&thread, NULL, idle, &same);
	fd = open(argc > 1 ? argv[1] : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	dprintf(fd, "%d\n", me);
	close(fd);
	while (!stop)
		usleep(5000);
	pthread_join(thread, NULL);
	snprintf(line, sizeof(line), "usr1 %d usr2 %d cont %d tstp %d pid %s tid %s\n", count[SIGUSR1], count[SIGUSR2],
		 count[SIGCONT], count[SIGTSTP], getpid() == me ? "same" : "other", same ? "same" : "other");
	if (write(1, line, strlen(line)) < 0)
		return 1;
	return 42;
}
