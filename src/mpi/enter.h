/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The way of every MPI call into the lower library and back: one trip, and the gate by which the control thread keeps
 * application threads out. What may be done inside is said in split/switch.h.
 */
#ifndef RP_MPI_ENTER_H
#define RP_MPI_ENTER_H

#include "object.h"
#include "split/switch.h"

/* Waits on the upper FS at depth 0 until the gate is open (message.h's owner implements it: control.c). */
RP_HIDE void rp_gate_wait(void);

/* Enters. A call nested in a callback of the lower library (depth > 1) passes a closed gate: its frames below are
 * inside already. */
static inline struct rp_thread *rp_in(void)
{
	for (;;) {
		struct rp_thread *t = rp_enter_begin();

		if (__builtin_expect(!rp_stub.gate, 1) || t->depth > 1) {
			rp_enter_commit(t);
			__asm__ volatile("" : : : "memory");
			return t;
		}
		rp_enter_cancel(t);
		rp_gate_wait();
	}
}

static inline void rp_out(struct rp_thread *t)
{
	__asm__ volatile("" : : : "memory");
	rp_leave(t);
}

#endif
