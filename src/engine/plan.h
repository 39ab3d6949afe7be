/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The planner: collects what the restorer has to do as growable tables and writes them as one flat struct rp_plan
 * (abi/plan.h) into a sealed memfd. Kinds add rows in their `plan` hook; the engine seals. Nothing here looks at the
 * process; the restorer checks the result again.
 *
 * Byte offsets that rp_planner_bytes() returns are final: they may be stored in rows at once. Rows of vmas, runs are
 * sorted by the seal, so their indices are not stable; indices of all other tables are.
 */
#ifndef RP_ENGINE_PLAN_H
#define RP_ENGINE_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "abi/plan.h"
#include "util/error.h"

struct rp_planner;

enum rp_plan_part {
	RP_PART_VMAS,	      /* struct rp_plan_vma */
	RP_PART_RUNS,	      /* struct rp_plan_run */
	RP_PART_SHMS,	      /* struct rp_plan_shm */
	RP_PART_THREADS,      /* struct rp_plan_thread; the leader is added first */
	RP_PART_SIGACTIONS,   /* struct rp_plan_sigaction */
	RP_PART_SIGINFOS,     /* 128 bytes each */
	RP_PART_POSIX_TIMERS, /* struct rp_plan_posix_timer */
	RP_PART_CREDS,	      /* struct rp_plan_creds */
	RP_PART_SECCOMPS,     /* struct rp_plan_seccomp */
	RP_PART_FDOPS,	      /* struct rp_plan_fdop, carried out in order */
	RP_PART_LIMITS,	      /* struct rp_plan_limit */
	RP_PART_MAX
};

int rp_planner_new(struct rp_planner **out);
void rp_planner_free(struct rp_planner *p);

/* The header: scalar members (pid, mm, itimers, hole ...) are set directly; tables, sizes and magic by the seal. Borrowed,
 * valid until rp_planner_free(). Initially zero, with mm.exe_fd, plan_fd -1. */
struct rp_plan *rp_planner_head(struct rp_planner *p);

/* Copies one row into a table. Returns its index, or -ENOMEM. */
int64_t rp_planner_add(struct rp_planner *p, enum rp_plan_part part, const void *row);

/* The row at an index, borrowed until the next add to the same table; NULL: no such row. */
void *rp_planner_row(struct rp_planner *p, enum rp_plan_part part, size_t index);
size_t rp_planner_count(const struct rp_planner *p, enum rp_plan_part part);

/* Copies len bytes, aligned to `align` (a power of two, at most 64), and returns their offset in the plan, or -ENOMEM. */
int64_t rp_planner_bytes(struct rp_planner *p, const void *data, size_t len, size_t align);

/* Shorthand for rows of RP_PART_FDOPS. Returns 0 or -ENOMEM. */
int rp_planner_fdop(struct rp_planner *p, int fd, enum rp_plan_fdop_type op, uint64_t arg, uint64_t arg2,
		    uint64_t arg3);

/* Chooses head->hole_start: a page-aligned range of len bytes below task_size that no vma of the plan touches (a gap of
 * one page stays on each side) and, with RP_PLAN_RANK, outside the lower half. -ENOMEM: no such gap. */
int rp_planner_hole(struct rp_planner *p, uint64_t len, struct rp_error *err);

/* An empty memfd for the plan. Made early by a restore: later the limits of the image may leave no room for it. */
int rp_planner_memfd(int *out_fd, struct rp_error *err);

/* Sorts, merges adjacent runs, lays everything out, writes it into that memfd and seals it. head->plan_fd need not be set (the
 * restorer learns the number from its command line). */
int rp_planner_seal(struct rp_planner *p, int fd, struct rp_error *err);

#endif
