/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Threads that all communicate (MPI_THREAD_MULTIPLE) while checkpoints are taken: each has a communicator of its own for
 * collectives, all share one for messages, told apart by tag. Any number of ranks.
 *
 * usage: threads [ROUNDS]
 */
#include <mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 3
#define LARGE 20000

static MPI_Comm own[THREADS];
static int rank, size, rounds = 100;
static long total[THREADS];

static long exchange(int thread, int round, int *big, int *in)
{
	int right = (rank + 1) % size, left = (rank + size - 1) % size, n = round % 7 ? 1 + round % 100 : LARGE,
	    flag = 0;
	MPI_Request r[2];
	MPI_Status st;

	big[0] = round + rank;
	big[n - 1] = round * 3 + rank;
	MPI_Irecv(in, LARGE, MPI_INT, left, thread, MPI_COMM_WORLD, &r[0]);
	if (round % 3 == 0)
		MPI_Issend(big, n, MPI_INT, right, thread, MPI_COMM_WORLD, &r[1]);
	else
		MPI_Isend(big, n, MPI_INT, right, thread, MPI_COMM_WORLD, &r[1]);
	if (round % 2) {
		MPI_Waitall(2, r, MPI_STATUSES_IGNORE);
	} else {
		while (!flag)
			MPI_Testall(2, r, &flag, MPI_STATUSES_IGNORE);
	}
	MPI_Send(big, 1, MPI_INT, right, THREADS + thread, MPI_COMM_WORLD);
	MPI_Probe(left, THREADS + thread, MPI_COMM_WORLD, &st);
	MPI_Recv(big + 1, 1, MPI_INT, st.MPI_SOURCE, st.MPI_TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	return in[0] + in[n - 1] + big[1];
}

static void *work(void *arg)
{
	int thread = (int)(long)arg, sum;
	int *big = calloc(LARGE, sizeof(int)), *in = calloc(LARGE, sizeof(int));

	for (int round = 0; round < rounds; round++) {
		total[thread] = total[thread] * 31 + exchange(thread, round, big, in);
		if (round % (thread + 2) == 0) {
			MPI_Allreduce(&round, &sum, 1, MPI_INT, MPI_SUM, own[thread]);
			total[thread] += sum;
		}
	}
	free(big);
	free(in);
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
	for (int i = 0; i < THREADS; i++)
		MPI_Comm_dup(MPI_COMM_WORLD, &own[i]);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	MPI_Allreduce(MPI_IN_PLACE, total, THREADS, MPI_LONG, MPI_BXOR, MPI_COMM_WORLD);
	if (rank == 0)
		printf("threads %d: %lx %lx %lx\n", rounds, total[0], total[1], total[2]);
	for (int i = 0; i < THREADS; i++)
		MPI_Comm_free(&own[i]);
	MPI_Finalize();
	return 0;
}
