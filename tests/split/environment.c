/* SPDX-License-Identifier: BSD-3-Clause
 *
 * usage: environment set|unset|leave STOP [GO ASK]
 *
 * Chooses the MPI library's transport by OMPI_MCA_btl before MPI_Init, and says until the file STOP is there whether the
 * shared memory of the usual one is mapped. GO: a file that it waits for before MPI_Init; while the
 * file ASK is there it calls what is allowed there.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int has_shared_segment(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	int yes = 0;

	while (f && fgets(line, sizeof(line), f))
		yes |= !!strstr(line, "vader_segment");
	if (f)
		fclose(f);
	return yes;
}

static void wait_for(const char *path, const char *ask)
{
	char text[MPI_MAX_LIBRARY_VERSION_STRING];
	int len;

	while (access(path, F_OK)) {
		if (!access(ask, F_OK))
			MPI_Get_library_version(text, &len);
		printf("early\n");
		fflush(stdout);
		usleep(20000);
	}
}

int main(int argc, char **argv)
{
	int rank, in, out, stop = 0, all = 0;

	if (argc < 3)
		return 2;
	if (!strcmp(argv[1], "set"))
		setenv("OMPI_MCA_btl", "self,tcp", 1);
	if (!strcmp(argv[1], "unset"))
		unsetenv("OMPI_MCA_btl");
	if (argc > 4)
		wait_for(argv[3], argv[4]);
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	while (!all) {
		MPI_Sendrecv(&rank, 1, MPI_INT, !rank, 0, &in, 1, MPI_INT, !rank, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		if (in == rank)
			MPI_Abort(MPI_COMM_WORLD, 5);
		out = has_shared_segment();
		if (!rank) {
			printf("step %s\n", out ? "shared" : "tcp");
			fflush(stdout);
		}
		usleep(20000);
		stop = !access(argv[2], F_OK);
		MPI_Allreduce(&stop, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
	}
	MPI_Finalize();
	return 0;
}
