/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Persistent requests (MPI 3.1, section 3.9). The stub keeps the arguments and starts an ordinary operation each time:
 * an inactive persistent request has nothing in the lower library, so that a restart has nothing to make again. What is
 * wrong with the arguments is still found by the lower library, when the request is made.
 */
#include "mpi/buffered.h"
#include "mpi/export.h"
#include "mpi/request.h"

/* Lets the lower library look at the arguments by making its own persistent request for a moment. */
static int try_arguments(const struct rp_req *r)
{
	MPI_Datatype type = RP_LOWER_TYPE(r->type);
	MPI_Comm comm = RP_LOWER_COMM(r->comm);
	MPI_Request lower;
	int rc;

	if (r->kind == RP_REQ_RECV)
		rc = rp_lower.MPI_Recv_init(r->buf, r->count, type, r->peer, r->tag, comm, &lower);
	else
		rc = rp_lower.MPI_Send_init(r->buf, r->count, type, r->peer, r->tag, comm, &lower);
	if (rc == MPI_SUCCESS)
		rp_lower.MPI_Request_free(&lower);
	return rc;
}

static int make(int kind, int mode, const void *buf, int count, MPI_Datatype type, int peer, int tag, MPI_Comm comm,
		MPI_Request *request)
{
	struct rp_thread *t = rp_mpi_enter();
	struct rp_req *r = rp_req_new();
	int rc = MPI_ERR_NO_MEM;

	if (r) {
		rp_req_set(r, kind, mode, buf, count, type, peer, tag, comm);
		r->flags |= RP_REQ_PERSISTENT;
		rc = try_arguments(r);
		if (rc == MPI_SUCCESS)
			*request = (MPI_Request)(void *)r;
		else
			rp_req_free(r);
	}
	rp_leave(t);
	return rc == MPI_SUCCESS ? rc : rp_comm_error(RP_C(comm), rc);
}

RP_EXPORT int PMPI_Send_init(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
			     MPI_Request *request)
{
	return make(RP_REQ_SEND, RP_MODE_STANDARD, buf, count, type, dest, tag, comm, request);
}
RP_ALIAS(MPI_Send_init);

RP_EXPORT int PMPI_Bsend_init(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
			      MPI_Request *request)
{
	return make(RP_REQ_SEND, RP_MODE_BUFFERED, buf, count, type, dest, tag, comm, request);
}
RP_ALIAS(MPI_Bsend_init);

RP_EXPORT int PMPI_Ssend_init(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
			      MPI_Request *request)
{
	return make(RP_REQ_SEND, RP_MODE_SYNC, buf, count, type, dest, tag, comm, request);
}
RP_ALIAS(MPI_Ssend_init);

RP_EXPORT int PMPI_Rsend_init(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
			      MPI_Request *request)
{
	return make(RP_REQ_SEND, RP_MODE_READY, buf, count, type, dest, tag, comm, request);
}
RP_ALIAS(MPI_Rsend_init);

RP_EXPORT int PMPI_Recv_init(void *buf, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm,
			     MPI_Request *request)
{
	return make(RP_REQ_RECV, RP_MODE_STANDARD, buf, count, type, source, tag, comm, request);
}
RP_ALIAS(MPI_Recv_init);

/* ---- starting ---- */

static int start_other(struct rp_req *r)
{
	MPI_Request lower = r->o.lower;
	int rc = rp_lower.MPI_Start(&lower);

	r->o.lower = lower;
	if (rc == MPI_SUCCESS)
		r->flags = (r->flags & ~RP_REQ_DONE) | RP_REQ_ACTIVE;
	return rc;
}

static int start(struct rp_req *r)
{
	if (!(r->flags & RP_REQ_PERSISTENT) || (r->flags & RP_REQ_ACTIVE))
		return MPI_ERR_REQUEST;
	if (r->kind == RP_REQ_OTHER)
		return start_other(r);
	if (r->mode == RP_MODE_BUFFERED)
		return rp_buffered_start(r);
	return rp_req_post(r);
}

RP_EXPORT int PMPI_Startall(int count, MPI_Request requests[])
{
	struct rp_thread *t = rp_mpi_enter();
	struct rp_comm *comm = NULL;
	int rc = MPI_SUCCESS;

	for (int i = 0; i < count && rc == MPI_SUCCESS; i++) {
		struct rp_req *r = RP_Q(requests[i]);

		rc = requests[i] == MPI_REQUEST_NULL ? MPI_ERR_REQUEST : start(r);
		if (rc != MPI_SUCCESS && requests[i] != MPI_REQUEST_NULL)
			comm = r->comm;
	}
	rp_leave(t);
	return rc == MPI_SUCCESS ? rc : rp_comm_raise(comm, rc, "MPI_Startall");
}
RP_ALIAS(MPI_Startall);

RP_EXPORT int PMPI_Start(MPI_Request *request)
{
	struct rp_thread *t = rp_mpi_enter();
	int rc = *request == MPI_REQUEST_NULL ? MPI_ERR_REQUEST : start(RP_Q(*request));

	rp_leave(t);
	if (rc == MPI_SUCCESS)
		return rc;
	return rp_comm_raise(*request == MPI_REQUEST_NULL ? NULL : RP_Q(*request)->comm, rc, "MPI_Start");
}
RP_ALIAS(MPI_Start);
