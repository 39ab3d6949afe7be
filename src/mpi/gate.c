/* SPDX-License-Identifier: BSD-3-Clause */
#include "mpi/gate.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <limits.h>
#include <sys/syscall.h>

struct rp_gate rp_gate;

static void gate_sleep(uint32_t epoch)
{
	rp_sys6(SYS_futex, (long)&rp_gate.epoch, FUTEX_WAIT_PRIVATE, epoch, 0, 0, 0);
}

static uint32_t gate_epoch(void)
{
	return __atomic_load_n(&rp_gate.epoch, __ATOMIC_ACQUIRE);
}

/* Waits at depth 0 until `released` differs from the count of releases (when the gate only lets point-to-point pass)
 * or the gate opens; then comes in again, and looks again: the gate may have closed in between. */
static void gate_wait(struct rp_thread *t, int coll)
{
	uint32_t releases = __atomic_load_n(&rp_gate.releases, __ATOMIC_ACQUIRE);

	if (t->depth > 1)
		return;
	for (;;) {
		uint32_t epoch, state;

		epoch = gate_epoch();
		state = rp_gate_state();
		if (state == RP_GATE_OPEN)
			break;
		if (state == RP_GATE_COLL &&
		    (!coll || __atomic_load_n(&rp_gate.releases, __ATOMIC_ACQUIRE) != releases))
			break;
		rp_enter_cancel(t);
		gate_sleep(epoch);
		rp_enter_begin();
	}
	__atomic_add_fetch(&rp_gate.passes, 1, __ATOMIC_RELAXED);
}

void rp_gate_wait(struct rp_thread *t)
{
	gate_wait(t, 0);
}

void rp_gate_wait_coll(struct rp_thread *t)
{
	gate_wait(t, 1);
}

static void gate_set(uint32_t state)
{
	__atomic_store_n(&rp_gate.state, state, __ATOMIC_RELEASE);
	__atomic_add_fetch(&rp_gate.epoch, 1, __ATOMIC_ACQ_REL);
	rp_sys6(SYS_futex, (long)&rp_gate.epoch, FUTEX_WAKE_PRIVATE, INT_MAX, 0, 0, 0);
}

int rp_gate_init(void)
{
	return (int)rp_sys6(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0, 0, 0, 0);
}

void rp_gate_close(void)
{
	gate_set(RP_GATE_SHUT);
	rp_sys6(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0, 0, 0, 0);
}

void rp_gate_release(void)
{
	__atomic_add_fetch(&rp_gate.releases, 1, __ATOMIC_ACQ_REL);
	gate_set(RP_GATE_COLL);
}

void rp_gate_open(void)
{
	__atomic_add_fetch(&rp_gate.releases, 1, __ATOMIC_ACQ_REL);
	gate_set(RP_GATE_OPEN);
}
