/* SPDX-License-Identifier: BSD-3-Clause
 *
 * attributes DIR: two ranks. Rank 1 changes what it was given: nice, umask, limits, OOM score, process group, and its second
 * thread's CPUs. Both then write what they have into DIR/N.R whenever DIR/show-N appears (N counts from 1), with a collective in
 * each step, until DIR/stop.
 */
#include <mpi.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static volatile int chosen; /* by the second thread */
static volatile unsigned long cpus_of_second;

static unsigned long cpus(void)
{
	cpu_set_t set;
	unsigned long bits = 0;

	sched_getaffinity(0, sizeof(set), &set);
	for (int i = 0; i < 64; i++)
		bits |= (unsigned long)(CPU_ISSET(i, &set) != 0) << i;
	return bits;
}

static void nap(void)
{
	const struct timespec pause = { 0, 10000000 };

	nanosleep(&pause, NULL);
}

static void *second(void *arg)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (arg)
		sched_setaffinity(0, sizeof(set), &set);
	for (chosen = 1;; nap())
		cpus_of_second = cpus();
	return NULL;
}

static void limit(int which, long cur)
{
	struct rlimit lim;

	getrlimit(which, &lim);
	lim.rlim_cur = cur;
	setrlimit(which, &lim);
}

static void change(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "w");

	fprintf(f, "321\n");
	fclose(f);
	setpriority(PRIO_PROCESS, 0, 7);
	umask(027);
	limit(RLIMIT_FSIZE, 65536); /* less than MPI's own shared memory needs */
	limit(RLIMIT_NOFILE, 700);
	setpgid(0, 0);
}

static void show(const char *dir, int n, int rank)
{
	struct rlimit fsize, nofile, core;
	char path[4096], oom[16] = "";
	FILE *f = fopen("/proc/self/oom_score_adj", "r");
	mode_t mask = umask(0);

	umask(mask);
	if (!f || !fgets(oom, sizeof(oom), f))
		exit(1);
	fclose(f);
	getrlimit(RLIMIT_FSIZE, &fsize);
	getrlimit(RLIMIT_NOFILE, &nofile);
	getrlimit(RLIMIT_CORE, &core);
	snprintf(path, sizeof(path), "%s/new-%d.%d", dir, n, rank);
	f = fopen(path, "w");
	fprintf(f, "nice %d umask %03o fsize %ld nofile %ld core %ld group %s cpus %lx second %lx oom %s",
		getpriority(PRIO_PROCESS, 0), (unsigned)mask, (long)fsize.rlim_cur, (long)nofile.rlim_cur,
		(long)core.rlim_cur, getpgrp() == getpid() ? "own" : "other", cpus(), cpus_of_second, oom);
	fclose(f);
	snprintf(oom, sizeof(oom), "%d.%d", n, rank);
	snprintf(path, sizeof(path), "%s/new-%s", dir, oom);
	if (chdir(dir) || rename(path, oom))
		exit(1);
}

static int there(const char *dir, const char *name, int n)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s%.0d", dir, name, n);
	return access(path, F_OK) == 0;
}

int main(int argc, char **argv)
{
	int rank, n = 1, word = 0;
	pthread_t t;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	pthread_create(&t, NULL, second, rank == 1 ? "" : NULL);
	if (rank == 1)
		change();
	while (!chosen || word >= 0) {
		if (rank == 0)
			word = there(argv[1], "stop", 0) ? -1 : there(argv[1], "show-", n) ? n : 0;
		MPI_Bcast(&word, 1, MPI_INT, 0, MPI_COMM_WORLD);
		for (int i = 0; word > 0 && i < 5; i++)
			nap(); /* the second thread has looked since */
		if (word > 0)
			show(argv[1], n++, rank);
		nap();
	}
	MPI_Finalize();
	return 0;
}
