/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tracee/code.h"
#include "tracee/stop.h"
#include "tracee/tracee.h"

#define WAIT_MS 10000
#define OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE)

/* Two steps: the process clones a helper that shares its memory, the helper forks the copy and exits. So the copy is an
 * orphan at once, and the process has a child for some microseconds only. */

static int set_options(struct rp_tracee *t, int tid, unsigned long options, struct rp_error *err)
{
	if (t->suspends)
		options |= PTRACE_O_SUSPEND_SECCOMP;
	if (ptrace(PTRACE_SETOPTIONS, tid, NULL, (void *)options) < 0)
		return rp_error(err, -errno, "thread %d: PTRACE_SETOPTIONS: %s", tid, strerror(errno));
	return 0;
}

/* clone() by th. The child is traced as well and stands at its first instruction. */
static int clone_traced(struct rp_tracee *t, struct rp_tracee_thread *th, enum rp_code block, uint64_t flags,
			struct rp_tracee_thread *child, struct rp_error *err)
{
	const uint64_t args[6] = { flags };
	int64_t ret = 0;
	int sig = 0, code = rp_code_run(t, th, block, SYS_clone, args, &ret, err);

	if (code < 0)
		return code;
	if (ret < 0)
		return rp_error(err, (int)ret, "clone: %s", strerror((int)-ret));
	*child = (struct rp_tracee_thread){ .tid = (int)ret, .at = RP_AT_ARMED, .regs = th->regs };
	code = rp_stop_wait(child->tid, WAIT_MS, &sig);
	if (code != RP_STOP_EVENT)
		return rp_error(err, code < 0 ? code : -ESRCH, "the copy does not start");
	return 0;
}

static int child_call(struct rp_tracee *t, struct rp_tracee_thread *th, long nr, uint64_t a0, uint64_t a1,
		      struct rp_error *err)
{
	const uint64_t args[6] = { a0, a1 };
	int64_t ret;

	return rp_code_run(t, th, RP_CODE_CHILD, nr, args, &ret, err);
}

/* A name of its own for whoever looks at the list of processes. Best effort. */
static void name_helper(struct rp_tracee *t, struct rp_tracee_thread *helper)
{
	static const char name[16] = RP_SNAPSHOT_COMM;
	struct rp_error ignored;

	if (rp_tracee_write(t->pid, t->scratch, name, sizeof(name)) == 0)
		child_call(t, helper, SYS_prctl, PR_SET_NAME, t->scratch, &ignored);
}

static int make_copy(struct rp_tracee *t, struct rp_tracee_thread *helper, int *out_pid, struct rp_error *err)
{
	struct rp_tracee_thread copy;
	int ret = clone_traced(t, helper, RP_CODE_CHILD, 0, &copy, err);

	if (ret < 0)
		return ret;
	/* It must hold no end of a pipe open, and get no signal that is meant for the process group. */
	ret = child_call(t, &copy, SYS_close_range, 0, ~0U, err);
	if (ret == 0)
		ret = child_call(t, &copy, SYS_setsid, 0, 0, err);
	if (ret < 0) {
		rp_tracee_snapshot_done(copy.tid);
		return ret;
	}
	*out_pid = copy.tid;
	return 0;
}

int rp_tracee_snapshot(struct rp_tracee *t, struct rp_tracee_thread *th, int *out_pid, struct rp_error *err)
{
	const uint64_t flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND;
	struct rp_tracee_thread helper;
	struct rp_error ignored;
	int ret = rp_tracee_arm(t, th, err), made;
	int64_t got;

	if (ret == 0)
		ret = set_options(t, th->tid, OPTIONS, err);
	if (ret < 0)
		return ret;
	ret = clone_traced(t, th, RP_CODE_CLONE, flags, &helper, err);
	set_options(t, th->tid, PTRACE_O_TRACESYSGOOD, &ignored);
	if (ret < 0)
		return ret;
	name_helper(t, &helper);
	made = make_copy(t, &helper, out_pid, err);
	/* The helper goes on into its exit; the process collects it, which nobody else may. */
	ptrace(PTRACE_DETACH, helper.tid, NULL, NULL);
	ret = rp_tracee_call(t, th, SYS_wait4, (const uint64_t[6]){ (uint64_t)helper.tid, 0, __WALL }, &got, err);
	if (ret == 0 && got < 0)
		ret = rp_error(err, (int)got, "wait4 of the helper: %s", strerror((int)-got));
	if (ret < 0 && made == 0)
		rp_tracee_snapshot_done(*out_pid);
	return ret < 0 ? ret : made;
}

void rp_tracee_snapshot_done(int pid)
{
	int sig;

	kill(pid, SIGKILL);
	while (rp_stop_wait(pid, WAIT_MS, &sig) > 0 && kill(pid, 0) == 0)
		;
}
