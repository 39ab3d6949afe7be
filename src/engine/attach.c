/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/attach.h"

#include <dirent.h>
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What /proc/ID/stat says. comm may hold anything, so the fields are counted from the last ')'. */
struct holder {
	char comm[64];
	char state;
	int pgrp, session;
};

static int read_stat(int id, struct holder *h)
{
	char path[64], buf[1024], *open, *close;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", id);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	n = fread(buf, 1, sizeof(buf) - 1, f);
	fclose(f);
	buf[n] = 0;
	open = strchr(buf, '(');
	close = strrchr(buf, ')');
	if (!open || !close || sscanf(close + 1, " %c %*d %d %d", &h->state, &h->pgrp, &h->session) != 3)
		return -ESRCH;
	*close = 0;
	snprintf(h->comm, sizeof(h->comm), "%s", open + 1);
	return 0;
}

static int read_tgid(int id)
{
	char path[64], line[256];
	int tgid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", id);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Tgid: %d", &tgid) == 1)
			break;
	fclose(f);
	return tgid;
}

/* A number without a process of its own can still be taken: as group or session of others. Returns one of them, 0:
 * none. */
static int find_member(int id, struct holder *h, bool *is_session)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	int found = 0;

	while (dir && !found && (e = readdir(dir))) {
		int pid = atoi(e->d_name);

		if (pid > 0 && !read_stat(pid, h) && (h->pgrp == id || h->session == id)) {
			*is_session = h->session == id;
			found = pid;
		}
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Who holds id? groups: look also for process groups and sessions of that number (reads all of /proc). Returns 0
 * free, 1 held for the moment by something that is ending, -EEXIST held (err says by whom). */
static int look_at_id(int id, bool groups, struct rp_error *err)
{
	struct holder h;
	bool is_session;
	int tgid;

	if (read_stat(id, &h)) {
		int member = groups ? find_member(id, &h, &is_session) : 0;

		if (!member)
			return 0;
		return rp_error(err, -EEXIST, "id %d is taken: it is the %s of process %d (%s)", id,
				is_session ? "session" : "process group", member, h.comm);
	}
	tgid = read_tgid(id);
	if (h.state == 'Z' || h.state == 'X') {
		rp_error(err, -EEXIST,
			 "pid %d is taken by the zombie of process %d (%s), which its parent does not reap", id, tgid,
			 h.comm);
		return 1;
	}
	if (tgid && tgid != id)
		return rp_error(err, -EEXIST, "id %d is taken by a thread of process %d (%s)", id, tgid, h.comm);
	return rp_error(err, -EEXIST, "pid %d is taken by process %d (%s)%s", id, id, h.comm,
			id == getpid() ? ", the restore itself: start it again" : "");
}

/* A zombie mostly goes at once, sometimes after a second: short steps first. Returns the new sum of milliseconds. */
static int pause_after(int waited, const struct rp_waiting *w, const char *what)
{
	int ms = waited < 50 ? 1 : 10;
	struct timespec ts = { .tv_nsec = ms * 1000000L };

	if (w->tick)
		w->tick(w->arg, what);
	nanosleep(&ts, NULL);
	return waited + ms;
}

static pid_t clone_once(pid_t want, bool sibling, int *out_pidfd)
{
	int *tid_addr = NULL;
	struct clone_args args = { .flags = CLONE_PIDFD, .pidfd = (uintptr_t)out_pidfd, .exit_signal = SIGCHLD };

	if (sibling) {
		args.flags |= CLONE_PARENT;
		args.exit_signal = 0; /* that of the caller is taken over */
	}
	/* glibc caches its thread id where the kernel clears it at exit: let the kernel write the new one there. */
	if (!prctl(PR_GET_TID_ADDRESS, &tid_addr) && tid_addr) {
		args.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
		args.child_tid = (uintptr_t)tid_addr;
	}
	if (want) {
		args.set_tid = (uintptr_t)&want;
		args.set_tid_size = 1;
	}
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 ? -errno : pid;
}

pid_t rp_attach_clone(pid_t want, bool sibling, int *out_pidfd, const struct rp_waiting *w, struct rp_error *err)
{
	struct rp_error holder = { "" };

	for (int waited = 0;;) {
		int pidfd = -1, rc;
		pid_t pid = clone_once(want, sibling, &pidfd);

		if (pid > 0)
			*out_pidfd = pidfd;
		if (pid >= 0)
			return pid;
		if (pid == -EPERM && want)
			return rp_error(err, pid, "pid %d cannot be asked for: CAP_CHECKPOINT_RESTORE is missing",
					want);
		if (pid == -EINVAL && want)
			return rp_error(err, pid, "pid %d cannot be asked for: above kernel.pid_max of this host?",
					want);
		if (pid != -EEXIST)
			return rp_error(err, pid, "cannot make a process: %s", strerror(-pid));
		rc = look_at_id(want, true, &holder);
		if (rc < 0 || waited >= RP_ATTACH_RETRY_MS)
			return rp_error(err, -EEXIST, "%s", holder.text[0] ? holder.text : "the wanted pid is taken");
		waited = pause_after(waited, w, holder.text);
	}
}

int rp_attach_ids_free(const int *ids, size_t count, const struct rp_waiting *w, struct rp_error *err)
{
	int waited = 0;

	for (size_t i = 0; i < count; i++) {
		struct rp_error holder = { "" };
		int rc;

		while ((rc = look_at_id(ids[i], false, &holder)) == 1 && waited < RP_ATTACH_RETRY_MS)
			waited = pause_after(waited, w, holder.text);
		if (rc)
			return rp_error(err, -EEXIST, "%s", holder.text);
	}
	return 0;
}
