/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Messages: what the rest of the stub may ask of point-to-point communication, its requests, its queue of drained
 * messages, and the rank's part in a checkpoint (control.c). The entry points themselves are in p2p.c, wait.c,
 * probe.c, persist.c and buffered.c.
 *
 * What lies in flight at a checkpoint: every message that was sent is received, by the receive that was posted for it
 * or into the receiver's queue; what stays open are receives, persistent requests, and synchronous sends whose message
 * waits in a queue. Pending nonblocking collectives are completed (all members have started them, see
 * rp_nbcoll_enter()). Requests of any other origin (one-sided, files, generalized) are refused by name.
 */
#ifndef RP_MPI_MESSAGE_H
#define RP_MPI_MESSAGE_H

#include "mpi/gate.h"
#include "mpi/object.h"

/* ---- incarnations ---- */

/* MPI_Init's end and replay: makes the private communicators. Inside (lower FS), the lower library initialised, the
 * predefined objects filled. Collective over the world. Returns an MPI error code. */
RP_HIDDEN int rp_messages_init(void);
/* Before the lower MPI_Finalize: frees them. Inside; collective. */
RP_HIDDEN void rp_messages_done(void);
/* Replay, after rp_objects_replay(): private communicators, then the receives that were open, in their old order.
 * Inside, main thread. 0, or -errno with one line. */
RP_HIDDEN int rp_messages_replay(char *text, uint32_t size);
/* Replay is over (the last thing that struct rp_stub_ops.replay does, also when MPI was not initialised): releases the
 * lock that the drain took and opens the gate, so that threads that were parked run on once they are back. */
RP_HIDDEN void rp_control_restarted(void);

/* ---- the rank's part in a checkpoint ---- */

/* struct rp_stub_ops.control. */
RP_HIDDEN uint32_t rp_control(struct rp_arena *arena);
/* Is there something among messages and requests that cannot be carried? 1: one line in text. Locked, any FS. */
RP_HIDDEN int rp_messages_refuse(char *text, uint32_t size);

/* ---- requests that other parts make ---- */

enum rp_other_class {
	RP_OTHER_COLL,	 /* nonblocking collective with predefined operation: completed at a checkpoint */
	RP_OTHER_CODE,	 /* nonblocking collective that may call the application's code while it progresses: refused */
	RP_OTHER_REFUSE, /* one-sided, files: refused while it exists */
	RP_OTHER_PERSISTENT, /* persistent collective: not active yet, refused while it exists */
};

/* A function that makes a request of the lower library which is not point-to-point:
 *	r = rp_request_begin();                   NULL: out of memory
 *	t = rp_nbcoll_enter(comm);                or rp_mpi_enter()
 *	rc = lower->Ibarrier(.., &lower);
 *	*request = rp_request_other(r, rc, lower, RP_OTHER_COLL, "MPI_Ibarrier", comm);
 *	rp_leave(t);
 * rc != MPI_SUCCESS: r is discarded and MPI_REQUEST_NULL returned. comm may be NULL. The name is not copied. */
RP_HIDDEN struct rp_request *rp_request_begin(void);
RP_HIDDEN MPI_Request rp_request_other(struct rp_request *r, int rc, MPI_Request lower, enum rp_other_class c,
				       const char *name, struct rp_comm *comm);

/* Memory that has to live until the request completes (translated arrays): freed by rp_heap_free() then. */
RP_HIDDEN void rp_request_attach(struct rp_request *r, void *heap);

/* Start of a nonblocking collective: the clock advances inside, so that equal clocks mean that all have started it. A
 * thread parks before, never between clock and start. */
static inline struct rp_thread *rp_nbcoll_enter(struct rp_comm *comm)
{
	struct rp_thread *t = rp_mpi_enter();

	comm->seq += 1;
	return t;
}

/* Inside a collective that needs this world rank to enter a call of its own, on which no clock is common; -1: no more. */
RP_HIDDEN void rp_msg_awaits(int world);

/* World rank of a peer of comm as its sends and receives name it; -1: none. */
static inline int rp_peer_world(const struct rp_comm *comm, int peer)
{
	int inter = comm->o.flags & RP_INTER;

	if (peer < 0 || peer >= (inter ? comm->remote_size : comm->size))
		return -1;
	return inter ? comm->remote_world[peer] : comm->world[peer];
}

/* ---- communicators ---- */

/* A communicator is about to be freed: forgets what is queued on it. */
RP_HIDDEN void rp_messages_comm_gone(struct rp_comm *comm);

#endif
