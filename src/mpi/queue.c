/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The queue of drained messages: what a checkpoint received before the application asked for it, as bytes, by
 * communicator in order of arrival. The head and the tail of a communicator's queue lie in its msg[0] and msg[1].
 */
#include "mpi/comm.h"
#include "mpi/probe.h"
#include "mpi/request.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

struct rp_entry {
	struct rp_entry *next, *prev;
	struct rp_comm *comm; /* borrowed: its queue goes with it */
	int32_t source, tag;
	uint64_t len;
	uint64_t ack; /* the sender's name for its synchronous send, 0: nobody waits */
	void *data;
};

struct queue {
	struct rp_entry *first, *last;
};

static struct queue *queue_of(struct rp_comm *comm)
{
	return (struct queue *)(void *)comm->msg;
}

static void queue_append(struct rp_entry *e)
{
	struct queue *q = queue_of(e->comm);

	e->next = NULL;
	e->prev = q->last;
	if (q->last)
		q->last->next = e;
	else
		q->first = e;
	q->last = e;
	rp_msg.queued++;
}

static void queue_remove(struct rp_entry *e)
{
	struct queue *q = queue_of(e->comm);

	if (e->prev)
		e->prev->next = e->next;
	else
		q->first = e->next;
	if (e->next)
		e->next->prev = e->prev;
	else
		q->last = e->prev;
	rp_msg.queued--;
}

/* The first one that (source, tag) matches. Locked. */
static struct rp_entry *queue_find(struct rp_comm *comm, int source, int tag)
{
	struct rp_entry *e;

	for (e = queue_of(comm)->first; e; e = e->next)
		if ((source == MPI_ANY_SOURCE || source == e->source) && (tag == MPI_ANY_TAG || tag == e->tag))
			break;
	return e;
}

static void entry_status(const struct rp_entry *e, MPI_Status *status)
{
	rp_status_empty(status);
	status->MPI_SOURCE = e->source;
	status->MPI_TAG = e->tag;
	status->_ucount = e->len;
}

int rp_queue_look(struct rp_comm *comm, int source, int tag, MPI_Status *status)
{
	struct rp_entry *e;

	if (!comm)
		return 0;
	rp_msg_lock(); /* until all is told: somebody else may receive it */
	e = queue_find(comm, source, tag);
	if (e)
		entry_status(e, status);
	rp_msg_unlock();
	return e != NULL;
}

struct rp_entry *rp_queue_take(struct rp_comm *comm, int source, int tag, MPI_Status *status)
{
	struct rp_entry *e;

	if (!comm)
		return NULL;
	rp_msg_lock();
	e = queue_find(comm, source, tag);
	if (e)
		queue_remove(e);
	rp_msg_unlock();
	if (!e)
		return NULL;
	entry_status(e, status);
	if (e->ack)
		rp_sync_acknowledge(comm, e->source, e->ack);
	e->ack = 0;
	return e;
}

int rp_queue_mark(struct rp_comm *comm, int source, int tag, uint64_t later, uint64_t id)
{
	for (struct rp_entry *e = queue_of(comm)->last; e; e = e->prev) {
		if (e->source != source || e->tag != tag)
			continue;
		if (later-- == 0) {
			e->ack = id;
			return 1;
		}
	}
	return 0;
}

void rp_entry_free(struct rp_entry *e)
{
	rp_heap_free(e->data);
	rp_heap_free(e);
}

int rp_bytes_type(uint64_t len, MPI_Datatype *type, int *count, int *made)
{
	const uint64_t unit = 1UL << 20;
	MPI_Datatype parts[2] = { NULL, RP_LOWER_TYPE(MPI_BYTE) };
	MPI_Aint places[2] = { 0, (MPI_Aint)(len / unit * unit) };
	int lengths[2] = { (int)(len / unit), (int)(len % unit) }, rc;

	*made = len > INT_MAX;
	*count = *made ? 1 : (int)len;
	*type = RP_LOWER_TYPE(MPI_BYTE);
	if (!*made)
		return MPI_SUCCESS;
	rc = rp_lower.MPI_Type_contiguous((int)unit, RP_LOWER_TYPE(MPI_BYTE), &parts[0]);
	if (rc != MPI_SUCCESS)
		return rc;
	rc = rp_lower.MPI_Type_create_struct(2, lengths, places, parts, type);
	if (rc == MPI_SUCCESS)
		rc = rp_lower.MPI_Type_commit(type);
	rp_lower.MPI_Type_free(&parts[0]);
	return rc;
}

/* A message to oneself on a private communicator: conversion, truncation, counts and elements are the library's own. */
static int deliver(struct rp_entry *e, void *buf, int count, MPI_Datatype type, MPI_Status *status)
{
	static uint32_t deliveries;
	MPI_Request send, recv;
	MPI_Datatype bytes;
	int rc, n, made, tag;

	rc = rp_bytes_type(e->len, &bytes, &n, &made);
	if (rc != MPI_SUCCESS)
		return rc;
	/* A tag of its own: several threads may be here. */
	tag = (int)(__atomic_add_fetch(&deliveries, 1, __ATOMIC_RELAXED) & 0x7fff);
	/* Sent first: Open MPI 4.1 does not see that its own process's message is too long for a receive that waits. */
	rc = rp_lower.MPI_Isend(e->data, n, bytes, 0, tag, rp_msg.self, &send);
	if (rc == MPI_SUCCESS) {
		rc = rp_lower.MPI_Irecv(buf, count, RP_LOWER_TYPE(type), 0, tag, rp_msg.self, &recv);
		if (rc == MPI_SUCCESS)
			rc = rp_lower.MPI_Wait(&recv, status);
		else /* wrong arguments: the message goes */
			rp_lower.MPI_Recv(NULL, 0, bytes, 0, tag, rp_msg.self, MPI_STATUS_IGNORE);
		rp_lower.MPI_Wait(&send, MPI_STATUS_IGNORE);
	}
	if (made)
		rp_lower.MPI_Type_free(&bytes);
	return rc;
}

int rp_entry_deliver(struct rp_entry *e, void *buf, int count, MPI_Datatype type, MPI_Status *status)
{
	int rc;

	entry_status(e, status);
	rc = deliver(e, buf, count, type, status);
	status->MPI_SOURCE = e->source;
	status->MPI_TAG = e->tag;
	/* On the private communicator errors return; where the application's are fatal, they are so here. */
	if (rc != MPI_SUCCESS)
		rp_lower.MPI_Comm_call_errhandler(RP_LOWER_COMM(e->comm), rc);
	rp_entry_free(e);
	return rc;
}

/* ---- draining ---- */

static struct rp_entry *entry_new(struct rp_comm *comm, const MPI_Status *status)
{
	struct rp_entry *e = rp_heap_alloc(sizeof(*e));
	MPI_Count len = 0;

	if (!e)
		return NULL;
	rp_lower.MPI_Get_elements_x((MPI_Status *)status, RP_LOWER_TYPE(MPI_BYTE), &len);
	e->comm = comm;
	e->source = status->MPI_SOURCE;
	e->tag = status->MPI_TAG;
	e->len = (uint64_t)len;
	e->data = rp_heap_alloc((size_t)len + 1);
	if (e->data)
		return e;
	rp_heap_free(e);
	return NULL;
}

/* Receives a matched message. NULL: out of memory, or the library failed. */
static struct rp_entry *entry_receive(struct rp_comm *comm, MPI_Message *message, const MPI_Status *status)
{
	struct rp_entry *e = entry_new(comm, status);
	MPI_Datatype bytes;
	int rc, n, made;

	if (!e)
		return NULL;
	rc = rp_bytes_type(e->len, &bytes, &n, &made);
	if (rc == MPI_SUCCESS) {
		rc = rp_lower.MPI_Mrecv(e->data, n, bytes, message, MPI_STATUS_IGNORE);
		if (made)
			rp_lower.MPI_Type_free(&bytes);
	}
	if (rc == MPI_SUCCESS) {
		rp_stub.total.received++;
		return e;
	}
	rp_entry_free(e);
	return NULL;
}

static int drain_comm(struct rp_comm *comm)
{
	MPI_Message message;
	MPI_Status status;
	int flag, n = 0;

	for (;;) {
		struct rp_entry *e;

		flag = 0;
		if (rp_lower.MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, RP_LOWER_COMM(comm), &flag, &message, &status) !=
		    MPI_SUCCESS)
			return -EIO;
		if (!flag)
			return n;
		e = entry_receive(comm, &message, &status);
		if (!e)
			return -ENOMEM;
		queue_append(e);
		n++;
	}
}

/* What MPI_Mprobe matched stays with its MPI_Message. Its status was the application's; the entry keeps bytes and who
 * sent them, which MPI_Mrecv has to tell again. */
static int drain_matched(void)
{
	int n = 0;

	for (struct rp_link *l = rp_msg.messages.next; l != &rp_msg.messages; l = l->next) {
		struct rp_matched *m = (struct rp_matched *)(void *)rp_req_of_link(l);
		MPI_Message lower = RP_LOWER_MESSAGE(m);

		if (m->entry)
			continue;
		m->entry = entry_receive(m->comm, &lower, &m->status);
		if (!m->entry)
			return -ENOMEM;
		m->o.lower = NULL;
		n++;
	}
	return n;
}

int rp_queue_drain(void)
{
	struct rp_object *o;
	int n = drain_matched(), rc;

	if (n < 0)
		return n;
	rc = drain_comm(RP_C(MPI_COMM_WORLD));
	if (rc >= 0) {
		n += rc;
		rc = drain_comm(RP_C(MPI_COMM_SELF));
	}
	for (o = rp_first(RP_COMM); o && rc >= 0; o = rp_next(o)) {
		n += rc;
		rc = o->lower && !(o->flags & RP_FREED) ? drain_comm((struct rp_comm *)o) : 0;
	}
	return rc < 0 ? rc : n + rc;
}

void rp_messages_comm_gone(struct rp_comm *comm)
{
	struct rp_entry *e;

	while ((e = queue_of(comm)->first)) {
		queue_remove(e);
		rp_entry_free(e);
	}
}
