/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Private to the blob: access to the plan's tables, memory, threads and errors.
 */
#ifndef RP_BLOB_INTERNAL_H
#define RP_BLOB_INTERNAL_H

#include <stdint.h>

#include "blob/blob.h"

#define RP_SIGINFO_SIZE 128
#define RP_PAGE_UP(x) (((x) + 4095UL) & ~4095UL)
#define RP_STACK_SIZE 16384UL
#define RP_ALL_SIGNALS UINT64_MAX

/* madvise values that describe a mapping (the others do something to its pages). */
#define RP_MADV_ALLOWED (1UL << 1 | 1UL << 2 | 1UL << 10 | 1UL << 12 | 1UL << 14 | 1UL << 15 | 1UL << 16 | 1UL << 18)
#define RP_MADV_HUGEPAGE 14
#define RP_MADV_NOHUGEPAGE 15

enum rp_blob_done {
	RP_DONE_MM = 1,
	RP_DONE_CREDS = 2,
};

/* What parked threads are told to do. */
enum rp_blob_command {
	RP_COMMAND_PARK,
	RP_COMMAND_CREDS, /* take the credentials of the plan */
	RP_COMMAND_STATE, /* everything that only the thread itself can set */
	RP_COMMAND_GO,	  /* jump */
};

struct rp_blob_thread {
	struct rp_blob *blob;
	const struct rp_plan_thread *plan;
	uint64_t index;
	int32_t tid;	/* as created: the plan's, unless RP_PLAN_PID_ANY */
	uint64_t mask;	/* of a thread that is being stopped: its signal mask, in the helper's copy */
	uint64_t frame; /* final frame */
	uint64_t way;	/* frame that leads to it (plain process), 0: none */
	char *scratch;	/* 2 * RP_SIGFRAME_MAX + 64 bytes */
};

#define RP_PLAN_ROWS(name, type) \
	static inline const struct type *rp_plan_##name(const struct rp_plan *p) \
	{ \
		return (const struct type *)((const char *)p + p->name.off); \
	}
RP_PLAN_ROWS(vmas, rp_plan_vma)
RP_PLAN_ROWS(runs, rp_plan_run)
RP_PLAN_ROWS(shms, rp_plan_shm)
RP_PLAN_ROWS(threads, rp_plan_thread)
RP_PLAN_ROWS(sigactions, rp_plan_sigaction)
RP_PLAN_ROWS(posix_timers, rp_plan_posix_timer)
RP_PLAN_ROWS(creds, rp_plan_creds)
RP_PLAN_ROWS(seccomps, rp_plan_seccomp)
RP_PLAN_ROWS(fdops, rp_plan_fdop)
RP_PLAN_ROWS(limits, rp_plan_limit)
#undef RP_PLAN_ROWS

static inline void *rp_plan_siginfo(const struct rp_plan *p, uint64_t index)
{
	return (char *)p + p->siginfos.off + index * RP_SIGINFO_SIZE;
}

/* Fills err unless it already holds an error (the first one counts, from whichever thread) and returns code. */
static inline int rp_blob_error(struct rp_blob_error *err, uint32_t stage, int code, const char *text, uint64_t arg)
{
	int32_t none = 0;

	if (__atomic_compare_exchange_n(&err->code, &none, code, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		err->stage = stage;
		err->arg = arg;
		err->text = text;
	}
	return code;
}

/* Bytes of private memory, zeroed, aligned to 64. Never fails: rp_blob_mem_size() counts every use. */
void *rp_blob_alloc(struct rp_blob *b, uint64_t size);

/* futex(2), shared by nobody outside the process. */
void rp_blob_wait(uint32_t *word, uint32_t while_value);
void rp_blob_wake(uint32_t *word);
/* Waits until the kernel has cleared the word of a thread that rp_blob_helper() started: it is gone. */
void rp_blob_wait_gone(uint32_t *word);

/* Has every thread but the leader carry out a command; returns when all have. Returns 0 or b->err.code. */
int rp_blob_command(struct rp_blob *b, uint32_t command);

/* What a thread does for each command; run by the leader for itself as well. */
int rp_thread_creds(struct rp_blob_thread *t);
int rp_thread_state(struct rp_blob_thread *t);
void rp_thread_go(struct rp_blob_thread *t) __attribute__((noreturn));

/* Starts a thread that is no part of the image, on its own stack. ctid is cleared and woken when it is gone.
 * Returns its id or -errno. */
long rp_blob_helper(void *stack_top, void (*run)(void *), void *arg, uint32_t *ctid);

/* Bytes of one frame; of the tail of the private memory that stays when a frame or gadget finds no other place. */
uint64_t rp_blob_frame_room(void);
uint64_t rp_blob_keep_size(const struct rp_plan *plan);

/* Writes struct rp_plan_status where the plan wants it. A failure goes to descriptor 2 when it wants it nowhere. */
int rp_blob_status_fd(const struct rp_plan *plan);
void rp_blob_status(const struct rp_plan *plan, const struct rp_blob_error *err);

/* PR_SET_MM_MAP. */
int rp_blob_mm(struct rp_blob *b);

/* Process-wide state: dispositions, pending signals, timers; the timers begin to run with the last one. */
int rp_blob_signals(struct rp_blob *b);
int rp_blob_timers_make(struct rp_blob *b);
int rp_blob_timers_start(struct rp_blob *b);

/* Finds the way out of the blob (gadgets in the image's text, or a page with them that stays) and builds the frames of
 * all threads, in the image's memory where it has room for them. */
int rp_blob_frames(struct rp_blob *b);

/* Id that a thread of the image has now: itself unless RP_PLAN_PID_ANY. */
int32_t rp_blob_new_tid(struct rp_blob *b, int32_t tid);

/* Finds the mapping that holds an address: NULL none. */
const struct rp_plan_vma *rp_plan_vma_at(const struct rp_plan *p, uint64_t addr);

/* Starts a process that goes with every thread until it has left the blob: lets it run past seccomp filters, and stops a
 * process that was stopped. Nothing is started when neither is wanted. */
int rp_blob_escort(struct rp_blob *b);

#endif
