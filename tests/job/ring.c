/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ring STEPS [STOPFILE]: an MPI job whose answer depends on every message: each step shifts a vector round the ring, mixes
 * it and sums over all ranks. About 500 steps a second at most; prints "step N" every 25 steps and at the end "answer
 * STEPS VALUE". With STOPFILE it ends after the step at which rank 0 finds that file.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define N 2000

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15UL;
	return x ^ x >> 29;
}

int main(int argc, char **argv)
{
	static uint64_t mine[N], theirs[N];
	int steps = argc > 1 ? atoi(argv[1]) : 100, rank, size, stop = 0, i;
	uint64_t sum = 0, total = 0;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	for (i = 0; i < N; i++)
		mine[i] = mix((uint64_t)rank * N + i + 1);
	for (i = 0; i < steps && !stop; i++) {
		const struct timespec pause = { 0, 2000000 };
		MPI_Request r[2];

		MPI_Irecv(theirs, N, MPI_UINT64_T, (rank + size - 1) % size, i % 100, MPI_COMM_WORLD, &r[0]);
		MPI_Isend(mine, N, MPI_UINT64_T, (rank + 1) % size, i % 100, MPI_COMM_WORLD, &r[1]);
		if (argc > 2 || steps < 10000)
			nanosleep(&pause, NULL);
		MPI_Waitall(2, r, MPI_STATUSES_IGNORE);
		for (int k = 0; k < N; k++)
			mine[k] = mix(mine[k] + theirs[k] + (uint64_t)i);
		sum = mine[i % N];
		MPI_Allreduce(&sum, &total, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
		mine[i % N] ^= total;
		if (rank == 0 && argc > 2)
			stop = access(argv[2], F_OK) == 0;
		MPI_Bcast(&stop, 1, MPI_INT, 0, MPI_COMM_WORLD);
		if (rank == 0 && i % 25 == 24) {
			printf("step %d\n", i + 1);
			fflush(stdout);
		}
	}
	if (rank == 0)
		printf("answer %d %016llx\n", i, (unsigned long long)total);
	MPI_Finalize();
	return 0;
}
