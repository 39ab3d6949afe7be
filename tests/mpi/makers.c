/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Threads that make communicators of the same group at once (MPI_THREAD_MULTIPLE), told apart by tag alone. Each rank
 * counts the calls in an order of its own; all have to agree on which is which. Some stay and are used later, after a
 * checkpoint, each thread as often as it likes. Any number of ranks.
 *
 * usage: makers [ROUNDS]
 */
#include <mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 3
#define KEPT 4

static MPI_Group all;
static int rank, size, rounds = 100;
static long total[THREADS];

static long use(MPI_Comm comm, int thread, int value)
{
	int sum = 0;

	for (int i = 0; i <= thread; i++)
		MPI_Allreduce(&value, &sum, 1, MPI_INT, MPI_SUM, comm);
	return sum;
}

static void *work(void *arg)
{
	int thread = (int)(long)arg;
	MPI_Comm kept[KEPT];
	long *sum = &total[thread];

	for (int round = 0; round < rounds + KEPT; round++) {
		MPI_Comm *comm = &kept[round % KEPT];

		if (round >= KEPT) {
			*sum = *sum * 31 + use(*comm, thread, round * size + rank);
			MPI_Comm_free(comm);
		}
		if (round < rounds)
			MPI_Comm_create_group(MPI_COMM_WORLD, all, thread, comm);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	int level;

	if (argc > 1)
		rounds = atoi(argv[1]);
	MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
	if (level != MPI_THREAD_MULTIPLE)
		MPI_Abort(MPI_COMM_WORLD, 2);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	MPI_Comm_group(MPI_COMM_WORLD, &all);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	MPI_Allreduce(MPI_IN_PLACE, total, THREADS, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
	if (rank == 0)
		printf("makers %d: %lx %lx %lx\n", rounds, total[0], total[1], total[2]);
	MPI_Group_free(&all);
	MPI_Finalize();
	return 0;
}
