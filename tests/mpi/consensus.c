/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sparse exchange by nonblocking consensus (T. Hoefler, C. Siebert, A. Lumsdaine, Scalable communication protocols for
 * dynamic sparse data exchange, PPoPP 2010): synchronous sends to peers that do not expect them, then a nonblocking
 * barrier once they are complete. A synchronous send that completes too early loses messages: the sums then differ.
 *
 * usage: consensus [ROUNDS] [SEED]
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_OPEN 64

static unsigned long state;

static unsigned random_next(void)
{
	state = state * 6364136223846793005UL + 1442695040888963407UL;
	return (unsigned)(state >> 33);
}

struct sums {
	long sent, received, bytes_sent, bytes_received;
};

static void take_what_is_there(int tag, struct sums *s)
{
	static int buf[8192];
	MPI_Status status;
	int flag, n;

	MPI_Iprobe(MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &flag, &status);
	if (!flag)
		return;
	MPI_Get_count(&status, MPI_INT, &n);
	MPI_Recv(buf, n, MPI_INT, status.MPI_SOURCE, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	s->received++;
	for (int i = 0; i < n; i++)
		s->bytes_received += buf[i];
}

static void one_round(int round, int size, struct sums *s)
{
	static int data[MAX_OPEN][8192];
	MPI_Request requests[MAX_OPEN], barrier = MPI_REQUEST_NULL;
	int n = (int)(random_next() % 8), tag = round & 1, done = 0, flag;

	for (int i = 0; i < n; i++) {
		int to = (int)(random_next() % (unsigned)size);
		int len = 1 + (int)(random_next() % (random_next() % 4 ? 16 : 8000));

		for (int k = 0; k < len; k++)
			s->bytes_sent += data[i][k] = (int)(random_next() % 1000);
		MPI_Issend(data[i], len, MPI_INT, to, tag, MPI_COMM_WORLD, &requests[i]);
		s->sent++;
	}
	if (random_next() % 4 == 0)
		usleep(random_next() % 2000);
	while (!done) {
		take_what_is_there(tag, s);
		if (barrier != MPI_REQUEST_NULL) {
			MPI_Test(&barrier, &done, MPI_STATUS_IGNORE);
			continue;
		}
		MPI_Testall(n, requests, &flag, MPI_STATUSES_IGNORE);
		if (flag)
			MPI_Ibarrier(MPI_COMM_WORLD, &barrier);
	}
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 200, rank, size;
	unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	struct sums s = { 0 };

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	state = seed * 7919 + (unsigned long)rank;
	for (int round = 0; round < rounds; round++)
		one_round(round, size, &s);
	MPI_Allreduce(MPI_IN_PLACE, &s, 4, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
	if (rank == 0)
		printf("consensus %d %lu: %ld messages, %ld received; sum %ld, received %ld\n", rounds, seed, s.sent,
		       s.received, s.bytes_sent, s.bytes_received);
	MPI_Finalize();
	return s.sent != s.received || s.bytes_sent != s.bytes_received;
}
