/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The gate between application threads and the lower half: how the control thread takes the rank's MPI lock while the
 * fast path pays one store (the depth) and one load (the gate). It is closed by rp_gate_close(), which stores, issues
 * membarrier(PRIVATE_EXPEDITED) and returns; afterwards a thread is either seen at depth > 0 or will see the gate.
 *
 * Every entry point goes through rp_mpi_enter() or, when it is collective, rp_coll_enter_at(). Threads that find the
 * gate closed wait on a futex here, in upper code, on the upper FS, at depth 0: parked.
 *
 *	t = rp_mpi_enter();                    t = rp_coll_enter_at(comm->key, &comm->seq);
 *	err = lower function                   err = lower function
 *	rp_leave(t);                           rp_coll_leave(t);
 *
 * MPI calls from inside a callback of the lower half (depth > 1) never park: lower frames are below them.
 */
#ifndef RP_MPI_GATE_H
#define RP_MPI_GATE_H

#include <stdint.h>

#include "mpi/object.h"
#include "split/switch.h"

enum rp_gate_state {
	RP_GATE_OPEN,
	RP_GATE_COLL, /* released for a while: collectives park, all else passes */
	RP_GATE_SHUT, /* everybody parks */
};

struct rp_gate {
	uint32_t state;	   /* enum rp_gate_state; volatile access */
	uint32_t epoch;	   /* futex: grows with each change */
	uint32_t releases; /* a collective that stood at its entry may pass after one more */
	uint32_t passes;   /* entries while the gate was not open: the rank's progress during an attempt */
} __attribute__((aligned(64)));

extern RP_HIDDEN struct rp_gate rp_gate;

/* Slow halves: on the upper FS, depth raised; return with the depth raised and the gate passed. */
RP_HIDDEN void rp_gate_wait(struct rp_thread *t);
RP_HIDDEN void rp_gate_wait_coll(struct rp_thread *t);

static inline uint32_t rp_gate_state(void)
{
	return *(volatile uint32_t *)&rp_gate.state;
}

/* Inside a lower-half loop: shall this thread get out? (never from inside a callback) */
static inline int rp_gate_wants(const struct rp_thread *t)
{
	return __builtin_expect(rp_gate_state() == RP_GATE_SHUT, 0) && t->depth == 1;
}

static inline struct rp_thread *rp_mpi_enter(void)
{
	struct rp_thread *t = rp_enter_begin();

	if (__builtin_expect(rp_gate_state(), 0))
		rp_gate_wait(t);
	rp_enter_commit(t);
	return t;
}

/* Counted, at depth 1: the thread stands at the entry of a collective with this key and looks at the gate. */
static inline struct rp_thread *rp_coll_enter_counted(struct rp_thread *t, uint64_t key)
{
	t->coll_key = key;
	__asm__ volatile("" : : : "memory");
	if (__builtin_expect(rp_gate_state(), 0))
		rp_gate_wait_coll(t);
	rp_enter_commit(t);
	return t;
}

/* Entry of a collective of the communicator with this key: its clock *seq advances. One thread at a time. */
static inline struct rp_thread *rp_coll_enter_at(uint64_t key, uint64_t *seq)
{
	struct rp_thread *t = rp_enter_begin();

	*seq += 1;
	return rp_coll_enter_counted(t, key);
}

/* The same for a clock on which several threads may count at once: a group's, for MPI_Comm_create_group. *nth: the own
 * count. */
static inline struct rp_thread *rp_coll_enter_shared(uint64_t key, uint64_t *seq, uint64_t *nth)
{
	struct rp_thread *t = rp_enter_begin();

	*nth = __atomic_add_fetch(seq, 1, __ATOMIC_RELAXED);
	return rp_coll_enter_counted(t, key);
}

/* The usual case: a collective of a communicator. */
static inline struct rp_thread *rp_coll_enter(struct rp_comm *comm)
{
	return rp_coll_enter_at(comm->key, &comm->seq);
}

static inline void rp_coll_leave(struct rp_thread *t)
{
	t->coll_key = 0;
	rp_leave(t);
}

/* The control thread's side; FS-neutral. close: OPEN or COLL -> SHUT. release: SHUT -> COLL, waiting threads run, one
 * collective that stands at its entry passes. open: everybody runs. rp_gate_init: once per incarnation, registers for
 * membarrier; returns 0 or -errno (the kernel lacks it). */
RP_HIDDEN int rp_gate_init(void);
RP_HIDDEN void rp_gate_close(void);
RP_HIDDEN void rp_gate_release(void);
RP_HIDDEN void rp_gate_open(void);

/* Raw system calls: no errno, any FS. */
static inline long rp_sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#endif
