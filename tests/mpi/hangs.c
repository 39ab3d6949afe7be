/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The case that hangs with a plain collective clock. Four ranks: B is inside an Allreduce and waits for A; A waits for C;
 * C stands at an Allreduce with D that D has not reached, and what A waits for comes after it.
 *
 * usage: hangs recv|test|iprobe|send|inter|file [ITERATIONS]      how A waits for C (inter: in MPI_Intercomm_create, whose
 * other leader is C; file: for a file that C makes, which MPI does not see); prints a sum that does not depend on timing
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LARGE (1 << 18) /* ints: a rendezvous message */

static char file[256];

static const char *file_of(int k)
{
	static char name[300];

	snprintf(name, sizeof(name), "%s.%d", file, k);
	return name;
}

static void wait_for_c(const char *form, int k, int *buf)
{
	MPI_Request request;
	int flag = 0;

	buf[0] = k;
	if (!strcmp(form, "recv")) {
		MPI_Recv(buf, 1, MPI_INT, 2, 7, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	} else if (!strcmp(form, "test")) {
		MPI_Irecv(buf, 1, MPI_INT, 2, 7, MPI_COMM_WORLD, &request);
		while (!flag)
			MPI_Test(&request, &flag, MPI_STATUS_IGNORE);
	} else if (!strcmp(form, "iprobe")) {
		while (!flag)
			MPI_Iprobe(2, 7, MPI_COMM_WORLD, &flag, MPI_STATUS_IGNORE);
		MPI_Recv(buf, 1, MPI_INT, 2, 7, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	} else if (!strcmp(form, "inter")) {
		buf[0] = 3 * k; /* bridge() comes first */
	} else if (!strcmp(form, "file")) {
		while (unlink(file_of(k)))
			usleep(200);
		buf[0] = 3 * k;
	} else {
		MPI_Send(buf, LARGE, MPI_INT, 2, 7, MPI_COMM_WORLD);
		buf[0] = 3 * k;
	}
}

static void serve_a(const char *form, int k, int *buf)
{
	buf[0] = 3 * k;
	if (!strcmp(form, "send"))
		MPI_Recv(buf, LARGE, MPI_INT, 0, 7, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	else if (!strcmp(form, "inter"))
		return;
	else if (!strcmp(form, "file"))
		fclose(fopen(file_of(k), "w"));
	else
		MPI_Send(buf, 1, MPI_INT, 0, 7, MPI_COMM_WORLD);
}

/* {A, B} come before their Allreduce, {C, D} after theirs. */
static void bridge(MPI_Comm pair, int rank, int k)
{
	MPI_Comm inter;

	MPI_Intercomm_create(pair, 0, MPI_COMM_WORLD, rank < 2 ? 2 : 0, k % 1000, &inter);
	MPI_Comm_free(&inter);
}

int main(int argc, char **argv)
{
	const char *form = argc > 1 ? argv[1] : "recv";
	int iterations = argc > 2 ? atoi(argv[2]) : 100, rank, size, sum;
	int *buf = calloc(LARGE, sizeof(*buf));
	long total = 0;
	MPI_Comm pair; /* {A, B} and {C, D} */

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	if (size != 4 || !buf) {
		fprintf(stderr, "hangs: wants four ranks\n");
		MPI_Abort(MPI_COMM_WORLD, 2);
	}
	if (rank == 0)
		snprintf(file, sizeof(file), "%s/hangs-%d", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", getpid());
	MPI_Bcast(file, sizeof(file), MPI_CHAR, 0, MPI_COMM_WORLD);
	MPI_Comm_split(MPI_COMM_WORLD, rank / 2, rank, &pair);
	for (int k = 1; k <= iterations; k++) {
		if (!strcmp(form, "inter") && rank < 2)
			bridge(pair, rank, k);
		if (rank == 0)
			wait_for_c(form, k, buf);
		if (rank == 3)
			usleep(3000);
		MPI_Allreduce(rank ? &k : buf, &sum, 1, MPI_INT, MPI_SUM, pair);
		total += sum;
		if (rank == 2) {
			serve_a(form, k, buf);
			total += buf[0];
		}
		if (!strcmp(form, "inter") && rank >= 2)
			bridge(pair, rank, k);
	}
	MPI_Allreduce(MPI_IN_PLACE, &total, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
	if (rank == 0)
		printf("hangs %s %d: %ld\n", form, iterations, total);
	MPI_Comm_free(&pair);
	MPI_Finalize();
	free(buf);
	return 0;
}
