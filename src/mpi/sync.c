/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Synchronous sends over a checkpoint. A drain receives a message before the application does; the lower library then
 * calls a synchronous send complete although nobody has matched it. Such a send is suspect. When nothing is in flight
 * any more, its sender asks the receiver: messages of one (communicator, source, tag) are matched in order, so what lies
 * in the receiver's queue are the last ones that were sent, and the sender knows how many it sent after this one. A
 * message that is in the queue is marked there; whoever takes it out sends an acknowledgement, and only that completes
 * the send. All of this travels on the private world and counts as messages, so that a drain waits for it.
 */
#include "mpi/comm.h"
#include "mpi/request.h"

#include <errno.h>

#define BUCKETS 64

/* The sends on one way since a synchronous one on it was opened. */
struct rp_sync {
	struct rp_sync *next;
	struct rp_comm *comm;
	int32_t dest, tag;
	uint64_t count;
	uint64_t refs;
};

struct ask {
	uint64_t key, later, id;
	int32_t source, tag;
};

struct answer {
	uint64_t id, in_queue;
};

static struct rp_sync *ways[BUCKETS];

static struct rp_sync **bucket(const struct rp_comm *comm, int dest, int tag)
{
	return &ways[(comm->key ^ (uint64_t)(uint32_t)dest * 31 ^ (uint64_t)(uint32_t)tag * 7) % BUCKETS];
}

static struct rp_sync *way_find(const struct rp_comm *comm, int dest, int tag)
{
	struct rp_sync *s;

	for (s = *bucket(comm, dest, tag); s; s = s->next)
		if (s->comm == comm && s->dest == dest && s->tag == tag)
			break;
	return s;
}

void rp_sync_sent(struct rp_comm *comm, int dest, int tag)
{
	struct rp_sync *s;

	rp_msg_lock();
	s = way_find(comm, dest, tag);
	if (s)
		s->count++;
	rp_msg_unlock();
}

static struct rp_sync *way_get(struct rp_req *r)
{
	struct rp_sync *s = way_find(r->comm, r->peer, r->tag), **head;

	if (!s) {
		s = rp_heap_alloc(sizeof(*s));
		if (!s)
			return NULL;
		s->comm = r->comm;
		s->dest = r->peer;
		s->tag = r->tag;
		head = bucket(r->comm, r->peer, r->tag);
		s->next = *head;
		*head = s;
		rp_msg.sync_open++;
	}
	return s;
}

int rp_sync_open(struct rp_req *r)
{
	struct rp_sync *s;

	rp_count(&rp_stub.total.sent);
	rp_msg_lock();
	s = way_get(r);
	if (s) {
		s->refs++;
		r->sync = s;
		r->ordinal = ++s->count;
	}
	rp_msg_unlock();
	return s ? 0 : -ENOMEM;
}

void rp_sync_close(struct rp_req *r)
{
	struct rp_sync *s = r->sync, **p;

	r->sync = NULL;
	rp_msg_lock();
	if (!--s->refs) {
		for (p = bucket(s->comm, s->dest, s->tag); *p != s;)
			p = &(*p)->next;
		*p = s->next;
		rp_heap_free(s);
		rp_msg.sync_open--;
	}
	rp_msg_unlock();
}

uint64_t rp_sync_later(const struct rp_req *r)
{
	return r->sync->count - r->ordinal;
}

/* ---- letters ---- */

static void letter_send(const void *data, int size, int rank, int tag)
{
	rp_lower.MPI_Send(data, size, RP_LOWER_TYPE(MPI_BYTE), rank, tag, rp_msg.world);
	rp_count(&rp_stub.total.sent);
}

/* Receives one letter if there is one; returns its sender or -1. */
static int letter_receive(void *data, int size, int tag)
{
	MPI_Message message;
	MPI_Status status;
	int flag = 0;

	/* Matched: another thread may look at the same time. */
	rp_lower.MPI_Improbe(MPI_ANY_SOURCE, tag, rp_msg.world, &flag, &message, &status);
	if (!flag)
		return -1;
	rp_lower.MPI_Mrecv(data, size, RP_LOWER_TYPE(MPI_BYTE), &message, MPI_STATUS_IGNORE);
	rp_count(&rp_stub.total.received);
	return status.MPI_SOURCE;
}

/* The open send that carries this name. */
static struct rp_req *named(uint64_t id)
{
	for (struct rp_link *l = rp_msg.live.next; l != &rp_msg.live; l = l->next) {
		struct rp_req *r = rp_req_of_link(l);

		if ((uint64_t)(uintptr_t)r == id && (r->flags & (RP_REQ_HELD | RP_REQ_SUSPECT)))
			return r;
	}
	return NULL;
}

static void matched(struct rp_req *r)
{
	rp_msg.held--;
	r->flags &= ~(RP_REQ_HELD | RP_REQ_SUSPECT | RP_REQ_ASKED);
	r->flags |= RP_REQ_DONE;
	if (!(r->flags & RP_REQ_ORPHAN))
		rp_req_unlink(r);
	rp_sync_close(r);
}

void rp_sync_acknowledge(struct rp_comm *comm, int source, uint64_t id)
{
	letter_send(&id, sizeof(id), rp_peer_world(comm, source), RP_TAG_ACK);
}

int rp_sync_poll(void)
{
	struct rp_req *r;
	uint64_t id;
	int n = 0;

	while (letter_receive(&id, sizeof(id), RP_TAG_ACK) >= 0) {
		rp_msg_lock();
		r = named(id);
		if (r)
			matched(r);
		rp_msg_unlock();
		n++;
	}
	return n;
}

void rp_sync_ask(void)
{
	for (struct rp_link *l = rp_msg.live.next; l != &rp_msg.live; l = l->next) {
		struct rp_req *r = rp_req_of_link(l);
		struct ask a;

		if ((r->flags & (RP_REQ_SUSPECT | RP_REQ_ASKED)) != RP_REQ_SUSPECT)
			continue;
		a = (struct ask){ r->comm->key, rp_sync_later(r), (uint64_t)(uintptr_t)r, r->comm->rank, r->tag };
		letter_send(&a, sizeof(a), rp_peer_world(r->comm, r->peer), RP_TAG_ASK);
		r->flags |= RP_REQ_ASKED;
	}
}

static struct rp_comm *comm_of_key(uint64_t key)
{
	struct rp_object *o;

	if (RP_C(MPI_COMM_WORLD)->key == key)
		return RP_C(MPI_COMM_WORLD);
	if (RP_C(MPI_COMM_SELF)->key == key)
		return RP_C(MPI_COMM_SELF);
	for (o = rp_first(RP_COMM); o; o = rp_next(o))
		if (((struct rp_comm *)o)->key == key)
			return (struct rp_comm *)o;
	return NULL;
}

int rp_sync_serve(void)
{
	struct answer answer;
	struct rp_comm *comm;
	struct rp_req *r;
	struct ask ask;
	int from, n = 0;

	while ((from = letter_receive(&ask, sizeof(ask), RP_TAG_ASK)) >= 0) {
		comm = comm_of_key(ask.key);
		answer.id = ask.id;
		answer.in_queue = comm ? (uint64_t)rp_queue_mark(comm, ask.source, ask.tag, ask.later, ask.id) : 0;
		letter_send(&answer, sizeof(answer), from, RP_TAG_ANSWER);
		n++;
	}
	while (letter_receive(&answer, sizeof(answer), RP_TAG_ANSWER) >= 0) {
		r = named(answer.id);
		if (r && answer.in_queue)
			r->flags = (r->flags & ~(RP_REQ_SUSPECT | RP_REQ_ASKED)) | RP_REQ_HELD;
		else if (r)
			matched(r);
		n++;
	}
	return n + rp_sync_poll();
}

int rp_sync_unanswered(void)
{
	int n = 0;

	for (struct rp_link *l = rp_msg.live.next; l != &rp_msg.live; l = l->next)
		n += !!(rp_req_of_link(l)->flags & RP_REQ_SUSPECT);
	return n;
}

void rp_sync_believe(void)
{
	struct rp_link *l, *next;

	for (l = rp_msg.live.next; l != &rp_msg.live; l = next) {
		struct rp_req *r = rp_req_of_link(l);

		next = l->next;
		if (r->flags & RP_REQ_SUSPECT)
			matched(r);
	}
}
