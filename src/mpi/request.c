/* SPDX-License-Identifier: BSD-3-Clause */
#include "mpi/request.h"

#include "mpi/comm.h"

struct rp_msg rp_msg = {
	.live = { &rp_msg.live, &rp_msg.live },
	.messages = { &rp_msg.messages, &rp_msg.messages },
};

/* A send has no status to speak of. */
struct rp_request rp_req_sent = { .o = { .kind = RP_REQUEST, .refs = 1, .f_index = -1 } };

static __attribute__((constructor(102))) void sent_init(void)
{
	struct rp_req *r = RP_Q(&rp_req_sent);

	r->kind = RP_REQ_SEND;
	r->flags = RP_REQ_SHARED | RP_REQ_ACTIVE | RP_REQ_DONE;
	rp_status_empty(&r->status);
}

/* An odd number of cache lines apart, so that a window of requests spreads over all sets of the cache. */
#define STRIDE ((sizeof(struct rp_request) + 127) / 128 * 128 + 64)
#define SLAB 64

struct rp_req *rp_req_more(void)
{
	char *slab = rp_heap_alloc(SLAB * STRIDE + 64);
	struct rp_req *r = NULL;

	if (!slab)
		return NULL;
	slab += -(uintptr_t)slab % 64;
	for (int i = 0; i < SLAB; i++) {
		r = (struct rp_req *)(void *)(slab + (size_t)i * STRIDE);
		r->o.kind = RP_REQUEST;
		r->o.refs = 1;
		r->o.f_index = -1;
		if (i < SLAB - 1)
			rp_req_put(r);
	}
	return r;
}

static void other_count(struct rp_req *r, int by)
{
	rp_msg_lock();
	rp_msg.user_code += r->other == RP_OTHER_CODE ? by : 0;
	rp_msg.others += r->other == RP_OTHER_REFUSE || r->other == RP_OTHER_PERSISTENT ? by : 0;
	rp_msg_unlock();
}

void rp_req_drop_refs(struct rp_req *r)
{
	if (!(r->flags & RP_REQ_STACK)) {
		if (r->type && rp_is_counted(&r->type->o))
			rp_type_put_inside(r->type);
		if (r->comm && rp_is_counted(&r->comm->o))
			rp_object_unref(r->comm);
	}
	r->type = NULL;
	r->comm = NULL;
	if (r->kind == RP_REQ_RECV)
		return;
	rp_heap_free(r->heap);
	r->heap = NULL;
}

void rp_req_free(struct rp_req *r)
{
	if (r->flags & RP_REQ_SHARED)
		return;
	if (r->kind == RP_REQ_OTHER && (r->flags & RP_REQ_PERSISTENT))
		other_count(r, -1);
	rp_req_unlink(r);
	rp_req_drop_refs(r);
	if (r->kind != RP_REQ_RECV)
		r->space = 0;
	if (r->o.f_index >= 0)
		rp_f_forget(&r->o);
	rp_req_put(r);
}

static int post_send(struct rp_req *r, MPI_Request *lower)
{
	MPI_Datatype type = RP_LOWER_TYPE(r->type);
	MPI_Comm comm = RP_LOWER_COMM(r->comm);

	switch (r->mode) {
	case RP_MODE_SYNC:
		return rp_lower.MPI_Issend(r->buf, r->count, type, r->peer, r->tag, comm, lower);
	case RP_MODE_READY:
		return rp_lower.MPI_Irsend(r->buf, r->count, type, r->peer, r->tag, comm, lower);
	default:
		return rp_lower.MPI_Isend(r->buf, r->count, type, r->peer, r->tag, comm, lower);
	}
}

static void done_at_once(struct rp_req *r)
{
	r->rc = MPI_SUCCESS;
	rp_status_empty(&r->status);
	r->flags |= RP_REQ_ACTIVE | RP_REQ_DONE;
}

/* A receive that finds its message in the queue is complete at once: the buffer is the library's from now on anyway. */
static int post_from_queue(struct rp_req *r)
{
	struct rp_entry *e = rp_queue_take(r->comm, r->peer, r->tag, &r->status);

	if (!e)
		return 0;
	r->rc = rp_entry_deliver(e, r->buf, r->count, (MPI_Datatype)r->type, &r->status);
	r->flags |= RP_REQ_ACTIVE | RP_REQ_DONE;
	return 1;
}

int rp_req_post(struct rp_req *r)
{
	MPI_Request lower = NULL;
	int rc;

	r->flags &= ~(RP_REQ_DONE | RP_REQ_CANCEL);
	if (r->kind == RP_REQ_RECV) {
		if (__builtin_expect(rp_msg.queued, 0) && r->comm && post_from_queue(r))
			return MPI_SUCCESS;
		return rp_req_post_recv(r);
	}
	rc = post_send(r, &lower);
	if (__builtin_expect(rc != MPI_SUCCESS, 0))
		return rc;
	if (r->mode == RP_MODE_SYNC && r->peer >= 0 && !rp_is_complete(lower))
		rp_sync_open(r);
	else
		rp_count_sent(r->comm, r->peer, r->tag);
	if (rp_is_complete(lower)) {
		done_at_once(r);
		return MPI_SUCCESS;
	}
	r->o.lower = lower;
	r->flags |= RP_REQ_ACTIVE;
	if (!(r->flags & RP_REQ_STACK))
		rp_req_link(r);
	return MPI_SUCCESS;
}

static void operation_over(struct rp_req *r)
{
	if (r->sync)
		rp_sync_close(r);
	if (r->space) {
		rp_msg_lock();
		rp_msg.buffer_used -= r->space;
		rp_msg_unlock();
		r->space = 0;
		rp_heap_free(r->heap);
		r->heap = NULL;
	}
	if (r->kind == RP_REQ_OTHER && !(r->flags & RP_REQ_PERSISTENT))
		other_count(r, -1);
}

void rp_req_complete(struct rp_req *r, int rc, const MPI_Status *status, int from_control)
{
	r->rc = rc;
	if (status != &r->status)
		r->status = *status;
	if (r->kind != RP_REQ_OTHER || !(r->flags & RP_REQ_PERSISTENT))
		r->o.lower = NULL;
	if (r->kind == RP_REQ_RECV && !status->_cancelled)
		rp_count_received(status);
	if (r->sync && from_control) {
		r->flags |= RP_REQ_SUSPECT;
		rp_msg.held++;
		return;
	}
	r->flags |= RP_REQ_DONE;
	if (!(r->flags & RP_REQ_ORPHAN))
		rp_req_unlink(r);
	if (r->kind != RP_REQ_RECV)
		operation_over(r);
}

int rp_req_poll(struct rp_req *r)
{
	MPI_Request lower;
	int rc, flag = 0;

	if (r->flags & RP_REQ_DONE)
		return 1;
	if (__builtin_expect(r->flags & (RP_REQ_HELD | RP_REQ_SUSPECT), 0)) {
		rp_sync_poll();
		return !!(r->flags & RP_REQ_DONE);
	}
	lower = r->o.lower;
	rc = rp_lower.MPI_Test(&lower, &flag, &r->status);
	if (!flag && rc == MPI_SUCCESS)
		return 0;
	rp_req_complete(r, rc, &r->status, 0);
	return 1;
}

void rp_req_wait(struct rp_thread *t, struct rp_req *r)
{
	while (!rp_req_poll(r)) {
		if (!rp_gate_wants(t))
			continue;
		/* Park. While out, the control thread may complete it, and a restart may post it again. It stays linked
		 * until it is complete: an acknowledgement has to find it. */
		rp_req_link(r);
		rp_leave(t);
		rp_mpi_enter();
	}
}

int rp_req_take(MPI_Request *handle, struct rp_req *r, MPI_Status *status)
{
	int rc = r->rc;

	rp_status_give(status, &r->status);
	if (!(r->flags & RP_REQ_PERSISTENT)) {
		*handle = MPI_REQUEST_NULL;
		rp_req_free(r);
		return rc;
	}
	r->flags &= ~(RP_REQ_ACTIVE | RP_REQ_DONE);
	return rc;
}

/* Called for each new orphan; looks through the live requests only when their number has doubled since the last time. */
void rp_req_reap(void)
{
	static uint32_t next_look = 16;
	struct rp_link *l, *next;

	if (rp_msg.orphans < next_look)
		return;
	rp_msg_lock();
	for (l = rp_msg.live.next; l != &rp_msg.live; l = next) {
		struct rp_req *r = rp_req_of_link(l);

		next = l->next;
		if ((r->flags & RP_REQ_ORPHAN) && rp_req_poll(r)) {
			rp_msg.orphans--;
			rp_req_free(r);
		}
	}
	next_look = rp_msg.orphans < 8 ? 16 : 2 * rp_msg.orphans;
	rp_msg_unlock();
}

void rp_status_empty(MPI_Status *status)
{
	if (!status)
		return;
	status->MPI_SOURCE = MPI_ANY_SOURCE;
	status->MPI_TAG = MPI_ANY_TAG;
	status->_cancelled = 0;
	status->_ucount = 0;
}

/* ---- requests that other parts make ---- */

struct rp_request *rp_request_begin(void)
{
	return (struct rp_request *)(void *)rp_req_new();
}

MPI_Request rp_request_other(struct rp_request *request, int rc, MPI_Request lower, enum rp_other_class c,
			     const char *name, struct rp_comm *comm)
{
	struct rp_req *r = RP_Q(request);

	if (rc != MPI_SUCCESS) {
		rp_req_free(r);
		return MPI_REQUEST_NULL;
	}
	r->kind = RP_REQ_OTHER;
	r->other = c;
	r->name = name;
	r->comm = comm;
	if (comm && !(comm->o.flags & RP_PREDEFINED))
		rp_object_ref(comm);
	r->o.lower = lower;
	other_count(r, 1);
	r->flags |= c == RP_OTHER_PERSISTENT ? RP_REQ_PERSISTENT : RP_REQ_ACTIVE;
	rp_req_link(r);
	return (MPI_Request)(void *)r;
}

void rp_request_attach(struct rp_request *request, void *heap)
{
	RP_Q(request)->heap = heap;
}
