/* SPDX-License-Identifier: BSD-3-Clause
 *
 * actor DIR: a rank with a second thread that goes on until rank 0 finds DIR/do, whose first word says how it ends:
 *	exit    MPI_Finalize, status 3
 *	die     the last rank dies of SIGSEGV
 *	cat     rank 0 copies the rest of its standard input as "got LINE", then as exit
 * At the start rank 0 reads one line of standard input when DIR/readline exists. Each step looks at all clocks that must
 * never run backwards. Prints "rank R pid P", "tick N" (rank 0, twenty a second), "usr1 N" per SIGUSR1, and a last line "ends"
 * on standard error. Without MPI (WITHOUT_MPI) every rank looks for itself.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef WITHOUT_MPI
static int rank, size = 2;

static void start(int *argc, char ***argv)
{
	rank = atoi(getenv("OMPI_COMM_WORLD_RANK") ? getenv("OMPI_COMM_WORLD_RANK") : "0");
}
static double wtime(void)
{
	return 0;
}
static void share(char *word, int n)
{
}
static void end(void)
{
}
#else
#include <mpi.h>
static int rank, size;

static void start(int *argc, char ***argv)
{
	int got;

	MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &got);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
}
static double wtime(void)
{
	return MPI_Wtime();
}
static void share(char *word, int n)
{
	MPI_Bcast(word, n, MPI_CHAR, 0, MPI_COMM_WORLD);
}
static void end(void)
{
	MPI_Finalize();
}
#endif

static volatile sig_atomic_t usr1;

static void on_usr1(int sig)
{
	usr1++;
}

/* 0, or the number of the first clock that ran backwards. */
static int look_at_clocks(void)
{
	static const clockid_t id[] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME };
	static _Thread_local struct timespec last[4];
	static _Thread_local double last_wtime;
	double now_wtime = wtime();

	for (int i = 0; i < 4; i++) {
		struct timespec now;

		clock_gettime(id[i], &now);
		if (now.tv_sec < last[i].tv_sec || (now.tv_sec == last[i].tv_sec && now.tv_nsec < last[i].tv_nsec))
			return i + 1;
		last[i] = now;
	}
	if (now_wtime < last_wtime)
		return 5;
	last_wtime = now_wtime;
	return 0;
}

static void *second_thread(void *arg)
{
	for (;;) {
		struct timespec pause = { 0, 20000000 };

		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void read_line(void)
{
	char c;

	while (read(0, &c, 1) == 1 && c != '\n')
		;
	printf("line read\n");
}

static void find_order(const char *path, char *word)
{
	FILE *f = fopen(path, "r");

	if (f && fscanf(f, "%15s", word) != 1)
		word[0] = 0;
	if (f)
		fclose(f);
}

static int obey(const char *word)
{
	char line[256];

	if (!strcmp(word, "die") && rank == size - 1)
		raise(SIGSEGV);
	if (!strcmp(word, "die"))
		pause();
	while (!strcmp(word, "cat") && rank == 0 && fgets(line, sizeof(line), stdin))
		printf("got %s", line);
	end();
	fprintf(stderr, "ends\n");
	return 3;
}

int main(int argc, char **argv)
{
	char path[4096], word[16] = "";
	struct sigaction sa = { .sa_handler = on_usr1 };
	pthread_t thread;
	int told = 0, bad;

	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGUSR1, &sa, NULL);
	start(&argc, &argv);
	if (pthread_create(&thread, NULL, second_thread, NULL))
		return 1;
	printf("rank %d pid %d\n", rank, getpid());
	snprintf(path, sizeof(path), "%s/readline", argv[1]);
	if (rank == 0 && access(path, F_OK) == 0)
		read_line();
	snprintf(path, sizeof(path), "%s/do", argv[1]);
	for (int n = 0;; n++) {
		struct timespec pause = { 0, 50000000 };

		if (rank == 0)
			printf("tick %d\n", n);
		nanosleep(&pause, NULL);
		for (; told < usr1; told++)
			printf("usr1 %d\n", told + 1);
		bad = look_at_clocks();
		if (bad) {
			printf("clock %d ran backwards\n", bad);
			return 1;
		}
		if (rank == 0 || size == 0)
			find_order(path, word);
#ifdef WITHOUT_MPI
		find_order(path, word);
#endif
		share(word, sizeof(word));
		if (word[0])
			return obey(word);
	}
}
