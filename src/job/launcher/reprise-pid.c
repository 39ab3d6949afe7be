/* SPDX-License-Identifier: BSD-3-Clause
 *
 * reprise-pid [-p] WANTED FD PROGRAM ARGV0 [ARG]...
 *
 * Runs PROGRAM as a child of its own parent (clone3 with CLONE_PARENT) under the process id WANTED, reports that id over
 * socket FD (pid-report.h) and ends: the launcher has exactly the child that it would have had, under another number.
 * The only program of Reprise that needs CAP_CHECKPOINT_RESTORE at a launch; file capabilities vanish at the exec.
 * With -p (prefer) the program runs under any pid when the wanted one cannot be had.
 * Sources: clone3(2); kernel Documentation on set_tid.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "job/launcher/pid-report.h"

struct holder {
	char name[64];
	char state;
	int tgid, ppid;
};

static void report(int fd, uint32_t event, int pid, int error, const char *text)
{
	struct rp_pid_report r = { .magic = RP_PID_REPORT_MAGIC, .event = event, .pid = pid, .error = error };

	snprintf(r.text, sizeof(r.text), "%s", text);
	(void)send(fd, &r, sizeof(r), MSG_NOSIGNAL);
}

/* Who has process or thread id `id`? false: nobody any more, or not visible. */
static bool find_holder(int id, struct holder *h)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", id);
	f = fopen(path, "re");
	if (!f)
		return false;
	memset(h, 0, sizeof(*h));
	while (fgets(line, sizeof(line), f)) {
		(void)sscanf(line, "Name: %63[^\n]", h->name);
		(void)sscanf(line, "State: %c", &h->state);
		(void)sscanf(line, "Tgid: %d", &h->tgid);
		(void)sscanf(line, "PPid: %d", &h->ppid);
	}
	fclose(f);
	return h->tgid != 0;
}

static void describe(char *text, size_t size, int wanted, int error)
{
	struct holder h;

	if (error != EEXIST)
		snprintf(text, size, "cannot take pid %d: %s%s", wanted, strerror(error),
			 error == EPERM ? " (needs CAP_CHECKPOINT_RESTORE; or use --pid any)" : "");
	else if (!find_holder(wanted, &h))
		snprintf(text, size, "pid %d is taken by a process group or session of that number", wanted);
	else if (h.tgid != wanted)
		snprintf(text, size, "pid %d is taken: thread of process %d (%s)", wanted, h.tgid, h.name);
	else
		snprintf(text, size, "pid %d is taken by %s%s, child of %d", wanted, h.state == 'Z' ? "zombie " : "",
			 h.name, h.ppid);
}

static long clone_sibling(int wanted)
{
	int tid = wanted;
	struct clone_args args = {
		.flags = CLONE_PARENT, /* the exit signal is then that of this process */
		.set_tid = wanted ? (uint64_t)(uintptr_t)&tid : 0,
		.set_tid_size = wanted ? 1 : 0,
	};

	return syscall(SYS_clone3, &args, sizeof(args));
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* clone_sibling(), waiting for the holder of the id to go. Returns as it does, with errno. */
static long clone_patiently(int wanted)
{
	int64_t start = now_ms();

	for (;;) {
		const struct timespec pause = { .tv_nsec = 5000000 };
		struct holder h = { .state = 'Z' };
		long pid = clone_sibling(wanted);

		if (pid >= 0 || errno != EEXIST)
			return pid;
		(void)find_holder(wanted, &h);
		if (now_ms() - start > (h.state == 'Z' ? RP_PID_WAIT_MS : RP_PID_WAIT_LIVE_MS)) {
			errno = EEXIST;
			return -1;
		}
		nanosleep(&pause, NULL);
	}
}

/* The new process: the place in session and group that the old one had by itself, then the program. */
static _Noreturn void become(int fd, bool own_session, bool own_group, char **argv)
{
	char go, text[200];

	if (own_session)
		(void)setsid();
	else if (own_group)
		(void)setpgid(0, 0);
	report(fd, RP_PID_RUNS, (int)syscall(SYS_getpid), 0, "");
	if (recv(fd, &go, 1, 0) != 1)
		_exit(127); /* the launcher is gone */
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	execvp(argv[0], argv + 1);
	snprintf(text, sizeof(text), "cannot run %s: %s", argv[0], strerror(errno));
	report(fd, RP_PID_NO_EXEC, 0, errno, text);
	_exit(errno == ENOENT ? 127 : 126);
}

int main(int argc, char **argv)
{
	bool prefer = argc > 1 && !strcmp(argv[1], "-p");
	bool own_session = getsid(0) == getpid(), own_group = getpgrp() == getpid();
	char text[200];
	int wanted, fd;
	long pid;

	argv += prefer;
	argc -= prefer;
	if (argc < 5) {
		fprintf(stderr, "reprise-pid: started by Reprise's launcher pieces only\n");
		return 125;
	}
	wanted = atoi(argv[1]);
	fd = atoi(argv[2]);
	pid = clone_patiently(wanted);
	if (pid < 0 && prefer)
		pid = clone_sibling(0);
	if (pid == 0)
		become(fd, own_session, own_group, argv + 3);
	if (pid < 0) {
		int error = errno;

		describe(text, sizeof(text), wanted, error);
		report(fd, RP_PID_FAILED, 0, error, text);
		return 125;
	}
	return 0;
}
