/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Every kind of point-to-point call, with its statuses and errors printed: the output under Reprise must be what the
 * MPI library alone prints. Two ranks.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int rank, peer;

static void say(const char *what, int rc, const MPI_Status *s)
{
	int class = 0, n = -1, cancelled = 0;

	if (rc)
		MPI_Error_class(rc, &class);
	if (s) {
		MPI_Get_count(s, MPI_INT, &n);
		MPI_Test_cancelled(s, &cancelled);
		printf("%d %s: class %d source %d tag %d count %d cancelled %d\n", rank, what, class, s->MPI_SOURCE,
		       s->MPI_TAG, n, cancelled);
	} else {
		printf("%d %s: class %d\n", rank, what, class);
	}
}

static void blocking(void)
{
	int buf[1000], rc;
	MPI_Status st;

	for (int i = 0; i < 1000; i++)
		buf[i] = rank * 1000 + i;
	if (rank == 0) {
		MPI_Send(buf, 10, MPI_INT, peer, 1, MPI_COMM_WORLD);
		MPI_Ssend(buf, 1000, MPI_INT, peer, 2, MPI_COMM_WORLD);
		MPI_Recv(buf, 0, MPI_INT, peer, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		MPI_Rsend(buf, 5, MPI_INT, peer, 4, MPI_COMM_WORLD);
		rc = MPI_Recv(buf, 1, MPI_INT, MPI_PROC_NULL, 4, MPI_COMM_WORLD, &st);
		say("proc null recv", rc, &st);
		rc = MPI_Send(buf, 1, MPI_INT, MPI_PROC_NULL, 4, MPI_COMM_WORLD);
		say("proc null send", rc, NULL);
		rc = MPI_Send(buf, 1, MPI_INT, 77, 4, MPI_COMM_WORLD);
		say("bad rank", rc, NULL);
		rc = MPI_Send(buf, -1, MPI_INT, peer, 4, MPI_COMM_WORLD);
		say("bad count", rc, NULL);
		MPI_Send(buf, 8, MPI_INT, peer, 5, MPI_COMM_WORLD);
	} else {
		MPI_Request r;

		rc = MPI_Recv(buf, 1000, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &st);
		say("any", rc, &st);
		rc = MPI_Recv(buf, 1000, MPI_INT, 0, 2, MPI_COMM_WORLD, &st);
		say("ssend", rc, &st);
		printf("%d data %d\n", rank, buf[999]);
		MPI_Irecv(buf, 1000, MPI_INT, 0, 4, MPI_COMM_WORLD, &r);
		MPI_Send(buf, 0, MPI_INT, 0, 3, MPI_COMM_WORLD);
		rc = MPI_Wait(&r, &st);
		say("rsend", rc, &st);
		rc = MPI_Recv(buf, 4, MPI_INT, 0, 5, MPI_COMM_WORLD, &st);
		say("truncated", rc, NULL);
	}
}

static void persistent(void)
{
	MPI_Request r[2];
	MPI_Status st[2];
	int out = 0, in = 0, flag, rc;

	MPI_Send_init(&out, 1, MPI_INT, peer, 6, MPI_COMM_WORLD, &r[0]);
	MPI_Recv_init(&in, 1, MPI_INT, peer, 6, MPI_COMM_WORLD, &r[1]);
	rc = MPI_Test(&r[1], &flag, &st[1]);
	printf("%d inactive flag %d\n", rank, flag);
	say("inactive", rc, &st[1]);
	for (int i = 0; i < 5; i++) {
		out = 100 * rank + i;
		MPI_Startall(2, r);
		rc = MPI_Waitall(2, r, st);
		say("persistent", rc, &st[1]);
		printf("%d in %d null %d\n", rank, in, r[1] == MPI_REQUEST_NULL);
	}
	MPI_Start(&r[0]);
	MPI_Recv(&in, 1, MPI_INT, peer, 6, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	MPI_Request_free(&r[0]);
	MPI_Request_free(&r[1]);
	printf("%d freed %d %d\n", rank, r[0] == MPI_REQUEST_NULL, r[1] == MPI_REQUEST_NULL);
}

static void buffered(void)
{
	int size = 4 * (4000 + MPI_BSEND_OVERHEAD), rc, got = 0, in[1000], out[1000];
	char *space = malloc((size_t)size), *back = NULL;
	MPI_Request r;
	MPI_Comm alone;
	MPI_Status st;

	MPI_Comm_dup(MPI_COMM_SELF, &alone);
	MPI_Comm_set_errhandler(alone, MPI_ERRORS_RETURN);
	memset(out, rank + 1, sizeof(out));
	MPI_Buffer_attach(space, size);
	MPI_Bsend(out, 1000, MPI_INT, peer, 7, MPI_COMM_WORLD);
	MPI_Ibsend(out, 10, MPI_INT, peer, 8, MPI_COMM_WORLD, &r);
	MPI_Wait(&r, &st);
	MPI_Bsend_init(out, 20, MPI_INT, peer, 9, MPI_COMM_WORLD, &r);
	MPI_Start(&r);
	MPI_Wait(&r, &st);
	MPI_Request_free(&r);
	/* on a communicator of its own: Open MPI 4.1 loses a sequence number when it has no space */
	rc = MPI_Bsend(out, 1000000, MPI_INT, 0, 9, alone);
	say("no space", rc, NULL);
	for (int tag = 9; tag >= 7; tag--) {
		rc = MPI_Recv(in, 1000, MPI_INT, peer, tag, MPI_COMM_WORLD, &st);
		say("bsend", rc, &st);
	}
	MPI_Buffer_detach(&back, &got);
	printf("%d detached %d %d\n", rank, back == space, got == size);
	free(space);
}

static void cancel(void)
{
	MPI_Request r;
	MPI_Status st;
	int in, flag, rc;

	MPI_Irecv(&in, 1, MPI_INT, peer, 55, MPI_COMM_WORLD, &r);
	rc = MPI_Request_get_status(r, &flag, &st);
	printf("%d get_status %d %d\n", rank, rc, flag);
	MPI_Cancel(&r);
	rc = MPI_Wait(&r, &st);
	MPI_Test_cancelled(&st, &flag);
	printf("%d cancelled %d rc %d null %d\n", rank, flag, rc, r == MPI_REQUEST_NULL);
	rc = MPI_Wait(&r, &st);
	say("null wait", rc, &st);
	rc = MPI_Waitany(1, &r, &in, &st);
	printf("%d waitany of nothing %d\n", rank, in == MPI_UNDEFINED);
}

static void probes(void)
{
	int buf[100] = { 0 }, flag = 0, rc;
	MPI_Message m;
	MPI_Request r;
	MPI_Status st;

	MPI_Barrier(MPI_COMM_WORLD);
	if (rank == 0)
		for (int i = 0; i < 5; i++) {
			buf[0] = 40 + i;
			MPI_Send(buf, 10 + i, MPI_INT, peer, 20 + i, MPI_COMM_WORLD);
		}
	else {
		rc = MPI_Probe(0, 21, MPI_COMM_WORLD, &st);
		say("probe", rc, &st);
		while (!flag)
			MPI_Iprobe(MPI_ANY_SOURCE, 20, MPI_COMM_WORLD, &flag, &st);
		say("iprobe", 0, &st);
		rc = MPI_Mprobe(0, 22, MPI_COMM_WORLD, &m, &st);
		say("mprobe", rc, &st);
		rc = MPI_Mrecv(buf, 100, MPI_INT, &m, &st);
		say("mrecv", rc, &st);
		printf("%d data %d null %d\n", rank, buf[0], m == MPI_MESSAGE_NULL);
		for (flag = 0; !flag;)
			MPI_Improbe(0, 23, MPI_COMM_WORLD, &flag, &m, &st);
		MPI_Imrecv(buf, 100, MPI_INT, &m, &r);
		rc = MPI_Wait(&r, &st);
		say("imrecv", rc, &st);
		for (int i = 0; i < 5; i++)
			if (i < 2 || i == 4) {
				rc = MPI_Recv(buf, 100, MPI_INT, 0, 20 + i, MPI_COMM_WORLD, &st);
				say("rest", rc, &st);
			}
		rc = MPI_Mprobe(MPI_PROC_NULL, 1, MPI_COMM_WORLD, &m, &st);
		say("mprobe null", rc, &st);
		printf("%d no proc %d\n", rank, m == MPI_MESSAGE_NO_PROC);
		rc = MPI_Mrecv(buf, 1, MPI_INT, &m, &st);
		say("mrecv null", rc, &st);
	}
}

static void many(void)
{
	MPI_Request r[6];
	MPI_Status st[6];
	int in[6], out[6], index[6], n, flag, left, bits = 0;

	for (int i = 0; i < 6; i++) {
		out[i] = rank * 10 + i;
		MPI_Irecv(&in[i], 1, MPI_INT, peer, 30 + i, MPI_COMM_WORLD, &r[i]);
	}
	MPI_Testall(6, r, &flag, st);
	printf("%d testall %d\n", rank, flag);
	MPI_Barrier(MPI_COMM_WORLD);
	for (int i = 5; i >= 0; i--)
		MPI_Send(&out[i], 1, MPI_INT, peer, 30 + i, MPI_COMM_WORLD);
	MPI_Waitany(6, r, &n, &st[0]);
	bits |= 1 << n;
	for (left = 5; left > 0;) {
		MPI_Testsome(6, r, &n, index, st);
		for (int i = 0; i < n; i++)
			bits |= 1 << index[i];
		left -= n;
	}
	MPI_Testsome(6, r, &n, index, st);
	printf("%d bits %x undefined %d in %d %d\n", rank, bits, n == MPI_UNDEFINED, in[0], in[5]);
	MPI_Testany(6, r, &n, &flag, &st[0]);
	printf("%d testany %d %d\n", rank, n == MPI_UNDEFINED, flag);
	/* an error inside many */
	MPI_Irecv(&in[0], 1, MPI_INT, peer, 40, MPI_COMM_WORLD, &r[0]);
	MPI_Irecv(&in[1], 1, MPI_INT, peer, 41, MPI_COMM_WORLD, &r[1]);
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Send(out, 1, MPI_INT, peer, 40, MPI_COMM_WORLD);
	MPI_Send(out, 3, MPI_INT, peer, 41, MPI_COMM_WORLD);
	n = MPI_Waitall(2, r, st);
	MPI_Error_class(n, &n);
	MPI_Error_class(st[1].MPI_ERROR, &flag);
	printf("%d in status %d: %d %d\n", rank, n == MPI_ERR_IN_STATUS, st[0].MPI_ERROR, flag == MPI_ERR_TRUNCATE);
}

static void exchange(void)
{
	int out = rank, in = -1, big[100000], rc;
	MPI_Status st;

	rc = MPI_Sendrecv(&out, 1, MPI_INT, peer, 50, &in, 1, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD,
			  &st);
	say("sendrecv", rc, &st);
	for (int i = 0; i < 100000; i++)
		big[i] = rank + i;
	rc = MPI_Sendrecv_replace(big, 100000, MPI_INT, peer, 51, peer, 51, MPI_COMM_WORLD, &st);
	say("replace", rc, &st);
	printf("%d big %d\n", rank, big[99999]);
	rc = MPI_Sendrecv(&out, 1, MPI_INT, MPI_PROC_NULL, 50, &in, 1, MPI_INT, MPI_PROC_NULL, 50, MPI_COMM_WORLD, &st);
	say("null sendrecv", rc, &st);
}

static void freed(void)
{
	static int out[50000], in[50000];
	MPI_Request r;

	for (int i = 0; i < 50; i++) {
		out[0] = i;
		MPI_Isend(out, i % 2 ? 50000 : 1, MPI_INT, peer, 60, MPI_COMM_WORLD, &r);
		MPI_Request_free(&r);
		MPI_Recv(in, 50000, MPI_INT, peer, 60, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		MPI_Barrier(MPI_COMM_WORLD);
	}
	printf("%d freed sends %d\n", rank, in[0]);
}

int main(int argc, char **argv)
{
	static void (*const parts[])(void) = { blocking, persistent, buffered, cancel, probes, many, exchange, freed };
	int repeat = argc > 1 ? atoi(argv[1]) : 1, size;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	if (size != 2)
		MPI_Abort(MPI_COMM_WORLD, 2);
	peer = 1 - rank;
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	for (int i = 0; i < repeat; i++)
		for (unsigned k = 0; k < sizeof(parts) / sizeof(parts[0]); k++) {
			parts[k]();
			fflush(stdout);
			MPI_Barrier(MPI_COMM_WORLD);
		}
	MPI_Finalize();
	return 0;
}
