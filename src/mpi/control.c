/* SPDX-License-Identifier: BSD-3-Clause */
#include "mpi/control.h"

#include "mpi/comm.h"
#include "mpi/request.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#define TURN_US 50	    /* between two looks at threads that are still inside */
#define PARKED_US 100	    /* between two turns of MPI's progress while parked */
#define SLICE_FIRST_US 500  /* how long a released rank runs before it parks wherever it is */
#define SLICE_LAST_US 50000 /* each release of an attempt doubles it up to this */
#define GIVE_UP_US 2000000  /* a drain that the agent called off still tries to end this long: all ranks together */

enum phase { IDLE, CLOSING, PARKED, RELEASED, QUIET };

static struct {
	enum phase phase;
	uint32_t served; /* attempt that is over for this rank */
	uint32_t attempt;
	uint32_t echo;	/* command_seq that was acted upon */
	uint32_t shown; /* state in the slot */
	uint32_t locked;
	uint32_t gate_ready;
	uint64_t shown_key;
	uint32_t awaits; /* world rank + 1 that a collective in here needs, 0: none */
	uint32_t shown_awaits;
	uint64_t slice, slice_end;
	uint64_t cancelled_at;
	uint64_t *polled; /* bit per world rank: polled without success since the request came up */
	uint32_t polled_any;
} control;

/* ---- what the rank tells ---- */

void rp_control_polled(struct rp_comm *comm, int source)
{
	int world = comm ? rp_peer_world(comm, source) : -1;

	if (source == MPI_ANY_SOURCE)
		control.polled_any = 1;
	else if (world >= 0 && control.polled)
		__atomic_or_fetch(&control.polled[world / 64], 1UL << (world % 64), __ATOMIC_RELAXED);
}

void rp_msg_awaits(int world)
{
	__atomic_store_n(&control.awaits, (uint32_t)(world + 1), __ATOMIC_RELEASE);
}

static void polled_clear(void)
{
	control.polled_any = 0;
	for (int32_t i = 0; control.polled && i <= rp_stub.world_size / 64; i++)
		control.polled[i] = 0;
}

static uint32_t put_clock(struct rp_slot *slot, uint32_t n, uint64_t key, uint64_t seq, uint64_t mark)
{
	if (n < RP_SLOT_CLOCKS)
		slot->clocks[n] = (struct rp_clock){ key, seq, mark };
	return n + 1;
}

static uint32_t put_comm(struct rp_slot *slot, uint32_t n, const struct rp_comm *comm)
{
	if (comm->size > 1 || comm->remote_size)
		n = put_clock(slot, n, comm->key, comm->seq, 0);
	for (struct rp_comm_calls *calls = comm->group_calls; calls; calls = calls->next)
		n = put_clock(slot, n, calls->key, calls->seq, calls->mark);
	return n;
}

/* The agent knows one entry at which a parked rank stands, and takes back one count for it. What other threads have
 * counted and not begun is taken back here: also at that entry, where several may stand (MPI_Comm_create_group). */
static void take_back_entries(struct rp_slot *slot, uint64_t known)
{
	slot->threads = 0;
	for (struct rp_thread *t = rp_threads_lock(); t; t = (struct rp_thread *)t->next) {
		uint64_t key = *(volatile uint64_t *)&t->coll_key;

		slot->threads++;
		if (key && key == known) {
			known = 0;
			continue;
		}
		for (uint32_t i = 0; key && !t->depth && i < slot->nclocks; i++)
			if (slot->clocks[i].key == key)
				slot->clocks[i].seq--;
	}
	rp_threads_unlock();
}

/* More communicators than the page has room for: 0, the rank cannot be carried. */
static int put_clocks(struct rp_slot *slot)
{
	struct rp_object *o;
	uint32_t n;

	n = put_comm(slot, 0, RP_C(MPI_COMM_WORLD));
	for (o = rp_first(RP_COMM); o; o = rp_next(o))
		if (!(o->flags & RP_FREED))
			n = put_comm(slot, n, (struct rp_comm *)o);
	slot->nclocks = n < RP_SLOT_CLOCKS ? n : RP_SLOT_CLOCKS;
	return n <= RP_SLOT_CLOCKS;
}

/* Everybody this rank may be waiting for. More than there is room for: the same as any. */
static void put_waits(struct rp_slot *slot)
{
	uint32_t n = 0, any = control.polled_any;

	for (struct rp_link *l = rp_msg.live.next; l != &rp_msg.live && n < RP_SLOT_WAITS; l = l->next) {
		const struct rp_req *r = rp_req_of_link(l);
		int world;

		if (r->kind == RP_REQ_OTHER || !r->comm || (r->flags & (RP_REQ_DONE | RP_REQ_SUSPECT)))
			continue;
		if (r->peer == MPI_ANY_SOURCE) {
			any = 1;
			continue;
		}
		world = rp_peer_world(r->comm, r->peer);
		if (world >= 0 && world != rp_stub.world_rank && (!n || slot->waits[n - 1] != (uint32_t)world))
			slot->waits[n++] = (uint32_t)world;
	}
	for (int32_t i = 0; control.polled && i < rp_stub.world_size && n < RP_SLOT_WAITS; i++)
		if (control.polled[i / 64] >> (i % 64) & 1)
			slot->waits[n++] = (uint32_t)i;
	slot->nwaits = n;
	slot->wait_any = any || n == RP_SLOT_WAITS;
}

static void ring(struct rp_ctl *ctl)
{
	__atomic_add_fetch(&ctl->bell, 1, __ATOMIC_ACQ_REL);
	rp_sys6(SYS_futex, (long)&ctl->bell, FUTEX_WAKE, INT_MAX, 0, 0, 0);
}

static void publish(struct rp_ctl *ctl, struct rp_slot *slot, uint32_t state, uint64_t key)
{
	int fits = 1;

	__atomic_add_fetch(&slot->version, 1, __ATOMIC_ACQ_REL);
	if (rp_msg.ready && state != RP_RANK_RUNNING) {
		fits = put_clocks(slot);
		take_back_entries(slot, state == RP_RANK_PARKED ? key : 0);
		put_waits(slot);
	}
	if (!fits) {
		state = RP_RANK_REFUSED;
		rp_text(slot->text, sizeof(slot->text), "more than 8192 communicators are alive; free some", NULL,
			NULL);
	}
	slot->sent = rp_stub.total.sent;
	slot->received = rp_stub.total.received;
	slot->progress = rp_stub.total.sent + rp_stub.total.received + rp_gate.passes;
	control.shown_awaits = __atomic_load_n(&control.awaits, __ATOMIC_ACQUIRE);
	slot->coll_awaits = state == RP_RANK_IN_COLL ? control.shown_awaits : 0;
	slot->coll_key = key;
	slot->echo = control.echo;
	slot->state = state;
	__atomic_add_fetch(&slot->version, 1, __ATOMIC_ACQ_REL);
	control.shown = state;
	control.shown_key = key;
	ring(ctl);
}

/* ---- threads of the application ---- */

struct inside {
	uint32_t threads; /* of them at depth > 0 */
	uint32_t in_coll; /* of those: in a collective */
	uint32_t at_coll; /* outside, standing at the entry of one */
	uint64_t key;	  /* of a collective that one is in, else of one that one stands at */
	uint64_t keys;	  /* of all, mixed: the same while nobody moves */
};

static void look_inside(struct inside *in)
{
	struct rp_thread *t;

	*in = (struct inside){ 0 };
	for (t = rp_threads_lock(); t; t = (struct rp_thread *)t->next) {
		uint32_t depth = *(volatile uint32_t *)&t->depth;
		uint64_t key = *(volatile uint64_t *)&t->coll_key;

		in->threads += depth > 0;
		in->in_coll += depth > 0 && key;
		in->at_coll += depth == 0 && key;
		in->keys += key;
		if (key && (depth > 0 || !in->in_coll))
			in->key = key;
	}
	rp_threads_unlock();
}

/* A thread that computed may come to the entry of a collective at any instant, also between the look at where it stands and
 * the look at the clocks: counted, but not known to stand there, it would pass for one that has begun. */
static void publish_parked(struct rp_ctl *ctl, struct rp_slot *slot, uint32_t state, struct inside *in)
{
	struct inside before;

	do {
		before = *in;
		publish(ctl, slot, state, before.key);
		look_inside(in);
	} while (in->threads || in->keys != before.keys);
}

/* ---- phases ---- */

static uint32_t rank_state(void)
{
	switch (rp_stub.state) {
	case RP_MPI_NONE:
		return RP_RANK_PREINIT;
	case RP_MPI_IN_INIT:
		return RP_RANK_IN_INIT;
	case RP_MPI_READY:
		return RP_RANK_PARKED;
	default:
		return RP_RANK_FINALIZE;
	}
}

static void unlock(void)
{
	if (control.locked)
		rp_unlock();
	control.locked = 0;
}

/* The attempt is over for this rank: run. */
static uint32_t resume(struct rp_ctl *ctl, struct rp_slot *slot)
{
	if (rp_msg.held && control.phase == PARKED)
		rp_sync_believe();
	unlock();
	control.phase = IDLE;
	control.served = control.attempt;
	publish(ctl, slot, RP_RANK_RUNNING, 0);
	rp_gate_open();
	return 1; /* the next attempt may be on already */
}

static uint32_t release(struct rp_ctl *ctl, struct rp_slot *slot)
{
	if (rp_msg.held && control.phase == PARKED) /* made there only, and only there everybody is out */
		rp_sync_believe();
	polled_clear();
	control.slice = control.slice ? control.slice * 2 : SLICE_FIRST_US;
	if (control.slice > SLICE_LAST_US)
		control.slice = SLICE_LAST_US;
	control.slice_end = rp_now_us() + control.slice;
	control.phase = RELEASED;
	publish(ctl, slot, RP_RANK_RUNNING, 0);
	rp_gate_release();
	return TURN_US;
}

static int attempt_over(const struct rp_ctl *ctl, const struct rp_slot *slot)
{
	const volatile struct rp_ctl *c = ctl;

	return c->request != control.attempt || rp_ctl_is_orphaned(ctl) ||
	       (*(const volatile uint32_t *)&slot->command_seq != control.echo &&
		*(const volatile uint32_t *)&slot->command == RP_CMD_RESUME);
}

struct watch {
	struct rp_ctl *ctl;
	struct rp_slot *slot;
};

/* A drain that has begun on one rank has begun on all, or soon will: it is ended together, so that nothing is left half
 * done. Only when that takes too long is it given up. */
static int drain_cancelled(void *arg)
{
	struct watch *w = arg;

	if (!attempt_over(w->ctl, w->slot))
		return 0;
	if (!control.cancelled_at)
		control.cancelled_at = rp_now_us();
	return rp_now_us() - control.cancelled_at > GIVE_UP_US;
}

static uint32_t drain(struct rp_ctl *ctl, struct rp_slot *slot)
{
	struct watch w = { ctl, slot };
	int rc = 0;

	if (rp_stub.state == RP_MPI_READY) {
		rp_lock();
		control.locked = 1;
		control.cancelled_at = 0;
		slot->text[0] = '\0';
		rc = rp_drain(control.attempt, drain_cancelled, &w, slot->text, sizeof(slot->text));
		if (rc)
			unlock();
	}
	if (rc == RP_DRAIN_CANCELLED)
		return resume(ctl, slot);
	if (rc && !slot->text[0])
		rp_text(slot->text, sizeof(slot->text), "another rank refused", NULL, NULL);
	control.phase = rc ? PARKED : QUIET;
	publish(ctl, slot, rc ? RP_RANK_REFUSED : RP_RANK_DRAINED, 0);
	return PARKED_US;
}

/* Nobody is inside any more. */
static uint32_t park(struct rp_ctl *ctl, struct rp_slot *slot, struct inside *in)
{
	uint32_t state = rank_state();

	control.phase = PARKED;
	if (state == RP_RANK_PARKED && rp_msg.user_code) { /* its progress would run the application's code here */
		rp_messages_refuse(slot->text, sizeof(slot->text));
		state = RP_RANK_REFUSED;
	}
	publish_parked(ctl, slot, state, in);
	return PARKED_US;
}

static uint32_t closing(struct rp_ctl *ctl, struct rp_slot *slot)
{
	struct inside in;
	uint32_t state = RP_RANK_RUNNING;

	look_inside(&in);
	if (!in.threads)
		return park(ctl, slot, &in);
	if (rp_stub.state == RP_MPI_IN_INIT)
		state = RP_RANK_IN_INIT;
	else if (rp_stub.state >= RP_MPI_IN_FINALIZE)
		state = RP_RANK_FINALIZE;
	else if (in.in_coll == in.threads)
		state = RP_RANK_IN_COLL;
	if (state != control.shown ||
	    (state == RP_RANK_IN_COLL && (in.key != control.shown_key || control.awaits != control.shown_awaits)))
		publish(ctl, slot, state, state == RP_RANK_IN_COLL ? in.key : 0);
	return TURN_US;
}

static uint32_t shut(struct rp_ctl *ctl, struct rp_slot *slot)
{
	rp_gate_close();
	control.phase = CLOSING;
	return closing(ctl, slot);
}

static uint32_t begin(struct rp_ctl *ctl, struct rp_slot *slot, uint32_t request)
{
	if (!control.gate_ready)
		control.gate_ready = rp_gate_init() == 0;
	if (!control.polled && rp_stub.world_size > 0)
		control.polled = rp_heap_alloc((size_t)(rp_stub.world_size / 64 + 1) * 8);
	polled_clear();
	control.attempt = request;
	control.echo = __atomic_load_n(&slot->command_seq, __ATOMIC_ACQUIRE);
	control.shown = RP_RANK_EMPTY;
	control.slice = 0;
	return shut(ctl, slot);
}

/* Parked: keeps this rank's side of MPI's progress going, so that what others send to it arrives. */
static uint32_t parked(struct rp_ctl *ctl, struct rp_slot *slot)
{
	struct inside in;
	int flag, n;

	if (control.shown != RP_RANK_PARKED && control.phase != QUIET)
		return PARKED_US;
	if (!rp_msg.ready || rp_stub.state != RP_MPI_READY)
		return PARKED_US;
	n = control.phase == QUIET ? 0 : rp_drain_progress();
	rp_lower.MPI_Iprobe(MPI_ANY_SOURCE, RP_TAG_NONE, rp_msg.world, &flag, MPI_STATUS_IGNORE);
	if (n) {
		look_inside(&in);
		publish_parked(ctl, slot, RP_RANK_PARKED, &in);
	}
	return PARKED_US;
}

static uint32_t released(struct rp_ctl *ctl, struct rp_slot *slot)
{
	struct inside in;

	look_inside(&in);
	if ((in.at_coll && !in.threads) || rp_now_us() >= control.slice_end)
		return shut(ctl, slot);
	return TURN_US;
}

static uint32_t obey(struct rp_ctl *ctl, struct rp_slot *slot, uint32_t command)
{
	switch (command) {
	case RP_CMD_RELEASE:
		if (control.phase != QUIET)
			return release(ctl, slot);
		break;
	case RP_CMD_DRAIN:
		if (control.phase == PARKED)
			return drain(ctl, slot);
		break;
	case RP_CMD_RESUME:
		return resume(ctl, slot);
	}
	publish(ctl, slot, control.shown, control.shown_key);
	return PARKED_US;
}

uint32_t rp_control(struct rp_arena *arena)
{
	struct rp_ctl *ctl = (struct rp_ctl *)arena->ctl;
	struct rp_slot *slot = (struct rp_slot *)arena->slot;
	uint32_t request, seq;

	if (!ctl || !slot)
		return 0;
	request = __atomic_load_n(&ctl->request, __ATOMIC_ACQUIRE);
	if (control.phase == IDLE) {
		if (!(request & 1) || request == control.served || rp_ctl_is_orphaned(ctl))
			return 0;
		return begin(ctl, slot, request);
	}
	if (request != control.attempt || rp_ctl_is_orphaned(ctl))
		return resume(ctl, slot);
	seq = __atomic_load_n(&slot->command_seq, __ATOMIC_ACQUIRE);
	if (seq != control.echo) {
		control.echo = seq;
		return obey(ctl, slot, *(volatile uint32_t *)&slot->command);
	}
	switch (control.phase) {
	case CLOSING:
		return closing(ctl, slot);
	case RELEASED:
		return released(ctl, slot);
	default:
		return parked(ctl, slot);
	}
}

void rp_control_restarted(void)
{
	control.phase = IDLE;
	control.served = 0;
	control.gate_ready = 0;
	control.locked = 1; /* replay inherited it, held or not */
	unlock();
	rp_gate_open();
}
