/* SPDX-License-Identifier: BSD-3-Clause */
#include <asm/errno.h>
#include <asm/fcntl.h>
#include <asm/signal.h>
#include <linux/prctl.h>
#include <linux/time_types.h>

#include "arch/x86_64/syscall.h"
#include "blob/internal.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#endif
#define NS 1000000000L
#define CLOCK_REALTIME 0
#define TIMER_ABSOLUTE 1 /* TFD_TIMER_ABSTIME */

struct owner { /* struct f_owner_ex */
	int32_t type, id;
};

static long timerfd(const struct rp_plan_fdop *op)
{
	struct __kernel_timespec now = { 0, 0 };
	struct __kernel_itimerspec spec = { .it_interval = { (long)op->arg3 / NS, (long)op->arg3 % NS } };

	if (op->arg & TIMER_ABSOLUTE)
		rp_syscall2(__NR_clock_gettime, CLOCK_REALTIME, (long)&now);
	now.tv_nsec += (long)op->arg2 % NS;
	spec.it_value.tv_sec = now.tv_sec + (long)op->arg2 / NS + now.tv_nsec / NS;
	spec.it_value.tv_nsec = now.tv_nsec % NS;

	return rp_syscall4(__NR_timerfd_settime, op->fd, (long)op->arg, (long)&spec, 0);
}

static long lock(const struct rp_plan_fdop *op)
{
	struct flock l = { .l_type = (short)op->arg, .l_start = (long)op->arg2, .l_len = (long)op->arg3 };

	return rp_syscall3(__NR_fcntl, op->fd, F_SETLK, (long)&l);
}

static long do_fdop(struct rp_blob *b, const struct rp_plan_fdop *op)
{
	struct owner owner = { (int32_t)op->arg, (int32_t)op->arg2 };
	long ret;

	switch (op->op) {
	case RP_FDOP_CLOEXEC:
		return rp_syscall3(__NR_fcntl, op->fd, F_SETFD, 1 /* FD_CLOEXEC */);
	case RP_FDOP_CLOSE:
		return rp_syscall1(__NR_close, op->fd);
	case RP_FDOP_SETOWN:
		owner.id = rp_blob_new_tid(b, owner.id);
		ret = rp_syscall3(__NR_fcntl, op->fd, F_SETOWN_EX, (long)&owner);
		return ret == -ESRCH ? 0 : ret; /* it has ended since, as it might have at any time: nobody is told */
	case RP_FDOP_SETSIG:
		return rp_syscall3(__NR_fcntl, op->fd, F_SETSIG, (long)op->arg);
	case RP_FDOP_SETFL:
		return rp_syscall3(__NR_fcntl, op->fd, F_SETFL, (long)op->arg);
	case RP_FDOP_TIMERFD:
		return timerfd(op);
	default:
		return 0;
	}
}

static int do_fdops(struct rp_blob *b)
{
	const struct rp_plan_fdop *op = rp_plan_fdops(b->plan);

	for (uint64_t i = 0; i < b->plan->fdops.count; i++) {
		long ret = do_fdop(b, &op[i]);

		if (ret)
			return rp_blob_error(&b->err, RP_STAGE_FDS, (int)ret, "descriptor", (uint64_t)op[i].fd);
	}
	for (uint64_t i = 0; i < b->plan->fdops.count; i++) {
		long ret = op[i].op == RP_FDOP_LOCK ? lock(&op[i]) : 0;

		if (ret)
			return rp_blob_error(&b->err, RP_STAGE_FDS, (int)ret, "lock of the file of descriptor",
					     (uint64_t)op[i].fd);
	}
	return 0;
}

/* State of the process that changing credentials would have undone, or that would have been in the way. */
static void set_process(struct rp_blob *b)
{
	const struct rp_plan *p = b->plan;
	const struct rp_plan_limit *l = rp_plan_limits(p);

	for (uint64_t i = 0; i < p->limits.count; i++) {
		const uint64_t limit[2] = { l[i].cur, l[i].max };

		rp_syscall4(__NR_prlimit64, 0, l[i].which, (long)limit, 0);
	}
	if (p->child_subreaper)
		rp_syscall5(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (p->mm.thp_disabled)
		rp_syscall5(__NR_prctl, PR_SET_THP_DISABLE, 1, 0, 0, 0);
	if (p->memory_merge)
		rp_syscall5(__NR_prctl, PR_SET_MEMORY_MERGE, 1, 0, 0, 0);
	rp_syscall1(__NR_personality, p->personality);
	rp_syscall5(__NR_prctl, PR_SET_DUMPABLE, p->mm.dumpable == 1, 0, 0, 0);
}

/* What holds for memory from now on: the blob makes none any more, and lets none become executable. */
static int set_memory_rules(struct rp_blob *b)
{
	long ret = b->plan->mlock_future ? rp_syscall1(__NR_mlockall, b->plan->mlock_future) : 0;

	if (ret)
		return rp_blob_error(&b->err, RP_STAGE_PROTECT, (int)ret, "locking of new memory (mlockall)", 0);
	if (b->plan->mdwe)
		rp_syscall5(__NR_prctl, PR_SET_MDWE, b->plan->mdwe, 0, 0, 0);
	return 0;
}

int rp_blob_drop(struct rp_blob *b)
{
	int rc = rp_blob_mm(b);

	if (!rc)
		rc = rp_blob_command(b, RP_COMMAND_CREDS);
	if (!rc)
		rc = rp_thread_creds(&b->threads[0]);
	if (!rc)
		b->done |= RP_DONE_CREDS;
	return rc;
}

static int prepare(struct rp_blob *b)
{
	int rc = b->done & RP_DONE_MM ? 0 : rp_blob_mm(b);

	if (!rc)
		rc = rp_blob_signals(b);
	if (!rc)
		rc = rp_blob_timers_make(b);
	if (!rc)
		rc = rp_blob_escort(b);
	if (!rc)
		rc = rp_blob_command(b, RP_COMMAND_STATE);
	if (!rc)
		rc = rp_thread_state(&b->threads[0]);
	if (!rc)
		rc = do_fdops(b);
	if (!rc)
		set_process(b);
	if (!rc)
		rc = rp_blob_frames(b);
	if (!rc)
		rc = set_memory_rules(b);
	if (!rc)
		rc = rp_blob_timers_start(b);
	return rc;
}

int rp_blob_finish(struct rp_blob *b)
{
	struct rp_blob_error none = { 0 };
	int rc = prepare(b), fd;
	uint32_t left;

	if (rc)
		return rc;
	rp_blob_status(b->plan, &none);
	fd = rp_blob_status_fd(b->plan);
	if (fd >= 0)
		rp_syscall1(__NR_close, fd);
	if (b->stop_here)
		rp_syscall2(__NR_kill, rp_syscall0(__NR_getpid), SIGSTOP);
	b->running = (uint32_t)b->plan->threads.count - 1;
	rp_blob_command(b, RP_COMMAND_GO);
	while (b->unmap_len && (left = __atomic_load_n(&b->running, __ATOMIC_SEQ_CST)))
		rp_blob_wait(&b->running, left);
	rp_thread_go(&b->threads[0]);
}
