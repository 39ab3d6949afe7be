/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The drain. All ranks run it at the same time, on their control threads: each receives what is there, then the totals
 * of messages sent and received are added up over a binary tree on the private world and told to everybody. Two rounds
 * in a row with the same totals, equal to each other, mean that nothing is in flight (F. Mattern, Algorithms for
 * distributed termination detection, 1987: the four counter method). The rounds use point-to-point messages that carry
 * the number of the attempt, so that what a cancelled attempt left behind is recognised and dropped.
 */
#include "mpi/control.h"
#include "mpi/request.h"

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>

struct letter {
	uint64_t attempt, round;
	struct rp_totals totals;
};

struct drain {
	uint64_t attempt, round;
	rp_drain_cancelled cancelled;
	void *arg;
	int error; /* -errno of this rank */
};

uint64_t rp_now_us(void)
{
	struct timespec ts = { 0 };

	rp_sys6(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&ts, 0, 0, 0, 0);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void text_add(char **at, const char *end, const char *s)
{
	while (s && *s && *at < end)
		*(*at)++ = *s++;
}

void rp_text(char *text, uint32_t size, const char *a, const char *b, const char *c)
{
	char *at = text, *end = text + size - 1;

	if (!size)
		return;
	text_add(&at, end, a);
	text_add(&at, end, b);
	text_add(&at, end, c);
	*at = '\0';
}

static int is_open(const struct rp_req *r)
{
	return (r->flags & RP_REQ_ACTIVE) && r->o.lower && !(r->flags & RP_REQ_DONE);
}

int rp_drain_progress(void)
{
	struct rp_link *l, *next;
	int n = 0;

	for (l = rp_msg.live.next; l != &rp_msg.live; l = next) {
		struct rp_req *r = rp_req_of_link(l);
		MPI_Request lower;
		MPI_Status status;
		int rc, flag = 0;

		next = l->next;
		if (!is_open(r))
			continue;
		lower = r->o.lower;
		rc = rp_lower.MPI_Test(&lower, &flag, &status);
		if (flag || rc != MPI_SUCCESS) {
			rp_req_complete(r, rc, &status, 1);
			n++;
		}
	}
	return n;
}

/* One turn: everything that can be done without waiting. */
static void turn(struct drain *d)
{
	int rc;

	rp_drain_progress();
	rp_sync_serve();
	rc = rp_queue_drain();
	if (rc < 0 && !d->error)
		d->error = rc;
}

static void measure(const struct drain *d, struct rp_totals *t)
{
	*t = (struct rp_totals){ .sent = rp_stub.total.sent, .received = rp_stub.total.received };
	for (struct rp_link *l = rp_msg.live.next; l != &rp_msg.live; l = l->next) {
		const struct rp_req *r = rp_req_of_link(l);

		if (is_open(r))
			t->pending += r->kind == RP_REQ_SEND || r->kind == RP_REQ_OTHER || (r->flags & RP_REQ_MATCHED);
	}
	t->suspects = (uint64_t)rp_sync_unanswered();
	t->refuse = d->error < 0;
}

static void add(struct rp_totals *to, const struct rp_totals *from)
{
	to->sent += from->sent;
	to->received += from->received;
	to->pending += from->pending;
	to->suspects += from->suspects;
	to->refuse += from->refuse;
}

static void letter_to(const struct letter *l, int rank, int tag)
{
	rp_lower.MPI_Send(l, sizeof(*l), RP_LOWER_TYPE(MPI_BYTE), rank, tag, rp_msg.world);
}

/* Waits for this round's letter and drops older ones. Meanwhile messages of others go on: their sends may need this
 * rank. 0 or RP_DRAIN_CANCELLED. */
static int letter_from(struct drain *d, struct letter *l, int rank, int tag)
{
	for (;;) {
		int flag = 0;

		rp_lower.MPI_Iprobe(rank, tag, rp_msg.world, &flag, MPI_STATUS_IGNORE);
		if (flag) {
			rp_lower.MPI_Recv(l, sizeof(*l), RP_LOWER_TYPE(MPI_BYTE), rank, tag, rp_msg.world,
					  MPI_STATUS_IGNORE);
			if (l->attempt == d->attempt && l->round == d->round)
				return 0;
			continue;
		}
		if (d->cancelled(d->arg))
			return RP_DRAIN_CANCELLED;
		turn(d);
		rp_sys6(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
	}
}

/* Adds up over all ranks; everybody gets the same totals. */
static int round_of_all(struct drain *d, struct rp_totals *totals)
{
	const int rank = rp_stub.world_rank, size = rp_stub.world_size;
	struct letter mine = { .attempt = d->attempt, .round = ++d->round }, in;
	int rc;

	measure(d, &mine.totals);
	for (int child = 2 * rank + 1; child <= 2 * rank + 2 && child < size; child++) {
		rc = letter_from(d, &in, child, RP_TAG_UP);
		if (rc)
			return rc;
		add(&mine.totals, &in.totals);
	}
	if (rank > 0) {
		letter_to(&mine, (rank - 1) / 2, RP_TAG_UP);
		rc = letter_from(d, &mine, (rank - 1) / 2, RP_TAG_DOWN);
		if (rc)
			return rc;
	}
	for (int child = 2 * rank + 1; child <= 2 * rank + 2 && child < size; child++)
		letter_to(&mine, child, RP_TAG_DOWN);
	*totals = mine.totals;
	return 0;
}

int rp_drain(uint64_t attempt, rp_drain_cancelled cancelled, void *arg, char *text, uint32_t size)
{
	struct drain d = { .attempt = attempt, .cancelled = cancelled, .arg = arg };
	struct rp_totals now, before = { 0 };
	int rc, have_before = 0;

	if (rp_messages_refuse(text, size) || rp_objects_refuse(text, size))
		d.error = -EOPNOTSUPP;
	for (;;) {
		int was = d.error;

		if (!was)
			turn(&d);
		if (d.error && d.error != was)
			rp_text(text, size, "messages in flight could not be received: ",
				d.error == -ENOMEM ? "out of memory" : "the MPI library failed", NULL);
		rc = round_of_all(&d, &now);
		if (rc)
			return rc;
		if (now.refuse)
			return RP_DRAIN_REFUSED;
		if (now.sent == now.received && !now.pending && have_before && before.sent == now.sent &&
		    before.received == now.received && !before.pending) {
			if (!now.suspects)
				return 0;
			rp_sync_ask();
			have_before = 0;
			continue;
		}
		before = now;
		have_before = 1;
	}
}

int rp_messages_refuse(char *text, uint32_t size)
{
	if (!rp_msg.others && !rp_msg.user_code)
		return 0;
	for (struct rp_link *l = rp_msg.live.next; l != &rp_msg.live; l = l->next) {
		const struct rp_req *r = rp_req_of_link(l);

		if (r->kind != RP_REQ_OTHER || r->other == RP_OTHER_COLL)
			continue;
		rp_text(text, size, r->name,
			r->other == RP_OTHER_PERSISTENT
				? ": a persistent collective exists; free its request before the checkpoint"
				: ": its request is pending; complete it before the checkpoint",
			NULL);
		return 1;
	}
	return 0;
}
