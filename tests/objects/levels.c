/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A job whose ranks ask for different levels of threads, as those of different programs may: the communicators that they
 * make together carry what is sent on them and nothing else. Prints the number of wrong answers.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 20

static int rank, size;

static int wrong_on(MPI_Comm comm, int root)
{
	int value = rank == root ? 1234 : 0, sum = 0, one = 1;

	MPI_Bcast(&value, 1, MPI_INT, root, comm);
	MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, comm);
	return (value != 1234) + (sum != size);
}

int main(int argc, char **argv)
{
	const char *own = getenv("OMPI_COMM_WORLD_RANK");
	int level, wrong = 0, all, other;
	MPI_Comm comm, half, inter, merged;
	MPI_Group group;

	MPI_Init_thread(&argc, &argv, own && atoi(own) % 2 ? MPI_THREAD_SINGLE : MPI_THREAD_MULTIPLE, &level);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	MPI_Comm_group(MPI_COMM_WORLD, &group);
	MPI_Comm_split(MPI_COMM_WORLD, rank < size / 2, rank, &half);
	other = rank < size / 2 ? size / 2 : 0;
	for (int i = 0; i < ROUNDS; i++) {
		MPI_Comm_create_group(MPI_COMM_WORLD, group, i, &comm);
		wrong += wrong_on(comm, i % size);
		MPI_Comm_free(&comm);
		MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, other, i, &inter);
		MPI_Intercomm_merge(inter, rank >= size / 2, &merged);
		wrong += wrong_on(merged, i % size);
		MPI_Comm_free(&merged);
		MPI_Comm_free(&inter);
	}
	MPI_Allreduce(&wrong, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
	if (!rank)
		printf("wrong %d\n", all);
	MPI_Comm_free(&half);
	MPI_Group_free(&group);
	MPI_Finalize();
	return all != 0;
}
