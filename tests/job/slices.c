/* SPDX-License-Identifier: BSD-3-Clause
 *
 * slices DIR STEPS: four ranks. Rank 1 is inside a collective and waits for rank 0; rank 0 waits for a file, which rank 2
 * makes only after a collective with rank 3 that both enter late. So nearly always somebody who has to run on waits for somebody of
 * whom MPI knows nothing. Prints "step N" every ten steps and a sum that does not depend on timing.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int steps = argc > 2 ? atoi(argv[2]) : 10, rank, size;
	char path[4096];
	MPI_Comm pair; /* {0, 1} and {2, 3} */
	long total = 0;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	if (size != 4 || argc < 3)
		MPI_Abort(MPI_COMM_WORLD, 2);
	MPI_Comm_split(MPI_COMM_WORLD, rank / 2, rank, &pair);
	for (int k = 1; k <= steps; k++) {
		int mine = k * (rank + 1), sum;

		snprintf(path, sizeof(path), "%s/file.%d", argv[1], k);
		while (rank == 0 && unlink(path))
			usleep(500);
		if (rank >= 2)
			usleep(40000);
		MPI_Allreduce(&mine, &sum, 1, MPI_INT, MPI_SUM, pair);
		total += sum;
		if (rank == 2)
			fclose(fopen(path, "w"));
		if (rank == 0 && k % 10 == 0) {
			printf("step %d\n", k);
			fflush(stdout);
		}
	}
	MPI_Allreduce(MPI_IN_PLACE, &total, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
	if (rank == 0)
		printf("answer %d: %ld\n", steps, total);
	MPI_Comm_free(&pair);
	MPI_Finalize();
	return 0;
}
