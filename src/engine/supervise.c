/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* The kernel's struct pidfd_info, first published size (Debian's headers are older than the call). */
struct pidfd_info_v0 {
	uint64_t mask;
	uint64_t cgroupid;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};
#define INFO_EXIT (1UL << 3)
#define GET_INFO _IOWR(0xff, 11, struct pidfd_info_v0)
#define REAP_WAIT_MS 2000 /* how long a launcher may take to reap a sibling whose status we want */

/* Signals that are about this process itself and are not passed on. */
static const int own_signals[] = { SIGCHLD, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGTTIN, SIGTTOU };

static void passed_on(sigset_t *set)
{
	sigfillset(set);
	for (size_t i = 0; i < sizeof(own_signals) / sizeof(own_signals[0]); i++)
		sigdelset(set, own_signals[i]);
}

void rp_supervise_block(void)
{
	sigset_t set;

	passed_on(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int send_signal(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) ? -errno : 0;
}

/* A terminal sends its signals to the whole group: the process has this one already when it is in ours. */
static bool came_from_terminal(const struct rp_supervise *s, const struct signalfd_siginfo *si)
{
	return si->ssi_code == SI_KERNEL && getpgid(s->pid) == getpgrp();
}

static void pass_on(const struct rp_supervise *s, const struct signalfd_siginfo *si)
{
	if (!came_from_terminal(s, si))
		send_signal(s->pidfd, (int)si->ssi_signo);
}

/* Follows the group stops of `proxy`, which cannot see its own SIGSTOP, and repeats them on the process. The SIGCONT
 * that ends a stop reaches the proxy as a signal and is passed on by it. Ends with the proxy. */
static void mirror_stops(pid_t proxy, int pidfd)
{
	int status;

	if (ptrace(PTRACE_SEIZE, proxy, 0, PTRACE_O_TRACESYSGOOD))
		_exit(0);
	while (waitpid(proxy, &status, __WALL) == proxy && WIFSTOPPED(status)) {
		int sig = WSTOPSIG(status);

		if (status >> 16 != PTRACE_EVENT_STOP) {
			ptrace(PTRACE_CONT, proxy, 0, sig);
			continue;
		}
		if (sig == SIGTRAP) { /* seized, or continued */
			ptrace(PTRACE_CONT, proxy, 0, 0);
		} else {
			send_signal(pidfd, SIGSTOP);
			ptrace(PTRACE_LISTEN, proxy, 0, 0);
		}
	}
	_exit(0);
}

/* The helper that sees this process being stopped. A proxy works without it, but for SIGSTOP. */
static pid_t start_mirror(const struct rp_supervise *s)
{
	pid_t me = getpid(), pid = fork();
	sigset_t all;

	if (pid)
		return pid;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	setpgid(0, 0); /* not stopped together with the proxy */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != me)
		_exit(0);
	mirror_stops(me, s->pidfd);
	_exit(0);
}

/* Exit status of a process that is a zombie or was reaped by somebody else. 1: not known yet. */
static int read_exit(const struct rp_supervise *s, int *out_wstatus)
{
	struct pidfd_info_v0 info = { .mask = INFO_EXIT };
	char path[64], buf[1024], *p, *last;
	size_t n;
	FILE *f;

	if (!ioctl(s->pidfd, GET_INFO, &info) && info.mask & INFO_EXIT) {
		*out_wstatus = info.exit_code;
		return 0;
	}
	/* Still a zombie: the last field of its stat line, which the kernel shows to those who may trace it. */
	snprintf(path, sizeof(path), "/proc/%d/stat", s->pid);
	f = fopen(path, "re");
	if (!f)
		return 1;
	n = fread(buf, 1, sizeof(buf) - 1, f);
	fclose(f);
	buf[n] = 0;
	p = strrchr(buf, ')');
	last = strrchr(buf, ' ');
	if (!p || !last || last < p || p[1] != ' ' || p[2] != 'Z' || geteuid())
		return 1;
	return sscanf(last, " %d", out_wstatus) == 1 ? 0 : 1;
}

static int learn_exit(const struct rp_supervise *s, int *out_wstatus, struct rp_error *err)
{
	if (s->is_child) {
		if (waitpid(s->pid, out_wstatus, 0) == s->pid)
			return 0;
		return rp_error(err, -errno, "waiting for pid %d: %s", s->pid, strerror(errno));
	}
	for (int waited = 0; waited < REAP_WAIT_MS; waited += 10) {
		if (!read_exit(s, out_wstatus))
			return 0;
		poll(NULL, 0, 10);
	}
	return rp_error(err, -ECHILD, "how pid %d ended is not known: the kernel does not tell (PIDFD_INFO_EXIT)",
			s->pid);
}

/* A child that stops: stop too, so that a shell notices; the SIGCONT that continues us is passed on. */
static void mirror_child_stop(const struct rp_supervise *s)
{
	siginfo_t si = { 0 };

	if (waitid(P_PIDFD, (id_t)s->pidfd, &si, WSTOPPED | WNOHANG) || si.si_pid != s->pid)
		return;
	if (si.si_status == SIGTTIN || si.si_status == SIGTTOU || si.si_status == SIGTSTP)
		raise(SIGSTOP);
}

static int wait_loop(const struct rp_supervise *s, int sigfd, int *out_wstatus, struct rp_error *err)
{
	struct pollfd fds[2] = { { .fd = s->pidfd, .events = POLLIN }, { .fd = sigfd, .events = POLLIN } };
	struct signalfd_siginfo si;

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return rp_error(err, -errno, "poll: %s", strerror(errno));
		while (read(sigfd, &si, sizeof(si)) == sizeof(si)) {
			if (si.ssi_signo != SIGCHLD)
				pass_on(s, &si);
			else if (s->is_child)
				mirror_child_stop(s);
		}
		if (fds[0].revents)
			return learn_exit(s, out_wstatus, err);
		fds[0].revents = fds[1].revents = 0;
	}
}

int rp_supervise(const struct rp_supervise *s, int *out_wstatus, struct rp_error *err)
{
	pid_t mirror = -1;
	sigset_t set;
	int sigfd, rc;

	passed_on(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sigfd < 0)
		return rp_error(err, -errno, "signalfd: %s", strerror(errno));
	if (!s->is_child)
		mirror = start_mirror(s);
	rc = wait_loop(s, sigfd, out_wstatus, err);
	if (mirror > 0) {
		kill(mirror, SIGKILL);
		waitpid(mirror, NULL, 0);
	}
	close(sigfd);
	return rc;
}
