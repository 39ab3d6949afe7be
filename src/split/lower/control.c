/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The control thread: hears the agent's requests and commands (ctl.h) while the application computes, and lets the stub
 * answer them. In a program that has no stub, or does not call MPI, there is nothing to drain: it answers itself.
 */
#include "split/lower/lower.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <time.h>

#define RP_WAITV 449
#define RP_FUTEX_U32 2

struct waitv {
	uint64_t value, address;
	uint32_t flags, reserved;
};

/* Until request or command_seq is no longer what it was, at most us microseconds (0: no limit). */
static void wait_change(struct rp_ctl *ctl, struct rp_slot *slot, uint32_t request, uint32_t seq, uint32_t us)
{
	struct waitv w[2] = {
		{ .value = request, .address = (uint64_t)&ctl->request, .flags = RP_FUTEX_U32 },
		{ .value = seq, .address = (uint64_t)&slot->command_seq, .flags = RP_FUTEX_U32 },
	};
	struct timespec until, nap = { 0, 2000000 };
	long r;

	rp_syscall2(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&until);
	until.tv_nsec += us % 1000000 * 1000L;
	until.tv_sec += us / 1000000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	r = rp_syscall5(RP_WAITV, (long)w, 2, 0, us ? (long)&until : 0, CLOCK_MONOTONIC);
	if (r < 0 && r != -EAGAIN && r != -EINTR && r != -ETIMEDOUT) /* before Linux 5.16, or filtered */
		rp_syscall2(SYS_nanosleep, (long)&nap, 0);
}

static void publish(struct rp_ctl *ctl, struct rp_slot *slot, uint32_t state, uint32_t seq)
{
	if (slot->state == state && slot->echo == seq)
		return;
	__atomic_add_fetch(&slot->version, 1, __ATOMIC_SEQ_CST);
	slot->echo = seq;
	__atomic_store_n(&slot->state, state, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&slot->version, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&ctl->bell, 1, __ATOMIC_SEQ_CST);
	rp_futex(&ctl->bell, FUTEX_WAKE, INT_MAX);
}

/* No MPI: quiet at any moment. Returns microseconds until the next look, 0: when something changes. */
static uint32_t answer_alone(struct rp_ctl *ctl, struct rp_slot *slot, uint32_t request, uint32_t seq)
{
	uint32_t command = slot->command;

	if (!(request & 1) || rp_ctl_is_orphaned(ctl)) {
		publish(ctl, slot, RP_RANK_RUNNING, seq);
	} else if (seq != slot->echo && command == RP_CMD_RESUME) {
		publish(ctl, slot, RP_RANK_RUNNING, seq);
		return 1; /* the request may be the next one already */
	} else if (seq != slot->echo && command == RP_CMD_DRAIN) {
		publish(ctl, slot, RP_RANK_DRAINED, seq);
	} else if (slot->state == RP_RANK_RUNNING || seq != slot->echo) {
		publish(ctl, slot, RP_RANK_PREINIT, seq);
	}
	return 0;
}

static void *control(void *arg)
{
	struct rp_arena *a = rp_arena();
	struct rp_ctl *ctl = (struct rp_ctl *)a->ctl;
	struct rp_slot *slot = (struct rp_slot *)a->slot;

	a->control_tid = rp_syscall0(SYS_gettid);
	publish(ctl, slot, RP_RANK_RUNNING, slot->command_seq);
	for (;;) {
		uint32_t request = __atomic_load_n(&ctl->request, __ATOMIC_SEQ_CST);
		uint32_t seq = __atomic_load_n(&slot->command_seq, __ATOMIC_SEQ_CST), us = 0;
		struct rp_stub_ops *ops = (struct rp_stub_ops *)__atomic_load_n(&a->saved.stub_ops, __ATOMIC_ACQUIRE);

		if (!(a->flags & RP_ARENA_STARTED))
			us = 1000; /* the main thread is still in the bootstrap */
		else if (ops)
			us = ops->control(a);
		else if (a->flags & RP_ARENA_DYNAMIC)
			us = 1000; /* its ld.so is still loading the stub, which knows how to keep MPI calls out */
		else
			us = answer_alone(ctl, slot, request, seq);
		wait_change(ctl, slot, request, seq, us);
	}
	return arg;
}

int rp_control_start(void)
{
	return rp_arena()->ctl ? rp_lower_thread(control, NULL, 262144) : 0;
}
