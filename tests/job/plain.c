/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A program without MPI for launchers: says who it is, then does what its first argument says.
 *	exit N | die SIGNAL | cat | count N (five a second) | wait (until SIGUSR1 came three times, reporting each)
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t usr1;

static void on_usr1(int sig)
{
	usr1++;
}

static void nap(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t))
		;
}

static int wait_for_signals(void)
{
	int seen = 0;

	for (int i = 0; i < 600 && seen < 3; i++) {
		nap(50);
		for (; seen < usr1; seen++)
			printf("usr1 %d\n", seen + 1);
	}
	nap(200); /* one too many would be seen now */
	return usr1 == 3 ? 0 : 1;
}

static int copy_input(void)
{
	char line[256];

	while (fgets(line, sizeof(line), stdin))
		printf("got %s", line);
	fprintf(stderr, "end of input\n");
	return 0;
}

int main(int argc, char **argv)
{
	const char *rank = getenv("OMPI_COMM_WORLD_RANK");
	const char *what = argc > 1 ? argv[1] : "exit";
	int n = argc > 2 ? atoi(argv[2]) : 0;

	signal(SIGUSR1, on_usr1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!rank)
		rank = getenv("PMI_RANK");
	printf("rank %s pid %d group %d parent %d\n", rank ? rank : "-", getpid(), getpgrp(), getppid());
	if (!strcmp(what, "die")) {
		raise(n);
		return 1;
	}
	if (!strcmp(what, "cat"))
		return copy_input();
	if (!strcmp(what, "wait"))
		return wait_for_signals();
	if (!strcmp(what, "count")) {
		for (int i = 0; i < n; i++) {
			printf("count %s %d\n", rank ? rank : "-", i);
			nap(200);
		}
		return 0;
	}
	return n;
}
