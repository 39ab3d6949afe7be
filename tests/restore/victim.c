/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A process that counts the signals it gets. argv[1]: file for its pid, written when it is ready. Lines go to standard
 * output. SIGTERM: says what it counted and exits with 42. It has a second thread, so that ids matter.
 * "--wait FILE": waits for a child that it did not make and writes "PID STATUS".
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
