/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The blob: freestanding, position-independent code that turns the calling process into what a plan (abi/plan.h)
 * describes. Raw system calls only, no libc, no TLS, no writable globals. Two users: reprise-restorer (a plain process:
 * everything else in the address space is replaced) and the bootstrap of a rank (the upper half is filled beside a live
 * lower half), which interleaves the steps with loading that half.
 *
 * Order of the steps, each once, all on the thread that becomes the leader, all signals blocked from the first on:
 *   rp_blob_check    nothing was changed yet
 *   rp_blob_init     private memory
 *   rp_blob_reserve  every range of the image is taken, PROT_NONE
 *   rp_blob_threads  every thread exists with its id and is parked
 *   rp_blob_drop     exe link and the other fields of the mm, then capabilities of every thread (rank: before foreign code)
 *   rp_blob_fill     memory as it was
 *   rp_blob_finish   everything else, and the jump: does not return
 * After a failure the process is good for nothing but rp_blob_fail().
 */
#ifndef RP_BLOB_BLOB_H
#define RP_BLOB_BLOB_H

#include <stdint.h>

#include "abi/plan.h"

enum rp_blob_stage {
	RP_STAGE_CHECK = 1,
	RP_STAGE_MOVE,
	RP_STAGE_RESERVE,
	RP_STAGE_THREADS,
	RP_STAGE_DROP,
	RP_STAGE_MAP,
	RP_STAGE_PAGES,
	RP_STAGE_PROTECT,
	RP_STAGE_MM,
	RP_STAGE_SIGNALS,
	RP_STAGE_TIMERS,
	RP_STAGE_THREAD_STATE,
	RP_STAGE_CREDS,
	RP_STAGE_SECCOMP,
	RP_STAGE_FDS,
	RP_STAGE_JUMP,
};

struct rp_blob_error {
	int32_t code;	  /* -errno, 0: no error */
	uint32_t stage;	  /* enum rp_blob_stage */
	uint64_t arg;	  /* address, id, number that the text is about */
	const char *text; /* constant */
};

struct rp_blob_thread;

struct rp_blob {
	const struct rp_plan *plan; /* checked, in memory that nobody else can change */
	struct rp_blob_error err;
	uint64_t mem, mem_len, mem_used;
	uint64_t unmap_start, unmap_len; /* plain process: the restorer's own memory, given back by its last call */
	struct rp_blob_thread *threads;	 /* [plan->threads.count] */
	uint32_t command;		 /* what the parked threads are to do next; futex */
	uint32_t acks;			 /* threads that have done it; futex */
	uint32_t running;		 /* threads beside the leader that are still in the blob; futex */
	uint32_t lock;			 /* of next_run, next_off */
	uint64_t next_run, next_off;	 /* first byte that no worker has taken */
	uint32_t workers;		 /* extra threads that fill pages; futex (their clear_child_tid) */
	uint32_t done;			 /* enum rp_blob_done */
	uint64_t gadget_syscall, gadget_return;
	uint32_t stop_here; /* nobody may stop the process where the plan says: it stops on its way there */
	uint32_t borrowed;  /* the capabilities are those of the program's file: none may reach the process */
};

/* Is the plan of `size` bytes consistent in itself? Every offset, count and address is looked at; reads nothing outside
 * plan[0, size). Returns 0 or -EINVAL (or -ENOTSUP: not made for this program) with err filled. Pure: also used on the
 * host side and by the fuzzer. */
int rp_blob_check(const struct rp_plan *plan, uint64_t size, struct rp_blob_error *err);

/* Bytes of private memory that the steps need for a checked plan, page multiple. */
uint64_t rp_blob_mem_size(const struct rp_plan *plan);

/* mem: rp_blob_mem_size() zeroed, writable bytes outside every range of the image, which stay mapped (rank) or are
 * inside [unmap_start, +unmap_len) (plain, else both 0). Blocks all signals. */
void rp_blob_init(struct rp_blob *b, const struct rp_plan *plan, uint64_t mem, uint64_t unmap_start,
		  uint64_t unmap_len);

/* From an auxiliary vector: did execve(2) give an ordinary user more than he had (capabilities(7), getauxval(3))?
 * What b->borrowed is set to after rp_blob_init(). */
int rp_blob_is_borrowed(const uint64_t *auxv);

/* Each returns 0 or -errno with b->err filled. */
int rp_blob_reserve(struct rp_blob *b);
int rp_blob_threads(struct rp_blob *b);
int rp_blob_drop(struct rp_blob *b);
int rp_blob_fill(struct rp_blob *b);

/* Returns only when a step failed: -errno with b->err filled. With a plain process and no failure the last thing that
 * happens is that the process runs where the plan says. */
int rp_blob_finish(struct rp_blob *b);

/* Reports b->err on the plan's status descriptor, or as one line on descriptor 2 when there is none, and ends the
 * process with status 125. plan may be NULL (not checked). */
void rp_blob_fail(const struct rp_plan *plan, const struct rp_blob_error *err) __attribute__((noreturn));

#endif
