/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Everything that may be open in point-to-point communication when a checkpoint comes: each part leaves something open,
 * then all ranks wait outside MPI until a file appears (three times: what was drained into a queue has to survive the
 * next checkpoint, too), then each part ends what it began and says what came out. Three ranks; rank 0 prints for all.
 *
 * usage: carried FILE     waits for FILE.0, FILE.1, FILE.2; says READY on stderr before each
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

#define LARGE 100000 /* ints: rendezvous */

static int rank, size, next, prev;

static int *fill(int n, int seed)
{
	int *p = malloc((size_t)n * sizeof(int));

	for (int i = 0; p && i < n; i++)
		p[i] = seed * 1000003 + i * 7;
	return p;
}

static long sum_of(const int *p, int n)
{
	long sum = 0;

	for (int i = 0; i < n; i++)
		sum = sum * 31 + p[i];
	return sum;
}

/* ---- persistent requests of all modes ---- */

static MPI_Request per[6];
static int per_out[5], per_in[5], *per_large;
static char *bsend_room;

static void persistent_open(void)
{
	per_large = fill(LARGE, rank);
	for (int i = 0; i < 5; i++)
		per_out[i] = 100 * rank + i;
	bsend_room = malloc(1 << 16);
	MPI_Buffer_attach(bsend_room, 1 << 16);
	MPI_Send_init(&per_out[0], 1, MPI_INT, next, 10, MPI_COMM_WORLD, &per[0]);
	MPI_Ssend_init(&per_out[1], 1, MPI_INT, next, 11, MPI_COMM_WORLD, &per[1]);
	MPI_Bsend_init(&per_out[2], 1, MPI_INT, next, 12, MPI_COMM_WORLD, &per[2]);
	MPI_Rsend_init(&per_out[3], 1, MPI_INT, next, 13, MPI_COMM_WORLD, &per[3]);
	MPI_Recv_init(&per_in[3], 1, MPI_INT, prev, 13, MPI_COMM_WORLD, &per[4]);
	MPI_Send_init(per_large, LARGE, MPI_INT, next, 14, MPI_COMM_WORLD, &per[5]);
	MPI_Start(&per[4]);
	MPI_Startall(3, per); /* nobody receives these before the checkpoint */
	MPI_Start(&per[5]);
	MPI_Request_free(&per[5]); /* while active */
}

static void persistent_close(void)
{
	int flag, *large = calloc(LARGE, sizeof(int));
	MPI_Request recv[4];
	MPI_Status st[4];

	MPI_Barrier(MPI_COMM_WORLD); /* the receives of tag 13 are there: ready mode */
	MPI_Test(&per[1], &flag, MPI_STATUS_IGNORE);
	say("persistent: ssend without its receiver %d", flag);
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Start(&per[3]);
	for (int i = 0; i < 3; i++)
		MPI_Irecv(&per_in[i], 1, MPI_INT, prev, 10 + i, MPI_COMM_WORLD, &recv[i]);
	MPI_Irecv(large, LARGE, MPI_INT, prev, 14, MPI_COMM_WORLD, &recv[3]);
	MPI_Waitall(4, recv, st);
	for (int i = 0; i < 3; i++)
		say_status("persistent", 0, &st[i]);
	say("persistent: freed while active %lx", sum_of(large, LARGE));
	MPI_Wait(&per[4], &st[0]);
	say_status("persistent ready", 0, &st[0]);
	MPI_Waitall(4, per, MPI_STATUSES_IGNORE);
	say("persistent: %d %d %d %d, still there %d", per_in[0], per_in[1], per_in[2], per_in[3],
	    per[0] != MPI_REQUEST_NULL);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 5; i++)
			per_out[i] += 1000;
		MPI_Start(&per[4]);
		MPI_Barrier(MPI_COMM_WORLD);
		MPI_Startall(4, per);
		for (int i = 0; i < 3; i++)
			MPI_Recv(&per_in[i], 1, MPI_INT, prev, 10 + i, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		MPI_Waitall(5, per, MPI_STATUSES_IGNORE);
		say("persistent: again %d %d %d %d", per_in[0], per_in[1], per_in[2], per_in[3]);
	}
	for (int i = 0; i < 5; i++)
		MPI_Request_free(&per[i]);
	free(large);
	free(per_large);
}

/* ---- tests of many that fail, some done, a status kept ---- */

static MPI_Request many[6];
static int many_in[6], kept_flag;
static MPI_Status kept[6];

static void many_open(void)
{
	int out = 500 + rank, index;

	for (int i = 0; i < 6; i++)
		MPI_Irecv(&many_in[i], 1, MPI_INT, prev, 20 + i, MPI_COMM_WORLD, &many[i]);
	for (int i = 0; i < 4; i++) {
		out += 10;
		MPI_Send(&out, 1, MPI_INT, next, 20 + i, MPI_COMM_WORLD);
	}
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Wait(&many[0], &kept[0]); /* after this one the others of the same sender are there, too */
	MPI_Testall(6, many, &kept_flag, kept + 1);
	MPI_Testany(1, &many[5], &index, &kept_flag, kept + 2); /* none */
	MPI_Request_get_status(many[1], &kept_flag, &kept[1]);
}

static void many_close(void)
{
	int out = 900 + rank, n, index[6], flag, got = 0;
	MPI_Status st[6];

	say_status("many: before", 0, &kept[0]);
	MPI_Testall(6, many, &flag, st);
	say("many: testall %d", flag);
	MPI_Request_get_status(many[1], &flag, &st[0]);
	say("many: get_status %d", flag);
	say_status("many: get_status", 0, &st[0]);
	MPI_Testany(2, &many[4], &n, &flag, &st[0]);
	say("many: testany of the open ones %d %d", flag, n == MPI_UNDEFINED);
	while (got < 3) {
		MPI_Waitsome(6, many, &n, index, st);
		for (int i = 0; i < n; i++)
			got |= 0x100 << index[i];
		got += n;
	}
	say("many: waitsome %x: %d %d %d", (unsigned)got, many_in[1], many_in[2], many_in[3]);
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Send(&out, 1, MPI_INT, next, 24, MPI_COMM_WORLD);
	MPI_Waitany(6, many, &n, &st[0]);
	say("many: waitany %d", n);
	say_status("many: waitany", 0, &st[0]);
	MPI_Send(&out, 1, MPI_INT, next, 25, MPI_COMM_WORLD);
	MPI_Waitall(6, many, st);
	say_status("many: empty", 0, &st[0]);
	say_status("many: last", 0, &st[5]);
}

/* ---- cancel, and receives that are freed ---- */

static MPI_Request lonely, freed_recv;
static int lonely_in, freed_in;

static void cancel_open(void)
{
	int out = 77 + rank;

	MPI_Irecv(&lonely_in, 1, MPI_INT, MPI_ANY_SOURCE, 31, MPI_COMM_WORLD, &lonely);
	MPI_Irecv(&freed_in, 1, MPI_INT, prev, 32, MPI_COMM_WORLD, &freed_recv);
	MPI_Request_free(&freed_recv);
	MPI_Send(&out, 1, MPI_INT, next, 33, MPI_COMM_WORLD); /* drained */
}

static void cancel_close(void)
{
	int in = 0, out = 1234 + rank;
	MPI_Request r;
	MPI_Status st;

	MPI_Cancel(&lonely);
	MPI_Wait(&lonely, &st);
	say_status("cancel: nobody sent", 0, &st);
	MPI_Irecv(&in, 1, MPI_INT, prev, 33, MPI_COMM_WORLD, &r); /* its message lies in the queue */
	MPI_Cancel(&r);
	MPI_Wait(&r, &st);
	say_status("cancel: too late", 0, &st);
	say("cancel: in %d", in);
	MPI_Send(&out, 1, MPI_INT, next, 32, MPI_COMM_WORLD);
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Iprobe(prev, 32, MPI_COMM_WORLD, &in, &st);
	while (*(volatile int *)&freed_in == 0)
		MPI_Iprobe(prev, 32, MPI_COMM_WORLD, &in, &st);
	say("freed receive: %d, left %d", freed_in, in);
}

/* ---- matched probes ---- */

static MPI_Message matched[3];
static MPI_Status matched_st[3];

static void mprobe_open(void)
{
	int out[3] = { rank, rank + 1, rank + 2 }, *large = fill(LARGE, 40 + rank);
	MPI_Request r;

	MPI_Send(out, 2, MPI_INT, next, 40, MPI_COMM_WORLD);
	MPI_Isend(large, LARGE, MPI_INT, next, 41, MPI_COMM_WORLD, &r);
	MPI_Send(out, 3, MPI_INT, next, 42, MPI_COMM_WORLD);
	for (int i = 0; i < 3; i++)
		MPI_Mprobe(prev, 40 + i, MPI_COMM_WORLD, &matched[i], &matched_st[i]);
	MPI_Request_free(&r); /* large stays: it is never freed */
	MPI_Isend(large, LARGE, MPI_INT, next, 43, MPI_COMM_WORLD, &r);
	MPI_Request_free(&r);
}

static void mprobe_close(void)
{
	int in[3] = { 0 }, *large = calloc(LARGE, sizeof(int));
	MPI_Request r[2];
	MPI_Status st;
	int rc;

	for (int i = 0; i < 3; i++)
		say_status("mprobe", 0, &matched_st[i]);
	MPI_Imrecv(large, LARGE, MPI_INT, &matched[1], &r[0]);
	rc = MPI_Mrecv(in, 3, MPI_INT, &matched[0], &st);
	say_status("mrecv", rc, &st);
	say("mrecv: %d %d null %d", in[0], in[1], matched[0] == MPI_MESSAGE_NULL);
	rc = MPI_Mrecv(in, 2, MPI_INT, &matched[2], &st); /* too short */
	say("mrecv truncated: %d", rc != MPI_SUCCESS);
	MPI_Wait(&r[0], &st);
	say_status("imrecv", 0, &st);
	say("imrecv: %lx", sum_of(large, LARGE));
	rc = MPI_Recv(large, LARGE - 1, MPI_INT, prev, 43, MPI_COMM_WORLD, &st);
	say("large truncated: %d", rc != MPI_SUCCESS);
	free(large);
}

/* ---- buffered sends ---- */

static MPI_Request ibsend;
static int *buffered_out;

static void buffered_open(void)
{
	buffered_out = fill(3000, 50 + rank);
	MPI_Bsend(buffered_out, 3000, MPI_INT, next, 50, MPI_COMM_WORLD);
	MPI_Ibsend(buffered_out, 100, MPI_INT, next, 51, MPI_COMM_WORLD, &ibsend);
	MPI_Bsend(buffered_out, 0, MPI_INT, next, 52, MPI_COMM_WORLD);
	memset(buffered_out, 0, 3000 * sizeof(int)); /* has been copied */
}

static void buffered_close(void)
{
	int in[3000], got = 0, rc;
	void *back = NULL;
	MPI_Status st;

	for (int tag = 52; tag >= 50; tag--) {
		rc = MPI_Recv(in, 3000, MPI_INT, prev, tag, MPI_COMM_WORLD, &st);
		say_status("buffered", rc, &st);
	}
	say("buffered: %lx", sum_of(in, 3000));
	rc = MPI_Wait(&ibsend, &st);
	say("ibsend: %d, null %d", rc, ibsend == MPI_REQUEST_NULL);
	MPI_Buffer_detach(&back, &got);
	say("buffer: its own %d, size %d", back == bsend_room, got);
	free(back);
	free(buffered_out);
}

/* ---- order: any source and any tag; probe; counts; truncation ---- */

static MPI_Comm other;

static void order_open(void)
{
	int *p = fill(LARGE, 60 + rank);
	MPI_Request r;

	MPI_Comm_dup(MPI_COMM_WORLD, &other);
	MPI_Comm_set_errhandler(other, MPI_ERRORS_RETURN);
	if (rank == 0)
		return;
	for (int i = 0; i < 8; i++) {
		p[0] = rank * 100 + i;
		if (i == 4) {
			p[1] = p[0];
			MPI_Isend(p + 1, LARGE - 1, MPI_INT, 0, 60 + i % 3, other, &r);
			MPI_Request_free(&r);
		} else {
			MPI_Send(p, i + 1, MPI_INT, 0, 60 + i % 3, other);
		}
	}
}

static void order_close(void)
{
	static int in[LARGE];
	int last[3] = { -1, -1, -1 }, in_order = 1, flag, n, rc;
	long sums[3] = { 0 };
	MPI_Status st;

	if (rank != 0)
		return;
	MPI_Probe(1, 61, other, &st); /* not the first of rank 1, but the first with this tag */
	say_status("probe", 0, &st);
	MPI_Iprobe(2, MPI_ANY_TAG, other, &flag, &st);
	say_status("iprobe", flag ? 0 : MPI_ERR_OTHER, &st);
	MPI_Iprobe(MPI_ANY_SOURCE, 99, other, &flag, &st);
	say("iprobe: nothing %d", flag);
	rc = MPI_Recv(in, 1, MPI_INT, 1, 61, other, &st); /* two ints: truncated */
	MPI_Error_class(rc, &n);
	say("truncated: %d, source %d tag %d", n == MPI_ERR_TRUNCATE, st.MPI_SOURCE, st.MPI_TAG);
	for (int i = 0; i < 15; i++) {
		MPI_Recv(in, LARGE, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, other, &st);
		MPI_Get_count(&st, MPI_INT, &n);
		in_order &= in[0] > last[st.MPI_SOURCE] && st.MPI_TAG == 60 + in[0] % 100 % 3;
		last[st.MPI_SOURCE] = in[0];
		sums[st.MPI_SOURCE] = sums[st.MPI_SOURCE] * 31 + in[0] + n;
	}
	say("order: kept %d, sums %lx %lx", in_order, sums[1], sums[2]);
}

/* ---- derived types, packed data ---- */

static MPI_Datatype pairs, every_second;
static char packed[256];
static int packed_n;

static void types_open(void)
{
	int values[12], lengths[2] = { 1, 2 };
	MPI_Aint places[2] = { 0, 8 };
	MPI_Datatype parts[2] = { MPI_INT, MPI_SHORT };
	double d = 2.5 * rank;

	MPI_Type_create_struct(2, lengths, places, parts, &pairs);
	MPI_Type_commit(&pairs);
	MPI_Type_vector(4, 1, 2, MPI_INT, &every_second);
	MPI_Type_commit(&every_second);
	for (int i = 0; i < 12; i++)
		values[i] = rank * 1000 + i;
	MPI_Send(values, 5, MPI_INT, next, 70, MPI_COMM_WORLD);
	MPI_Send(values, 1, every_second, next, 71, MPI_COMM_WORLD);
	MPI_Send(values, 3, pairs, next, 72, MPI_COMM_WORLD);
	MPI_Pack(values, 3, MPI_INT, packed, sizeof(packed), &packed_n, MPI_COMM_WORLD);
	MPI_Pack(&d, 1, MPI_DOUBLE, packed, sizeof(packed), &packed_n, MPI_COMM_WORLD);
	MPI_Send(packed, packed_n, MPI_PACKED, next, 73, MPI_COMM_WORLD);
}

static void types_close(void)
{
	int in[16] = { 0 }, n, elements, at = 0, three[3];
	char bytes[256];
	MPI_Status st;
	double d;

	MPI_Recv(in, 2, every_second, prev, 70, MPI_COMM_WORLD, &st); /* five of eight */
	MPI_Get_count(&st, every_second, &n);
	MPI_Get_elements(&st, every_second, &elements);
	say("types: count %d elements %d: %d %d %d", n == MPI_UNDEFINED ? -1 : n, elements, in[0], in[2], in[8]);
	MPI_Recv(in, 16, MPI_INT, prev, 71, MPI_COMM_WORLD, &st);
	say_status("types: vector", 0, &st);
	say("types: %d %d", in[0], in[3]);
	memset(in, 0, sizeof(in));
	MPI_Recv(in, 3, pairs, prev, 72, MPI_COMM_WORLD, &st);
	MPI_Get_count(&st, pairs, &n);
	MPI_Get_elements(&st, pairs, &elements);
	say("types: struct %d elements %d: %lx", n, elements, sum_of(in, 16));
	MPI_Recv(bytes, sizeof(bytes), MPI_PACKED, prev, 73, MPI_COMM_WORLD, &st);
	MPI_Unpack(bytes, sizeof(bytes), &at, three, 3, MPI_INT, MPI_COMM_WORLD);
	MPI_Unpack(bytes, sizeof(bytes), &at, &d, 1, MPI_DOUBLE, MPI_COMM_WORLD);
	say("packed: %d %.1f, own %d bytes", three[2], d, packed_n);
	MPI_Type_free(&pairs);
	MPI_Type_free(&every_second);
}

/* ---- synchronous sends, exchanges, other communicators ---- */

static MPI_Comm half, bridge, grid;
static MPI_Request issend[2];
static int issend_out[2];

static void comms_open(void)
{
	int dims[1] = { size }, periods[1] = { 1 }, value = 8000 + rank, from, to;

	MPI_Comm_split(MPI_COMM_WORLD, rank == 0, rank, &half);
	MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, rank == 0 ? 1 : 0, 5, &bridge);
	MPI_Cart_create(MPI_COMM_WORLD, 1, dims, periods, 0, &grid);
	MPI_Cart_shift(grid, 0, 1, &from, &to);
	MPI_Send(&value, 1, MPI_INT, to, 80, grid);
	value += 100;
	if (rank == 0)
		for (int i = 0; i < 2; i++)
			MPI_Send(&value, 1, MPI_INT, i, 81, bridge);
	else
		MPI_Send(&value, 1, MPI_INT, 0, 81, bridge);
	issend_out[0] = 9000 + rank;
	issend_out[1] = 9100 + rank;
	for (int i = 0; i < 2; i++)
		MPI_Issend(&issend_out[i], 1, MPI_INT, next, 83, MPI_COMM_WORLD, &issend[i]);
	value += 100;
	MPI_Send(&value, 1, MPI_INT, next, 84, MPI_COMM_WORLD);
}

static void comms_close(void)
{
	int in, flag, from, to, peers, sum = 0;
	MPI_Status st;

	MPI_Cart_shift(grid, 0, 1, &from, &to);
	MPI_Recv(&in, 1, MPI_INT, from, 80, grid, &st);
	say_status("grid", 0, &st);
	MPI_Comm_remote_size(bridge, &peers);
	for (int i = 0; i < peers; i++) {
		MPI_Recv(&in, 1, MPI_INT, i, 81, bridge, &st);
		sum += in + st.MPI_SOURCE;
	}
	say("bridge: %d peers, sum %d", peers, sum);
	MPI_Testall(2, issend, &flag, MPI_STATUSES_IGNORE);
	say("issend: before its receivers %d", flag);
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Recv(&in, 1, MPI_INT, prev, 83, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	MPI_Wait(&issend[0], MPI_STATUS_IGNORE);
	MPI_Test(&issend[1], &flag, MPI_STATUS_IGNORE);
	say("issend: first %d, second %d", in, flag);
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Recv(&in, 1, MPI_INT, prev, 83, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	MPI_Wait(&issend[1], MPI_STATUS_IGNORE);
	in = 9500 + rank;
	MPI_Sendrecv_replace(&in, 1, MPI_INT, next, 85, prev, 84, MPI_COMM_WORLD, &st);
	say_status("replace", 0, &st);
	MPI_Recv(&sum, 1, MPI_INT, prev, 85, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	say("replace: %d, then %d", in, sum);
	MPI_Comm_free(&half);
	MPI_Comm_free(&bridge);
	MPI_Comm_free(&grid);
}

/* ---- nonblocking collectives: all have started them, they are completed first ---- */

static MPI_Request coll[3];
static int coll_in, coll_sum, coll_all[3], coll_root;

static void collectives_open(void)
{
	coll_in = 3 + rank;
	coll_root = rank == 1 ? 4711 : 0;
	MPI_Iallreduce(&coll_in, &coll_sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD, &coll[0]);
	MPI_Iallgather(&coll_in, 1, MPI_INT, coll_all, 1, MPI_INT, MPI_COMM_WORLD, &coll[1]);
	MPI_Ibcast(&coll_root, 1, MPI_INT, 1, MPI_COMM_WORLD, &coll[2]);
}

static void collectives_close(void)
{
	MPI_Waitall(3, coll, MPI_STATUSES_IGNORE);
	say("collectives: %d, %d %d %d, %d", coll_sum, coll_all[0], coll_all[1], coll_all[2], coll_root);
}

/* ---- every blocking collective, before and after ---- */

static MPI_Comm ring, sides;
static MPI_Op mix; /* does not commute */

static void mix_fn(void *in, void *inout, int *len, MPI_Datatype *type)
{
	int *a = in, *b = inout;

	for (int i = 0; i < *len; i++)
		b[i] = (*type == MPI_INT ? a[i] : -1) * 3 - b[i];
}

static void one_to_all(MPI_Comm c, int *in, int *out, int *counts, int *displs)
{
	MPI_Bcast(in, 2, MPI_INT, 1, c);
	MPI_Gather(rank == 2 ? MPI_IN_PLACE : in, 1, MPI_INT, out, 1, MPI_INT, 2, c);
	MPI_Gatherv(in, rank + 1, MPI_INT, out + 8, counts, displs, MPI_INT, 0, c);
	MPI_Scatter(in, 1, MPI_INT, rank == 0 ? MPI_IN_PLACE : out + 20, 1, MPI_INT, 0, c);
	MPI_Scatterv(in, counts, displs, MPI_INT, out + 21, rank + 1, MPI_INT, 1, c);
	MPI_Reduce(rank == 1 ? MPI_IN_PLACE : in, rank == 1 ? in : out, 4, MPI_INT, mix, 1, c);
}

static void all_to_all(MPI_Comm c, int *in, int *out, int *counts, int *displs)
{
	int one[3] = { 1, 1, 1 }, at[3] = { 0, 4, 8 };
	MPI_Datatype types[3] = { MPI_INT, MPI_INT, MPI_INT };

	MPI_Allgather(MPI_IN_PLACE, 1, MPI_INT, out, 1, MPI_INT, c);
	MPI_Allgatherv(in, rank + 1, MPI_INT, out + 30, counts, displs, MPI_INT, c);
	MPI_Alltoall(in, 1, MPI_INT, out + 40, 1, MPI_INT, c);
	MPI_Alltoallv(in, one, displs, MPI_INT, out + 44, one, displs, MPI_INT, c);
	MPI_Alltoallw(in, one, at, types, out + 52, one, at, types, c);
	MPI_Allreduce(MPI_IN_PLACE, in, 3, MPI_INT, mix, c);
	MPI_Scan(in, out + 56, 2, MPI_INT, mix, c);
	MPI_Exscan(in, out + 58, 2, MPI_INT, mix, c);
	MPI_Reduce_scatter(in, out + 60, counts, MPI_INT, MPI_SUM, c);
	MPI_Reduce_scatter_block(in, out + 64, 1, MPI_INT, MPI_MAX, c);
	MPI_Barrier(c);
}

static void neighbours_and_sides(int *in, int *out)
{
	int one[2] = { 1, 1 }, at[2] = { 0, 1 }, sum = 0;
	MPI_Aint bytes[2] = { 0, 4 };
	MPI_Datatype types[2] = { MPI_INT, MPI_INT };

	MPI_Neighbor_allgather(in, 1, MPI_INT, out + 70, 1, MPI_INT, ring);
	MPI_Neighbor_allgatherv(in, 1, MPI_INT, out + 72, one, at, MPI_INT, ring);
	MPI_Neighbor_alltoall(in, 1, MPI_INT, out + 74, 1, MPI_INT, ring);
	MPI_Neighbor_alltoallv(in, one, at, MPI_INT, out + 76, one, at, MPI_INT, ring);
	MPI_Neighbor_alltoallw(in, one, bytes, types, out + 78, one, bytes, types, ring);
	MPI_Allreduce(in, &sum, 1, MPI_INT, MPI_SUM, sides);
	MPI_Allgather(in, 1, MPI_INT, out + 82, 1, MPI_INT, sides);
	MPI_Bcast(out + 85, 1, MPI_INT, rank == 0 ? MPI_ROOT : 0, sides);
	MPI_Barrier(sides);
	out[86] = sum;
}

static void every_collective(const char *when)
{
	int in[6], out[96] = { 0 }, counts[3] = { 1, 2, 3 }, displs[3] = { 0, 1, 3 };

	for (int i = 0; i < 6; i++)
		in[i] = 10 * rank + i;
	one_to_all(other, in, out, counts, displs);
	all_to_all(other, in, out, counts, displs);
	neighbours_and_sides(in, out);
	say("every collective, %s: %lx", when, sum_of(out, 96));
	for (int i = 0; i < 96; i += 8)
		say("  %d %d %d %d %d %d %d %d", out[i], out[i + 1], out[i + 2], out[i + 3], out[i + 4], out[i + 5],
		    out[i + 6], out[i + 7]);
}

static void blocking_open(void)
{
	int dims[1] = { size }, periods[1] = { 1 };
	MPI_Comm part;

	MPI_Op_create(mix_fn, 0, &mix);
	MPI_Cart_create(MPI_COMM_WORLD, 1, dims, periods, 0, &ring);
	MPI_Comm_split(MPI_COMM_WORLD, rank == 0, rank, &part);
	MPI_Intercomm_create(part, 0, MPI_COMM_WORLD, rank == 0 ? 1 : 0, 6, &sides);
	MPI_Comm_free(&part);
	every_collective("before");
}

static void blocking_close(void)
{
	every_collective("after");
	MPI_Op_free(&mix);
	MPI_Comm_free(&ring);
	MPI_Comm_free(&sides);
	MPI_Comm_free(&other);
}

/* ---- the whole ---- */

int main(int argc, char **argv)
{
	static void (*const parts[][2])(void) = {
		{ persistent_open, persistent_close },
		{ many_open, many_close },
		{ cancel_open, cancel_close },
		{ mprobe_open, mprobe_close },
		{ buffered_open, buffered_close },
		{ order_open, order_close },
		{ types_open, types_close },
		{ comms_open, comms_close },
		{ collectives_open, collectives_close },
		{ blocking_open, blocking_close },
	};
	const unsigned n = sizeof(parts) / sizeof(parts[0]);

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	if (size != 3 || argc < 2)
		MPI_Abort(MPI_COMM_WORLD, 2);
	next = (rank + 1) % size;
	prev = (rank + size - 1) % size;
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	for (unsigned i = 0; i < n; i++)
		parts[i][0]();
	for (int i = 0; i < 3; i++)
		say_ready(argv[1], i);
	/* buffered_close() detaches the buffer that persistent_close() sends from */
	for (unsigned i = 0; i < n; i++) {
		parts[i][1]();
		MPI_Barrier(MPI_COMM_WORLD);
	}
	say_all();
	MPI_Finalize();
	return 0;
}
