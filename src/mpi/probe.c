/* SPDX-License-Identifier: BSD-3-Clause
 *
 * MPI_Probe and matched probes (MPI 3.1, section 3.8). A message that was matched and not received when a checkpoint
 * came is received into a queue entry that stays with its MPI_Message.
 */
#include "mpi/probe.h"

#include "mpi/export.h"

static int finish(struct rp_thread *t, int rc, MPI_Comm comm)
{
	rp_leave(t);
	return rc == MPI_SUCCESS ? rc : rp_comm_error(RP_C(comm), rc);
}

/* MPI_Message of the application for a lower one, or for an entry of the queue. */
static int message_made(MPI_Message *out, MPI_Message lower, struct rp_entry *e, const MPI_Status *status,
			MPI_Comm comm)
{
	struct rp_matched *m;

	if (!e && lower == RP_LOWER_MESSAGE(MPI_MESSAGE_NO_PROC)) {
		*out = MPI_MESSAGE_NO_PROC;
		return MPI_SUCCESS;
	}
	m = rp_object_new(RP_MESSAGE, sizeof(struct rp_message));
	if (!m)
		return MPI_ERR_NO_MEM;
	m->o.lower = lower;
	m->entry = e;
	m->comm = RP_C(comm);
	m->status = *status;
	rp_msg_lock();
	rp_link_append(&rp_msg.messages, &m->o.link);
	rp_msg_unlock();
	*out = (MPI_Message)(void *)m;
	return MPI_SUCCESS;
}

static void message_free(MPI_Message *message)
{
	struct rp_matched *m = (struct rp_matched *)(void *)*message;

	rp_msg_lock();
	rp_link_remove(&m->o.link);
	rp_msg_unlock();
	rp_object_unref(m);
	*message = MPI_MESSAGE_NULL;
}

/* 1: found there; *rc: of making the message. */
static int from_queue(MPI_Comm comm, int source, int tag, MPI_Message *message, MPI_Status *st, int *rc)
{
	struct rp_entry *e;

	*rc = MPI_SUCCESS;
	if (!message)
		return rp_queue_look(RP_C(comm), source, tag, st);
	e = rp_queue_take(RP_C(comm), source, tag, st);
	if (!e)
		return 0;
	*rc = message_made(message, NULL, e, st, comm);
	return 1;
}

/* One look: the queue first, then the lower library; message NULL: only look. */
static int look(MPI_Comm comm, int source, int tag, int *flag, MPI_Message *message, MPI_Status *status)
{
	MPI_Message lower = NULL;
	MPI_Status st;
	int rc;

	if (__builtin_expect(rp_msg.queued, 0) && from_queue(comm, source, tag, message, &st, &rc)) {
		*flag = 1;
		rp_status_give(status, &st);
		return rc;
	}
	*flag = 0;
	if (message)
		rc = rp_lower.MPI_Improbe(source, tag, RP_LOWER_COMM(comm), flag, &lower, &st);
	else
		rc = rp_lower.MPI_Iprobe(source, tag, RP_LOWER_COMM(comm), flag, &st);
	if (rc != MPI_SUCCESS)
		return rc;
	if (!*flag) {
		if (__builtin_expect(rp_gate.state, 0))
			rp_control_polled(RP_C(comm), source);
		return MPI_SUCCESS;
	}
	rp_status_give(status, &st);
	return message ? message_made(message, lower, NULL, &st, comm) : MPI_SUCCESS;
}

/* Looks until it is there; while the thread is parked, a request on its stack says for whom it waits. */
static int wait_for(struct rp_thread *t, MPI_Comm comm, int source, int tag, MPI_Message *message, MPI_Status *status)
{
	struct rp_req r;
	int rc, flag;

	for (;;) {
		rc = look(comm, source, tag, &flag, message, status);
		if (rc != MPI_SUCCESS || flag)
			return rc;
		if (!rp_gate_wants(t))
			continue;
		rp_req_init_stack(&r);
		rp_req_set(&r, RP_REQ_PROBE, RP_MODE_STANDARD, NULL, 0, MPI_BYTE, source, tag, comm);
		rp_req_link(&r);
		rp_leave(t);
		rp_mpi_enter();
		rp_req_unlink(&r);
	}
}

RP_EXPORT int PMPI_Probe(int source, int tag, MPI_Comm comm, MPI_Status *status)
{
	struct rp_thread *t = rp_mpi_enter();

	return finish(t, wait_for(t, comm, source, tag, NULL, status), comm);
}
RP_ALIAS(MPI_Probe);

RP_EXPORT int PMPI_Iprobe(int source, int tag, MPI_Comm comm, int *flag, MPI_Status *status)
{
	struct rp_thread *t = rp_mpi_enter();

	return finish(t, look(comm, source, tag, flag, NULL, status), comm);
}
RP_ALIAS(MPI_Iprobe);

RP_EXPORT int PMPI_Mprobe(int source, int tag, MPI_Comm comm, MPI_Message *message, MPI_Status *status)
{
	struct rp_thread *t = rp_mpi_enter();

	return finish(t, wait_for(t, comm, source, tag, message, status), comm);
}
RP_ALIAS(MPI_Mprobe);

RP_EXPORT int PMPI_Improbe(int source, int tag, MPI_Comm comm, int *flag, MPI_Message *message, MPI_Status *status)
{
	struct rp_thread *t = rp_mpi_enter();

	return finish(t, look(comm, source, tag, flag, message, status), comm);
}
RP_ALIAS(MPI_Improbe);

/* ---- receiving what was matched ---- */

/* What a message from MPI_PROC_NULL gives. */
static void status_no_proc(MPI_Status *status)
{
	rp_status_empty(status);
	status->MPI_SOURCE = MPI_PROC_NULL;
}

/* Starts the receive of a matched message; the message is gone afterwards. */
static int post_matched(struct rp_req *r, MPI_Message *message)
{
	struct rp_matched *m = (struct rp_matched *)(void *)*message;
	MPI_Message lower;
	MPI_Request request = NULL;
	int rc;

	if (*message == MPI_MESSAGE_NO_PROC || m->entry) {
		r->rc = MPI_SUCCESS;
		if (*message == MPI_MESSAGE_NO_PROC)
			status_no_proc(&r->status);
		else
			r->rc = rp_entry_deliver(m->entry, r->buf, r->count, (MPI_Datatype)r->type, &r->status);
		r->flags |= RP_REQ_ACTIVE | RP_REQ_DONE;
	} else {
		lower = RP_LOWER_MESSAGE(m);
		rc = rp_lower.MPI_Imrecv(r->buf, r->count, RP_LOWER_TYPE(r->type), &lower, &request);
		if (rc != MPI_SUCCESS)
			return rc;
		r->o.lower = request;
		r->flags |= RP_REQ_ACTIVE | RP_REQ_MATCHED;
		if (!(r->flags & RP_REQ_STACK))
			rp_req_link(r);
	}
	if (*message == MPI_MESSAGE_NO_PROC)
		*message = MPI_MESSAGE_NULL;
	else
		message_free(message);
	return MPI_SUCCESS;
}

static struct rp_comm *comm_of(MPI_Message message)
{
	return message == MPI_MESSAGE_NO_PROC ? NULL : ((struct rp_matched *)(void *)message)->comm;
}

RP_EXPORT int PMPI_Mrecv(void *buf, int count, MPI_Datatype type, MPI_Message *message, MPI_Status *status)
{
	struct rp_thread *t;
	struct rp_comm *comm;
	struct rp_req r;
	int rc;

	if (*message == MPI_MESSAGE_NULL)
		return rp_comm_raise(NULL, MPI_ERR_REQUEST, "MPI_Mrecv");
	t = rp_mpi_enter();
	comm = comm_of(*message);
	rp_req_init_stack(&r);
	rp_req_set(&r, RP_REQ_RECV, RP_MODE_STANDARD, buf, count, type, MPI_PROC_NULL, MPI_ANY_TAG, (MPI_Comm)comm);
	rc = post_matched(&r, message);
	if (rc == MPI_SUCCESS) {
		rp_req_wait(t, &r);
		rc = r.rc;
		rp_status_give(status, &r.status);
	}
	return finish(t, rc, (MPI_Comm)comm);
}
RP_ALIAS(MPI_Mrecv);

RP_EXPORT int PMPI_Imrecv(void *buf, int count, MPI_Datatype type, MPI_Message *message, MPI_Request *request)
{
	struct rp_thread *t;
	struct rp_comm *comm;
	struct rp_req *r;
	int rc = MPI_ERR_NO_MEM;

	if (*message == MPI_MESSAGE_NULL)
		return rp_comm_raise(NULL, MPI_ERR_REQUEST, "MPI_Imrecv");
	t = rp_mpi_enter();
	comm = comm_of(*message);
	r = rp_req_new();
	if (r) {
		rp_req_set(r, RP_REQ_RECV, RP_MODE_STANDARD, buf, count, type, MPI_PROC_NULL, MPI_ANY_TAG,
			   (MPI_Comm)comm);
		rc = post_matched(r, message);
		if (rc == MPI_SUCCESS)
			*request = (MPI_Request)(void *)r;
		else
			rp_req_free(r);
	}
	return finish(t, rc, (MPI_Comm)comm);
}
RP_ALIAS(MPI_Imrecv);
