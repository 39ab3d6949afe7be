/* SPDX-License-Identifier: BSD-3-Clause */
#include "mpi/buffered.h"

#include "mpi/export.h"

/* Frees the space of buffered sends that have left. Returns how many have not. */
static int reap_sent(void)
{
	struct rp_link *l, *next;
	int open = 0;

	rp_msg_lock();
	for (l = rp_msg.live.next; l != &rp_msg.live; l = next) {
		struct rp_req *r = rp_req_of_link(l);

		next = l->next;
		if (r->kind != RP_REQ_SEND || r->mode != RP_MODE_BUFFERED || !(r->flags & RP_REQ_ORPHAN))
			continue;
		if (!rp_req_poll(r)) {
			open++;
			continue;
		}
		rp_msg.orphans--;
		rp_req_free(r);
	}
	rp_msg_unlock();
	return open;
}

static int buffer_and_send(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	int rc, size = 0, position = 0;
	struct rp_req *r;
	uint64_t space;

	rc = rp_lower.MPI_Pack_size(count, RP_LOWER_TYPE(type), RP_LOWER_COMM(comm), &size);
	if (rc != MPI_SUCCESS || dest == MPI_PROC_NULL)
		return rc;
	space = count ? (uint64_t)size + MPI_BSEND_OVERHEAD : 0; /* an empty message needs no buffer attached */
	if (rp_msg.buffer_used + space > rp_msg.buffer_size)
		reap_sent();
	if (rp_msg.buffer_used + space > rp_msg.buffer_size)
		return MPI_ERR_BUFFER;
	r = rp_req_new();
	if (!r)
		return MPI_ERR_NO_MEM;
	r->heap = rp_heap_alloc((size_t)size + 1);
	rc = r->heap ? rp_lower.MPI_Pack(buf, count, RP_LOWER_TYPE(type), r->heap, size, &position, RP_LOWER_COMM(comm))
		     : MPI_ERR_NO_MEM;
	if (rc == MPI_SUCCESS) {
		rp_req_set(r, RP_REQ_SEND, RP_MODE_BUFFERED, r->heap, position, MPI_PACKED, dest, tag, comm);
		rc = rp_req_post(r);
	}
	if (rc != MPI_SUCCESS || (r->flags & RP_REQ_DONE)) { /* failed, or has left already */
		rp_req_free(r);
		return rc;
	}
	r->flags |= RP_REQ_ORPHAN;
	r->space = space;
	rp_msg.buffer_used += space;
	rp_msg.orphans++;
	return MPI_SUCCESS;
}

static int buffered_send(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	int rc;

	rp_msg_lock();
	rc = buffer_and_send(buf, count, type, dest, tag, comm);
	rp_msg_unlock();
	return rc;
}

/* What the application holds is complete from the beginning. */
static void done_at_once(struct rp_req *r)
{
	rp_status_empty(&r->status);
	r->rc = MPI_SUCCESS;
	r->flags |= RP_REQ_ACTIVE | RP_REQ_DONE;
}

int rp_buffered_start(struct rp_req *r)
{
	int rc = buffered_send(r->buf, r->count, (MPI_Datatype)r->type, r->peer, r->tag, (MPI_Comm)r->comm);

	if (rc == MPI_SUCCESS)
		done_at_once(r);
	return rc;
}

static int finish(struct rp_thread *t, int rc, MPI_Comm comm, const char *function)
{
	rp_leave(t);
	if (rc == MPI_SUCCESS)
		return rc;
	return rc == MPI_ERR_BUFFER || rc == MPI_ERR_NO_MEM ? rp_comm_raise(RP_C(comm), rc, function)
							    : rp_comm_error(RP_C(comm), rc);
}

RP_EXPORT int PMPI_Bsend(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	struct rp_thread *t = rp_mpi_enter();

	return finish(t, buffered_send(buf, count, type, dest, tag, comm), comm, "MPI_Bsend");
}
RP_ALIAS(MPI_Bsend);

RP_EXPORT int PMPI_Ibsend(const void *buf, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,
			  MPI_Request *request)
{
	struct rp_thread *t = rp_mpi_enter();
	struct rp_req *r = rp_req_new();
	int rc = r ? buffered_send(buf, count, type, dest, tag, comm) : MPI_ERR_NO_MEM;

	if (rc == MPI_SUCCESS) {
		rp_req_set(r, RP_REQ_SEND, RP_MODE_BUFFERED, buf, count, type, dest, tag, comm);
		done_at_once(r);
		*request = (MPI_Request)(void *)r;
	} else if (r) {
		rp_req_free(r);
	}
	return finish(t, rc, comm, "MPI_Ibsend");
}
RP_ALIAS(MPI_Ibsend);

RP_EXPORT int PMPI_Buffer_attach(void *buffer, int size)
{
	if (!buffer || size < 0)
		return rp_comm_raise(NULL, MPI_ERR_ARG, "MPI_Buffer_attach");
	if (rp_msg.buffer)
		return rp_comm_raise(NULL, MPI_ERR_BUFFER, "MPI_Buffer_attach");
	rp_msg.buffer = buffer;
	rp_msg.buffer_size = (uint64_t)size;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Buffer_attach);

/* Waits until all buffered messages have left. */
RP_EXPORT int PMPI_Buffer_detach(void *buffer, int *size)
{
	struct rp_thread *t;

	if (!buffer || !size)
		return rp_comm_raise(NULL, MPI_ERR_ARG, "MPI_Buffer_detach");
	if (!rp_msg.buffer)
		return rp_comm_raise(NULL, MPI_ERR_BUFFER, "MPI_Buffer_detach");
	t = rp_mpi_enter();
	while (reap_sent())
		if (rp_gate_wants(t)) {
			rp_leave(t);
			rp_mpi_enter();
		}
	*(void **)buffer = rp_msg.buffer;
	*size = (int)rp_msg.buffer_size;
	rp_msg.buffer = NULL;
	rp_msg.buffer_size = 0;
	rp_leave(t);
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Buffer_detach);
