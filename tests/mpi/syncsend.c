/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A synchronous send may complete only after its receiver began to match it. The receivers write down, in memory that
 * both share, how many messages of each tag they have begun to receive; senders look there when a send completes.
 *
 * usage: syncsend [MESSAGES] [SEED]      even ranks send to the next odd one; exits with 1 when one completes too early
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define TAGS 3
#define WINDOW 16
#define LARGE 20000

static unsigned long state;

static unsigned draw(unsigned n)
{
	state = state * 6364136223846793005UL + 1442695040888963407UL;
	return (unsigned)(state >> 33) % n;
}

static char name[256];

/* A file that all ranks of this host map; begun[rank][tag]. It keeps its name until the end: what a name does not reach
 * is not shared any more after a restart. */
static volatile int (*share(int rank, int size))[TAGS]
{
	void *p;
	FILE *f;

	if (rank == 0) {
		snprintf(name, sizeof(name), "%s/syncsend-%d", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", getpid());
		f = fopen(name, "w+");
	}
	MPI_Bcast(name, sizeof(name), MPI_CHAR, 0, MPI_COMM_WORLD);
	if (rank)
		f = fopen(name, "r+");
	if (!f || ftruncate(fileno(f), 4096))
		MPI_Abort(MPI_COMM_WORLD, 3);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
	if (p == MAP_FAILED || (size_t)size * TAGS * sizeof(int) > 4096)
		MPI_Abort(MPI_COMM_WORLD, 3);
	fclose(f);
	return p;
}

struct open_send {
	int sync, tag, nth;
};

static int early;

static void finish_some(MPI_Request *r, struct open_send *o, volatile int *begun)
{
	int n, index[WINDOW];

	if (draw(2)) {
		MPI_Testsome(WINDOW, r, &n, index, MPI_STATUSES_IGNORE);
	} else {
		MPI_Waitany(WINDOW, r, &index[0], MPI_STATUS_IGNORE);
		n = index[0] == MPI_UNDEFINED ? MPI_UNDEFINED : 1;
	}
	for (int i = 0; n != MPI_UNDEFINED && i < n; i++) {
		struct open_send *s = &o[index[i]];

		if (s->sync && begun[s->tag] < s->nth) {
			fprintf(stderr, "syncsend: number %d of tag %d is complete, %d were begun\n", s->nth, s->tag,
				begun[s->tag]);
			early++;
		}
	}
}

static void sender(int to, int messages, volatile int *begun)
{
	static int data[WINDOW][LARGE];
	MPI_Request r[WINDOW];
	struct open_send o[WINDOW];
	int sent[TAGS] = { 0 };

	for (int i = 0; i < WINDOW; i++)
		r[i] = MPI_REQUEST_NULL;
	for (int k = 0; k < messages;) {
		int i = (int)draw(WINDOW), tag = (int)draw(TAGS), len = draw(4) ? 8 : LARGE;

		if (r[i] != MPI_REQUEST_NULL) {
			finish_some(r, o, begun);
			continue;
		}
		o[i] = (struct open_send){ draw(2) == 0, tag, ++sent[tag] };
		data[i][0] = sent[tag];
		if (o[i].sync && draw(8) == 0) {
			MPI_Ssend(data[i], len, MPI_INT, to, tag, MPI_COMM_WORLD);
			early += begun[tag] < o[i].nth;
		} else if (o[i].sync) {
			MPI_Issend(data[i], len, MPI_INT, to, tag, MPI_COMM_WORLD, &r[i]);
		} else {
			MPI_Isend(data[i], len, MPI_INT, to, tag, MPI_COMM_WORLD, &r[i]);
		}
		k++;
		if (draw(4) == 0)
			finish_some(r, o, begun);
	}
	MPI_Waitall(WINDOW, r, MPI_STATUSES_IGNORE);
}

static long receiver(int from, int messages, volatile int *begun)
{
	static int data[LARGE];
	int got[TAGS] = { 0 };
	long wrong = 0;

	for (int k = 0; k < messages;) {
		int tag = (int)draw(TAGS), flag;

		MPI_Iprobe(from, tag, MPI_COMM_WORLD, &flag, MPI_STATUS_IGNORE);
		if (!flag)
			continue;
		begun[tag]++;
		MPI_Recv(data, LARGE, MPI_INT, from, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		wrong += data[0] != ++got[tag];
		k++;
		if (draw(16) == 0)
			usleep(draw(2000));
	}
	return wrong;
}

int main(int argc, char **argv)
{
	int messages = argc > 1 ? atoi(argv[1]) : 2000, rank, size;
	unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	volatile int(*begun)[TAGS];
	long sums[2];

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	state = seed * 977 + (unsigned long)rank;
	begun = share(rank, size);
	sums[0] = 0;
	if (rank % 2)
		sums[0] = receiver(rank - 1, messages, begun[rank]);
	else if (rank + 1 < size)
		sender(rank + 1, messages, begun[rank + 1]);
	sums[1] = early;
	MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
	if (rank == 0)
		printf("syncsend %d %lu: %ld out of order, %ld complete too early\n", messages, seed, sums[0], sums[1]);
	if (rank == 0)
		unlink(name);
	MPI_Finalize();
	return sums[0] || sums[1];
}
