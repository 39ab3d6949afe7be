/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Resource limits and the OOM score. /proc/PID/limits, setrlimit(2), /proc/self/oom_score_adj.
 * A hard limit is never raised above the caller's own, whatever he may do: a warning says so, the soft limit is cut to fit. Of a rank only what
 * its program changed is the image's, and holds once the lower half runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "host/proc.h"
#include "kind/taskcommon.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/str.h"

#define LIMITS 16

static const char *const names[LIMITS] = {
	"cpu",	   "fsize", "data",  "stack",	   "core",     "rss",  "nproc",	 "nofile",
	"memlock", "as",    "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime",
};

static int limits_freeze(struct rp_dump *d, struct rp_task *t)
{
	struct rlimit64 limits[RLIM_NLIMITS];
	TaskRlimitsEntry *e = RP_TASK_MSG(d, TaskRlimitsEntry, task_rlimits_entry__init);
	RP_AUTOFREE char *oom = NULL;
	int ret = rp_proc_limits_read(t->pid, limits, &d->err);

	if (ret < 0)
		return ret;
	if (!e)
		return -ENOMEM;
	e->rlimits = rp_dump_alloc(d, LIMITS * sizeof(e->rlimits[0]));
	if (!e->rlimits)
		return -ENOMEM;
	for (; e->n_rlimits < LIMITS; e->n_rlimits++) {
		RlimitEntry *l = RP_TASK_MSG(d, RlimitEntry, rlimit_entry__init);

		if (!l)
			return -ENOMEM;
		l->cur = limits[e->n_rlimits].rlim_cur;
		l->max = limits[e->n_rlimits].rlim_max;
		e->rlimits[e->n_rlimits] = l;
	}
	t->core->tc->rlimits = e;
	if (rp_read_file_at(t->proc_fd, "oom_score_adj", 64, &oom, NULL) == 0) {
		t->core->tc->has_oom_score_adj = true;
		t->core->tc->oom_score_adj = atoi(oom);
	}
	return 0;
}

static int limits_check(struct rp_restore *r, struct rp_rtask *t)
{
	const TaskRlimitsEntry *e = t->core->tc->rlimits;

	for (size_t i = 0; e && i < e->n_rlimits; i++)
		if (e->rlimits[i]->cur > e->rlimits[i]->max)
			return rp_bad_image(r, "soft limit above the hard one (number %zu)", i);
	return 0;
}

/* Is the limit one that the rank's launcher gave? Of a plain process none is. */
static bool is_launchers(const struct rp_restore *r, const struct rp_rtask *t, size_t which, const RlimitEntry *e)
{
	const RpLaunchState *l = t->launch;

	if (!r->rank)
		return false;
	return !l || which >= l->n_rlimit_cur || which >= l->n_rlimit_max ||
	       (l->rlimit_cur[which] == e->cur && l->rlimit_max[which] == e->max);
}

static const char *in_words(rlim64_t limit, char buf[32])
{
	if (limit == RLIM64_INFINITY)
		snprintf(buf, 32, "unlimited");
	else
		snprintf(buf, 32, "%lu", (unsigned long)limit);
	return buf;
}

/* Cuts *want to what the caller has. */
static void fit(const struct rp_restore *r, unsigned which, struct rlimit64 *want)
{
	struct rlimit64 now;
	char was[32], is[32];

	if (getrlimit64((int)which, &now) < 0)
		return;
	if (which == RLIMIT_NOFILE)
		now.rlim_max = r->nofile_max;
	if (want->rlim_max <= now.rlim_max)
		return;
	rp_warn("the hard limit of %s was %s and stays at %s", names[which], in_words(want->rlim_max, was),
		in_words(now.rlim_max, is));
	want->rlim_max = now.rlim_max;
	if (want->rlim_cur > want->rlim_max)
		want->rlim_cur = want->rlim_max;
}

/* Of a rank: the restorer sets them at its end. */
static int limits_plan(struct rp_restore *r, struct rp_rtask *t)
{
	const TaskRlimitsEntry *e = t->core->tc->rlimits;

	for (unsigned i = 0; r->rank && e && i < e->n_rlimits && i < LIMITS; i++) {
		struct rlimit64 want = { e->rlimits[i]->cur, e->rlimits[i]->max };
		struct rp_plan_limit row = { .which = i };

		if (is_launchers(r, t, i, e->rlimits[i]))
			continue;
		fit(r, i, &want);
		row.cur = want.rlim_cur;
		row.max = want.rlim_max;
		if (rp_planner_add(t->plan, RP_PART_LIMITS, &row) < 0)
			return rp_error(&r->err, -ENOMEM, "out of memory");
	}
	return 0;
}

static void set_oom_score(int adj)
{
	RP_AUTOCLOSE int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	char text[16];

	snprintf(text, sizeof(text), "%d", adj);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		rp_warn("the OOM score of %d cannot be set: %s", adj, strerror(errno));
}

/* While there is a /proc: the process may have a root directory without one (kind/fs). */
static int limits_prepare(struct rp_restore *r, struct rp_rtask *t)
{
	const TaskCoreEntry *tc = t->core->tc;

	(void)r;
	if (tc->has_oom_score_adj &&
	    !(t->launch && t->launch->has_oom_score_adj && t->launch->oom_score_adj == tc->oom_score_adj))
		set_oom_score(tc->oom_score_adj);
	return 0;
}

/* After the plan was written: it may be larger than the process may write files, and its descriptor beyond the last. */
static int limits_leave(struct rp_restore *r, struct rp_rtask *t)
{
	const TaskRlimitsEntry *e = t->core->tc->rlimits;

	for (unsigned i = 0; !r->rank && e && i < e->n_rlimits && i < LIMITS; i++) {
		struct rlimit64 want = { e->rlimits[i]->cur, e->rlimits[i]->max };

		fit(r, i, &want);
		if (setrlimit64((int)i, &want) < 0)
			rp_warn("the limit of %s cannot be set: %s", names[i], strerror(errno));
	}
	return 0;
}

const struct rp_kind rp_kind_limits = {
	.name = "limits",
	.freeze = limits_freeze,
	.check = limits_check,
	.prepare = limits_prepare,
	.plan = limits_plan,
	.leave = limits_leave,
};
