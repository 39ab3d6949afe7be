/* SPDX-License-Identifier: BSD-3-Clause
 *
 * usage: foreign [WAIT]
 *
 * Programs that `reprise rank` has to name, or to make its own: built statically with an MPI_Init of its own, or against a
 * library of another name or one that is needed by its path. Says with its status whose MPI_Init it got: 9, or 0 from
 * Reprise; 8: it has no standard input. WAIT: a file that it waits for in between.
 */
#include <fcntl.h>
#include <unistd.h>

int MPI_Init(int *argc, char ***argv);
int MPI_Finalize(void);

#ifdef WITH_INIT
int MPI_Init(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 9;
}

int MPI_Finalize(void)
{
	return 0;
}
#endif

#ifndef NO_MAIN
int main(int argc, char **argv)
{
	int r = MPI_Init(&argc, &argv);

	while (argc > 1 && access(argv[1], F_OK))
		usleep(10000);
	MPI_Finalize();
	return fcntl(0, F_GETFD) < 0 ? 8 : r;
}
#endif
