/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Signals and timers of the process as a whole.
 */
#include <stddef.h>

#include <asm/errno.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <linux/prctl.h>
#include <linux/time.h>
#include <linux/time_types.h>

#include "arch/x86_64/syscall.h"
#include "blob/internal.h"

#ifndef PR_TIMER_CREATE_RESTORE_IDS
#define PR_TIMER_CREATE_RESTORE_IDS 77
#endif
#define RESTORE_IDS_OFF 0
#define RESTORE_IDS_ON 1
#define NS 1000000000L
#define US 1000000L
#define ID_TRIES 100000 /* kernels before 6.16 count ids up from 0 */

int32_t rp_blob_new_tid(struct rp_blob *b, int32_t tid)
{
	for (uint64_t i = 0; i < b->plan->threads.count; i++)
		if (b->threads[i].plan->tid == tid)
			return b->threads[i].tid;
	return tid;
}

int rp_blob_signals(struct rp_blob *b)
{
	const struct rp_plan_sigaction *a = rp_plan_sigactions(b->plan);
	long pid = rp_syscall0(__NR_getpid), ret;

	for (uint64_t i = 0; i < b->plan->sigactions.count; i++) {
		if (i + 1 == SIGKILL || i + 1 == SIGSTOP)
			continue;
		ret = rp_syscall4(__NR_rt_sigaction, (long)i + 1, (long)&a[i], 0, 8);
		if (ret)
			return rp_blob_error(&b->err, RP_STAGE_SIGNALS, (int)ret, "disposition of signal", i + 1);
	}
	for (uint32_t i = 0; i < b->plan->shared_siginfo_count; i++) {
		void *info = rp_plan_siginfo(b->plan, b->plan->shared_siginfo_first + i);

		ret = rp_syscall3(__NR_rt_sigqueueinfo, pid, *(int32_t *)info, (long)info);
		if (ret)
			return rp_blob_error(&b->err, RP_STAGE_SIGNALS, (int)ret, "pending signal",
					     (uint64_t) * (int32_t *)info);
	}
	return 0;
}

static long create(struct rp_blob *b, const struct rp_plan_posix_timer *t, int32_t *id)
{
	struct sigevent ev = {
		.sigev_value.sival_ptr = (void *)t->sival,
		.sigev_signo = t->signo,
		.sigev_notify = t->notify,
	};

	if (t->notify & SIGEV_THREAD_ID)
		ev._sigev_un._tid = rp_blob_new_tid(b, t->tid);
	return rp_syscall3(__NR_timer_create, t->clock, (long)&ev, (long)id);
}

/* Without the prctl, timers are made and deleted until the wanted number comes up. */
static long create_counting(struct rp_blob *b, const struct rp_plan_posix_timer *t)
{
	for (int i = 0; i < ID_TRIES; i++) {
		int32_t id = 0;
		long ret = create(b, t, &id);

		if (ret || id == t->id)
			return ret;
		rp_syscall1(__NR_timer_delete, id);
		if (id > t->id)
			break;
	}
	return -EEXIST;
}

int rp_blob_timers_make(struct rp_blob *b)
{
	const struct rp_plan_posix_timer *t = rp_plan_posix_timers(b->plan);
	int exact;

	if (!b->plan->posix_timers.count)
		return 0;
	exact = !rp_syscall5(__NR_prctl, PR_TIMER_CREATE_RESTORE_IDS, RESTORE_IDS_ON, 0, 0, 0);
	for (uint64_t i = 0; i < b->plan->posix_timers.count; i++) {
		int32_t id = t[i].id;
		long ret = exact ? create(b, &t[i], &id) : create_counting(b, &t[i]);

		if (ret)
			return rp_blob_error(&b->err, RP_STAGE_TIMERS, (int)ret, "timer_create of timer",
					     (uint64_t)t[i].id);
	}
	if (exact)
		rp_syscall5(__NR_prctl, PR_TIMER_CREATE_RESTORE_IDS, RESTORE_IDS_OFF, 0, 0, 0);
	return 0;
}

int rp_blob_timers_start(struct rp_blob *b)
{
	const struct rp_plan_posix_timer *t = rp_plan_posix_timers(b->plan);

	for (uint64_t i = 0; i < b->plan->posix_timers.count; i++) {
		struct __kernel_itimerspec spec = {
			.it_interval = { t[i].interval_ns / NS, t[i].interval_ns % NS },
			.it_value = { t[i].value_ns / NS, t[i].value_ns % NS },
		};
		long ret = 0;

		if (t[i].value_ns)
			ret = rp_syscall4(__NR_timer_settime, t[i].id, 0, (long)&spec, 0);
		if (ret)
			return rp_blob_error(&b->err, RP_STAGE_TIMERS, (int)ret, "timer", (uint64_t)t[i].id);
	}
	for (int i = 0; i < 3; i++) {
		const struct rp_plan_itimer *it = &b->plan->itimers[i];
		struct __kernel_old_itimerval val = {
			.it_interval = { it->interval_us / US, it->interval_us % US },
			.it_value = { it->value_us / US, it->value_us % US },
		};
		long ret = rp_syscall3(__NR_setitimer, i, (long)&val, 0);

		if (ret)
			return rp_blob_error(&b->err, RP_STAGE_TIMERS, (int)ret, "interval timer", (uint64_t)i);
	}
	return 0;
}
