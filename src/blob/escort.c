/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What can only be done when a thread has left the blob is done by a process beside, which traces every thread until it stands
 * where the plan says (ptrace(2)), and is gone then. It is a grandchild, so that the restored process has no child that it
 * does not know. Two things:
 * - seccomp filters go on while the blob still has system calls to make, which they would judge: suspended meanwhile by
 *   PTRACE_O_SUSPEND_SECCOMP (wants CAP_SYS_ADMIN);
 * - a process that was stopped is stopped again before an instruction of its own, and before a signal that waits for it.
 */
#include <stddef.h>

#include <asm/errno.h>
#include <asm/ptrace-abi.h>
#include <asm/signal.h>
#include <linux/close_range.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "arch/x86_64/regs.h"
#include "arch/x86_64/syscall.h"
#include "blob/internal.h"

#define IS_STOPPED(status) (((status)&0xff) == 0x7f)
#define STOP_SIGNAL(status) ((status) >> 8 & 0xff)
#define STOP_EVENT(status) ((status) >> 16)

static int is_filtered(const struct rp_plan *p)
{
	const struct rp_plan_thread *t = rp_plan_threads(p);

	for (uint64_t i = 0; i < p->threads.count; i++)
		if (t[i].seccomp_count || t[i].seccomp_strict)
			return 1;
	return 0;
}

static void leave(int status)
{
	for (;;)
		rp_syscall1(__NR_exit_group, status);
}

static long ptrace(int request, int tid, uint64_t addr, uint64_t data)
{
	return rp_syscall4(__NR_ptrace, request, tid, (long)addr, (long)data);
}

static void close_all_but(int fd)
{
	if (fd)
		rp_syscall3(__NR_close_range, 0, fd - 1, 0);
	rp_syscall3(__NR_close_range, fd + 1, -1U, 0);
}

static int is_stopping(const struct rp_plan *p)
{
	return p->flags & RP_PLAN_STOPPED;
}

/* Seizes every thread and sets it going again with stops at its system calls. */
static long seize_all(struct rp_blob *b)
{
	uint64_t options = is_filtered(b->plan) ? PTRACE_O_SUSPEND_SECCOMP : 0;

	for (uint64_t i = 0; i < b->plan->threads.count; i++) {
		int tid = b->threads[i].tid, status = 0;
		long ret = ptrace(PTRACE_SEIZE, tid, 0, options);

		if (!ret)
			ret = ptrace(PTRACE_INTERRUPT, tid, 0, 0);
		if (!ret)
			ret = rp_syscall4(__NR_wait4, tid, (long)&status, __WALL, 0);
		if (ret < 0 || !IS_STOPPED(status))
			return ret < 0 ? ret : -ESRCH;
	}
	for (uint64_t i = 0; i < b->plan->threads.count; i++)
		ptrace(PTRACE_SYSCALL, b->threads[i].tid, 0, 0);
	return 0;
}

static struct rp_blob_thread *thread_of(struct rp_blob *b, long tid)
{
	for (uint64_t i = 0; i < b->plan->threads.count; i++)
		if (b->threads[i].tid == tid)
			return &b->threads[i];
	return NULL;
}

/* Follows the threads from call to call; lets each go that has come where it is to be, or holds it there. Returns the
 * number of those that have come. */
static uint64_t follow(struct rp_blob *b)
{
	uint64_t left = b->plan->threads.count, come = 0;

	while (left) {
		int status = 0;
		long tid = rp_syscall4(__NR_wait4, -1, (long)&status, __WALL, 0);
		struct rp_blob_thread *t = thread_of(b, tid);
		uint64_t regs[RP_REG_MAX];

		if (tid == -EINTR)
			continue;
		if (tid < 0)
			break;
		if (!t || !IS_STOPPED(status)) {
			left--; /* it died */
			continue;
		}
		if (ptrace(PTRACE_GETREGS, t->tid, 0, (uint64_t)regs) ||
		    regs[RP_REG_RIP] != t->plan->regs[RP_REG_RIP] || regs[RP_REG_RSP] != t->plan->regs[RP_REG_RSP]) {
			ptrace(PTRACE_SYSCALL, t->tid, 0, 0);
			continue;
		}
		left--;
		come++;
		if (!is_stopping(b->plan))
			ptrace(PTRACE_DETACH, t->tid, 0, 0);
	}
	return come;
}

/* Lets a thread that is held go into the stop of its process. */
static void join_stop(int tid)
{
	long sig = 0;
	int status;

	for (;;) {
		ptrace(PTRACE_CONT, tid, 0, (uint64_t)sig);
		if (rp_syscall4(__NR_wait4, tid, (long)&status, __WALL, 0) != tid || !IS_STOPPED(status))
			return;
		if (STOP_EVENT(status) == PTRACE_EVENT_STOP && STOP_SIGNAL(status) == SIGSTOP)
			return;
		sig = STOP_SIGNAL(status) == SIGSTOP ? SIGSTOP : 0;
	}
}

/* All threads are held. No signal but the one that stops them may come first: a process that is stopped takes none. The first
 * thread begins the stop, the others find it begun when they are let go one by one: none of them runs. */
static void stop_all(struct rp_blob *b)
{
	const uint64_t all = RP_ALL_SIGNALS;

	for (uint64_t i = 0; i < b->plan->threads.count; i++) {
		ptrace(PTRACE_GETSIGMASK, b->threads[i].tid, 8, (uint64_t)&b->threads[i].mask);
		ptrace(PTRACE_SETSIGMASK, b->threads[i].tid, 8, (uint64_t)&all);
	}
	rp_syscall2(__NR_kill, b->threads[0].tid, SIGSTOP);
	for (uint64_t i = 0; i < b->plan->threads.count; i++)
		join_stop(b->threads[i].tid);
	for (uint64_t i = 0; i < b->plan->threads.count; i++) {
		ptrace(PTRACE_SETSIGMASK, b->threads[i].tid, 8, (uint64_t)&b->threads[i].mask);
		ptrace(PTRACE_DETACH, b->threads[i].tid, 0, 0);
	}
}

static void helper(struct rp_blob *b, int fd)
{
	int32_t result;

	close_all_but(fd);
	result = (int32_t)seize_all(b);
	rp_syscall3(__NR_write, fd, (long)&result, sizeof(result));
	rp_syscall1(__NR_close, fd);
	if (!result && follow(b) == b->plan->threads.count && is_stopping(b->plan))
		stop_all(b);
	leave(0);
}

/* fork, without a signal at its end. */
static long fork_quietly(void)
{
	return rp_syscall5(__NR_clone, 0, 0, 0, 0, 0);
}

int rp_blob_escort(struct rp_blob *b)
{
	int32_t pipe[2], result = -EIO, status;
	long pid, ret;

	if (!is_filtered(b->plan) && !is_stopping(b->plan))
		return 0;
	ret = rp_syscall2(__NR_pipe2, (long)pipe, 0);
	if (ret)
		return rp_blob_error(&b->err, RP_STAGE_SECCOMP, (int)ret, "pipe", 0);
	pid = fork_quietly();
	if (!pid) {
		pid = fork_quietly();
		if (!pid)
			helper(b, pipe[1]);
		leave(pid < 0);
	}
	rp_syscall1(__NR_close, pipe[1]);
	if (pid > 0)
		rp_syscall4(__NR_wait4, pid, (long)&status, __WALL, 0);
	do
		ret = rp_syscall3(__NR_read, pipe[0], (long)&result, sizeof(result));
	while (ret == -EINTR);
	rp_syscall1(__NR_close, pipe[0]);
	if (result == -EPERM && !is_filtered(b->plan)) {
		b->stop_here = 1;
		return 0;
	}
	if (pid < 0 || ret != sizeof(result) || result)
		return rp_blob_error(&b->err, RP_STAGE_SECCOMP,
				     pid < 0  ? (int)pid
				     : result ? result
					      : -EIO,
				     "going with the threads past filters or to a stop", 0);
	return 0;
}
