/* SPDX-License-Identifier: BSD-3-Clause
 *
 * POSIX timers with their ids, remaining times and notification: /proc/PID/timers, timer_gettime(2), timer_getoverrun(2).
 * Cannot carry timers on clocks of other processes or devices, nor on the CPU time of one of several threads.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "kind/taskcommon.h"
#include "util/fd.h"
#include "util/str.h"

#define TEXT_MAX (16U << 20)
#define NS 1000000000UL
#define CLOCK_MAX 15
#define PER_THREAD 4 /* in the number of a CPU clock */
#define TIMERS_MAX 1000000

#ifndef SIGEV_THREAD_ID
#define SIGEV_THREAD_ID 4
#endif

/* Does an id belong to a thread that is being dumped? */
static bool is_thread(const struct rp_task *t, int tid)
{
	for (size_t i = 0; i < t->nthreads; i++)
		if (t->threads[i].tid == tid)
			return true;
	return false;
}

static int check_clock(struct rp_dump *d, const struct rp_task *t, int id, int clock)
{
	if (clock >= 0 && clock <= CLOCK_MAX)
		return 0;
	/* A thread's or process's own CPU clock has a negative number: only one's own are carried, and the kernel does
	 * not tell which thread's "own" is. */
	if ((clock & 7) > 6 || (clock >> 3) != ~0)
		return rp_error(&d->err, -ENOTSUP, "POSIX timer %d runs on clock %d, which cannot be carried", id,
				clock);
	if (clock & PER_THREAD && t->nthreads > 1)
		return rp_error(&d->err, -ENOTSUP,
				"POSIX timer %d runs on the CPU time of one of %zu threads, and cannot be carried: use "
				"the time of the process",
				id, t->nthreads);
	return 0;
}

/* Fills e from one block of four lines; *text moves behind it. 1: none left. */
static int parse_block(struct rp_dump *d, struct rp_task *t, const char **text, PosixTimerEntry *e)
{
	unsigned long sival = 0;
	char how[16] = "", whom[16] = "";
	int id, sig, clock, pid = 0, used = 0;

	if (**text == '\0')
		return 1;
	if (sscanf(*text, "ID: %d\nsignal: %d/%lx\nnotify: %15[a-z]/%15[a-z].%d\nClockID: %d\n%n", &id, &sig, &sival,
		   how, whom, &pid, &clock, &used) != 7 ||
	    used == 0)
		return rp_error(&d->err, -EINVAL, "cannot read its POSIX timers: %.60s", *text);
	e->it_id = (uint32_t)id;
	e->clock_id = (uint32_t)clock;
	e->si_signo = (uint32_t)sig;
	e->sival_ptr = sival;
	e->it_sigev_notify = rp_streq(how, "none") ? SIGEV_NONE : rp_streq(how, "thread") ? SIGEV_THREAD : SIGEV_SIGNAL;
	if (rp_streq(whom, "tid") && is_thread(t, pid)) {
		e->it_sigev_notify |= SIGEV_THREAD_ID;
		e->has_notify_thread_id = true;
		e->notify_thread_id = pid;
	} else if (rp_streq(whom, "tid")) {
		e->it_sigev_notify = SIGEV_NONE; /* that thread has ended: nobody is told any more */
	}
	*text += used;
	return check_clock(d, t, id, clock);
}

static int read_times(struct rp_dump *d, struct rp_task *t, PosixTimerEntry *e)
{
	struct itimerspec v = { 0 };
	int64_t overrun = 0;
	int ret = rp_remote_call(d, t, &t->threads[0],
				 &(struct rp_remote){ .what = "timer_gettime",
						      .nr = SYS_timer_gettime,
						      .args = { e->it_id, RP_SCRATCH(0) },
						      .out = &v,
						      .out_len = sizeof(v) },
				 NULL);

	if (ret == 0)
		ret = rp_remote_call(d, t, &t->threads[0],
				     &(struct rp_remote){ .what = "timer_getoverrun",
							  .nr = SYS_timer_getoverrun,
							  .args = { e->it_id } },
				     &overrun);
	e->isec = (uint64_t)v.it_interval.tv_sec;
	e->insec = (uint64_t)v.it_interval.tv_nsec;
	e->vsec = (uint64_t)v.it_value.tv_sec;
	e->vnsec = (uint64_t)v.it_value.tv_nsec;
	e->overrun = (uint32_t)overrun;
	return ret;
}

static int posixtimer_freeze(struct rp_dump *d, struct rp_task *t)
{
	TaskTimersEntry *timers = t->core->tc->timers;
	RP_AUTOFREE char *text = NULL;
	RP_AUTOFREE PosixTimerEntry **list = NULL;
	const char *p;
	size_t n = 0;
	int ret = rp_read_file_at(t->proc_fd, "timers", TEXT_MAX, &text, NULL);

	if (ret == -ENOENT)
		return 0; /* a kernel without them */
	if (ret < 0)
		return rp_error(&d->err, ret, "cannot read its POSIX timers: %s", strerror(-ret));
	for (p = text; ret == 0;) {
		PosixTimerEntry *e = RP_TASK_MSG(d, PosixTimerEntry, posix_timer_entry__init);
		PosixTimerEntry **more = realloc(list, (n + 1) * sizeof(*more));

		if (more)
			list = more;
		if (!e || !more)
			return rp_error(&d->err, -ENOMEM, "out of memory");
		ret = parse_block(d, t, &p, e);
		if (ret == 0)
			ret = read_times(d, t, e);
		if (ret == 0)
			list[n++] = e;
	}
	if (ret < 0)
		return ret;
	timers->n_posix = n;
	timers->posix = rp_dump_memdup(d, list, n * sizeof(*list));
	return timers->posix ? 0 : -ENOMEM;
}

static int posixtimer_check(struct rp_restore *r, struct rp_rtask *t)
{
	const TaskTimersEntry *timers = t->core->tc->timers;

	if (!timers)
		return 0;
	if (timers->n_posix > TIMERS_MAX)
		return rp_bad_image(r, "%zu POSIX timers", timers->n_posix);
	for (size_t i = 0; i < timers->n_posix; i++) {
		const PosixTimerEntry *e = timers->posix[i];

		if (e->insec >= NS || e->vnsec >= NS || e->isec > INT32_MAX || e->vsec > INT32_MAX ||
		    e->it_id > INT32_MAX || e->si_signo > 64)
			return rp_bad_image(r, "POSIX timer %u", e->it_id);
	}
	return 0;
}

static int posixtimer_plan(struct rp_restore *r, struct rp_rtask *t)
{
	const TaskTimersEntry *timers = t->core->tc->timers;

	for (size_t i = 0; timers && i < timers->n_posix; i++) {
		const PosixTimerEntry *e = timers->posix[i];
		struct rp_plan_posix_timer row = {
			.id = (int32_t)e->it_id,
			.clock = (int32_t)e->clock_id,
			.notify = (int32_t)e->it_sigev_notify,
			.signo = (int32_t)e->si_signo,
			.sival = e->sival_ptr,
			.tid = e->has_notify_thread_id ? e->notify_thread_id : 0,
			.overrun = (int32_t)e->overrun,
			.value_ns = (int64_t)(e->vsec * NS + e->vnsec),
			.interval_ns = (int64_t)(e->isec * NS + e->insec),
		};

		if (rp_planner_add(t->plan, RP_PART_POSIX_TIMERS, &row) < 0)
			return rp_error(&r->err, -ENOMEM, "out of memory");
	}
	return 0;
}

const struct rp_kind rp_kind_posixtimer = {
	.name = "posixtimer",
	.freeze = posixtimer_freeze,
	.check = posixtimer_check,
	.plan = posixtimer_plan,
};
