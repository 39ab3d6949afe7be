/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What each call that completes something leaves in the MPI_ERROR of the caller's status: only those set it that may
 * return MPI_ERR_IN_STATUS (MPI 3.1, section 3.2.5). The rank sends to itself. Prints one line for each call.
 */
#include <mpi.h>
#include <stdio.h>

#define PRESET 77
#define LARGE 100000

static char out[LARGE], in[LARGE];
static MPI_Status st[4];
static MPI_Request rq[4];
static MPI_Comm comm;

static void preset(void)
{
	for (int i = 0; i < 4; i++)
		st[i].MPI_ERROR = PRESET;
}

static void say(const char *what, int rc, int n)
{
	int class = MPI_SUCCESS;

	MPI_Error_class(rc, &class);
	printf("%s: class %d", what, class);
	for (int i = 0; i < n; i++) {
		class = st[i].MPI_ERROR;
		if (class != PRESET)
			MPI_Error_class(class, &class);
		printf(" [%d]", class);
	}
	printf("\n");
	preset();
}

/* Sent first: Open MPI 4.1 does not see that its own process's message is too long for a receive that waits. */
static void start(int i, int room, int length, int tag)
{
	MPI_Request sent;

	MPI_Isend(out, length, MPI_CHAR, 0, tag, comm, &sent);
	MPI_Irecv(in, room, MPI_CHAR, 0, tag, comm, &rq[i]);
	MPI_Wait(&sent, MPI_STATUS_IGNORE);
}

static void single(const char *form, int room, int length)
{
	MPI_Message message;
	char what[64];
	int flag = 0, rc;

	snprintf(what, sizeof(what), "%s Recv", form);
	MPI_Isend(out, length, MPI_CHAR, 0, 1, comm, &rq[0]);
	say(what, MPI_Recv(in, room, MPI_CHAR, 0, 1, comm, &st[0]), 1);
	snprintf(what, sizeof(what), "%s Wait for a send", form);
	say(what, MPI_Wait(&rq[0], &st[0]), 1);
	snprintf(what, sizeof(what), "%s Wait", form);
	start(0, room, length, 2);
	say(what, MPI_Wait(&rq[0], &st[0]), 1);
	snprintf(what, sizeof(what), "%s Test", form);
	start(0, room, length, 3);
	while ((rc = MPI_Test(&rq[0], &flag, &st[0])) == MPI_SUCCESS && !flag)
		;
	say(what, rc, 1);
	snprintf(what, sizeof(what), "%s Waitany", form);
	start(0, room, length, 4);
	say(what, MPI_Waitany(1, rq, &flag, &st[0]), 1);
	snprintf(what, sizeof(what), "%s Testany", form);
	start(0, room, length, 5);
	while ((rc = MPI_Testany(1, rq, &(int){ 0 }, &flag, &st[0])) == MPI_SUCCESS && !flag)
		;
	say(what, rc, 1);
	snprintf(what, sizeof(what), "%s Sendrecv", form);
	say(what, MPI_Sendrecv(out, length, MPI_CHAR, 0, 6, in, room, MPI_CHAR, 0, 6, comm, &st[0]), 1);
	snprintf(what, sizeof(what), "%s Mprobe", form);
	MPI_Isend(out, length, MPI_CHAR, 0, 7, comm, &rq[0]);
	say(what, MPI_Mprobe(0, 7, comm, &message, &st[0]), 1);
	snprintf(what, sizeof(what), "%s Mrecv", form);
	say(what, MPI_Mrecv(in, room, MPI_CHAR, &message, &st[0]), 1);
	MPI_Wait(&rq[0], MPI_STATUS_IGNORE);
}

static void several(const char *form, int room)
{
	char what[64];
	int n = 0, at[4], rc;

	snprintf(what, sizeof(what), "%s Waitall", form);
	start(0, 10, 10, 1);
	start(1, room, 10, 2);
	MPI_Isend(out, 10, MPI_CHAR, MPI_PROC_NULL, 3, comm, &rq[2]);
	rq[3] = MPI_REQUEST_NULL;
	say(what, MPI_Waitall(4, rq, st), 4);
	snprintf(what, sizeof(what), "%s Testall", form);
	start(0, 10, 10, 1);
	start(1, room, 10, 2);
	while ((rc = MPI_Testall(2, rq, &n, st)) == MPI_SUCCESS && !n)
		;
	say(what, rc, 2);
	snprintf(what, sizeof(what), "%s Waitsome", form);
	start(0, room, 10, 1);
	rc = MPI_Waitsome(1, rq, &n, at, st);
	say(what, rc, n);
	snprintf(what, sizeof(what), "%s Testsome", form);
	start(0, room, 10, 1);
	while ((rc = MPI_Testsome(1, rq, &n, at, st)) == MPI_SUCCESS && !n)
		;
	say(what, rc, n);
}

static void rest(void)
{
	int flag = 0;

	rq[0] = MPI_REQUEST_NULL;
	say("Wait for nothing", MPI_Wait(&rq[0], &st[0]), 1);
	say("Test of nothing", MPI_Test(&rq[0], &flag, &st[0]), 1);
	say("Waitany of nothing", MPI_Waitany(1, rq, &flag, &st[0]), 1);
	say("Recv from nobody", MPI_Recv(in, 1, MPI_CHAR, MPI_PROC_NULL, 1, comm, &st[0]), 1);
	say("Probe of nobody", MPI_Probe(MPI_PROC_NULL, 1, comm, &st[0]), 1);
	MPI_Isend(out, 10, MPI_CHAR, 0, 1, comm, &rq[0]);
	say("Probe", MPI_Probe(0, 1, comm, &st[0]), 1);
	say("Iprobe", MPI_Iprobe(0, 1, comm, &flag, &st[0]), 1);
	MPI_Recv(in, 10, MPI_CHAR, 0, 1, comm, MPI_STATUS_IGNORE);
	say("Get_status of a send", MPI_Request_get_status(rq[0], &flag, &st[0]), 1);
	MPI_Wait(&rq[0], MPI_STATUS_IGNORE);
	start(0, 10, 10, 2);
	do
		MPI_Request_get_status(rq[0], &flag, &st[0]);
	while (!flag);
	say("Get_status", MPI_SUCCESS, 1);
	MPI_Wait(&rq[0], MPI_STATUS_IGNORE);
	say("Sendrecv_replace", MPI_Sendrecv_replace(in, 10, MPI_CHAR, 0, 3, 0, 3, comm, &st[0]), 1);
	MPI_Irecv(in, 10, MPI_CHAR, 0, 4, comm, &rq[0]);
	MPI_Cancel(&rq[0]);
	MPI_Wait(&rq[0], &st[0]);
	printf("cancelled: %d\n", st[0].MPI_ERROR);
	preset();
	MPI_Recv_init(in, 10, MPI_CHAR, 0, 5, comm, &rq[0]);
	say("Wait for an inactive one", MPI_Wait(&rq[0], &st[0]), 1);
	MPI_Start(&rq[0]);
	MPI_Send(out, 10, MPI_CHAR, 0, 5, comm);
	say("Wait for a persistent one", MPI_Wait(&rq[0], &st[0]), 1);
	MPI_Request_free(&rq[0]);
	MPI_Ibarrier(comm, &rq[0]);
	say("Wait for a collective", MPI_Wait(&rq[0], &st[0]), 1);
}

int main(int argc, char **argv)
{
	MPI_Init(&argc, &argv);
	MPI_Comm_dup(MPI_COMM_SELF, &comm);
	MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
	preset();
	single("small", 10, 10);
	single("large", LARGE, LARGE);
	single("too long", 5, 10);
	several("good", 10);
	several("too long", 5);
	rest();
	MPI_Comm_free(&comm);
	MPI_Finalize();
	return 0;
}
