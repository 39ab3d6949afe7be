/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A stopped process, seen from its tracer: seize, registers, memory, system calls carried out by one of its threads, and
 * release. Interface: ptrace(2) with PTRACE_SEIZE, process_vm_readv(2), /proc/PID/task. One struct rp_tracee belongs to the
 * thread that seized it (ptrace is per tracer thread); only the memory functions may be called from others.
 *
 * Kill-safety. A tracer that dies at any instant leaves the process running as if it had never been traced:
 *  - a stop alone changes nothing: the kernel lets the threads of a dead tracer go on, system calls are restarted;
 *  - before a thread is made to carry out a system call (rp_tracee_arm), a signal frame with its own registers, xsave
 *    image and signal mask lies in its memory, and the instructions behind the injected `syscall` are `rt_sigreturn`.
 *    An abandoned thread therefore finishes the call and returns to where it was, with its own signal mask;
 *  - calls stop at their exit by PTRACE_SYSCALL: a pending trap of a single step would kill an abandoned thread;
 *  - signals that arrive at the stop are delivered, not swallowed.
 * The injected calls themselves must be harmless when carried out once; this is up to the caller.
 *
 * Cannot be carried: 32-bit threads, a process with syscall user dispatch, threads in uninterruptible sleep.
 */
#ifndef RP_TRACEE_TRACEE_H
#define RP_TRACEE_TRACEE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "util/error.h"

/* Where a thread stands, as far as its tracer has driven it. */
enum rp_tracee_at {
	RP_AT_STOP,	 /* PTRACE_EVENT_STOP, registers its own */
	RP_AT_ARMED,	 /* the same stop, but registers lead into the injected code */
	RP_AT_CALL_EXIT, /* system-call exit of an injected call */
};

struct rp_tracee_rseq {
	uint64_t addr; /* 0: not registered */
	uint32_t len, sig;
};

struct rp_tracee_thread {
	int tid;
	enum rp_tracee_at at;
	int stop_signal; /* SIGSTOP ...: the process was in a group stop; 0: it ran */
	/* Own state, valid from rp_tracee_read_state() on. Registers are as the kernel shows them at the stop: an
	 * interrupted system call still has its -ERESTART code, see rp_regs_restart(). */
	bool has_state;
	struct user_regs_struct regs;
	uint8_t *xsave; /* NT_X86_XSTATE, xsave_len bytes as the kernel returned them */
	size_t xsave_len;
	uint64_t sigmask;
	uint64_t robust_addr, robust_len;
	struct rp_tracee_rseq rseq;
};

struct rp_tracee {
	int pid;
	struct rp_tracee_thread **threads; /* threads[0] is the leader */
	size_t nthreads;
	bool suspends;		  /* seccomp is suspended in every thread while it is traced */
	uint64_t freeze_begin_ns; /* CLOCK_MONOTONIC when the first thread was asked to stop */
	int timerslack_ns;	  /* of the tracer's thread before; 0: not changed */
	/* Injection; 0 until the first rp_tracee_arm() */
	uint64_t code;	  /* injected instructions, see code.h */
	char *maps;	  /* text of /proc/PID/maps */
	uint64_t scratch; /* memory that nothing in the process uses: data area, then the signal frame */
	size_t scratch_len;
	bool scratch_zero; /* the far end of the main stack: was zero and is zeroed again. Else below the armed thread's stack */
};

/* Bytes at the start of the scratch memory that injected calls may use for arguments and results. */
#define RP_SCRATCH_DATA 4096

/* ---- stop and release (tracee.c) ---- */

/* Stops every thread of pid. Threads that appear meanwhile are caught too. timeout_ms: for one in
 * uninterruptible sleep; one that only gets no CPU has six times as long. On success *out is the caller's.
 * -ESRCH: no such process; -EBUSY: another tracer holds it (named); -ENOTSUP: zombie, leader gone, syscall user dispatch;
 * -EPERM: not allowed; -ETIMEDOUT. On failure the process runs on. */
int rp_tracee_seize(struct rp_tracee **out, int pid, unsigned timeout_ms, struct rp_error *err);

/* Lets every thread go on exactly where it was and frees t (NULL is accepted). With stop the process is left stopped by
 * SIGSTOP. An armed thread is disarmed first. */
void rp_tracee_release(struct rp_tracee *t, bool stop);

/* SIGKILL, waits until no thread is left and frees t. */
void rp_tracee_kill(struct rp_tracee *t);

/* ---- state of a thread (state.c) ---- */

/* Reads registers, xsave, signal mask, robust list, rseq of a thread at its stop. A thread inside an rseq critical section
 * is moved to that section's abort handler, as a preemption would. -ENOTSUP: a 32-bit thread. */
int rp_tracee_read_state(struct rp_tracee *t, struct rp_tracee_thread *th, struct rp_error *err);

/* Turns registers at a stop into such that repeat an interrupted system call when simply jumped to. */
void rp_regs_restart(struct user_regs_struct *regs);

/* Pending signals of a thread (shared: of the process) without taking them: 128-byte siginfo_t each, *out is the caller's
 * (free). Returns their number or -errno. Read them after the last injected call. */
int rp_tracee_peek_siginfo(struct rp_tracee_thread *th, bool shared, void **out, struct rp_error *err);

/* ---- memory (mem.c) ---- */

/* Exactly len bytes of the process's memory. 0, or -EFAULT when not all of it could be transferred, other -errno. */
int rp_tracee_read(int pid, uint64_t addr, void *buf, size_t len);
int rp_tracee_write(int pid, uint64_t addr, const void *buf, size_t len);

/* ---- system calls carried out by the process (remote.c) ---- */

/* Prepares a thread for calls; no-op when it is armed. Only one thread at a time may be armed. */
int rp_tracee_arm(struct rp_tracee *t, struct rp_tracee_thread *th, struct rp_error *err);

/* Carries out one call. Returns 0 with the kernel's result (-errno included) in *ret, or -errno when the call could not be
 * made (the process died). Arms the thread. Must not be a call that does not return (exit, execve, rt_sigreturn). */
int rp_tracee_call(struct rp_tracee *t, struct rp_tracee_thread *th, long nr, const uint64_t args[6], int64_t *ret,
		   struct rp_error *err);

/* The same, for calls that read into or from the data area: copies in_len bytes there before and out_len bytes back
 * after the call; an argument that is to be the address of the data area plus N is given as RP_SCRATCH(N). */
#define RP_SCRATCH(n) (0x5c7a7c8000000000UL + (n))
int rp_tracee_call_data(struct rp_tracee *t, struct rp_tracee_thread *th, long nr, const uint64_t args[6],
			const void *in, size_t in_len, void *out, size_t out_len, int64_t *ret, struct rp_error *err);

/* Back to the stop with the thread's own registers and mask; an interrupted system call will be restarted by the kernel
 * itself. No-op when the thread is not armed. */
int rp_tracee_disarm(struct rp_tracee *t, struct rp_tracee_thread *th, struct rp_error *err);

/* ---- a copy of the process's memory (snapshot.c) ---- */

/* Makes a copy-on-write child of the stopped process that holds its private memory as it is now. It never runs: it is
 * traced, stopped, and ends by itself when its tracer dies. It has no descriptors, belongs to no process group of the
 * process, and its parent is whoever adopts orphans; the process itself never sees it. Ranges marked DONTFORK or
 * WIPEONFORK and shared memory are not in it. th must be disarmed or armed as for a call.
 * -ENOMEM, -EAGAIN: the system does not allow another copy; -ENOTSUP: the process adopts orphans itself. */
int rp_tracee_snapshot(struct rp_tracee *t, struct rp_tracee_thread *th, int *out_pid, struct rp_error *err);

/* Ends such a child. */
void rp_tracee_snapshot_done(int pid);

/* A dumper that is killed during rp_tracee_snapshot() may leave a zombie child without an exit signal (which a plain
 * wait(2) of the process does not see): known by this exit code. */
#define RP_SNAPSHOT_EXIT 92
#define RP_SNAPSHOT_COMM "reprise-copy" /* name of the copy */

#endif
