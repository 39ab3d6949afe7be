/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A user's LD_PRELOAD in front of the MPI library, as profilers have it: says that MPI_Init was called, and calls it.
 */
#include <stdio.h>

int PMPI_Init(int *argc, char ***argv);
int MPI_Init(int *argc, char ***argv);

int MPI_Init(int *argc, char ***argv)
{
	printf("profiled\n");
	fflush(stdout);
	return PMPI_Init(argc, argv);
}
