/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a thread can only set for itself, and the jump.
 */
#include <asm/errno.h>
#include <asm/prctl.h>
#include <linux/prctl.h>
#include <linux/sched/types.h>
#include <linux/seccomp.h>

#include "arch/x86_64/regs.h"
#include "arch/x86_64/sigframe.h"
#include "arch/x86_64/syscall.h"
#include "blob/internal.h"

struct filter_program { /* struct sock_fprog */
	uint16_t len;
	const void *filter;
};

static int fail(struct rp_blob_thread *t, uint32_t stage, long ret, const char *text)
{
	return rp_blob_error(&t->blob->err, stage, (int)ret, text, (uint64_t)t->plan->tid);
}

static long prctl(int op, uint64_t a)
{
	return rp_syscall5(__NR_prctl, op, (long)a, 0, 0, 0);
}

#define PRIO_PROCESS 0
#define IOPRIO_WHO_PROCESS 1
#define SCHED_FLAGS 7 /* reset on fork, reclaim, overrun; without utilisation clamps */

/* A class or nice value that the restorer may not give stays as it is: the host side has said so. */
static int set_sched(struct rp_blob_thread *t)
{
	const struct rp_plan_thread *p = t->plan;
	struct sched_attr a = {
		.size = 48, /* without utilisation clamps */
		.sched_policy = p->sched_policy,
		.sched_flags = p->sched_flags & SCHED_FLAGS,
		.sched_nice = p->nice,
		.sched_priority = p->sched_prio,
		.sched_runtime = p->sched_runtime,
		.sched_deadline = p->sched_deadline,
		.sched_period = p->sched_period,
	};
	long ret;

	if (p->cpuset_len) {
		ret = rp_syscall3(__NR_sched_setaffinity, 0, p->cpuset_len, (long)t->blob->plan + (long)p->cpuset_off);
		if (ret < 0 && ret != -EINVAL) /* EINVAL: none of its CPUs is there for this process */
			return fail(t, RP_STAGE_THREAD_STATE, ret, "affinity of thread");
	}
	rp_syscall3(__NR_setpriority, PRIO_PROCESS, 0, p->nice); /* real-time classes keep one for later */
	if (p->ioprio)
		rp_syscall3(__NR_ioprio_set, IOPRIO_WHO_PROCESS, 0, p->ioprio);
	ret = rp_syscall3(__NR_sched_setattr, 0, (long)&a, 0);
	if (ret && ret != -EPERM)
		return fail(t, RP_STAGE_THREAD_STATE, ret, "scheduling class of thread");
	return 0;
}

/* glibc keeps the id where the kernel clears it; with new ids it has to learn its own. */
static void patch_tid(struct rp_blob_thread *t)
{
	const struct rp_plan_vma *v = rp_plan_vma_at(t->blob->plan, t->plan->clear_tid_addr);
	int32_t *word = (int32_t *)t->plan->clear_tid_addr;

	if (t->tid != t->plan->tid && v && v->prot & 2 && v->type != RP_VMA_VVAR && !(t->plan->clear_tid_addr & 3) &&
	    *word == t->plan->tid)
		*word = t->tid;
}

static int set_addresses(struct rp_blob_thread *t)
{
	const struct rp_plan_thread *p = t->plan;
	long ret = 0;

	patch_tid(t);
	rp_syscall1(__NR_set_tid_address, (long)p->clear_tid_addr);
	if (p->robust_addr)
		ret = rp_syscall2(__NR_set_robust_list, (long)p->robust_addr, p->robust_len);
	if (ret)
		return fail(t, RP_STAGE_THREAD_STATE, ret, "robust list of thread");
	if (p->rseq_len)
		ret = rp_syscall4(__NR_rseq, (long)p->rseq_addr, p->rseq_len, 0, p->rseq_sig);
	return ret ? fail(t, RP_STAGE_THREAD_STATE, ret, "rseq of thread") : 0;
}

static int send_pending(struct rp_blob_thread *t)
{
	const struct rp_plan_thread *p = t->plan;
	long pid = rp_syscall0(__NR_getpid);

	for (uint32_t i = 0; i < p->siginfo_count; i++) {
		void *info = rp_plan_siginfo(t->blob->plan, p->siginfo_first + i);
		long ret = rp_syscall4(__NR_rt_tgsigqueueinfo, pid, t->tid, *(int32_t *)info, (long)info);

		if (ret)
			return fail(t, RP_STAGE_SIGNALS, ret, "pending signal of thread");
	}
	return 0;
}

static int set_seccomp(struct rp_blob_thread *t)
{
	const struct rp_plan_thread *p = t->plan;
	const struct rp_plan_seccomp *s = rp_plan_seccomps(t->blob->plan) + p->seccomp_first;
	long ret = 0;

	if (p->no_new_privs)
		ret = prctl(PR_SET_NO_NEW_PRIVS, 1);
	for (uint32_t i = 0; !ret && i < p->seccomp_count; i++) {
		struct filter_program f = {
			.len = (uint16_t)s[i].count,
			.filter = (const char *)t->blob->plan + s[i].off,
		};

		ret = rp_syscall3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, s[i].flags, (long)&f);
	}
	if (!ret && p->seccomp_strict)
		ret = rp_syscall3(__NR_seccomp, SECCOMP_SET_MODE_STRICT, 0, 0);
	return ret ? fail(t, RP_STAGE_SECCOMP, ret, "seccomp filter of thread") : 0;
}

int rp_thread_state(struct rp_blob_thread *t)
{
	const struct rp_plan_thread *p = t->plan;
	int rc;

	prctl(PR_SET_PDEATHSIG, 0); /* that of the restore itself */
	prctl(PR_SET_NAME, (uint64_t)p->comm);
	if (p->timerslack_ns)
		prctl(PR_SET_TIMERSLACK, p->timerslack_ns);
	rc = set_sched(t);
	if (!rc)
		rc = set_addresses(t);
	if (!rc)
		rc = send_pending(t);
	if (!rc)
		rc = set_seccomp(t);
	if (!rc && !(t->blob->done & RP_DONE_CREDS))
		rc = rp_thread_creds(t);
	if (!rc && p->pdeath_sig) /* after the credentials: changing them clears it */
		prctl(PR_SET_PDEATHSIG, p->pdeath_sig);
	return rc;
}

void rp_thread_go(struct rp_blob_thread *t)
{
	const uint64_t *r = t->plan->regs;

	rp_syscall2(__NR_arch_prctl, ARCH_SET_FS, (long)r[RP_REG_FS_BASE]);
	rp_syscall2(__NR_arch_prctl, ARCH_SET_GS, (long)r[RP_REG_GS_BASE]);
	rp_sigframe_return(t->way ? t->way : t->frame);
}
