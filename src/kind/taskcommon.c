/* SPDX-License-Identifier: BSD-3-Clause */
#include "kind/taskcommon.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int rp_remote_call(struct rp_dump *d, struct rp_task *t, const struct rp_dthread *th, const struct rp_remote *call,
		   int64_t *ret)
{
	int64_t got;
	int code = rp_tracee_call_data(t->tracee, th->tracee, call->nr, call->args, call->in, call->in_len, call->out,
				       call->out_len, &got, &d->err);

	if (code < 0)
		return rp_error_prefix(&d->err, code, "%s: ", call->what);
	if (got < 0 && got >= -4095)
		return rp_error(&d->err, (int)got, "%s: %s", call->what, strerror((int)-got));
	if (ret)
		*ret = got;
	return 0;
}

struct rp_plan_thread *rp_plan_thread_of(struct rp_rtask *t, size_t index)
{
	return rp_planner_row(t->plan, RP_PART_THREADS, index);
}

int rp_bad_image(struct rp_restore *r, const char *fmt, ...)
{
	char text[RP_ERROR_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return rp_error(&r->err, -EINVAL, "image: %s", text);
}
