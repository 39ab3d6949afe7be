/* SPDX-License-Identifier: BSD-3-Clause */
#include "tracee/tracee.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tracee/stop.h"
#include "util/fd.h"
#include "util/str.h"

#ifndef PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG
#define PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG 0x4211
#endif

#define STATUS_MAX (1U << 20)
#define STAT_MAX 4096
#define STARVED_MAX 6 /* times the time limit: ranks that spin can keep others from running for long */
#define FIRST_NAP_NS 4000
#define LONGEST_NAP_NS 1000000

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000UL + (uint64_t)ts.tv_nsec;
}

int rp_stop_wait(int tid, unsigned timeout_ms, int *sig)
{
	uint64_t end = now_ns() + timeout_ms * 1000000UL;
	long nap_ns = FIRST_NAP_NS;
	int status;

	for (;;) {
		pid_t got = waitpid(tid, &status, __WALL | WNOHANG);

		if (got < 0 && errno != EINTR)
			return -errno;
		if (got == tid)
			break;
		if (now_ns() > end)
			return -ETIMEDOUT;
		/* A thread stops within microseconds when it has a processor. A nap leaves it ours, and unlike sched_yield()
		 * we get it back at once on a busy machine; its length counts on the timer slack that the seize sets. */
		nanosleep(&(struct timespec){ 0, nap_ns }, NULL);
		if (nap_ns < LONGEST_NAP_NS)
			nap_ns += nap_ns / 4;
	}
	if (!WIFSTOPPED(status))
		return RP_STOP_GONE;
	*sig = WSTOPSIG(status) & 0x7f;
	if ((status >> 16) == PTRACE_EVENT_STOP)
		return RP_STOP_EVENT;
	if ((status >> 16) != 0)
		return RP_STOP_OTHER;
	return (WSTOPSIG(status) & 0x80) ? RP_STOP_SYSCALL : RP_STOP_SIGNAL;
}

/* The value behind "Name:" in a /proc/PID/status text, NULL when absent. */
static const char *status_value(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		if (strncmp(p, name, len) == 0 && p[len] == ':')
			return p + len + 1 + strspn(p + len + 1, " \t");
	}
	return NULL;
}

static void comm_of(int pid, char out[32])
{
	char path[64];
	RP_AUTOFREE char *text = NULL;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	snprintf(out, 32, "?");
	if (rp_read_file_at(AT_FDCWD, path, STATUS_MAX, &text, NULL) == 0)
		snprintf(out, 32, "%.*s", (int)strcspn(text, "\n"), text);
}

/* Says why a process cannot be seized, or that it may be tried. */
static int inspect(int pid, struct rp_error *err)
{
	char path[64], comm[32];
	RP_AUTOFREE char *text = NULL;
	const char *v;
	int ret, tracer;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	ret = rp_read_file_at(AT_FDCWD, path, STATUS_MAX, &text, NULL);
	if (ret == -ENOENT || ret == -ESRCH)
		return rp_error(err, -ESRCH, "pid %d: no such process", pid);
	if (ret < 0)
		return rp_error(err, ret, "pid %d: cannot read %s: %s", pid, path, strerror(-ret));
	v = status_value(text, "Tgid");
	if (v && atoi(v) != pid)
		return rp_error(err, -ESRCH, "pid %d is a thread of process %d; give that", pid, atoi(v));
	v = status_value(text, "State");
	if (v && (*v == 'Z' || *v == 'X'))
		return rp_error(err, -ENOTSUP, "pid %d: a zombie cannot be dumped", pid);
	v = status_value(text, "TracerPid");
	tracer = v ? atoi(v) : 0;
	if (tracer != 0) {
		comm_of(tracer, comm);
		return rp_error(err, -EBUSY, "pid %d is traced by process %d (%s); detach it first", pid, tracer, comm);
	}
	return 0;
}

/* Would seccomp judge the calls that this thread is made to carry out? */
static bool is_confined(int pid, int tid)
{
	char path[64];
	RP_AUTOFREE char *text = NULL;
	const char *v;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	if (rp_read_file_at(AT_FDCWD, path, STATUS_MAX, &text, NULL) < 0)
		return false; /* it is gone */
	v = status_value(text, "Seccomp");
	return v && *v != '0';
}

static struct rp_tracee_thread *find_thread(const struct rp_tracee *t, int tid)
{
	for (size_t i = 0; i < t->nthreads; i++)
		if (t->threads[i]->tid == tid)
			return t->threads[i];
	return NULL;
}

static struct rp_tracee_thread *add_thread(struct rp_tracee *t, int tid)
{
	struct rp_tracee_thread **more = realloc(t->threads, (t->nthreads + 1) * sizeof(*more));
	struct rp_tracee_thread *th;

	if (!more)
		return NULL;
	t->threads = more;
	th = calloc(1, sizeof(*th));
	if (!th)
		return NULL;
	th->tid = tid;
	th->stop_signal = -1; /* not waited for yet */
	t->threads[t->nthreads++] = th;
	return th;
}

static void remove_thread(struct rp_tracee *t, size_t i)
{
	free(t->threads[i]->xsave);
	free(t->threads[i]);
	memmove(&t->threads[i], &t->threads[i + 1], (t->nthreads - i - 1) * sizeof(t->threads[0]));
	t->nthreads--;
}

/* PTRACE_SEIZE, with seccomp suspended where the tracer may do that, which the first thread shows. Each thread has filters of
 * its own, and may be the only one. 1: they cannot be suspended. */
static int seize(struct rp_tracee *t, int tid)
{
	static const unsigned long options = PTRACE_O_TRACESYSGOOD;

	if (t->suspends && ptrace(PTRACE_SEIZE, tid, NULL, (void *)(options | PTRACE_O_SUSPEND_SECCOMP)) == 0)
		return 0;
	if (t->suspends && (tid != t->pid || (errno != EPERM && errno != EINVAL)))
		return -errno;
	t->suspends = false;
	if (is_confined(t->pid, tid))
		return 1;
	return ptrace(PTRACE_SEIZE, tid, NULL, (void *)options) < 0 ? -errno : 0;
}

/* Seizes one thread and asks it to stop. 1: it is gone already. */
static int seize_thread(struct rp_tracee *t, int tid, struct rp_error *err)
{
	int ret, code = seize(t, tid);

	if (code > 0)
		return rp_error(err, -EACCES, "thread %d is under seccomp: suspending that needs CAP_SYS_ADMIN", tid);
	if (code < 0) {
		if (code == -ESRCH && tid != t->pid)
			return 1;
		ret = inspect(t->pid, err); /* a better reason, when there is one */
		if (ret < 0)
			return ret;
		return rp_error(err, code, "cannot trace thread %d of process %d: %s", tid, t->pid, strerror(-code));
	}
	if (!add_thread(t, tid)) {
		ptrace(PTRACE_DETACH, tid, NULL, NULL); /* not stopped: the kernel detaches when we end */
		return rp_error(err, -ENOMEM, "out of memory");
	}
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0 && errno != ESRCH)
		return rp_error(err, -errno, "cannot stop thread %d: %s", tid, strerror(errno));
	return 0;
}

/* Is it in a system call that nothing interrupts? Else it only waits for a CPU. */
static bool is_uninterruptible(int tid)
{
	RP_AUTOFREE char *text = NULL;
	const char *p;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	if (rp_read_file_at(AT_FDCWD, path, STAT_MAX, &text, NULL) < 0)
		return false;
	p = strrchr(text, ')');
	return p && p[1] == ' ' && p[2] == 'D';
}

/* Waits until a seized thread stands at a PTRACE_EVENT_STOP. 1: it ended instead. */
static int settle_thread(struct rp_tracee_thread *th, unsigned timeout_ms, struct rp_error *err)
{
	unsigned starved = 0;

	for (int tries = 0; tries < 1000; tries++) {
		int sig = 0, stop = rp_stop_wait(th->tid, timeout_ms, &sig);

		switch (stop) {
		case RP_STOP_EVENT:
			th->at = RP_AT_STOP;
			th->stop_signal = sig == SIGTRAP ? 0 : sig;
			return 0;
		case RP_STOP_GONE:
		case -ECHILD:
			return 1;
		case -ETIMEDOUT:
			if (is_uninterruptible(th->tid))
				return rp_error(err, stop, "thread %d does not stop: it is in uninterruptible sleep",
						th->tid);
			if (++starved == STARVED_MAX)
				return rp_error(err, stop, "thread %d does not stop: it gets no time on a CPU",
						th->tid);
			break;
		case RP_STOP_SIGNAL:
			/* Deliver it, and stop again before the first instruction of its handler: a signal that was
			 * taken away here would be lost when we are killed. The trap above has used up the interrupt. */
			ptrace(PTRACE_INTERRUPT, th->tid, NULL, NULL);
			ptrace(PTRACE_CONT, th->tid, NULL, (void *)(long)sig);
			break;
		case RP_STOP_SYSCALL:
		case RP_STOP_OTHER:
			ptrace(PTRACE_INTERRUPT, th->tid, NULL, NULL);
			ptrace(PTRACE_CONT, th->tid, NULL, NULL);
			break;
		default:
			return rp_error(err, stop, "waiting for thread %d: %s", th->tid, strerror(-stop));
		}
	}
	return rp_error(err, -ETIMEDOUT, "thread %d does not come to a stop", th->tid);
}

/* One pass over /proc/PID/task: seizes what is new. *found counts them. */
static int seize_pass(struct rp_tracee *t, unsigned timeout_ms, size_t *found, struct rp_error *err)
{
	char path[64];
	RP_AUTOCLOSEDIR DIR *dir = NULL;
	struct dirent *e;
	int ret;

	snprintf(path, sizeof(path), "/proc/%d/task", t->pid);
	dir = opendir(path);
	if (!dir)
		return rp_error(err, -ESRCH, "pid %d: no such process", t->pid);
	*found = 0;
	while ((e = readdir(dir)) != NULL) {
		if (!isdigit((unsigned char)e->d_name[0]) || find_thread(t, atoi(e->d_name)))
			continue;
		ret = seize_thread(t, atoi(e->d_name), err);
		if (ret < 0)
			return ret;
		*found += ret == 0;
	}
	for (size_t i = 0; i < t->nthreads; i++) {
		if (t->threads[i]->stop_signal >= 0)
			continue;
		ret = settle_thread(t->threads[i], timeout_ms, err);
		if (ret < 0)
			return ret;
		if (ret == 1)
			remove_thread(t, i--);
	}
	return 0;
}

static int check_dispatch(struct rp_tracee *t, struct rp_error *err)
{
	struct {
		uint64_t mode, selector, offset, len;
	} config = { 0 };

	for (size_t i = 0; i < t->nthreads; i++) {
		long ret = ptrace((enum __ptrace_request)PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, t->threads[i]->tid,
				  (void *)sizeof(config), &config);

		if (ret == 0 && config.mode != 0)
			return rp_error(err, -ENOTSUP, "thread %d uses syscall user dispatch, which cannot be carried",
					t->threads[i]->tid);
	}
	return 0;
}

static int seize_all(struct rp_tracee *t, unsigned timeout_ms, struct rp_error *err)
{
	size_t found;
	int ret;

	t->timerslack_ns = prctl(PR_GET_TIMERSLACK);
	prctl(PR_SET_TIMERSLACK, 1UL);
	t->freeze_begin_ns = now_ns();
	/* The leader first, so that it is threads[0] and a refusal names the process. */
	ret = seize_thread(t, t->pid, err);
	if (ret < 0)
		return ret;
	/* A pass that finds nothing new proves that there is nothing new only when every thread seen so far stood
	 * still during it, which settling at the end of the pass before guarantees. */
	do {
		ret = seize_pass(t, timeout_ms, &found, err);
		if (ret < 0)
			return ret;
	} while (found > 0);
	if (t->nthreads == 0 || t->threads[0]->tid != t->pid)
		return rp_error(err, -ENOTSUP, "pid %d: its first thread has ended; such a process cannot be dumped",
				t->pid);
	return check_dispatch(t, err);
}

static void free_tracee(struct rp_tracee *t)
{
	if (t->timerslack_ns > 0)
		prctl(PR_SET_TIMERSLACK, (unsigned long)t->timerslack_ns);
	while (t->nthreads > 0)
		remove_thread(t, t->nthreads - 1);
	free(t->threads);
	free(t->maps);
	free(t);
}

int rp_tracee_seize(struct rp_tracee **out, int pid, unsigned timeout_ms, struct rp_error *err)
{
	struct rp_tracee *t = calloc(1, sizeof(*t));
	int ret;

	if (!t)
		return rp_error(err, -ENOMEM, "out of memory");
	t->pid = pid;
	t->suspends = true;
	ret = inspect(pid, err);
	if (ret < 0) {
		free(t);
		return ret;
	}
	ret = seize_all(t, timeout_ms, err);
	if (ret < 0) {
		rp_tracee_release(t, false);
		return ret;
	}
	*out = t;
	return 0;
}

/* Detaches a thread; one that has not reported its stop yet is waited for, since only a stopped thread can be let go. */
static void detach_thread(struct rp_tracee_thread *th)
{
	struct rp_error ignored;

	if (th->stop_signal < 0 && settle_thread(th, 100, &ignored) != 0)
		return;
	ptrace(PTRACE_DETACH, th->tid, NULL, NULL);
}

void rp_tracee_release(struct rp_tracee *t, bool stop)
{
	struct rp_error ignored;

	if (!t)
		return;
	for (size_t i = 0; i < t->nthreads; i++)
		rp_tracee_disarm(t, t->threads[i], &ignored);
	if (t->scratch_zero) {
		RP_AUTOFREE char *zero = calloc(1, t->scratch_len);

		if (zero)
			rp_tracee_write(t->pid, t->scratch, zero, t->scratch_len);
	}
	/* The signal becomes pending while all are held, so that no thread runs on before it takes effect. */
	if (stop)
		kill(t->pid, SIGSTOP);
	for (size_t i = 0; i < t->nthreads; i++)
		detach_thread(t->threads[i]);
	free_tracee(t);
}

void rp_tracee_kill(struct rp_tracee *t)
{
	int sig;

	kill(t->pid, SIGKILL);
	/* The leader is reported last; threads other than it vanish without a zombie once reaped here. */
	for (size_t i = t->nthreads; i-- > 0;)
		while (rp_stop_wait(t->threads[i]->tid, 5000, &sig) > RP_STOP_GONE)
			;
	free_tracee(t);
}
