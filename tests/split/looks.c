/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Prints what a program can see of itself and of its surroundings. The lines must be the same under Reprise and without.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static __thread int tls = 42;

static void print_file(const char *label, const char *path)
{
	char buf[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	for (ssize_t i = 0; i < n; i++)
		if (buf[i] == 0 || buf[i] == '\n')
			buf[i] = ' ';
	buf[n > 0 ? n : 0] = 0;
	printf("%s: %s\n", label, n < 0 ? strerror(errno) : buf);
	close(fd);
}

static void print_descriptors(void)
{
	struct stat st;

	printf("descriptors:");
	for (int fd = 0; fd < 256; fd++)
		if (!fstat(fd, &st))
			printf(" %d", fd);
	printf("\n");
}

/* Is there a map with this name, and does it hold the address? */
static void print_map(const char *name, const void *addr)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	char line[512];
	int yes = 0;

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, name) && sscanf(line, "%lx-%lx", &start, &end) == 2)
			yes |= (unsigned long)addr >= start && (unsigned long)addr < end;
	printf("%s holds its address: %d\n", name, yes);
	if (f)
		fclose(f);
}

static void *thread(void *arg)
{
	tls++;
	return (void *)(long)(tls + *(int *)arg);
}

static void on_signal(int sig)
{
	printf("signal %d with tls %d\n", sig, tls);
}

static void print_signals(void)
{
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, old;
	sigset_t set;

	sigaction(SIGUSR1, &act, NULL);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &old);
	printf("handler as set: %d flags %x\n", old.sa_handler == on_signal, old.sa_flags & ~0x04000000);
	printf("signal() returns the old one: %d\n", signal(SIGUSR1, SIG_IGN) == on_signal);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &old);
	printf("ignored: %d\n", old.sa_handler == SIG_IGN);
	sigprocmask(SIG_BLOCK, NULL, &set);
	for (int sig = 1; sig < 65; sig++)
		if (sigismember(&set, sig) == 1)
			printf("blocked: %d\n", sig);
}

static void print_children(void)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		execl("/bin/sh", "sh", "-c", "echo child: preload ${LD_PRELOAD-none}; exit 3", (char *)NULL);
		_exit(99);
	}
	waitpid(pid, &status, 0);
	printf("child's status: %d\n", WEXITSTATUS(status));
	printf("system: %d\n", WEXITSTATUS(system("exit 5")));
	fflush(stdout);
	pid = fork();
	if (!pid)
		kill(getpid(), SIGKILL);
	waitpid(pid, &status, 0);
	printf("child's signal: %d\n", WTERMSIG(status));
}

int main(int argc, char **argv)
{
	char exe[4096] = "", *heap = malloc(64), *big = malloc(64 << 20);
	struct timespec a, b;
	int five = 5, local;
	pthread_t t;
	void *ret;

	for (int i = 0; i < argc; i++)
		printf("argument %d: %s\n", i, argv[i]);
	printf("exe: %.*s\n", (int)readlink("/proc/self/exe", exe, sizeof(exe)), exe);
	printf("execfn: %s\n", (char *)getauxval(AT_EXECFN));
	printf("secure: %lu hwcap %lx page %lu\n", getauxval(AT_SECURE), getauxval(AT_HWCAP), getauxval(AT_PAGESZ));
	print_file("comm", "/proc/self/comm");
	print_file("cmdline", "/proc/self/cmdline");
	print_descriptors();
	print_map("[heap]", heap);
	print_map("[stack]", &local);
	printf("preload: %s\n", getenv("LD_PRELOAD") ? getenv("LD_PRELOAD") : "none");
	printf("sbrk moves: %d\n", sbrk(4096) != (void *)-1 && (memset(sbrk(0) - 4096, 1, 4096), 1));
	memset(big, 1, 64 << 20);
	clock_gettime(CLOCK_MONOTONIC, &a);
	usleep(1000);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("time passes: %d\n", b.tv_sec * 1000000000L + b.tv_nsec - a.tv_sec * 1000000000L - a.tv_nsec >= 1000000);
	printf("day: %ld\n", (long)time(NULL) / 86400);
	pthread_create(&t, NULL, thread, &five);
	pthread_join(t, &ret);
	printf("thread: %ld\n", (long)ret);
	print_signals();
	print_children();
	return argc > 1 ? atoi(argv[1]) : 0;
}
