/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Private to the restore half of the engine.
 */
#ifndef RP_ENGINE_RESTORE_IMPL_H
#define RP_ENGINE_RESTORE_IMPL_H

#include "engine/restore.h"

#define RP_FD_LIMIT (1U << 20) /* no image descriptor has a number beyond */
#define RP_THREADS_LIMIT 65536 /* nor so many threads */

/* Stage read: metadata into r->tasks, r->files; structure checked (ids unique, references resolved). */
int rp_restore_read(struct rp_restore *r);

/* ---- descriptors (restore_fds.c) ---- */

/* Which files of the image are taken over from the caller: r->inherited. Returns 0 or -errno: an --inherit-fd that fits nothing. */
int rp_restore_choose_inherited(struct rp_restore *r);

/* The first service number: above all of the image's and the caller's 0-2. Raises the soft limit when it must. */
int rp_restore_choose_base(struct rp_restore *r);

/* Puts what must survive above the base and closes everything below except 0-2. From here on the image can be read only
 * through r, and the caller's own descriptors are gone. */
int rp_restore_evacuate(struct rp_restore *r);

/* Opens every description and puts it at its numbers. */
int rp_restore_place_fds(struct rp_restore *r, struct rp_rtask *t);

/* fd_finish of every description, close-on-exec flags into the plan. */
int rp_restore_finish_fds(struct rp_restore *r, struct rp_rtask *t);

/* ---- stages (stage.c) ---- */

/* The kind that restores files of a type, NULL: none. */
const struct rp_kind *rp_kind_of_type(FdTypes type);

/* fd_check of every file, then `check` of every kind for every task. */
int rp_stage_check(struct rp_restore *r);
int rp_stage_prepare(struct rp_restore *r, struct rp_rtask *t);
int rp_stage_plan(struct rp_restore *r, struct rp_rtask *t);
int rp_stage_leave(struct rp_restore *r, struct rp_rtask *t);

#endif
