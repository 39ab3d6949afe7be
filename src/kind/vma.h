/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The parts of the kind in vma.c. The restore half (vma_restore.c): checks, opens the files, adds mappings, shared objects
 * and runs of pages to the plan.
 */
#ifndef RP_KIND_VMA_H
#define RP_KIND_VMA_H

#include "kind/kind.h"

/* Of the dump half (vma_outside.c): -ENOTSUP when a process outside shares memory that a restore would tear apart. */
int rp_vma_check_outside(struct rp_dump *d, struct rp_task *t);

int rp_vma_check(struct rp_restore *r, struct rp_rtask *t);
int rp_vma_prepare(struct rp_restore *r, struct rp_rtask *t);
int rp_vma_plan(struct rp_restore *r, struct rp_rtask *t);

#endif
