/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A thread: registers, xsave area, signal mask, alternate stack, rseq, robust list, clear_child_tid, name, scheduling,
 * parent-death signal, timer slack, I/O priority. ptrace(2), sched_getattr(2), prctl(2), sigaltstack(2).
 * Cannot carry 32-bit threads, AMX tiles, and what is left of the time of an interrupted relative sleep (it begins anew).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi/layout.h"
#include "host/proc.h"
#include "kind/taskcommon.h"
#include "kind/xsave.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/log.h"
#include "util/str.h"

#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6
#endif
#ifndef PR_GET_TID_ADDRESS
#define PR_GET_TID_ADDRESS 40
#endif

#define USER_CS 0x33
#define USER_DS 0x2b
#define EFLAGS_USER 0x254dd5UL /* what user mode may have set */
#define RSEQ_LEN_MAX 4096
#define CPUSET_MAX 8192
#define TEXT_MAX 4096

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static void dump_regs(const struct rp_tracee_thread *th, UserX86RegsEntry *e)
{
	struct user_regs_struct r = th->regs;

	rp_regs_restart(&r);
	e->r15 = r.r15;
	e->r14 = r.r14;
	e->r13 = r.r13;
	e->r12 = r.r12;
	e->bp = r.rbp;
	e->bx = r.rbx;
	e->r11 = r.r11;
	e->r10 = r.r10;
	e->r9 = r.r9;
	e->r8 = r.r8;
	e->ax = r.rax;
	e->cx = r.rcx;
	e->dx = r.rdx;
	e->si = r.rsi;
	e->di = r.rdi;
	e->orig_ax = r.orig_rax;
	e->ip = r.rip;
	e->cs = r.cs;
	e->flags = r.eflags;
	e->sp = r.rsp;
	e->ss = r.ss;
	e->fs_base = r.fs_base;
	e->gs_base = r.gs_base;
	e->ds = r.ds;
	e->es = r.es;
	e->fs = r.fs;
	e->gs = r.gs;
	e->has_mode = true;
	e->mode = USER_X86_REGS_MODE__NATIVE;
}

/* What only the thread itself can say. */
static int dump_injected(struct rp_dump *d, struct rp_task *t, struct rp_dthread *th)
{
	ThreadSasEntry *sas = RP_TASK_MSG(d, ThreadSasEntry, thread_sas_entry__init);
	ThreadCoreEntry *tc = th->core->thread_core;
	stack_t ss = { 0 };
	uint64_t tid_addr = 0;
	int64_t secbits = 0;
	int32_t pdeath = 0;
	int ret;

	if (!sas)
		return -ENOMEM;
	/* The call runs on the frame of the injection, not on the thread's stack: SS_ONSTACK would not be seen. The kernel
	 * works it out from the stack pointer at each use anyway. */
	ret = rp_remote_call(d, t, th,
			     &(struct rp_remote){ .what = "sigaltstack",
						  .nr = SYS_sigaltstack,
						  .args = { 0, RP_SCRATCH(0) },
						  .out = &ss,
						  .out_len = sizeof(ss) },
			     NULL);
	if (ret == 0)
		ret = rp_remote_call(d, t, th,
				     &(struct rp_remote){ .what = "PR_GET_TID_ADDRESS",
							  .nr = SYS_prctl,
							  .args = { PR_GET_TID_ADDRESS, RP_SCRATCH(0) },
							  .out = &tid_addr,
							  .out_len = sizeof(tid_addr) },
				     NULL);
	if (ret == 0)
		ret = rp_remote_call(d, t, th,
				     &(struct rp_remote){ .what = "PR_GET_PDEATHSIG",
							  .nr = SYS_prctl,
							  .args = { PR_GET_PDEATHSIG, RP_SCRATCH(0) },
							  .out = &pdeath,
							  .out_len = sizeof(pdeath) },
				     NULL);
	if (ret == 0)
		ret = rp_remote_call(d, t, th,
				     &(struct rp_remote){ .what = "PR_GET_SECUREBITS",
							  .nr = SYS_prctl,
							  .args = { PR_GET_SECUREBITS } },
				     &secbits);
	if (ret < 0)
		return ret;
	th->secbits = (uint32_t)secbits;
	sas->ss_sp = (uint64_t)(uintptr_t)ss.ss_sp;
	sas->ss_size = ss.ss_size;
	sas->ss_flags = (uint32_t)ss.ss_flags & ~(uint32_t)SS_ONSTACK;
	tc->sas = sas;
	th->core->thread_info->clear_tid_addr = tid_addr;
	tc->has_pdeath_sig = pdeath != 0;
	tc->pdeath_sig = (uint32_t)pdeath;
	return 0;
}

static bool is_real_time(uint32_t policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR || policy == SCHED_DEADLINE;
}

static int dump_sched(struct rp_dump *d, struct rp_dthread *th)
{
	ThreadCoreEntry *tc = th->core->thread_core;
	RpThreadExtra *x = th->extra;
	struct attr a = { .size = sizeof(a) };
	uint8_t set[CPUSET_MAX];
	long n, ioprio;

	if (syscall(SYS_sched_getattr, th->tid, &a, sizeof(a), 0) < 0)
		return rp_error(&d->err, -errno, "thread %d: sched_getattr: %s", th->tid, strerror(errno));
	tc->has_sched_policy = tc->has_sched_nice = true;
	tc->sched_policy = a.policy;
	tc->sched_nice = getpriority(PRIO_PROCESS, (id_t)th->tid);
	tc->has_sched_prio = a.policy == SCHED_FIFO || a.policy == SCHED_RR;
	tc->sched_prio = a.priority;
	x->has_sched_flags = a.flags != 0;
	x->sched_flags = a.flags;
	if (a.policy == SCHED_DEADLINE) {
		x->has_sched_runtime = x->has_sched_deadline = x->has_sched_period = true;
		x->sched_runtime = a.runtime;
		x->sched_deadline = a.deadline;
		x->sched_period = a.period;
	}
	n = syscall(SYS_sched_getaffinity, th->tid, sizeof(set), set);
	if (n < 0)
		return rp_error(&d->err, -errno, "thread %d: sched_getaffinity: %s", th->tid, strerror(errno));
	x->has_affinity = true;
	x->affinity.len = (size_t)n;
	x->affinity.data = rp_dump_memdup(d, set, (size_t)n);
	ioprio = syscall(SYS_ioprio_get, 1 /* IOPRIO_WHO_PROCESS */, th->tid);
	x->has_ioprio = ioprio > 0;
	x->ioprio = (uint32_t)ioprio;
	return x->affinity.data ? 0 : -ENOMEM;
}

static int dump_text(struct rp_dump *d, struct rp_task *t, struct rp_dthread *th)
{
	RP_AUTOFREE char *comm = NULL, *slack = NULL;
	char path[64];
	size_t len;
	int ret;

	snprintf(path, sizeof(path), "task/%d/comm", th->tid);
	ret = rp_read_file_at(t->proc_fd, path, TEXT_MAX, &comm, &len);
	if (ret < 0)
		return rp_error(&d->err, ret, "thread %d: cannot read its name: %s", th->tid, strerror(-ret));
	if (len > 0)
		comm[len - 1] = '\0'; /* a name may hold newlines of its own */
	th->core->thread_core->comm = rp_dump_strdup(d, comm);
	if (!th->core->thread_core->comm)
		return -ENOMEM;
	/* Of a thread: the file exists under its own id only. Without CAP_SYS_NICE it cannot be read: left out. */
	snprintf(path, sizeof(path), "/proc/%d/timerslack_ns", th->tid);
	if (rp_read_file_at(AT_FDCWD, path, TEXT_MAX, &slack, NULL) == 0) {
		th->extra->has_timerslack_ns = true;
		th->extra->timerslack_ns = strtoull(slack, NULL, 10);
	}
	return 0;
}

static int dump_rseq(struct rp_dump *d, struct rp_dthread *th)
{
	const struct rp_tracee_rseq *rs = &th->tracee->rseq;
	RseqEntry *e;

	if (rs->addr == 0)
		return 0;
	e = RP_TASK_MSG(d, RseqEntry, rseq_entry__init);
	if (!e)
		return -ENOMEM;
	e->rseq_abi_pointer = rs->addr;
	e->rseq_abi_size = rs->len;
	e->signature = rs->sig;
	th->core->thread_core->rseq_entry = e;
	return 0;
}

static int dump_thread(struct rp_dump *d, struct rp_task *t, struct rp_dthread *th)
{
	struct rp_tracee_thread *tr = th->tracee;
	ThreadCoreEntry *tc = th->core->thread_core;
	int ret;

	dump_regs(tr, th->core->thread_info->gpregs);
	tc->futex_rla = tr->robust_addr;
	tc->futex_rla_len = (uint32_t)tr->robust_len;
	if (th->core->tc) {
		th->core->tc->blk_sigset = tr->sigmask;
	} else {
		tc->has_blk_sigset = true;
		tc->blk_sigset = tr->sigmask;
	}
	ret = rp_xsave_dump(d, th->tid, tr->xsave, tr->xsave_len, th->core->thread_info->fpregs);
	if (ret == 0)
		ret = dump_text(d, t, th);
	if (ret == 0)
		ret = dump_sched(d, th);
	if (ret == 0)
		ret = dump_rseq(d, th);
	if (ret == 0)
		ret = dump_injected(d, t, th);
	return ret == 0 ? rp_tracee_disarm(t->tracee, tr, &d->err) : ret;
}

static int thread_freeze(struct rp_dump *d, struct rp_task *t)
{
	TaskCoreEntry *tc = t->core->tc;
	/* The leader last: its frame is needed by the kinds after this one. */
	for (size_t i = t->nthreads; i-- > 0;) {
		int ret = dump_thread(d, t, &t->threads[i]);

		if (ret < 0)
			return ret;
	}
	tc->task_state = t->threads[0].tracee->stop_signal ? RP_TASK_STOPPED : RP_TASK_ALIVE;
	if (t->threads[0].tracee->stop_signal) {
		tc->has_stop_signo = true;
		tc->stop_signo = (uint32_t)t->threads[0].tracee->stop_signal;
	}
	tc->comm = t->core->thread_core->comm;
	return 0;
}

/* ---- restore ---- */

static const RpThreadExtra *extra_of(const struct rp_rtask *t, int tid)
{
	for (size_t i = 0; t->extra && i < t->extra->n_threads; i++)
		if ((int)t->extra->threads[i]->tid == tid)
			return t->extra->threads[i];
	return NULL;
}

static int check_thread(struct rp_restore *r, struct rp_rtask *t, const struct rp_rthread *th)
{
	const ThreadInfoX86 *info = th->core->thread_info;
	const ThreadCoreEntry *tc = th->core->thread_core;
	const RpThreadExtra *x = extra_of(t, th->tid);
	const UserX86RegsEntry *g;

	if (th->core->mtype != CORE_ENTRY__MARCH__X86_64 || !info || !tc)
		return rp_bad_image(r, "thread %d: not a thread of x86-64", th->tid);
	g = info->gpregs;
	if (g->cs != USER_CS || g->ss != USER_DS || (g->has_mode && g->mode != USER_X86_REGS_MODE__NATIVE))
		return rp_bad_image(r, "thread %d: not 64-bit code", th->tid);
	if (g->fs_base >> 47 || g->gs_base >> 47 || g->ip >> 47)
		return rp_bad_image(r, "thread %d: registers outside the address space", th->tid);
	if (tc->rseq_entry && (tc->rseq_entry->rseq_abi_size > RSEQ_LEN_MAX || tc->rseq_entry->rseq_abi_pointer >> 47))
		return rp_bad_image(r, "thread %d: rseq area out of range", th->tid);
	if (tc->futex_rla >> 47 || info->clear_tid_addr >> 47)
		return rp_bad_image(r, "thread %d: pointers outside the address space", th->tid);
	if (tc->has_sched_nice && (tc->sched_nice < -20 || tc->sched_nice > 19))
		return rp_bad_image(r, "thread %d: nice %d", th->tid, tc->sched_nice);
	if (tc->has_sched_prio && tc->sched_prio > 99)
		return rp_bad_image(r, "thread %d: priority %u", th->tid, tc->sched_prio);
	if (tc->has_pdeath_sig && tc->pdeath_sig > 64)
		return rp_bad_image(r, "thread %d: parent-death signal %u", th->tid, tc->pdeath_sig);
	if (x && x->has_affinity && x->affinity.len > CPUSET_MAX)
		return rp_bad_image(r, "thread %d: affinity of %zu bytes", th->tid, x->affinity.len);
	return rp_xsave_check(r, (uint32_t)th->tid, info->fpregs);
}

static int thread_check(struct rp_restore *r, struct rp_rtask *t)
{
	if (!t->core->tc)
		return rp_bad_image(r, "no state of the process in core-%d.img", t->pid);
	for (size_t i = 0; i < t->nthreads; i++) {
		int ret = check_thread(r, t, &t->threads[i]);

		if (ret < 0)
			return ret;
	}
	return 0;
}

static void plan_regs(const UserX86RegsEntry *g, struct rp_plan_thread *p)
{
	/* clang-format off */
	const uint64_t regs[27] = { g->r15, g->r14, g->r13, g->r12, g->bp, g->bx, g->r11, g->r10, g->r9,
				    g->r8, g->ax, g->cx, g->dx, g->si, g->di, g->orig_ax, g->ip, g->cs,
				    (g->flags & EFLAGS_USER) | 0x202, g->sp, g->ss, g->fs_base, g->gs_base, g->ds, g->es, g->fs,
				    g->gs };
	/* clang-format on */
	/* Images of CRIU's keep a system call that was interrupted as it was at the stop. */
	struct user_regs_struct r = { .rax = g->ax, .orig_rax = g->orig_ax, .rip = g->ip };

	memcpy(p->regs, regs, sizeof(regs));
	rp_regs_restart(&r);
	p->regs[10] = r.rax;
	p->regs[16] = r.rip;
	p->regs[15] = (uint64_t)-1;
}

/* Do two sets hold the same CPUs, whatever their lengths? */
static bool is_same_set(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
	for (size_t i = 0; i < a->len || i < b->len; i++)
		if ((i < a->len ? a->data[i] : 0) != (i < b->len ? b->data[i] : 0))
			return false;
	return true;
}

/* CPUs of a rank's thread: the new launcher's, of which a thread that had chosen some keeps those. 0 bytes: leave them. */
static size_t choose_cpus(const struct rp_rtask *t, int tid, const ProtobufCBinaryData *had, uint8_t *set)
{
	uint8_t mine[CPUSET_MAX] = { 0 };
	bool any = false;

	if (had->len > CPUSET_MAX)
		return 0;
	memcpy(set, had->data, had->len);
	if (!t->launch || !t->launch->has_affinity)
		return had->len;
	if (is_same_set(had, &t->launch->affinity) || syscall(SYS_sched_getaffinity, 0, sizeof(mine), mine) < 0)
		return 0;
	for (size_t i = 0; i < had->len; i++)
		any |= set[i] &= mine[i];
	if (!any)
		rp_warn("thread %d ran on CPUs that it may not use here; it runs on all that it may", tid);
	return any ? had->len : 0;
}

static int plan_extra(struct rp_rtask *t, const RpThreadExtra *x, struct rp_plan_thread *p)
{
	uint8_t set[CPUSET_MAX];
	int64_t off;
	size_t len;

	if (!x)
		return 0;
	p->timerslack_ns = x->has_timerslack_ns ? (uint32_t)x->timerslack_ns : 0;
	p->sched_flags = x->has_sched_flags ? (uint32_t)x->sched_flags : 0;
	p->sched_runtime = x->sched_runtime;
	p->sched_deadline = x->sched_deadline;
	p->sched_period = x->sched_period;
	p->ioprio = x->ioprio;
	len = x->has_affinity ? choose_cpus(t, p->tid, &x->affinity, set) : 0;
	if (!len)
		return 0;
	off = rp_planner_bytes(t->plan, set, len, 8);
	if (off < 0)
		return (int)off;
	p->cpuset_off = (uint64_t)off;
	p->cpuset_len = (uint32_t)len;
	return 0;
}

static int plan_thread(struct rp_restore *r, struct rp_rtask *t, const struct rp_rthread *th, uint8_t *xsave)
{
	const ThreadCoreEntry *tc = th->core->thread_core;
	struct rp_plan_thread p = { .tid = th->tid, .exit_signal = 0, .sas_flags = SS_DISABLE };
	const char *comm = tc->comm ? tc->comm : t->core->tc->comm;
	int64_t ret;

	plan_regs(th->core->thread_info->gpregs, &p);
	rp_xsave_build(th->core->thread_info->fpregs, xsave);
	ret = rp_planner_bytes(t->plan, xsave, rp_xsave_size(), 64);
	if (ret < 0)
		return rp_error(&r->err, (int)ret, "out of memory");
	p.xsave_off = (uint64_t)ret;
	p.xsave_len = rp_xsave_size();
	p.sigmask = tc->has_blk_sigset ? tc->blk_sigset : th->core->tc ? th->core->tc->blk_sigset : 0;
	if (tc->sas) {
		p.sas_sp = tc->sas->ss_sp;
		p.sas_size = tc->sas->ss_size;
		p.sas_flags = tc->sas->ss_flags & ~(uint32_t)SS_ONSTACK;
	}
	if (tc->rseq_entry) {
		p.rseq_addr = tc->rseq_entry->rseq_abi_pointer;
		p.rseq_len = tc->rseq_entry->rseq_abi_size;
		p.rseq_sig = tc->rseq_entry->signature;
	}
	p.robust_addr = tc->futex_rla;
	p.robust_len = tc->futex_rla_len;
	p.clear_tid_addr = th->core->thread_info->clear_tid_addr;
	snprintf(p.comm, sizeof(p.comm), "%s", comm);
	p.sched_policy = tc->has_sched_policy ? tc->sched_policy : SCHED_OTHER;
	p.nice = tc->has_sched_nice ? tc->sched_nice : 0;
	if (t->launch && t->launch->has_nice && t->launch->nice == p.nice)
		p.nice = getpriority(PRIO_PROCESS, 0); /* the new launcher's */
	p.sched_prio = tc->has_sched_prio ? tc->sched_prio : 0;
	p.pdeath_sig = tc->has_pdeath_sig ? tc->pdeath_sig : 0;
	ret = plan_extra(t, extra_of(t, th->tid), &p);
	if (ret == 0)
		ret = rp_planner_add(t->plan, RP_PART_THREADS, &p);
	return ret < 0 ? rp_error(&r->err, (int)ret, "out of memory") : 0;
}

/* The restorer lets a thread keep the scheduling that it may not set; whoever restores should know. */
static void warn_sched(const struct rp_rtask *t)
{
	struct rp_proc_status st;
	struct rp_error ignored;
	bool is_able;

	if (rp_proc_status_read(getpid(), getpid(), &st, &ignored) < 0)
		return;
	is_able = st.cap_eff >> CAP_SYS_NICE & 1;
	rp_proc_status_done(&st);
	for (size_t i = 0; i < t->nthreads && !is_able; i++) {
		const ThreadCoreEntry *tc = t->threads[i].core->thread_core;

		if (!(tc->has_sched_policy && is_real_time(tc->sched_policy)) &&
		    !(tc->has_sched_nice && tc->sched_nice < getpriority(PRIO_PROCESS, 0)))
			continue;
		rp_warn("thread %d may not get its scheduling class or nice value back without CAP_SYS_NICE",
			t->threads[i].tid);
		return;
	}
}

static int thread_plan(struct rp_restore *r, struct rp_rtask *t)
{
	RP_AUTOFREE uint8_t *xsave = malloc(rp_xsave_size());

	if (!xsave)
		return rp_error(&r->err, -ENOMEM, "out of memory");
	warn_sched(t);
	for (size_t i = 0; i < t->nthreads; i++) {
		int ret = plan_thread(r, t, &t->threads[i], xsave);

		if (ret < 0)
			return ret;
	}
	rp_planner_head(t->plan)->pid = t->pid;
	return 0;
}

const struct rp_kind rp_kind_thread = {
	.name = "thread",
	.freeze = thread_freeze,
	.check = thread_check,
	.plan = thread_plan,
};
