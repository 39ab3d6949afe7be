/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pending signals with their siginfo, of each thread and of the process: ptrace(2) PTRACE_PEEKSIGINFO. The last kind of the
 * dump: injected calls before it may still raise signals.
 */
#include <errno.h>
#include <string.h>

#include "kind/taskcommon.h"
#include "util/str.h"

#define SIGINFO_SIZE 128
#define PENDING_MAX 100000

static int peek(struct rp_dump *d, struct rp_tracee_thread *th, bool shared, SignalQueueEntry **out)
{
	SignalQueueEntry *q = RP_TASK_MSG(d, SignalQueueEntry, signal_queue_entry__init);
	RP_AUTOFREE char *all = NULL;
	int n = rp_tracee_peek_siginfo(th, shared, (void **)&all, &d->err);

	if (n < 0)
		return n;
	if (!q)
		return -ENOMEM;
	q->signals = rp_dump_alloc(d, (size_t)(n + 1) * sizeof(q->signals[0]));
	if (!q->signals)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		SiginfoEntry *e = RP_TASK_MSG(d, SiginfoEntry, siginfo_entry__init);

		if (!e)
			return -ENOMEM;
		e->siginfo.len = SIGINFO_SIZE;
		e->siginfo.data = rp_dump_memdup(d, all + (size_t)i * SIGINFO_SIZE, SIGINFO_SIZE);
		if (!e->siginfo.data)
			return -ENOMEM;
		q->signals[q->n_signals++] = e;
	}
	*out = q;
	return 0;
}

static int sigpending_freeze(struct rp_dump *d, struct rp_task *t)
{
	int ret = peek(d, t->threads[0].tracee, true, &t->core->tc->signals_s);

	for (size_t i = 0; ret == 0 && i < t->nthreads; i++)
		ret = peek(d, t->threads[i].tracee, false, &t->threads[i].core->thread_core->signals_p);
	return ret;
}

static int check_queue(struct rp_restore *r, const SignalQueueEntry *q)
{
	if (!q)
		return 0;
	if (q->n_signals > PENDING_MAX)
		return rp_bad_image(r, "%zu pending signals", q->n_signals);
	for (size_t i = 0; i < q->n_signals; i++)
		if (q->signals[i]->siginfo.len != SIGINFO_SIZE)
			return rp_bad_image(r, "a siginfo of %zu bytes", q->signals[i]->siginfo.len);
	return 0;
}

static int sigpending_check(struct rp_restore *r, struct rp_rtask *t)
{
	int ret = check_queue(r, t->core->tc->signals_s);

	for (size_t i = 0; ret == 0 && i < t->nthreads; i++)
		ret = check_queue(r, t->threads[i].core->thread_core->signals_p);
	return ret;
}

static int plan_queue(struct rp_restore *r, struct rp_rtask *t, const SignalQueueEntry *q, uint32_t *first,
		      uint32_t *count)
{
	*first = (uint32_t)rp_planner_count(t->plan, RP_PART_SIGINFOS);
	*count = q ? (uint32_t)q->n_signals : 0;
	for (size_t i = 0; q && i < q->n_signals; i++)
		if (rp_planner_add(t->plan, RP_PART_SIGINFOS, q->signals[i]->siginfo.data) < 0)
			return rp_error(&r->err, -ENOMEM, "out of memory");
	return 0;
}

static int sigpending_plan(struct rp_restore *r, struct rp_rtask *t)
{
	struct rp_plan *head = rp_planner_head(t->plan);
	int ret = plan_queue(r, t, t->core->tc->signals_s, &head->shared_siginfo_first, &head->shared_siginfo_count);

	for (size_t i = 0; ret == 0 && i < t->nthreads; i++) {
		struct rp_plan_thread *p = rp_plan_thread_of(t, i);

		ret = plan_queue(r, t, t->threads[i].core->thread_core->signals_p, &p->siginfo_first,
				 &p->siginfo_count);
	}
	return ret;
}

const struct rp_kind rp_kind_sigpending = {
	.name = "sigpending",
	.freeze = sigpending_freeze,
	.check = sigpending_check,
	.plan = sigpending_plan,
};
