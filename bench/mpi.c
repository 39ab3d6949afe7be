/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What an MPI call costs: one-way latency of 8 bytes, bandwidth of 1 MiB messages, rate of small messages in windows, an
 * 8-byte Allreduce, and a nonblocking message to oneself, which needs one core only and is therefore the steadiest figure.
 * Two ranks; prints one line of numbers for mpi.py.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 64
#define MIB (1 << 20)

static int rank;
static char *buf;

/* Nanoseconds one way; the best of several blocks, so that a rank that lost its CPU does not decide. */
static double latency(int rounds)
{
	double best = 1e9;

	for (int block = 0; block < 10; block++) {
		double t = MPI_Wtime();

		for (int i = 0; i < rounds; i++) {
			if (rank == 0)
				MPI_Send(buf, 8, MPI_CHAR, 1, 0, MPI_COMM_WORLD);
			MPI_Recv(buf, 8, MPI_CHAR, 1 - rank, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
			if (rank == 1)
				MPI_Send(buf, 8, MPI_CHAR, 0, 0, MPI_COMM_WORLD);
		}
		t = (MPI_Wtime() - t) / rounds / 2 * 1e9;
		best = t < best ? t : best;
	}
	return best;
}

/* Bytes or messages per second in windows of nonblocking calls. */
static double stream(int size, int windows)
{
	static MPI_Request r[WINDOW];
	double best = 0;

	for (int block = 0; block < 8; block++) {
		double t = MPI_Wtime();

		for (int w = 0; w < windows; w++) {
			int n = size == MIB ? 8 : WINDOW;

			for (int i = 0; i < n; i++)
				if (rank == 0)
					MPI_Isend(buf + (size_t)i * (size_t)size, size, MPI_CHAR, 1, 1, MPI_COMM_WORLD,
						  &r[i]);
				else
					MPI_Irecv(buf + (size_t)i * (size_t)size, size, MPI_CHAR, 0, 1, MPI_COMM_WORLD,
						  &r[i]);
			MPI_Waitall(n, r, MPI_STATUSES_IGNORE);
			if (rank == 0)
				MPI_Recv(buf, 0, MPI_CHAR, 1, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
			else
				MPI_Send(buf, 0, MPI_CHAR, 0, 2, MPI_COMM_WORLD);
		}
		t = MPI_Wtime() - t;
		t = (size == MIB ? 8.0 * MIB : WINDOW) * windows / t;
		best = t > best ? t : best;
	}
	return best;
}

/* Nanoseconds for an Irecv, an Isend and their part of a Waitall. */
static double to_self(int windows)
{
	MPI_Request r[2 * WINDOW];
	double best = 1e9;

	for (int w = 0; w < windows; w++) {
		double t = MPI_Wtime();

		for (int i = 0; i < WINDOW; i++)
			MPI_Irecv(buf + 8 * i, 8, MPI_CHAR, 0, 3, MPI_COMM_SELF, &r[i]);
		for (int i = 0; i < WINDOW; i++)
			MPI_Isend(buf + 8 * (WINDOW + i), 8, MPI_CHAR, 0, 3, MPI_COMM_SELF, &r[WINDOW + i]);
		MPI_Waitall(2 * WINDOW, r, MPI_STATUSES_IGNORE);
		t = (MPI_Wtime() - t) / WINDOW * 1e9;
		best = t < best ? t : best;
	}
	return best;
}

static double allreduce(int rounds)
{
	double best = 1e9;

	for (int block = 0; block < 10; block++) {
		double t = MPI_Wtime(), in = rank, out;

		for (int i = 0; i < rounds; i++)
			MPI_Allreduce(&in, &out, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
		t = (MPI_Wtime() - t) / rounds * 1e9;
		best = t < best ? t : best;
	}
	return best;
}

int main(int argc, char **argv)
{
	double lat, rate, bw, red, self;
	int size;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	buf = malloc(8UL * MIB);
	if (size != 2 || !buf)
		MPI_Abort(MPI_COMM_WORLD, 2);
	memset(buf, 1, 8UL * MIB);
	latency(1000);
	lat = latency(10000);
	rate = stream(8, 500);
	stream(MIB, 4);
	bw = stream(MIB, 16);
	red = allreduce(5000);
	self = to_self(5000);
	if (rank == 0)
		printf("latency_ns %.1f rate_per_s %.0f bandwidth_MBps %.1f allreduce_ns %.1f self_ns %.1f\n", lat,
		       rate, bw / 1e6, red, self);
	MPI_Finalize();
	return 0;
}
