/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The restore half of mappings (vma_restore.c), hooks of the kind in vma.c: checks, opens the files, adds mappings, shared
 * objects and runs of pages to the plan.
 */
#ifndef RP_KIND_VMA_H
#define RP_KIND_VMA_H

#include "kind/kind.h"

int rp_vma_check(struct rp_restore *r, struct rp_rtask *t);
int rp_vma_prepare(struct rp_restore *r, struct rp_rtask *t);
int rp_vma_plan(struct rp_restore *r, struct rp_rtask *t);

#endif
