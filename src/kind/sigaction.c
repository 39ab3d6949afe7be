/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Signal dispositions: rt_sigaction(2), asked for by the leader itself. Those of a rank's lower half (handler in
 * the arena) are left out: its libraries install them anew.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "abi/layout.h"
#include "host/proc.h"
#include "kind/taskcommon.h"

#define SIGNALS 64
#define ENTRIES (SIGNALS - 2) /* SIGKILL and SIGSTOP have none */
#define HANDLER_DFL 0UL
#define HANDLER_IGN 1UL

struct kernel_sigaction {
	uint64_t handler, flags, restorer, mask;
};

static bool is_recorded(int sig)
{
	return sig != SIGKILL && sig != SIGSTOP;
}

static int read_action(struct rp_dump *d, struct rp_task *t, int sig, SaEntry *e)
{
	struct kernel_sigaction sa = { 0 };
	int ret = rp_remote_call(d, t, &t->threads[0],
				 &(struct rp_remote){ .what = "rt_sigaction",
						      .nr = SYS_rt_sigaction,
						      .args = { (uint64_t)sig, 0, RP_SCRATCH(0), sizeof(uint64_t) },
						      .out = &sa,
						      .out_len = sizeof(sa) },
				 NULL);

	if (ret < 0)
		return ret;
	if (t->arena && rp_addr_is_lower(sa.handler))
		return 0;
	e->sigaction = sa.handler;
	e->flags = sa.flags;
	e->restorer = sa.restorer;
	e->mask = sa.mask;
	return 0;
}

static int sigaction_freeze(struct rp_dump *d, struct rp_task *t)
{
	TaskCoreEntry *tc = t->core->tc;
	struct rp_proc_status st;
	uint64_t set;
	int ret = rp_proc_status_read(t->pid, t->pid, &st, &d->err);

	if (ret < 0)
		return ret;
	/* One call for each signal that is not at its default; of those at the default only SIGCHLD has flags that mean
	 * something (SA_NOCLDWAIT, SA_NOCLDSTOP). */
	set = st.sig_caught | st.sig_ignored | 1UL << (SIGCHLD - 1);
	rp_proc_status_done(&st);
	tc->sigactions = rp_dump_alloc(d, ENTRIES * sizeof(tc->sigactions[0]));
	if (!tc->sigactions)
		return -ENOMEM;
	for (int sig = 1; sig <= SIGNALS; sig++) {
		SaEntry *e;

		if (!is_recorded(sig))
			continue;
		e = RP_TASK_MSG(d, SaEntry, sa_entry__init);
		if (!e)
			return -ENOMEM;
		tc->sigactions[tc->n_sigactions++] = e;
		if (!(set >> (sig - 1) & 1))
			continue;
		ret = read_action(d, t, sig, e);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int sigaction_check(struct rp_restore *r, struct rp_rtask *t)
{
	const TaskCoreEntry *tc = t->core->tc;

	if (tc->n_sigactions != 0 && tc->n_sigactions != ENTRIES)
		return rp_bad_image(r, "%zu signal dispositions", tc->n_sigactions);
	for (size_t i = 0; i < tc->n_sigactions; i++)
		if (tc->sigactions[i]->has_compat_sigaction && tc->sigactions[i]->compat_sigaction)
			return rp_bad_image(r, "signal dispositions of 32-bit code");
	return 0;
}

static int sigaction_plan(struct rp_restore *r, struct rp_rtask *t)
{
	const TaskCoreEntry *tc = t->core->tc;
	size_t i = 0;

	if (tc->n_sigactions == 0)
		return 0;
	for (int sig = 1; sig <= SIGNALS; sig++) {
		struct rp_plan_sigaction row = { 0 };

		if (is_recorded(sig)) {
			const SaEntry *e = tc->sigactions[i++];

			row = (struct rp_plan_sigaction){ e->sigaction, e->flags, e->restorer, e->mask };
		}
		if (rp_planner_add(t->plan, RP_PART_SIGACTIONS, &row) < 0)
			return rp_error(&r->err, -ENOMEM, "out of memory");
	}
	return 0;
}

const struct rp_kind rp_kind_sigaction = {
	.name = "sigaction",
	.freeze = sigaction_freeze,
	.check = sigaction_check,
	.plan = sigaction_plan,
};
