/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The switch between the halves, for code of the stub library (the only upper-half code that knows of the lower half).
 *
 *	struct rp_thread *t = rp_enter();
 *	err = lower->send(...);
 *	rp_leave(t);
 *
 * Between rp_enter() and rp_leave() the thread runs on the lower half's FS. There, code of the stub must not touch the
 * upper half's TLS: no errno, no libc call of the upper half, no __thread variable, no stack protector (the stub is
 * built with -fno-stack-protector). A compiler may read a TLS address again after the switch, therefore everything that
 * needs TLS is done before rp_enter() or after rp_leave(), preferably in another function; `t` itself is safe.
 * Data of the upper half (globals, heap, stack) may be read and written freely.
 *
 * Order inside rp_enter(): depth is raised *before* the generation is compared. A thread seen at depth 0 may be frozen
 * and come back in another incarnation at any instruction; a thread at depth > 0 is never frozen. Whoever wants to keep
 * threads out (the control thread) closes a gate of its own, issues membarrier(PRIVATE_EXPEDITED), then looks at the
 * depths: code with a gate uses rp_enter_begin(), looks at the gate, then rp_enter_commit() or rp_enter_cancel().
 */
#ifndef RP_SPLIT_SWITCH_H
#define RP_SPLIT_SWITCH_H

#include <stdint.h>

#include "abi/arena.h"
#include "arch/x86_64/tls.h"

#define RP_HIDDEN __attribute__((visibility("hidden")))

/* The calling thread's own. Never used after a switch: take its address first (rp_thread_mine()). */
extern RP_HIDDEN __thread struct rp_thread rp_thread_tls __attribute__((tls_model("initial-exec")));

/* Registers the thread (first entry) or lends it a twin of this incarnation (after a restart). Upper FS, depth 0.
 * Does not return on failure: one line, _exit(125). Blocks a little while the twin is made. */
RP_HIDDEN void rp_thread_attach(struct rp_thread *t);

/* Address of the calling thread's struct. Upper FS only. */
static inline struct rp_thread *rp_thread_mine(void)
{
	struct rp_thread *t = &rp_thread_tls;

	__asm__("" : "+r"(t)); /* hides where it came from, so that fields are never read through %fs */
	return t;
}

/* The registered thread that runs on a lower FS here; NULL on helper threads of the lower half. A new thread, upper or
 * lower, inherits its creator's GS base, hence the comparison. Lower FS only. */
static inline struct rp_thread *rp_thread_current(void)
{
	struct rp_thread *t = (struct rp_thread *)rp_rdgsbase();

	return t && t->lower_fs == rp_rdfsbase() ? t : 0;
}

/* Announces the entry. From here on the thread counts as inside, on the upper FS still. */
static inline struct rp_thread *rp_enter_begin(void)
{
	struct rp_thread *t = rp_thread_mine();

	*(volatile uint32_t *)&t->depth += 1;
	__asm__ volatile("" : : : "memory");
	while (__builtin_expect(t->generation != *(volatile uint32_t *)&rp_arena()->generation, 0)) {
		*(volatile uint32_t *)&t->depth -= 1;
		rp_thread_attach(t);
		*(volatile uint32_t *)&t->depth += 1;
		__asm__ volatile("" : : : "memory");
	}
	if (t->depth == 1)
		t->entry_sp = (uint64_t)__builtin_frame_address(0);
	return t;
}

static inline void rp_enter_commit(struct rp_thread *t)
{
	rp_wrfsbase(t->lower_fs);
}

static inline void rp_enter_cancel(struct rp_thread *t)
{
	__asm__ volatile("" : : : "memory");
	*(volatile uint32_t *)&t->depth -= 1;
}

static inline struct rp_thread *rp_enter(void)
{
	struct rp_thread *t = rp_enter_begin();

	rp_enter_commit(t);
	return t;
}

static inline void rp_leave(struct rp_thread *t)
{
	rp_wrfsbase(t->upper_fs);
	*(volatile uint32_t *)&t->depth -= 1;
}

/* A callback: lower code calls a function of the stub, which calls the application's function. The stub's function does
 *
 *	struct rp_thread *t = rp_upcall_begin();
 *	if (t) {
 *		ret = call_user(fn, ...);     noinline: see the remark on TLS above
 *		rp_upcall_end(t);
 *	}
 *
 * The depth stays, because frames of the lower half are below; MPI calls from inside the callback nest. NULL: called on
 * a helper thread of the lower half, where no code of the application may run. */
static inline struct rp_thread *rp_upcall_begin(void)
{
	struct rp_thread *t = rp_thread_current();

	if (t)
		rp_wrfsbase(t->upper_fs);
	return t;
}

static inline void rp_upcall_end(struct rp_thread *t)
{
	rp_wrfsbase(t->lower_fs);
}

/* Registered threads of the application, for the control thread. FS-neutral. Under rp_threads_lock() no thread enters
 * or leaves the list (a thread that ends waits); it must not be held while the process can be frozen (state DRAINED),
 * nor taken in replay(), where the holder may be a thread that does not run yet. Link: t->next. */
RP_HIDDEN struct rp_thread *rp_threads_lock(void);
RP_HIDDEN void rp_threads_unlock(void);

/* The lower half's environment is the launcher's; what the application has set or unset since it was started belongs there too
 * before MPI is initialised. The first function, on the upper FS, takes note of it; the second, on the lower FS, does it,
 * again in each incarnation. */
RP_HIDDEN void rp_env_take(void);
RP_HIDDEN void rp_env_give(struct rp_arena *arena);

/* True in the process that the launcher started, false in its forked children, which have no MPI. Any FS. */
RP_HIDDEN int rp_is_rank(void);

#endif
