/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What ties a process to its surroundings and its threads to each other. Nothing of it is recorded, since a restore gives
 * every process the caller's namespaces and every thread the leader's tables: namespaces that are not the dumper's
 * (namespaces(7)), threads with a directory, a descriptor table or namespaces of their own (unshare(2), kcmp(2)) and
 * System V semaphores that the end of the process would change (SEM_UNDO, semop(2)) are refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kind/taskcommon.h"
#include "util/array.h"
#include "util/fd.h"
#include "util/str.h"

#define LINK_MAX 64

static const char *const namespaces[] = {
	"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"
};

#define NAMESPACES (sizeof(namespaces) / sizeof(namespaces[0]))

/* The link of a namespace below dir, "" when this kernel does not have it. */
static int read_ns(int dir_fd, const char *dir, const char *name, char link[LINK_MAX])
{
	char path[64];
	int ret;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ret = rp_readlink_at(dir_fd, path, link, LINK_MAX);
	if (ret == -ENOENT) {
		link[0] = '\0';
		return 0;
	}
	return ret;
}

static int sharing_collect(struct rp_dump *d, struct rp_task *t)
{
	for (size_t i = 0; i < NAMESPACES; i++) {
		char its[LINK_MAX], ours[LINK_MAX];
		int ret = read_ns(AT_FDCWD, "/proc/self/ns", namespaces[i], ours);

		if (ret == 0)
			ret = read_ns(t->proc_fd, "ns", namespaces[i], its);
		if (ret < 0)
			return rp_error(&d->err, ret, "cannot read its namespaces: %s", strerror(-ret));
		/* A pid namespace without a process has no name yet. */
		if (ours[0] && !rp_streq(its, ours))
			return rp_error(&d->err, -ENOTSUP,
					"its namespace \"%s\" is not ours, which cannot be carried: run reprise where "
					"the process runs (nsenter, docker exec)",
					namespaces[i]);
	}
	return 0;
}

static int refuse_thread(struct rp_dump *d, const struct rp_dthread *th, const char *what)
{
	return rp_error(&d->err, -ENOTSUP,
			"thread %d has its own %s (unshare), not that of the process, which cannot be carried", th->tid,
			what);
}

/* Do two threads have the same of what a KCMP_* is about? */
static bool is_same(int a, int b, int type)
{
	return syscall(SYS_kcmp, a, b, type, 0, 0) == 0;
}

static int check_thread(struct rp_dump *d, struct rp_task *t, const struct rp_dthread *th)
{
	char dir[32], what[64];

	if (!is_same(t->pid, th->tid, KCMP_FS))
		return refuse_thread(d, th, "directory and umask");
	if (!is_same(t->pid, th->tid, KCMP_FILES))
		return refuse_thread(d, th, "table of descriptors");
	snprintf(dir, sizeof(dir), "task/%d/ns", th->tid);
	for (size_t i = 0; i < NAMESPACES; i++) {
		char its[LINK_MAX], leaders[LINK_MAX];
		int ret = read_ns(t->proc_fd, "ns", namespaces[i], leaders);

		if (ret == 0)
			ret = read_ns(t->proc_fd, dir, namespaces[i], its);
		if (ret < 0)
			return rp_error(&d->err, ret, "thread %d: cannot read its namespaces: %s", th->tid,
					strerror(-ret));
		if (rp_streq(its, leaders))
			continue;
		snprintf(what, sizeof(what), "%s namespace", namespaces[i]);
		return refuse_thread(d, th, what);
	}
	return 0;
}

/* Is the process the last that has worked on a semaphore of this set? */
static bool is_user_of(int set, unsigned long count, int pid)
{
	for (unsigned long i = 0; i < count; i++)
		if (semctl(set, (int)i, GETPID) == pid)
			return true;
	return false;
}

/* Do all threads have the same list as process `other`, which has none? */
static bool is_without_list(const struct rp_task *t, pid_t other)
{
	for (size_t i = 0; i < t->nthreads; i++)
		if (!is_same(t->threads[i].tid, other, KCMP_SYSVSEM))
			return false;
	return true;
}

/* The same, beside a process that has no threads as we may have; nobody hears of its end. */
static bool is_without_list_surely(const struct rp_task *t)
{
	pid_t bare = (pid_t)syscall(SYS_clone, 0UL, NULL, NULL, NULL, 0UL);
	bool without;

	if (bare == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (bare < 0)
		return false;
	without = is_without_list(t, bare);
	kill(bare, SIGKILL);
	while (waitpid(bare, NULL, __WALL) < 0 && errno == EINTR)
		;
	return without;
}

/* The kernel does not show adjustments. It makes their list with the first one, or with the first other thread; so a process
 * that has the list and has worked on a semaphore that still exists may have some. */
static int check_semaphores(struct rp_dump *d, struct rp_task *t)
{
	struct seminfo info;
	struct semid_ds set;
	union {
		struct seminfo *info;
		struct semid_ds *set;
	} arg = { .info = &info };
	int highest;

	if (is_without_list(t, getpid()))
		return 0;
	highest = semctl(0, 0, SEM_INFO, arg);
	arg.set = &set;
	for (int i = 0; i <= highest; i++) {
		int id = semctl(i, 0, SEM_STAT, arg);

		if (id < 0 || !is_user_of(id, set.sem_nsems, t->pid))
			continue;
		return is_without_list_surely(t)
			       ? 0
			       : rp_error(&d->err, -ENOTSUP,
					  "it uses the System V semaphores %d, whose adjustments (SEM_UNDO) cannot be "
					  "carried: use POSIX semaphores",
					  id);
	}
	return 0;
}

static int sharing_freeze(struct rp_dump *d, struct rp_task *t)
{
	for (size_t i = 1; i < t->nthreads; i++) {
		int ret = check_thread(d, t, &t->threads[i]);

		if (ret < 0)
			return ret;
	}
	return check_semaphores(d, t);
}

const struct rp_kind rp_kind_sharing = {
	.name = "sharing",
	.collect = sharing_collect,
	.freeze = sharing_freeze,
};
