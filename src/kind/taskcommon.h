/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the kinds of task state share: messages in the dump's memory, injected calls, rows of the plan.
 */
#ifndef RP_KIND_TASKCOMMON_H
#define RP_KIND_TASKCOMMON_H

#include <stdint.h>

#include "engine/dump.h"
#include "engine/plan.h"
#include "engine/restore.h"
#include "kind/kind.h"
#include "tracee/tracee.h"

/* A new message of this type in d's memory; NULL: no memory (d->err set). */
#define RP_TASK_MSG(d, Type, type__init) \
	({ \
		Type *msg_ = rp_dump_alloc((d), sizeof(Type)); \
		if (msg_) \
			type__init(msg_); \
		msg_; \
	})

/* A system call carried out by a thread of the stopped process; see rp_tracee_call_data(). A result that is an error is
 * returned as -errno with d->err set ("what: reason"); otherwise 0, with the result in *ret (may be NULL). */
struct rp_remote {
	const char *what;
	long nr;
	uint64_t args[6];
	const void *in;
	size_t in_len;
	void *out;
	size_t out_len;
};

int rp_remote_call(struct rp_dump *d, struct rp_task *t, const struct rp_dthread *th, const struct rp_remote *call,
		   int64_t *ret);

/* The row of the plan for a thread of the image; NULL: thread.c has not made it (a defect). */
struct rp_plan_thread *rp_plan_thread_of(struct rp_rtask *t, size_t index);

/* Sets r->err and returns -EINVAL: the image says something that cannot be. */
int rp_bad_image(struct rp_restore *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
