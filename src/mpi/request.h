/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Requests of point-to-point communication: everything that is needed to test, complete, publish, and post again in
 * another incarnation. MPI_Request of the application is the address of one of these (struct rp_request of object.h,
 * overlaid). Blocking calls use one on their stack, which is linked only while the thread is parked.
 *
 * Life: begin (free list) -> post (lower request, linked in the list of live requests, in order of posting) ->
 * complete (status and error kept here, lower request gone, unlinked) -> taken by the application (freed, or inactive
 * when persistent). Completion may be seen by the control thread during a checkpoint as well as by the application.
 *
 * Changed only inside (depth > 0), or by the control thread while everybody is out, and under rp_msg_lock(), which
 * costs nothing unless the application asked for MPI_THREAD_MULTIPLE.
 */
#ifndef RP_MPI_REQUEST_H
#define RP_MPI_REQUEST_H

#include "mpi/lower.h"
#include "mpi/message.h"

enum rp_req_kind {
	RP_REQ_NONE,
	RP_REQ_SEND,
	RP_REQ_RECV,
	RP_REQ_PROBE, /* a thread that waits in MPI_Probe or MPI_Mprobe: only published as a wait */
	RP_REQ_OTHER, /* not point-to-point: rp_request_other() */
};

enum rp_req_mode { RP_MODE_STANDARD, RP_MODE_SYNC, RP_MODE_READY, RP_MODE_BUFFERED };

enum rp_req_flag {
	RP_REQ_PERSISTENT = 1,
	RP_REQ_ACTIVE = 2, /* started, completion not yet given to the application */
	RP_REQ_DONE = 4,   /* complete: status and rc are valid */
	RP_REQ_ORPHAN = 8, /* freed by the application while active */
	RP_REQ_SUSPECT =
		16, /* synchronous send, complete for the lower library during a drain: matched, or in a queue? */
	RP_REQ_HELD =
		32, /* synchronous send whose message lies in the receiver's queue: an acknowledgement will come */
	RP_REQ_STACK = 64,    /* of a blocking call: not from the free list */
	RP_REQ_ASKED = 128,   /* suspect: the question is under way (drain.c) */
	RP_REQ_CANCEL = 256,  /* MPI_Cancel was called */
	RP_REQ_MATCHED = 512, /* receive of a matched message: it completes in any drain, never to be posted again */
	RP_REQ_SHARED = 1024, /* rp_req_sent */
};

struct rp_sync; /* sync.c */

/* First what every call touches: with the head of the heap's block two cache lines. */
struct rp_req {
	struct rp_object o; /* o.lower: the lower request, NULL: none. o.link: in the list of live requests */
	uint8_t kind, mode;
	uint16_t flags;
	int32_t rc; /* of the completion */
	struct rp_type *type;
	struct rp_comm *comm;
	void *buf;
	int32_t count, peer, tag;
	int32_t other; /* enum rp_other_class */
	MPI_Status status;
	const char *name; /* RP_REQ_OTHER: the function */
	void *heap;	  /* freed with the operation */
	struct rp_sync *sync;
	uint64_t ordinal; /* of a synchronous send among the sends of its (communicator, destination, tag) */
	uint64_t space;	  /* buffered send: bytes of the attached buffer that it takes */
};

_Static_assert(sizeof(struct rp_req) <= offsetof(struct rp_request, native_greq_is_c), "overlay of struct rp_request");

/* All of this is upper-half memory, saved with the application, except that lower handles mean nothing afterwards. */
struct rp_msg {
	/* looked at by every call */
	uint64_t queued;     /* messages in the queues of all communicators */
	uint64_t sync_open;  /* (communicator, destination, tag) with a synchronous send that is not complete */
	uint32_t threaded;   /* MPI_THREAD_MULTIPLE */
	uint32_t held;	     /* requests with RP_REQ_HELD or RP_REQ_SUSPECT */
	struct rp_req *free; /* free list, linked through o.lower */
	MPI_Request
		complete; /* lower handle of all sends that are complete when their call returns; NULL: it has none */
	struct rp_link live;		   /* circular, in order of posting */
	uint32_t user_code;		   /* live requests of class RP_OTHER_CODE */
	uint32_t others;		   /* live requests of class RP_OTHER_REFUSE */
	MPI_Comm world, self;		   /* lower handles: private duplicates */
	struct rp_link messages;	   /* matched by MPI_Mprobe, not received */
	uint64_t buffer_size, buffer_used; /* MPI_Buffer_attach */
	void *buffer;
	uint32_t orphans;
	uint32_t ready;		  /* the private communicators exist */
	uint32_t threaded_in_job; /* MPI_THREAD_MULTIPLE in some process of the world: the same everywhere */
} __attribute__((aligned(64)));

extern RP_HIDDEN struct rp_msg rp_msg;

/* What the application holds for every send that was complete at once: always done, never freed. */
extern RP_HIDDEN struct rp_request rp_req_sent;

#define RP_Q(request) ((struct rp_req *)(void *)(request))

static inline void rp_msg_lock(void)
{
	if (__builtin_expect(rp_msg.threaded, 0))
		rp_lock();
}

static inline void rp_msg_unlock(void)
{
	if (__builtin_expect(rp_msg.threaded, 0))
		rp_unlock();
}

static inline void rp_link_append(struct rp_link *head, struct rp_link *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

static inline void rp_link_remove(struct rp_link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	l->next = l->prev = NULL;
}

/* The request of a blocking call, on its stack. */
static inline void rp_req_init_stack(struct rp_req *r)
{
	*r = (struct rp_req){ .flags = RP_REQ_STACK, .o.f_index = -1 };
}

static inline struct rp_req *rp_req_of_link(struct rp_link *l)
{
	return (struct rp_req *)((char *)l - offsetof(struct rp_object, link));
}

/* ---- what every call does: inside, or on the control thread ---- */

RP_HIDDEN struct rp_req *rp_req_more(void); /* fills the free list and takes one from it; NULL: out of memory */

/* A request from the free list, flags 0. NULL: out of memory. Any FS. What lies behind `status` is as rp_req_free()
 * leaves it. */
static inline struct rp_req *rp_req_new(void)
{
	struct rp_req *r;

	rp_msg_lock();
	r = rp_msg.free;
	if (__builtin_expect(r != NULL, 1))
		rp_msg.free = r->o.lower;
	rp_msg_unlock();
	if (__builtin_expect(!r, 0)) {
		r = rp_req_more();
		if (!r)
			return NULL;
	}
	r->o.lower = NULL;
	r->kind = RP_REQ_NONE;
	r->flags = 0;
	r->type = NULL;
	r->comm = NULL;
	return r;
}

/* One that nothing was done with back to the free list. */
static inline void rp_req_put(struct rp_req *r)
{
	rp_msg_lock();
	r->o.lower = rp_msg.free;
	rp_msg.free = r;
	rp_msg_unlock();
}

static inline int rp_is_counted(const struct rp_object *o)
{
	return !(o->flags & RP_PREDEFINED);
}

/* Fills in an operation. References type and communicator (dropped by rp_req_drop_refs() or rp_req_free()) unless
 * the request is of a blocking call (RP_REQ_STACK), during which the application may free neither. */
static inline void rp_req_set(struct rp_req *r, int kind, int mode, const void *buf, int count, MPI_Datatype type,
			      int peer, int tag, MPI_Comm comm)
{
	r->kind = (uint8_t)kind;
	r->mode = (uint8_t)mode;
	r->buf = (void *)buf;
	r->count = count;
	r->peer = peer;
	r->tag = tag;
	r->type = RP_T(type);
	r->comm = RP_C(comm);
	if (r->flags & RP_REQ_STACK)
		return;
	if (type && rp_is_counted(&r->type->o))
		rp_object_ref(type);
	if (comm && rp_is_counted(&r->comm->o))
		rp_object_ref(comm);
}

/* Links a request into, and out of, the list of live ones; no-op when it is (not) in it. */
static inline void rp_req_link(struct rp_req *r)
{
	if (r->o.link.next)
		return;
	rp_msg_lock();
	rp_link_append(&rp_msg.live, &r->o.link);
	rp_msg_unlock();
}

static inline void rp_req_unlink(struct rp_req *r)
{
	if (!r->o.link.next)
		return;
	rp_msg_lock();
	rp_link_remove(&r->o.link);
	rp_msg_unlock();
}

/* Starts a receive for which nothing can be in the queue. MPI error code; then the request is as before. */
static inline int rp_req_post_recv(struct rp_req *r)
{
	MPI_Request lower;
	int rc;

	rc = rp_lower.MPI_Irecv(r->buf, r->count, RP_LOWER_TYPE(r->type), r->peer, r->tag, RP_LOWER_COMM(r->comm),
				&lower);
	if (__builtin_expect(rc != MPI_SUCCESS, 0))
		return rc;
	r->o.lower = lower;
	r->flags |= RP_REQ_ACTIVE;
	if (!(r->flags & RP_REQ_STACK))
		rp_req_link(r);
	return MPI_SUCCESS;
}

/* ---- request.c: all of them inside, or on the control thread ---- */

/* Back to the free list with what it references. */
RP_HIDDEN void rp_req_free(struct rp_req *r);

RP_HIDDEN void rp_req_drop_refs(struct rp_req *r);

/* Starts the operation (also of a persistent request): a receive looks into the queue first. Not linked when it is of a
 * blocking call. Returns an MPI error code; then the request is as before. */
RP_HIDDEN int rp_req_post(struct rp_req *r);

/* Is it complete? One turn of the lower library's progress when it is not. */
RP_HIDDEN int rp_req_poll(struct rp_req *r);

/* The lower library says it is complete: keeps status and rc, counts the message, unlinks. A synchronous send that
 * completes while a checkpoint is on (from_control) becomes suspect instead. */
RP_HIDDEN void rp_req_complete(struct rp_req *r, int rc, const MPI_Status *status, int from_control);

/* Waits until r is complete; parks when asked to. t inside on entry and return. */
RP_HIDDEN void rp_req_wait(struct rp_thread *t, struct rp_req *r);

/* Gives the completion to the application: status (may be NULL), *handle becomes MPI_REQUEST_NULL, or the persistent
 * request inactive. Returns rc of the completion. Inside. */
RP_HIDDEN int rp_req_take(MPI_Request *handle, struct rp_req *r, MPI_Status *status);

/* A request became an orphan: now and then frees those that have completed. */
RP_HIDDEN void rp_req_reap(void);

/* What a call that completes one request leaves in the caller's status (NULL: nowhere): all but MPI_ERROR, which is only
 * set by the calls that may return MPI_ERR_IN_STATUS (MPI 3.1, section 3.2.5). rp_status_empty: that of no operation. */
RP_HIDDEN void rp_status_empty(MPI_Status *status);

static inline void rp_status_give(MPI_Status *status, const MPI_Status *from)
{
	if (!status)
		return;
	status->MPI_SOURCE = from->MPI_SOURCE;
	status->MPI_TAG = from->MPI_TAG;
	status->_cancelled = from->_cancelled;
	status->_ucount = from->_ucount;
}

/* ---- queue.c: messages that were received at a checkpoint before the application asked for them ---- */

struct rp_entry;

/* Is there a message of comm that (source, tag) matches? 1: the status of the first, which stays in the queue. */
RP_HIDDEN int rp_queue_look(struct rp_comm *comm, int source, int tag, MPI_Status *status);
/* The first of them out of the queue, with its status; NULL: none. Its sender is told when its send was synchronous. */
RP_HIDDEN struct rp_entry *rp_queue_take(struct rp_comm *comm, int source, int tag, MPI_Status *status);
/* Receives it into the application's buffer as the lower library does, and frees it. status is set. Returns rc. Inside. */
RP_HIDDEN int rp_entry_deliver(struct rp_entry *e, void *buf, int count, MPI_Datatype type, MPI_Status *status);
RP_HIDDEN void rp_entry_free(struct rp_entry *e);
/* Drains what is there on every communicator and every message matched by Mprobe. Control thread. Returns the number of
 * messages taken, or -ENOMEM, -EIO. */
RP_HIDDEN int rp_queue_drain(void);
/* Marks the entry of comm that came from (source, tag) as number `later` from the end as synchronous: to be acknowledged to the
 * world rank with this id. Returns 1 when it is there, 0: it has been matched. */
RP_HIDDEN int rp_queue_mark(struct rp_comm *comm, int source, int tag, uint64_t later, uint64_t id);

/* A datatype of the lower library for len bytes, to be used with *count. Inside. MPI error code; when *made, free it. */
RP_HIDDEN int rp_bytes_type(uint64_t len, MPI_Datatype *type, int *count, int *made);

/* ---- sync.c: synchronous sends over a checkpoint ---- */

/* A message was sent; called only while rp_msg.sync_open. */
RP_HIDDEN void rp_sync_sent(struct rp_comm *comm, int dest, int tag);
/* A synchronous send has started: counts it, as rp_count_sent() does others, and which one it is, at once. 0 or -ENOMEM. */
RP_HIDDEN int rp_sync_open(struct rp_req *r);
RP_HIDDEN void rp_sync_close(struct rp_req *r);
/* How many messages went the same way after it. */
RP_HIDDEN uint64_t rp_sync_later(const struct rp_req *r);
/* Tells the sender that its message was matched. Inside. */
RP_HIDDEN void rp_sync_acknowledge(struct rp_comm *comm, int source, uint64_t id);
/* Receives acknowledgements that have come. Inside. Returns their number. */
RP_HIDDEN int rp_sync_poll(void);
/* Drain: sends the questions about suspects; answers those of others, receives answers. Control thread. */
RP_HIDDEN void rp_sync_ask(void);
RP_HIDDEN int rp_sync_serve(void);
RP_HIDDEN int rp_sync_unanswered(void);
/* The attempt ended without a drain: what completed is complete. Control thread, everybody is out. */
RP_HIDDEN void rp_sync_believe(void);

/* Tags on the private world. */
enum { RP_TAG_NONE = 1, RP_TAG_ACK, RP_TAG_ASK, RP_TAG_ANSWER, RP_TAG_UP, RP_TAG_DOWN };

/* ---- the count on the fast path ---- */

static inline void rp_count(uint64_t *total)
{
	if (__builtin_expect(rp_msg.threaded, 0))
		__atomic_add_fetch(total, 1, __ATOMIC_RELAXED);
	else
		++*total;
}

static inline void rp_count_sent(struct rp_comm *comm, int dest, int tag)
{
	if (__builtin_expect(dest >= 0, 1)) {
		rp_count(&rp_stub.total.sent);
		if (__builtin_expect(rp_msg.sync_open, 0))
			rp_sync_sent(comm, dest, tag);
	}
}

/* A send that returned this lower request has nothing to wait for. */
static inline int rp_is_complete(MPI_Request lower)
{
	return lower && lower == rp_msg.complete;
}

static inline void rp_count_received(const MPI_Status *status)
{
	if (status->MPI_SOURCE >= 0)
		rp_count(&rp_stub.total.received);
}

/* ---- polls without success while a request is up: published as waits (control.c) ---- */
RP_HIDDEN void rp_control_polled(struct rp_comm *comm, int source);

#endif
