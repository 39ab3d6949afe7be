/* SPDX-License-Identifier: BSD-3-Clause
 *
 * moments DIR: waits at each step of an MPI program's life until a file says go: DIR/init-R before MPI_Init, DIR/work-R after it,
 * DIR/final-R before MPI_Finalize, DIR/exit-R after it. Says where it is: "R before", "R up", "R worked SUM", "R final", "R after".
 * Uses numbers of every clock before MPI_Init and after.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char *dir;
static int rank;

static void wait_for(const char *what)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s-%d", dir, what, rank);
	while (access(path, F_OK)) {
		const struct timespec pause = { 0, 10000000 };

		nanosleep(&pause, NULL);
	}
}

int main(int argc, char **argv)
{
	int size, sum = 0, mine;

	dir = argv[1];
	rank = atoi(getenv("OMPI_COMM_WORLD_RANK"));
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%d before\n", rank);
	wait_for("init");
	MPI_Init(&argc, &argv);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	printf("%d up\n", rank);
	wait_for("work");
	mine = rank + 40;
	MPI_Allreduce(&mine, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
	printf("%d worked %d\n", rank, sum);
	wait_for("final");
	printf("%d final\n", rank);
	MPI_Finalize();
	printf("%d after\n", rank);
	wait_for("exit");
	return 0;
}
