/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rank 0 frees a communicator and says READY; the others compute for SECONDS before they free it, too.
 *
 * usage: freed SECONDS
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 0);
	struct timespec nap = { 0, 1000000 };
	MPI_Comm dup;
	int rank;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_dup(MPI_COMM_WORLD, &dup);
	MPI_Barrier(MPI_COMM_WORLD);
	while (rank && time(NULL) < end)
		nanosleep(&nap, NULL);
	MPI_Comm_free(&dup);
	if (!rank)
		fprintf(stderr, "READY\n");
	while (!rank && time(NULL) < end)
		nanosleep(&nap, NULL);
	MPI_Barrier(MPI_COMM_WORLD);
	if (!rank)
		printf("done\n");
	MPI_Finalize();
	return 0;
}
