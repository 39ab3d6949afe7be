/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The instructions that are put into the process, and running one of their system calls. Shared by remote.c and
 * snapshot.c.
 */
#ifndef RP_TRACEE_CODE_H
#define RP_TRACEE_CODE_H

#include "tracee/tracee.h"

/* Offsets of blocks behind t->code: what a thread does after its call when nobody drives it any more. */
enum rp_code {
	RP_CODE_CALL = 0,   /* returns to where it was */
	RP_CODE_CLONE = 16, /* clone: the caller returns to where it was, the child exits */
	RP_CODE_CHILD = 48, /* in such a child: exits */
};

/* Carries out one call of an armed thread, up to its exit. */
int rp_code_run(struct rp_tracee *t, struct rp_tracee_thread *th, enum rp_code block, long nr, const uint64_t args[6],
		int64_t *ret, struct rp_error *err);

#endif
