/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Random mixes of point-to-point and collectives on several communicators. All ranks draw the same plan from the seed;
 * what each rank receives is folded into a checksum that does not depend on timing. A checkpoint that loses, doubles,
 * reorders or misdelivers a message changes it, or hangs.
 *
 * usage: torture [STEPS] [SEED] [PAUSE_US] [STOPFILE]
 *
 * With STOPFILE it ends at the first multiple of 50 steps at which rank 0 finds that file.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NCOMMS 4
#define MAX_MESSAGES 24
#define MAX_BYTES (1 << 19)

static unsigned long shared; /* the plan: the same on all ranks */
static unsigned long own;    /* how this rank goes about it */
static unsigned long sum;
static int rank, size;
static MPI_Comm comms[NCOMMS];
static MPI_Datatype stripes; /* every other int */

static unsigned draw(unsigned long *s)
{
	*s = *s * 6364136223846793005UL + 1442695040888963407UL;
	return (unsigned)(*s >> 33);
}

static unsigned long fold(unsigned long h, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 1099511628211UL;
	return h;
}

struct message {
	int from, to, tag, len, step;
	unsigned char *buf;
};

static void fill(struct message *m)
{
	unsigned long s = (unsigned long)m->step * 1000003UL + (unsigned long)(m->from * 131 + m->to * 17 + m->tag);

	for (int i = 0; i < m->len; i++)
		m->buf[i] = (unsigned char)draw(&s);
}

/* Order of arrival must not matter across senders: contributions are added. */
static void account(const struct message *m, const MPI_Status *status)
{
	int n;

	MPI_Get_count(status, MPI_BYTE, &n);
	sum += fold(14695981039346656037UL + (unsigned long)(status->MPI_SOURCE * 7 + status->MPI_TAG * 3 + m->step),
		    m->buf, (size_t)n);
}

static int draw_messages(struct message *list, int step, int n, MPI_Comm comm)
{
	int count = 1 + (int)(draw(&shared) % MAX_MESSAGES);

	for (int i = 0; i < count; i++) {
		struct message *m = &list[i];
		unsigned kind = draw(&shared) % 16;

		m->from = (int)(draw(&shared) % (unsigned)n);
		m->to = (int)(draw(&shared) % (unsigned)n);
		m->tag = (int)(draw(&shared) % 3);
		m->len = (int)(draw(&shared) % (kind == 0 ? MAX_BYTES : kind < 4 ? 20000u : 300u));
		m->step = step;
		m->buf = NULL;
	}
	(void)comm;
	return count;
}

static void send_start(struct message *m, MPI_Comm comm, MPI_Request *request)
{
	unsigned how = draw(&own) % 8;

	m->buf = malloc((size_t)m->len + 1);
	fill(m);
	if (how == 0)
		MPI_Issend(m->buf, m->len, MPI_BYTE, m->to, m->tag, comm, request);
	else if (how == 1) {
		MPI_Send_init(m->buf, m->len, MPI_BYTE, m->to, m->tag, comm, request);
		MPI_Start(request);
	} else
		MPI_Isend(m->buf, m->len, MPI_BYTE, m->to, m->tag, comm, request);
}

/* Receives one message from anybody, in one of several ways. */
static void receive_any(struct message *m, MPI_Comm comm)
{
	MPI_Status status;
	MPI_Message message;
	int flag = 0, n;

	switch (draw(&own) % 4) {
	case 0:
		MPI_Recv(m->buf, MAX_BYTES, MPI_BYTE, MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &status);
		break;
	case 1:
		MPI_Probe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &status);
		MPI_Get_count(&status, MPI_BYTE, &n);
		MPI_Recv(m->buf, n, MPI_BYTE, status.MPI_SOURCE, status.MPI_TAG, comm, &status);
		break;
	case 2:
		while (!flag)
			MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &flag, &status);
		MPI_Recv(m->buf, MAX_BYTES, MPI_BYTE, status.MPI_SOURCE, status.MPI_TAG, comm, &status);
		break;
	default:
		MPI_Mprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &message, &status);
		if (draw(&own) % 2)
			usleep(draw(&own) % 300);
		MPI_Mrecv(m->buf, MAX_BYTES, MPI_BYTE, &message, &status);
	}
	account(m, &status);
}

/* All messages of a step: receives posted before, after, or one by one. */
static void step_messages(int step, MPI_Comm comm)
{
	struct message list[MAX_MESSAGES], in[MAX_MESSAGES];
	MPI_Request sends[MAX_MESSAGES], recvs[MAX_MESSAGES];
	MPI_Status statuses[MAX_MESSAGES];
	int me, n, count, nsend = 0, nrecv = 0, posted = (int)(draw(&shared) % 2), index[MAX_MESSAGES], got, left;

	MPI_Comm_rank(comm, &me);
	MPI_Comm_size(comm, &n);
	count = draw_messages(list, step, n, comm);
	if (posted) /* with the tags and sources that will come, each buffer as large as any */
		for (int i = 0; i < count; i++)
			if (list[i].to == me) {
				in[nrecv] = list[i];
				in[nrecv].buf = malloc(MAX_BYTES);
				MPI_Irecv(in[nrecv].buf, MAX_BYTES, MPI_BYTE, list[i].from, list[i].tag, comm,
					  &recvs[nrecv]);
				nrecv++;
			}
	if (draw(&own) % 4 == 0)
		usleep(draw(&own) % 1000);
	for (int i = 0; i < count; i++)
		if (list[i].from == me)
			send_start(&list[i], comm, &sends[nsend++]);
	if (posted && draw(&own) % 2) {
		MPI_Waitall(nrecv, recvs, statuses);
		for (int i = 0; i < nrecv; i++)
			account(&in[i], &statuses[i]);
	} else if (posted) {
		for (left = nrecv; left > 0; left -= got) {
			MPI_Waitsome(nrecv, recvs, &got, index, statuses);
			for (int i = 0; i < got; i++)
				account(&in[index[i]], &statuses[i]);
		}
	} else {
		struct message m = { .step = step, .buf = malloc(MAX_BYTES) };

		for (int i = 0; i < count; i++)
			if (list[i].to == me)
				receive_any(&m, comm);
		free(m.buf);
	}
	MPI_Waitall(nsend, sends, MPI_STATUSES_IGNORE);
	for (int i = 0; i < nsend; i++)
		if (sends[i] != MPI_REQUEST_NULL)
			MPI_Request_free(&sends[i]);
	for (int i = 0; i < nrecv; i++)
		free(in[i].buf);
	for (int i = 0; i < count; i++)
		free(list[i].buf);
	/* messages of two steps may not meet: sources and tags are wild */
	if (!posted)
		MPI_Barrier(comm);
}

static void step_ring(int step, MPI_Comm comm)
{
	int me, n, len = 2 + (int)(draw(&shared) % 50000) / 2 * 2;
	int *out = calloc((size_t)len, sizeof(int)), *in = calloc((size_t)len, sizeof(int));
	MPI_Status status;

	MPI_Comm_rank(comm, &me);
	MPI_Comm_size(comm, &n);
	for (int i = 0; i < len; i++)
		out[i] = step * 31 + me * 7 + i;
	switch (draw(&shared) % 3) {
	case 0:
		MPI_Sendrecv(out, len, MPI_INT, (me + 1) % n, 5, in, len, MPI_INT, (me + n - 1) % n, 5, comm, &status);
		break;
	case 1: /* another type on the other side */
		MPI_Sendrecv(out, len / 2, stripes, (me + 1) % n, 5, in, len, MPI_INT, (me + n - 1) % n, 5, comm,
			     &status);
		break;
	default:
		memcpy(in, out, (size_t)len * sizeof(int));
		MPI_Sendrecv_replace(in, len, MPI_INT, (me + 1) % n, 5, (me + n - 1) % n, 5, comm, &status);
	}
	sum += fold((unsigned long)step, in, (size_t)len * sizeof(int));
	free(out);
	free(in);
}

static void step_collective(int step, MPI_Comm comm)
{
	long data[64], out[64 * 16];
	int me, n, len = 1 + (int)(draw(&shared) % 64), root;

	MPI_Comm_rank(comm, &me);
	MPI_Comm_size(comm, &n);
	root = (int)(draw(&shared) % (unsigned)n);
	memset(out, 0, sizeof(out));
	for (int i = 0; i < len; i++)
		data[i] = step * 13 + me * 101 + i;
	switch (draw(&shared) % 7) {
	case 0:
		MPI_Allreduce(data, out, len, MPI_LONG, MPI_SUM, comm);
		break;
	case 1:
		MPI_Bcast(data, len, MPI_LONG, root, comm);
		memcpy(out, data, sizeof(long) * (size_t)len);
		break;
	case 2:
		MPI_Allgather(data, len, MPI_LONG, out, len, MPI_LONG, comm);
		break;
	case 3:
		MPI_Reduce(data, out, len, MPI_LONG, MPI_MAX, root, comm);
		break;
	case 4:
		MPI_Scan(data, out, len, MPI_LONG, MPI_SUM, comm);
		break;
	case 5:
		MPI_Gather(data, 1, MPI_LONG, out, 1, MPI_LONG, root, comm);
		break;
	default:
		MPI_Barrier(comm);
	}
	sum += fold((unsigned long)step, out, sizeof(out));
}

static void make_comms(void)
{
	comms[0] = MPI_COMM_WORLD;
	MPI_Comm_dup(MPI_COMM_WORLD, &comms[1]);
	MPI_Comm_split(MPI_COMM_WORLD, rank % 2, size - rank, &comms[2]);
	MPI_Comm_split(MPI_COMM_WORLD, rank / 2, rank, &comms[3]);
	MPI_Type_vector(1, 1, 2, MPI_INT, &stripes);
	MPI_Type_create_resized(stripes, 0, 2 * sizeof(int), &stripes);
	MPI_Type_commit(&stripes);
}

static int is_over(const char *path)
{
	int over = rank == 0 && access(path, F_OK) == 0;

	MPI_Bcast(&over, 1, MPI_INT, 0, MPI_COMM_WORLD);
	return over;
}

int main(int argc, char **argv)
{
	int steps = argc > 1 ? atoi(argv[1]) : 300, pause = argc > 3 ? atoi(argv[3]) : 0;
	unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1, all;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	shared = seed;
	own = seed * 31 + (unsigned long)rank;
	make_comms();
	for (int step = 0; step < steps; step++) {
		MPI_Comm comm = comms[draw(&shared) % NCOMMS];

		switch (draw(&shared) % 3) {
		case 0:
			step_messages(step, comm);
			break;
		case 1:
			step_ring(step, comm);
			break;
		default:
			step_collective(step, comm);
		}
		if (pause)
			usleep((useconds_t)pause);
		if (argc > 4 && step % 50 == 49 && is_over(argv[4]))
			steps = step + 1;
	}
	MPI_Allreduce(&sum, &all, 1, MPI_UNSIGNED_LONG, MPI_SUM, MPI_COMM_WORLD);
	if (rank == 0)
		printf("torture %d steps, seed %lu, %d ranks: %016lx\n", steps, seed, size, all);
	MPI_Finalize();
	return 0;
}
