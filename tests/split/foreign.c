/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Programs that `reprise rank` has to name: built statically with an MPI_Init of its own, or against a library of another
 * name or one that is needed by its path.
 */
int MPI_Init(int *argc, char ***argv);

#ifdef WITH_INIT
int MPI_Init(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}
#endif

#ifndef NO_MAIN
int main(int argc, char **argv)
{
	return MPI_Init(&argc, &argv);
}
#endif
