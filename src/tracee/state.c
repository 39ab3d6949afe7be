/* SPDX-License-Identifier: BSD-3-Clause */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tracee/tracee.h"

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif

#define XSAVE_MAX (64U << 10)
#define USER_CS_32 0x23
#define SIGINFO_SIZE 128
#define SIGINFO_BATCH 64

/* Kernel-internal codes of an interrupted system call (include/linux/errno.h), visible to tracers only. */
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516

void rp_regs_restart(struct user_regs_struct *regs)
{
	if ((long)regs->orig_rax < 0)
		return;
	switch (-(long)regs->rax) {
	case ERESTARTSYS:
	case ERESTARTNOINTR:
	case ERESTARTNOHAND:
	case ERESTART_RESTARTBLOCK: /* the kernel's own record of the time left cannot be carried: begins anew */
		regs->rax = regs->orig_rax;
		regs->rip -= 2;
		regs->orig_rax = (unsigned long)-1;
		break;
	default:
		break;
	}
}

static int read_xsave(struct rp_tracee_thread *th, struct rp_error *err)
{
	struct iovec iov = { NULL, XSAVE_MAX };

	if (!th->xsave)
		th->xsave = aligned_alloc(64, XSAVE_MAX);
	if (!th->xsave)
		return rp_error(err, -ENOMEM, "out of memory");
	iov.iov_base = th->xsave;
	if (ptrace(PTRACE_GETREGSET, th->tid, (void *)NT_X86_XSTATE, &iov) < 0)
		return rp_error(err, -errno, "thread %d: cannot read the extended registers: %s", th->tid,
				strerror(errno));
	th->xsave_len = iov.iov_len;
	return 0;
}

static int read_rseq(struct rp_tracee_thread *th, struct rp_error *err)
{
	struct {
		uint64_t addr;
		uint32_t len, sig, flags, pad;
	} config = { 0 };

	memset(&th->rseq, 0, sizeof(th->rseq));
	if (ptrace((enum __ptrace_request)PTRACE_GET_RSEQ_CONFIGURATION, th->tid, (void *)sizeof(config), &config) <
	    0) {
		if (errno == EIO || errno == EINVAL)
			return 0; /* kernel without rseq */
		return rp_error(err, -errno, "thread %d: cannot read the rseq configuration: %s", th->tid,
				strerror(errno));
	}
	th->rseq.addr = config.addr;
	th->rseq.len = config.len;
	th->rseq.sig = config.sig;
	return 0;
}

/* A thread that stands inside an rseq critical section must not go on there: once it has been elsewhere (injected calls,
 * or a restore) the kernel forgets the section. Its abort handler is where any preemption may send it, so it is sent there
 * now, and the stopped process itself too. */
static int leave_critical_section(struct rp_tracee *t, struct rp_tracee_thread *th, struct rp_error *err)
{
	struct {
		uint32_t version, flags;
		uint64_t start_ip, post_commit_offset, abort_ip;
	} cs;
	uint64_t cs_addr = 0, none = 0;

	if (th->rseq.addr == 0)
		return 0;
	if (rp_tracee_read(t->pid, th->rseq.addr + 8, &cs_addr, sizeof(cs_addr)) < 0 || cs_addr == 0)
		return 0;
	if (rp_tracee_read(t->pid, cs_addr, &cs, sizeof(cs)) < 0)
		return 0;
	if (th->regs.rip - cs.start_ip >= cs.post_commit_offset)
		return 0;
	th->regs.rip = cs.abort_ip;
	if (ptrace(PTRACE_SETREGS, th->tid, NULL, &th->regs) < 0)
		return rp_error(err, -errno, "thread %d: cannot set registers: %s", th->tid, strerror(errno));
	rp_tracee_write(t->pid, th->rseq.addr + 8, &none, sizeof(none));
	return 0;
}

int rp_tracee_read_state(struct rp_tracee *t, struct rp_tracee_thread *th, struct rp_error *err)
{
	int ret;

	if (ptrace(PTRACE_GETREGS, th->tid, NULL, &th->regs) < 0)
		return rp_error(err, -errno, "thread %d: cannot read registers: %s", th->tid, strerror(errno));
	if (th->regs.cs == USER_CS_32)
		return rp_error(err, -ENOTSUP, "thread %d runs 32-bit code, which cannot be carried", th->tid);
	ret = read_xsave(th, err);
	if (ret < 0)
		return ret;
	if (ptrace(PTRACE_GETSIGMASK, th->tid, (void *)sizeof(th->sigmask), &th->sigmask) < 0)
		return rp_error(err, -errno, "thread %d: cannot read the signal mask: %s", th->tid, strerror(errno));
	if (syscall(SYS_get_robust_list, th->tid, &th->robust_addr, &th->robust_len) < 0)
		return rp_error(err, -errno, "thread %d: cannot read the robust list: %s", th->tid, strerror(errno));
	ret = read_rseq(th, err);
	if (ret < 0)
		return ret;
	ret = leave_critical_section(t, th, err);
	if (ret < 0)
		return ret;
	th->has_state = true;
	return 0;
}

int rp_tracee_peek_siginfo(struct rp_tracee_thread *th, bool shared, void **out, struct rp_error *err)
{
	char *all = NULL;
	size_t count = 0;

	for (;;) {
		struct __ptrace_peeksiginfo_args args = { count, shared ? PTRACE_PEEKSIGINFO_SHARED : 0,
							  SIGINFO_BATCH };
		char *more = realloc(all, (count + SIGINFO_BATCH) * SIGINFO_SIZE);
		long n;

		if (!more) {
			free(all);
			return rp_error(err, -ENOMEM, "out of memory");
		}
		all = more;
		n = ptrace(PTRACE_PEEKSIGINFO, th->tid, &args, all + count * SIGINFO_SIZE);
		if (n < 0) {
			int code = -errno;

			free(all);
			return rp_error(err, code, "thread %d: cannot read pending signals: %s", th->tid,
					strerror(-code));
		}
		count += (size_t)n;
		if (n < SIGINFO_BATCH)
			break;
	}
	*out = all;
	return (int)count;
}
