/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Interval timers: getitimer(2), setitimer(2).
 */
#include <errno.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "kind/taskcommon.h"

#define US 1000000L

static int read_timer(struct rp_dump *d, struct rp_task *t, int which, ItimerEntry **out)
{
	ItimerEntry *e = RP_TASK_MSG(d, ItimerEntry, itimer_entry__init);
	struct itimerval v = { 0 };
	int ret;

	if (!e)
		return -ENOMEM;
	ret = rp_remote_call(d, t, &t->threads[0],
			     &(struct rp_remote){ .what = "getitimer",
						  .nr = SYS_getitimer,
						  .args = { (uint64_t)which, RP_SCRATCH(0) },
						  .out = &v,
						  .out_len = sizeof(v) },
			     NULL);
	/* One of real time that has fired while the process stands still is armed again only when its signal is taken, which
	 * will not happen in a restored process: the signal is in the image, the timer begins its next round. */
	if (which == ITIMER_REAL && v.it_value.tv_sec == 0 && v.it_value.tv_usec == 0)
		v.it_value = v.it_interval;
	e->isec = (uint64_t)v.it_interval.tv_sec;
	e->iusec = (uint64_t)v.it_interval.tv_usec;
	e->vsec = (uint64_t)v.it_value.tv_sec;
	e->vusec = (uint64_t)v.it_value.tv_usec;
	*out = e;
	return ret;
}

static int itimer_freeze(struct rp_dump *d, struct rp_task *t)
{
	TaskTimersEntry *e = RP_TASK_MSG(d, TaskTimersEntry, task_timers_entry__init);
	int ret;

	if (!e)
		return -ENOMEM;
	t->core->tc->timers = e;
	ret = read_timer(d, t, ITIMER_REAL, &e->real);
	if (ret == 0)
		ret = read_timer(d, t, ITIMER_VIRTUAL, &e->virt);
	if (ret == 0)
		ret = read_timer(d, t, ITIMER_PROF, &e->prof);
	return ret;
}

static int check_timer(struct rp_restore *r, const ItimerEntry *e)
{
	if (e->iusec >= US || e->vusec >= US || e->isec > INT32_MAX || e->vsec > INT32_MAX)
		return rp_bad_image(r, "interval timer of %lu.%06lu s", (unsigned long)e->vsec,
				    (unsigned long)e->vusec);
	return 0;
}

static int itimer_check(struct rp_restore *r, struct rp_rtask *t)
{
	const TaskTimersEntry *e = t->core->tc->timers;
	int ret;

	if (!e)
		return 0;
	ret = check_timer(r, e->real);
	if (ret == 0)
		ret = check_timer(r, e->virt);
	return ret == 0 ? check_timer(r, e->prof) : ret;
}

static void plan_timer(const ItimerEntry *e, struct rp_plan_itimer *p)
{
	p->value_us = (int64_t)e->vsec * US + (int64_t)e->vusec;
	p->interval_us = (int64_t)e->isec * US + (int64_t)e->iusec;
}

static int itimer_plan(struct rp_restore *r, struct rp_rtask *t)
{
	const TaskTimersEntry *e = t->core->tc->timers;
	struct rp_plan *head = rp_planner_head(t->plan);

	(void)r;
	if (!e)
		return 0;
	plan_timer(e->real, &head->itimers[ITIMER_REAL]);
	plan_timer(e->virt, &head->itimers[ITIMER_VIRTUAL]);
	plan_timer(e->prof, &head->itimers[ITIMER_PROF]);
	return 0;
}

const struct rp_kind rp_kind_itimer = {
	.name = "itimer",
	.freeze = itimer_freeze,
	.check = itimer_check,
	.plan = itimer_plan,
};
