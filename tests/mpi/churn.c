/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Objects made and freed in a loop: nothing may grow, neither memory nor what a checkpoint has to look at, and nothing may run
 * out. An even number of ranks.
 *
 * usage: churn [ITERATIONS]
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define GROWTH_KIB 4096

static int rank;

/* Writable memory of this process without what MPI shares and what the lower half has: the heap and the stub's own. */
static long memory_kib(void)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long start = 0;
	long sum = 0, kib;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%*x ", &start) == 1)
			continue;
		if (sscanf(line, "Anonymous: %ld", &kib) == 1 && start >> 40 != 0x30)
			sum += kib;
	}
	if (f)
		fclose(f);
	return sum;
}

static void double_it(void *in, void *inout, int *len, MPI_Datatype *type)
{
	(void)type;
	for (int i = 0; i < *len; i++)
		((int *)inout)[i] += ((int *)in)[i];
}

static long one_of_each(int i)
{
	MPI_Comm dup, half, grouped, inter, alone;
	MPI_Group group;
	MPI_Datatype vector, twice;
	MPI_Request r[2];
	MPI_Info info;
	MPI_Op op;
	int in = i + rank, out = 0, sum = 0, tag = i % 30000;

	MPI_Comm_dup(MPI_COMM_WORLD, &dup);
	MPI_Comm_split(dup, rank, 0, &half);
	MPI_Comm_group(dup, &group);
	MPI_Comm_create_group(MPI_COMM_WORLD, group, tag, &grouped);
	MPI_Comm_dup(MPI_COMM_SELF, &alone);
	MPI_Intercomm_create(alone, 0, MPI_COMM_WORLD, rank ^ 1, tag, &inter);
	MPI_Type_vector(2, 1, 2, MPI_INT, &vector);
	MPI_Type_contiguous(2, vector, &twice);
	MPI_Type_commit(&twice);
	MPI_Type_free(&vector);
	MPI_Info_create(&info);
	MPI_Info_set(info, "key", "value");
	MPI_Op_create(double_it, 1, &op);
	MPI_Irecv(&out, 1, MPI_INT, rank ^ 1, tag, grouped, &r[0]);
	MPI_Isend(&in, 1, MPI_INT, rank ^ 1, tag, grouped, &r[1]);
	MPI_Waitall(2, r, MPI_STATUSES_IGNORE);
	MPI_Allreduce(&out, &sum, 1, MPI_INT, op, dup);
	MPI_Op_free(&op);
	MPI_Info_free(&info);
	MPI_Type_free(&twice);
	MPI_Comm_free(&inter);
	MPI_Comm_free(&alone);
	MPI_Comm_free(&grouped);
	MPI_Group_free(&group);
	MPI_Comm_free(&half);
	MPI_Comm_free(&dup);
	return sum;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1000, grown;
	long total = 0, before = 0;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	for (int i = 0; i < n; i++) {
		if (i == n / 10)
			before = memory_kib();
		total = total * 31 + one_of_each(i);
	}
	grown = memory_kib() - before > GROWTH_KIB;
	if (grown)
		fprintf(stderr, "churn: rank %d: %ld KiB, then %ld\n", rank, before, memory_kib());
	MPI_Allreduce(MPI_IN_PLACE, &grown, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
	if (rank == 0)
		printf("churn %d: %lx, grown %d\n", n, total, grown);
	MPI_Finalize();
	return grown;
}
