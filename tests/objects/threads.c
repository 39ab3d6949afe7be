/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Four threads under MPI_THREAD_MULTIPLE, each on a communicator of its own, make and free types, operations, requests
 * and communicators at once. Prints the level and the number of wrong answers.
 */
#include <mpi.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

#define THREADS 4
#define ROUNDS 40

static MPI_Comm comms[THREADS];
static int rank, size, wrong[THREADS];

static void largest(void *in, void *inout, int *len, MPI_Datatype *type)
{
	for (int i = 0; i < *len; i++)
		if (((int *)in)[i] > ((int *)inout)[i])
			((int *)inout)[i] = ((int *)in)[i];
}

static void round_of(int k, int i)
{
	int right = (rank + 1) % size, left = (rank + size - 1) % size, n, x = 10 * rank + k, y = -1, from[64] = { i },
	    to[64] = { 0 };
	MPI_Request requests[2];
	MPI_Datatype type;
	MPI_Comm dup;
	MPI_Op op;

	MPI_Type_vector(2, k + 1, k + 3, MPI_INT, &type);
	MPI_Type_commit(&type);
	MPI_Type_size(type, &n);
	wrong[k] += n != 2 * (k + 1) * (int)sizeof(int);
	MPI_Op_create(largest, 1, &op);
	MPI_Allreduce(&x, &y, 1, MPI_INT, op, comms[k]);
	wrong[k] += y != 10 * (size - 1) + k;
	MPI_Op_free(&op);
	MPI_Sendrecv(from, 1, type, right, k, to, 1, type, left, k, comms[k], MPI_STATUS_IGNORE);
	wrong[k] += to[0] != i;
	MPI_Irecv(&y, 1, MPI_INT, left, 9, comms[k], &requests[0]);
	MPI_Isend(&i, 1, MPI_INT, right, 9, comms[k], &requests[1]);
	MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
	wrong[k] += y != i;
	MPI_Type_free(&type);
	if (i % 50)
		return;
	MPI_Comm_dup(comms[k], &dup);
	MPI_Barrier(dup);
	MPI_Comm_free(&dup);
}

static void *run(void *arg)
{
	int k = (int)(intptr_t)arg;

	for (int i = 0; i < ROUNDS; i++)
		round_of(k, i);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	int level, sum = 0, all;

	MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	for (int k = 0; k < THREADS; k++)
		MPI_Comm_dup(MPI_COMM_WORLD, &comms[k]);
	for (int k = 0; k < THREADS; k++)
		pthread_create(&threads[k], NULL, run, (void *)(intptr_t)k);
	for (int k = 0; k < THREADS; k++) {
		pthread_join(threads[k], NULL);
		sum += wrong[k];
	}
	MPI_Allreduce(&sum, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
	if (!rank)
		printf("level %d, wrong %d\n", level, all);
	MPI_Finalize();
	return all != 0;
}
