/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#include "tracee/code.h"
#include "tracee/sigframe.h"
#include "tracee/stop.h"
#include "tracee/tracee.h"
#include "util/fd.h"
#include "util/str.h"

#define CALL_TIMEOUT_MS 10000
#define RED_ZONE 128
#define HANDLER_ROOM 4096 /* stack of a handler that runs before all signals are blocked; main stacks grow for it */
#define CODE_SIZE 64
#define MAPS_MAX (256U << 20)

/* Each block begins with the `syscall` that is carried out and goes on to what an abandoned thread does after it. */
/* clang-format off */
static const uint8_t code_bytes[CODE_SIZE] = {
	/* RP_CODE_CALL: syscall; mov $__NR_rt_sigreturn,%eax; syscall */
	0x0f, 0x05, 0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
	/* RP_CODE_CLONE: syscall; test %eax,%eax; jz 1f; mov $__NR_rt_sigreturn,%eax; syscall;
	 * 1: mov $RP_SNAPSHOT_EXIT,%edi; mov $__NR_exit_group,%eax; syscall */
	0x0f, 0x05, 0x85, 0xc0, 0x74, 0x07, 0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xbf, RP_SNAPSHOT_EXIT, 0x00,
	0x00, 0x00, 0xb8, 0xe7, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
	/* RP_CODE_CHILD: syscall; mov $RP_SNAPSHOT_EXIT,%edi; mov $__NR_exit_group,%eax; syscall */
	0x0f, 0x05, 0xbf, RP_SNAPSHOT_EXIT, 0x00, 0x00, 0x00, 0xb8, 0xe7, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xcc, 0xcc,
};
/* clang-format on */

struct region {
	uint64_t start, end;
	char perms[5];
	const char *name; /* up to the end of the line */
	size_t name_len;
};

/* Parses one line of /proc/PID/maps; returns the next, NULL at the end. */
static const char *next_region(const char *line, struct region *r)
{
	unsigned long start, end;
	const char *eol;
	int at = 0;

	if (!*line || sscanf(line, "%lx-%lx %4s %*x %*s %*u%n", &start, &end, r->perms, &at) != 3)
		return NULL;
	r->start = start;
	r->end = end;
	eol = strchrnul(line, '\n');
	r->name = line + at + strspn(line + at, " ");
	r->name_len = (size_t)(eol - r->name);
	return *eol ? eol + 1 : eol;
}

static bool is_named(const struct region *r, const char *name)
{
	return r->name_len == strlen(name) && memcmp(r->name, name, r->name_len) == 0;
}

/* Are these bytes unused padding, or what a dump before this one has put there? */
static bool is_padding(const uint8_t *bytes)
{
	static const uint8_t zero[8];

	for (int i = 0; i < CODE_SIZE; i += 8)
		if (memcmp(bytes + i, zero, 8) != 0 && memcmp(bytes + i, code_bytes + i, 8) != 0)
			return false;
	return true;
}

/* Puts the instructions into padding at the end of an executable mapping, by ptrace: the page becomes a private copy of
 * the process. No jump leads there, so the write is harmless at every moment. */
static int put_code(struct rp_tracee *t, struct rp_tracee_thread *th, uint64_t end)
{
	uint8_t old[CODE_SIZE];
	uint64_t at = end - CODE_SIZE, word;

	if (rp_tracee_read(t->pid, at, old, sizeof(old)) < 0 || !is_padding(old))
		return -ENOENT;
	for (int i = 0; i < CODE_SIZE; i += 8) {
		memcpy(&word, code_bytes + i, 8);
		if (memcmp(old + i, code_bytes + i, 8) != 0 &&
		    ptrace(PTRACE_POKETEXT, th->tid, (void *)(at + (uint64_t)i), (void *)word) < 0)
			return -errno;
	}
	t->code = at;
	return 0;
}

static int find_code(struct rp_tracee *t, struct rp_tracee_thread *th, const char *maps, struct rp_error *err)
{
	struct region r;

	for (const char *p = maps; (p = next_region(p, &r)) != NULL;)
		if (is_named(&r, "[vdso]") && put_code(t, th, r.end) == 0)
			return 0;
	/* No vdso: the zeros behind the end of a mapped program or library do as well. */
	for (const char *p = maps; (p = next_region(p, &r)) != NULL;)
		if (strcmp(r.perms, "r-xp") == 0 && r.name_len > 0 && r.name[0] == '/' && put_code(t, th, r.end) == 0)
			return 0;
	return rp_error(err, -ENOTSUP, "pid %d: no place for injected instructions in any executable mapping", t->pid);
}

static bool is_near_sp(const struct rp_tracee *t, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < t->nthreads; i++) {
		const struct rp_tracee_thread *th = t->threads[i];

		if (!th->has_state || (th->regs.rsp >= start && th->regs.rsp < end))
			return true;
	}
	return false;
}

/* The far end of the main stack: never touched, hence zero, and nothing points there. Preferred to the memory below a
 * thread's red zone, which some runtimes (small stacks cut out of a heap) use for other things. */
static bool use_stack_bottom(struct rp_tracee *t, const struct region *r, size_t need)
{
	RP_AUTOFREE uint8_t *now = NULL;
	uint64_t at = r->start; /* what a handler may need below it, the kernel adds */

	if (r->end - r->start < need + HANDLER_ROOM || is_near_sp(t, r->start, at + need + RED_ZONE))
		return false;
	now = malloc(need);
	if (!now || rp_tracee_read(t->pid, at, now, need) < 0)
		return false;
	for (size_t i = 0; i < need; i++)
		if (now[i] != 0)
			return false;
	t->scratch = at;
	t->scratch_zero = true;
	return true;
}

/* Below the thread's own red zone, where the kernel would put the frame of a signal. Never below another thread's: when all
 * are abandoned at once, that one runs over the frame before this one has returned from it. */
static bool use_below_sp(struct rp_tracee *t, const struct rp_tracee_thread *th, const struct region *r)
{
	uint64_t at = (th->regs.rsp - RED_ZONE - t->scratch_len) & ~63UL;

	if (th->regs.rsp < r->start || th->regs.rsp > r->end || is_near_sp(t, at, at + t->scratch_len))
		return false;
	if (at < r->start + HANDLER_ROOM && !is_named(r, "[stack]"))
		return false;
	/* A main stack that is used down to its end grows when it is touched there, as it would for the thread itself. */
	if (at < r->start && ptrace(PTRACE_POKEDATA, th->tid, (void *)at, NULL) < 0)
		return false;
	t->scratch = at;
	return true;
}

/* Sets t->scratch for this thread. */
static int choose_scratch(struct rp_tracee *t, const struct rp_tracee_thread *th, struct rp_error *err)
{
	struct region r;

	if (t->scratch_zero)
		return 0;
	for (const char *p = t->maps; (p = next_region(p, &r)) != NULL;)
		if (is_named(&r, "[stack]") && strncmp(r.perms, "rw", 2) == 0 &&
		    use_stack_bottom(t, &r, t->scratch_len))
			return 0;
	for (const char *p = t->maps; (p = next_region(p, &r)) != NULL;)
		if (strncmp(r.perms, "rw", 2) == 0 && r.perms[3] == 'p' && use_below_sp(t, th, &r))
			return 0;
	return rp_error(err, -ENOTSUP, "thread %d has no %zu free bytes of stack", th->tid, t->scratch_len + RED_ZONE);
}

static size_t scratch_size(const struct rp_tracee *t)
{
	size_t need = RP_SCRATCH_DATA;

	for (size_t i = 0; i < t->nthreads; i++)
		if (RP_SCRATCH_DATA + rp_sigframe_size(t->threads[i]) > need)
			need = RP_SCRATCH_DATA + rp_sigframe_size(t->threads[i]);
	return (need + 63) & ~63UL;
}

/* Finds the places of injection. Every thread's state must have been read: none of them may stand there. */
static int prepare(struct rp_tracee *t, struct rp_tracee_thread *th, struct rp_error *err)
{
	char path[64];
	int ret;

	if (t->code != 0)
		return choose_scratch(t, th, err);
	for (size_t i = 0; i < t->nthreads; i++) {
		if (t->threads[i]->has_state)
			continue;
		ret = rp_tracee_read_state(t, t->threads[i], err);
		if (ret < 0)
			return ret;
	}
	snprintf(path, sizeof(path), "/proc/%d/maps", t->pid);
	ret = rp_read_file_at(AT_FDCWD, path, MAPS_MAX, &t->maps, NULL);
	if (ret < 0)
		return rp_error(err, ret, "cannot read %s: %s", path, strerror(-ret));
	t->scratch_len = scratch_size(t);
	ret = find_code(t, th, t->maps, err);
	return ret < 0 ? ret : choose_scratch(t, th, err);
}

static int set_regs(struct rp_tracee_thread *th, const struct user_regs_struct *regs, struct rp_error *err)
{
	if (ptrace(PTRACE_SETREGS, th->tid, NULL, regs) < 0)
		return rp_error(err, -errno, "thread %d: cannot set registers: %s", th->tid, strerror(errno));
	return 0;
}

static int set_mask(struct rp_tracee_thread *th, uint64_t mask, struct rp_error *err)
{
	if (ptrace(PTRACE_SETSIGMASK, th->tid, (void *)sizeof(mask), &mask) < 0)
		return rp_error(err, -errno, "thread %d: cannot set the signal mask: %s", th->tid, strerror(errno));
	return 0;
}

/* Registers that carry out a call at the injected instructions. orig_rax < 0: not a system call to be restarted. */
static void call_regs(const struct rp_tracee *t, const struct rp_tracee_thread *th, enum rp_code code,
		      struct user_regs_struct *r)
{
	*r = th->regs;
	r->rip = t->code + code;
	r->rsp = t->scratch + RP_SCRATCH_DATA + sizeof(uint64_t);
	r->orig_rax = (unsigned long)-1;
	r->eflags &= ~0x500UL; /* no trap, direction up */
}

int rp_tracee_arm(struct rp_tracee *t, struct rp_tracee_thread *th, struct rp_error *err)
{
	RP_AUTOFREE void *frame = NULL;
	struct user_regs_struct r;
	uint64_t sp;
	int ret;

	if (th->at != RP_AT_STOP)
		return 0;
	ret = prepare(t, th, err);
	if (ret < 0)
		return ret;
	frame = calloc(1, rp_sigframe_size(th));
	if (!frame)
		return rp_error(err, -ENOMEM, "out of memory");
	rp_sigframe_build(th, t->scratch + RP_SCRATCH_DATA, frame, &sp);
	ret = rp_tracee_write(t->pid, t->scratch + RP_SCRATCH_DATA, frame, rp_sigframe_size(th));
	if (ret < 0)
		return rp_error(err, ret, "pid %d: cannot write its stack: %s", t->pid, strerror(-ret));
	/* Registers first, the mask after them: the frame undoes both, and only a thread whose registers lead to the frame
	 * gets there. Before a call is chosen the injected instruction is a getpid. */
	call_regs(t, th, RP_CODE_CALL, &r);
	r.rax = 39;
	ret = set_regs(th, &r, err);
	if (ret < 0)
		return ret;
	th->at = RP_AT_ARMED;
	return set_mask(th, ~0UL, err);
}

/* Lets the thread run up to the entry or exit of its system call. */
static int run_to_syscall(struct rp_tracee_thread *th, struct rp_error *err)
{
	long deliver = 0;

	for (int tries = 0; tries < 1000; tries++) {
		int sig = 0, stop;

		if (ptrace(PTRACE_SYSCALL, th->tid, NULL, (void *)deliver) < 0)
			return rp_error(err, -errno, "thread %d: cannot go on: %s", th->tid, strerror(errno));
		stop = rp_stop_wait(th->tid, CALL_TIMEOUT_MS, &sig);
		if (stop == RP_STOP_SYSCALL)
			return 0;
		if (stop < 0)
			return rp_error(err, stop, "thread %d: waiting for an injected call: %s", th->tid,
					strerror(-stop));
		if (stop == RP_STOP_GONE)
			return rp_error(err, -ESRCH, "thread %d was killed", th->tid);
		/* Only SIGSTOP cannot be blocked: let it take effect, it holds again once we have detached. */
		deliver = stop == RP_STOP_SIGNAL ? sig : 0;
	}
	return rp_error(err, -ETIMEDOUT, "thread %d: no end of stops during an injected call", th->tid);
}

int rp_code_run(struct rp_tracee *t, struct rp_tracee_thread *th, enum rp_code block, long nr, const uint64_t args[6],
		int64_t *ret, struct rp_error *err)
{
	struct user_regs_struct r;
	int code;

	call_regs(t, th, block, &r);
	r.rax = (unsigned long)nr;
	r.rdi = args[0];
	r.rsi = args[1];
	r.rdx = args[2];
	r.r10 = args[3];
	r.r8 = args[4];
	r.r9 = args[5];
	code = set_regs(th, &r, err);
	for (int i = 0; code == 0 && i < 2; i++)
		code = run_to_syscall(th, err);
	if (code < 0)
		return code;
	th->at = RP_AT_CALL_EXIT;
	if (ptrace(PTRACE_GETREGS, th->tid, NULL, &r) < 0)
		return rp_error(err, -errno, "thread %d: cannot read registers: %s", th->tid, strerror(errno));
	*ret = (int64_t)r.rax;
	return 0;
}

int rp_tracee_call(struct rp_tracee *t, struct rp_tracee_thread *th, long nr, const uint64_t args[6], int64_t *ret,
		   struct rp_error *err)
{
	int code = rp_tracee_arm(t, th, err);

	return code < 0 ? code : rp_code_run(t, th, RP_CODE_CALL, nr, args, ret, err);
}

int rp_tracee_call_data(struct rp_tracee *t, struct rp_tracee_thread *th, long nr, const uint64_t args[6],
			const void *in, size_t in_len, void *out, size_t out_len, int64_t *ret, struct rp_error *err)
{
	uint64_t real[6];
	int code = rp_tracee_arm(t, th, err);

	if (code < 0)
		return code;
	for (int i = 0; i < 6; i++)
		real[i] = args[i] - RP_SCRATCH(0) < RP_SCRATCH_DATA ? t->scratch + (args[i] - RP_SCRATCH(0)) : args[i];
	if (in_len > 0) {
		code = rp_tracee_write(t->pid, t->scratch, in, in_len);
		if (code < 0)
			return rp_error(err, code, "pid %d: cannot write its stack: %s", t->pid, strerror(-code));
	}
	code = rp_tracee_call(t, th, nr, real, ret, err);
	if (code == 0 && out_len > 0 && *ret >= 0) {
		code = rp_tracee_read(t->pid, t->scratch, out, out_len);
		if (code < 0)
			return rp_error(err, code, "pid %d: cannot read its stack: %s", t->pid, strerror(-code));
	}
	return code;
}

/* From the exit of a call to a PTRACE_EVENT_STOP, where the kernel looks at interrupted system calls again. The thread runs no
 * instruction in between: the interrupt is pending before it leaves. */
static int back_to_stop(struct rp_tracee_thread *th, struct rp_error *err)
{
	long deliver = 0;

	for (int tries = 0; tries < 1000; tries++) {
		int sig = 0, stop;

		if (ptrace(PTRACE_INTERRUPT, th->tid, NULL, NULL) < 0 ||
		    ptrace(PTRACE_CONT, th->tid, NULL, (void *)deliver) < 0)
			return rp_error(err, -errno, "thread %d: cannot stop: %s", th->tid, strerror(errno));
		stop = rp_stop_wait(th->tid, CALL_TIMEOUT_MS, &sig);
		if (stop == RP_STOP_EVENT)
			return 0;
		if (stop < 0)
			return rp_error(err, stop, "thread %d: cannot stop: %s", th->tid, strerror(-stop));
		if (stop == RP_STOP_GONE)
			return rp_error(err, -ESRCH, "thread %d was killed", th->tid);
		deliver = stop == RP_STOP_SIGNAL ? sig : 0;
	}
	return rp_error(err, -ETIMEDOUT, "thread %d: does not stop", th->tid);
}

int rp_tracee_disarm(struct rp_tracee *t, struct rp_tracee_thread *th, struct rp_error *err)
{
	int ret = 0;

	if (th->at == RP_AT_CALL_EXIT)
		ret = back_to_stop(th, err);
	if (ret < 0 || th->at == RP_AT_STOP)
		return ret;
	/* The mask before the registers, for the same reason as in rp_tracee_arm(). */
	ret = set_mask(th, th->sigmask, err);
	if (ret == 0)
		ret = set_regs(th, &th->regs, err);
	if (ret == 0)
		th->at = RP_AT_STOP;
	return ret;
}
