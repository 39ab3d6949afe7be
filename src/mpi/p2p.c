/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Blocking and nonblocking sends and receives (MPI 3.1, chapter 3). One trip into the lower half per call: a blocking
 * receive posts and then tests in there until it is done or the gate closes; a small blocking send is the lower
 * library's own, because it does not need its receiver: it ends in eager buffers, and every parked rank keeps its side
 * of the progress going.
 */
#include "mpi/export.h"
#include "mpi/request.h"

/* Bytes up to which a blocking send may be the native one. Well below the eager limits of Open MPI's transports (4 KiB
 * for shared memory, 64 KiB for TCP), headers included. */
#define SMALL 2048

static inline int is_small(MPI_Datatype type, int count)
{
	struct rp_type *t = RP_T(type);

	return t && t->known && (uint64_t)t->size * (uint64_t)(uint32_t)count <= SMALL;
}

static inline int finish(struct rp_thread *t, int rc, MPI_Comm comm)
{
	rp_leave(t);
	if (__builtin_expect(rc != MPI_SUCCESS, 0))
		return rp_comm_error(RP_C(comm), rc);
	return MPI_SUCCESS;
}

static __attribute__((noinline)) int send_wait(struct rp_thread *t, int mode, const void *buf, int count,
					       MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	struct rp_req r;
	int rc;

	rp_req_init_stack(&r);
	rp_req_set(&r, RP_REQ_SEND, mode, buf, count, type, dest, tag, comm);
	rc = rp_req_post(&r);
	if (rc != MPI_SUCCESS)
		return rc;
	rp_req_wait(t, &r);
	return r.rc;
}

RP_EXPORT int PMPI_Send(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	struct rp_thread *t = rp_mpi_enter();
	int rc;

	if (is_small(type, count)) {
		rc = rp_lower.MPI_Send(buf, count, RP_LOWER_TYPE(type), dest, tag, RP_LOWER_COMM(comm));
		if (__builtin_expect(rc == MPI_SUCCESS, 1))
			rp_count_sent(RP_C(comm), dest, tag);
	} else {
		rc = send_wait(t, RP_MODE_STANDARD, buf, count, type, dest, tag, comm);
	}
	return finish(t, rc, comm);
}
RP_ALIAS(MPI_Send);

RP_EXPORT int PMPI_Rsend(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	struct rp_thread *t = rp_mpi_enter();

	return finish(t, send_wait(t, RP_MODE_READY, buf, count, type, dest, tag, comm), comm);
}
RP_ALIAS(MPI_Rsend);

RP_EXPORT int PMPI_Ssend(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	struct rp_thread *t = rp_mpi_enter();

	return finish(t, send_wait(t, RP_MODE_SYNC, buf, count, type, dest, tag, comm), comm);
}
RP_ALIAS(MPI_Ssend);

/* A receive that found its message in the queue, or that was asked to park: goes on as a request on the stack. */
static __attribute__((noinline)) int recv_slow(struct rp_thread *t, MPI_Request lower, void *buf, int count,
					       MPI_Datatype type, int source, int tag, MPI_Comm comm,
					       MPI_Status *status)
{
	struct rp_req r;
	int rc;

	rp_req_init_stack(&r);
	rp_req_set(&r, RP_REQ_RECV, RP_MODE_STANDARD, buf, count, type, source, tag, comm);
	if (lower) {
		r.o.lower = lower;
		r.flags |= RP_REQ_ACTIVE;
	} else {
		rc = rp_req_post(&r);
		if (rc != MPI_SUCCESS)
			return rc;
	}
	rp_req_wait(t, &r);
	rp_status_give(status, &r.status);
	return r.rc;
}

static int recv_wait(struct rp_thread *t, void *buf, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm,
		     MPI_Status *status)
{
	MPI_Status st;
	MPI_Request lower;
	int rc, flag = 0;

	if (__builtin_expect(rp_msg.queued, 0))
		return recv_slow(t, NULL, buf, count, type, source, tag, comm, status);
	rc = rp_lower.MPI_Irecv(buf, count, RP_LOWER_TYPE(type), source, tag, RP_LOWER_COMM(comm), &lower);
	if (__builtin_expect(rc != MPI_SUCCESS, 0))
		return rc;
	for (;;) {
		rc = rp_lower.MPI_Test(&lower, &flag, &st);
		if (flag || rc != MPI_SUCCESS)
			break;
		if (rp_gate_wants(t))
			return recv_slow(t, lower, buf, count, type, source, tag, comm, status);
	}
	rp_count_received(&st);
	rp_status_give(status, &st);
	return rc;
}

RP_EXPORT int PMPI_Recv(void *buf, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Status *status)
{
	struct rp_thread *t = rp_mpi_enter();

	return finish(t, recv_wait(t, buf, count, type, source, tag, comm, status), comm);
}
RP_ALIAS(MPI_Recv);

/* ---- both at once ---- */

/* The send failed: the receive that was posted for the same call goes away. */
static void take_back(struct rp_req *r)
{
	MPI_Request lower = r->o.lower;
	MPI_Status status;

	if (r->flags & RP_REQ_DONE)
		return;
	rp_lower.MPI_Cancel(&lower);
	if (rp_lower.MPI_Wait(&lower, &status) == MPI_SUCCESS && !status._cancelled)
		rp_count_received(&status);
	rp_req_unlink(r);
}

static int exchange(struct rp_thread *t, struct rp_req *send, struct rp_req *recv, MPI_Status *status)
{
	int rc = rp_req_post(recv);

	if (rc != MPI_SUCCESS)
		return rc;
	if (is_small((MPI_Datatype)send->type, send->count)) {
		rc = rp_lower.MPI_Send(send->buf, send->count, RP_LOWER_TYPE(send->type), send->peer, send->tag,
				       RP_LOWER_COMM(send->comm));
		if (rc == MPI_SUCCESS)
			rp_count_sent(send->comm, send->peer, send->tag);
	} else {
		rc = rp_req_post(send);
		if (rc == MPI_SUCCESS) {
			if (!(recv->flags & RP_REQ_DONE))
				rp_req_link(recv); /* the wait may park with both open */
			rp_req_wait(t, send);
			rc = send->rc;
		}
	}
	if (rc != MPI_SUCCESS) {
		take_back(recv);
		return rc;
	}
	rp_req_wait(t, recv);
	rp_status_give(status, &recv->status);
	return recv->rc;
}

RP_EXPORT int PMPI_Sendrecv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, int dest, int sendtag,
			    void *recvbuf, int recvcount, MPI_Datatype recvtype, int source, int recvtag, MPI_Comm comm,
			    MPI_Status *status)
{
	struct rp_thread *t = rp_mpi_enter();
	struct rp_req send, recv;

	rp_req_init_stack(&send);
	rp_req_init_stack(&recv);
	rp_req_set(&send, RP_REQ_SEND, RP_MODE_STANDARD, sendbuf, sendcount, sendtype, dest, sendtag, comm);
	rp_req_set(&recv, RP_REQ_RECV, RP_MODE_STANDARD, recvbuf, recvcount, recvtype, source, recvtag, comm);
	return finish(t, exchange(t, &send, &recv, status), comm);
}
RP_ALIAS(MPI_Sendrecv);

RP_EXPORT int PMPI_Sendrecv_replace(void *buf, int count, MPI_Datatype type, int dest, int sendtag, int source,
				    int recvtag, MPI_Comm comm, MPI_Status *status)
{
	struct rp_thread *t = rp_mpi_enter();
	struct rp_req send, recv;
	void *copy = NULL;
	int rc, size = 0, position = 0;

	rc = rp_lower.MPI_Pack_size(count, RP_LOWER_TYPE(type), RP_LOWER_COMM(comm), &size);
	if (rc == MPI_SUCCESS) {
		copy = rp_heap_alloc((size_t)size + 1);
		rc = copy ? rp_lower.MPI_Pack(buf, count, RP_LOWER_TYPE(type), copy, size, &position,
					      RP_LOWER_COMM(comm))
			  : MPI_ERR_NO_MEM;
	}
	if (rc == MPI_SUCCESS) {
		rp_req_init_stack(&send);
		rp_req_init_stack(&recv);
		rp_req_set(&send, RP_REQ_SEND, RP_MODE_STANDARD, copy, position, MPI_PACKED, dest, sendtag, comm);
		rp_req_set(&recv, RP_REQ_RECV, RP_MODE_STANDARD, buf, count, type, source, recvtag, comm);
		rc = exchange(t, &send, &recv, status);
	}
	rp_heap_free(copy);
	return finish(t, rc, comm);
}
RP_ALIAS(MPI_Sendrecv_replace);

/* ---- nonblocking ---- */

static int start(int kind, int mode, const void *buf, int count, MPI_Datatype type, int peer, int tag, MPI_Comm comm,
		 MPI_Request *request)
{
	struct rp_thread *t = rp_mpi_enter();
	struct rp_req *r = rp_req_new();
	int rc = MPI_ERR_NO_MEM;

	if (r) {
		rp_req_set(r, kind, mode, buf, count, type, peer, tag, comm);
		rc = rp_req_post(r);
		if (rc == MPI_SUCCESS)
			*request = (MPI_Request)(void *)r;
		else
			rp_req_free(r);
	}
	return finish(t, rc, comm);
}

/* Most small messages have left when the lower call returns: then nothing has to be kept. */
RP_EXPORT int PMPI_Isend(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
			 MPI_Request *request)
{
	struct rp_thread *t = rp_mpi_enter();
	struct rp_req *r = rp_req_new();
	MPI_Request lower;
	int rc = MPI_ERR_NO_MEM;

	if (__builtin_expect(!r, 0))
		return finish(t, rc, comm);
	rc = rp_lower.MPI_Isend(buf, count, RP_LOWER_TYPE(type), dest, tag, RP_LOWER_COMM(comm), &lower);
	if (rc == MPI_SUCCESS)
		rp_count_sent(RP_C(comm), dest, tag);
	if (rc == MPI_SUCCESS && !rp_is_complete(lower)) {
		rp_req_set(r, RP_REQ_SEND, RP_MODE_STANDARD, buf, count, type, dest, tag, comm);
		r->o.lower = lower;
		r->flags |= RP_REQ_ACTIVE;
		rp_req_link(r);
		*request = (MPI_Request)(void *)r;
		return finish(t, rc, comm);
	}
	rp_req_put(r);
	if (rc == MPI_SUCCESS)
		*request = (MPI_Request)&rp_req_sent;
	return finish(t, rc, comm);
}
RP_ALIAS(MPI_Isend);

RP_EXPORT int PMPI_Issend(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
			  MPI_Request *request)
{
	return start(RP_REQ_SEND, RP_MODE_SYNC, buf, count, type, dest, tag, comm, request);
}
RP_ALIAS(MPI_Issend);

RP_EXPORT int PMPI_Irsend(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
			  MPI_Request *request)
{
	return start(RP_REQ_SEND, RP_MODE_READY, buf, count, type, dest, tag, comm, request);
}
RP_ALIAS(MPI_Irsend);

RP_EXPORT int PMPI_Irecv(void *buf, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm,
			 MPI_Request *request)
{
	struct rp_thread *t = rp_mpi_enter();
	struct rp_req *r = rp_req_new();
	int rc = MPI_ERR_NO_MEM;

	if (__builtin_expect(!r, 0))
		return finish(t, rc, comm);
	rp_req_set(r, RP_REQ_RECV, RP_MODE_STANDARD, buf, count, type, source, tag, comm);
	if (__builtin_expect(rp_msg.queued, 0))
		rc = rp_req_post(r);
	else
		rc = rp_req_post_recv(r);
	if (rc == MPI_SUCCESS)
		*request = (MPI_Request)(void *)r;
	else
		rp_req_free(r);
	return finish(t, rc, comm);
}
RP_ALIAS(MPI_Irecv);
