/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/dump.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/dump_impl.h"
#include "host/proc.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/str.h"

#define SEIZE_TIMEOUT_MS 10000
#define RANK_RETRY_MS 200
#define PROC_TEXT_MAX (16U << 20)

uint64_t rp_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000UL + (uint64_t)ts.tv_nsec;
}

/* ---- messages that kinds fill ---- */

static int new_core(struct rp_dump *d, struct rp_dthread *th, bool leader)
{
	CoreEntry *core = rp_dump_alloc(d, sizeof(*core));
	ThreadInfoX86 *info = rp_dump_alloc(d, sizeof(*info));
	UserX86RegsEntry *regs = rp_dump_alloc(d, sizeof(*regs));
	UserX86FpregsEntry *fpregs = rp_dump_alloc(d, sizeof(*fpregs));
	ThreadCoreEntry *thread = rp_dump_alloc(d, sizeof(*thread));
	TaskCoreEntry *tc = rp_dump_alloc(d, sizeof(*tc));

	th->extra = rp_dump_alloc(d, sizeof(*th->extra));
	if (!core || !info || !regs || !fpregs || !thread || !tc || !th->extra)
		return -ENOMEM;
	core_entry__init(core);
	thread_info_x86__init(info);
	user_x86_regs_entry__init(regs);
	user_x86_fpregs_entry__init(fpregs);
	thread_core_entry__init(thread);
	task_core_entry__init(tc);
	rp_thread_extra__init(th->extra);
	info->gpregs = regs;
	info->fpregs = fpregs;
	core->mtype = CORE_ENTRY__MARCH__X86_64;
	core->thread_info = info;
	core->thread_core = thread;
	if (leader)
		core->tc = tc;
	th->extra->tid = (uint32_t)th->tid;
	th->core = core;
	return 0;
}

static int new_task(struct rp_dump *d, struct rp_task *t)
{
	t->mm = rp_dump_alloc(d, sizeof(*t->mm));
	t->fs = rp_dump_alloc(d, sizeof(*t->fs));
	t->pstree = rp_dump_alloc(d, sizeof(*t->pstree));
	t->ids = rp_dump_alloc(d, sizeof(*t->ids));
	t->extra = rp_dump_alloc(d, sizeof(*t->extra));
	if (!t->mm || !t->fs || !t->pstree || !t->ids || !t->extra)
		return -ENOMEM;
	mm_entry__init(t->mm);
	fs_entry__init(t->fs);
	pstree_entry__init(t->pstree);
	task_kobj_ids_entry__init(t->ids);
	rp_task_entry__init(t->extra);
	t->extra->version = 1;
	t->ids->vm_id = t->ids->files_id = t->ids->fs_id = t->ids->sighand_id = 2;
	return 0;
}

/* ---- stages ---- */

static int each_kind(struct rp_dump *d, struct rp_task *t, const char *stage, size_t hook_offset)
{
	for (const struct rp_kind *const *k = rp_kinds; *k; k++) {
		int (*hook)(struct rp_dump *, struct rp_task *) = NULL;
		uint64_t begin = rp_now_ns();
		int ret;

		memcpy(&hook, (const char *)*k + hook_offset, sizeof(hook));
		if (!hook)
			continue;
		ret = hook(d, t);
		rp_debug("%s %d %s: %lu us", stage, t->pid, (*k)->name, (unsigned long)(rp_now_ns() - begin) / 1000);
		if (ret < 0)
			return rp_error_prefix(&d->err, ret, "pid %d: ", t->pid);
	}
	return 0;
}

static int refuse_child(struct rp_dump *d, struct rp_task *t, int child);

/* A live child is found before anything is stopped: whoever waits for one in vfork(2) cannot be. */
static int check_live_children(struct rp_dump *d, struct rp_task *t)
{
	RP_AUTOFREE pid_t *tids = NULL;
	size_t count;
	int ret = rp_proc_tasks(t->pid, &tids, &count, &d->err);

	for (size_t i = 0; ret == 0 && i < count; i++) {
		RP_AUTOFREE char *text = NULL;
		char path[64], *next;
		struct rp_proc_stat st;
		struct rp_error ignored;

		snprintf(path, sizeof(path), "task/%d/children", tids[i]);
		if (rp_read_file_at(t->proc_fd, path, PROC_TEXT_MAX, &text, NULL) < 0)
			continue; /* it has just ended, or will be looked at when it stands still */
		for (char *p = text; isdigit((unsigned char)*p); p = next + strspn(next, " ")) {
			int child = (int)strtol(p, &next, 10);

			if (rp_proc_stat_read(child, child, &st, &ignored) == 0 && st.state != 'Z' && st.state != 'X')
				return refuse_child(d, t, child);
		}
	}
	return ret;
}

static int stage_collect(struct rp_dump *d, struct rp_task *t)
{
	char path[64];
	int ret;

	snprintf(path, sizeof(path), "/proc/%d", t->pid);
	t->proc_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->proc_fd < 0)
		return rp_error(&d->err, -ESRCH, "pid %d: no such process", t->pid);
	ret = new_task(d, t);
	if (ret == 0)
		ret = check_live_children(d, t);
	if (ret == 0 && d->opts->rank)
		ret = rp_rank_read(d, t);
	if (ret == 0)
		ret = each_kind(d, t, "collect", offsetof(struct rp_kind, collect));
	return ret;
}

/* A child's name for the refusal. */
static int refuse_child(struct rp_dump *d, struct rp_task *t, int child)
{
	char path[64], comm[32] = "?";
	RP_AUTOFREE char *text = NULL;
	const char *open_paren, *close_paren;
	char state = '?';

	snprintf(path, sizeof(path), "/proc/%d/stat", child);
	if (rp_read_file_at(AT_FDCWD, path, PROC_TEXT_MAX, &text, NULL) == 0) {
		open_paren = strchr(text, '(');
		close_paren = strrchr(text, ')');
		if (open_paren && close_paren && close_paren[1] == ' ') {
			snprintf(comm, sizeof(comm), "%.*s", (int)(close_paren - open_paren - 1), open_paren + 1);
			state = close_paren[2];
		}
	}
	if (state == 'Z')
		return rp_error(&d->err, -ENOTSUP,
				"pid %d has a zombie child, %d (%s): it has to wait for it before it can be dumped",
				t->pid, child, comm);
	return rp_error(&d->err, -ENOTSUP, "pid %d has a child, %d (%s): process trees cannot be carried yet", t->pid,
			child, comm);
}

/* Collects what a dump that was killed may have left: the zombie of the helper in rp_tracee_snapshot(). 1: it was one. */
static int collect_helper(struct rp_dump *d, struct rp_task *t, int child)
{
	const uint64_t args[6] = { (uint64_t)child, 0, __WALL | WNOHANG };
	struct rp_proc_stat st;
	struct rp_error ignored;
	int64_t got = 0;
	int ret;

	if (rp_proc_stat_read(child, child, &st, &ignored) < 0 || st.state != 'Z' || st.exit_signal != 0 ||
	    st.exit_code != RP_SNAPSHOT_EXIT << 8)
		return 0;
	ret = rp_tracee_call(t->tracee, t->threads[0].tracee, SYS_wait4, args, &got, &d->err);
	if (ret == 0)
		ret = rp_tracee_disarm(t->tracee, t->threads[0].tracee, &d->err);
	return ret < 0 ? ret : got == child;
}

static int check_children(struct rp_dump *d, struct rp_task *t)
{
	for (size_t i = 0; i < t->tracee->nthreads; i++) {
		RP_AUTOFREE char *text = NULL;
		char path[64], *next;
		int ret;

		snprintf(path, sizeof(path), "task/%d/children", t->tracee->threads[i]->tid);
		ret = rp_read_file_at(t->proc_fd, path, PROC_TEXT_MAX, &text, NULL);
		if (ret < 0)
			return rp_error(&d->err, ret, "cannot read /proc/%d/%s: %s", t->pid, path, strerror(-ret));
		for (char *p = text; isdigit((unsigned char)*p); p = next + strspn(next, " ")) {
			int child = (int)strtol(p, &next, 10);

			ret = collect_helper(d, t, child);
			if (ret <= 0)
				return ret < 0 ? ret : refuse_child(d, t, child);
		}
	}
	return 0;
}

/* Makes t->threads from the stopped ones, without those of a rank's lower half. 1: a rank's thread is inside it. */
static int take_threads(struct rp_dump *d, struct rp_task *t)
{
	struct rp_tracee *tr = t->tracee;
	int ret;

	for (size_t i = 0; i < tr->nthreads; i++) {
		ret = rp_tracee_read_state(tr, tr->threads[i], &d->err);
		if (ret < 0)
			return ret;
	}
	t->threads = rp_dump_alloc(d, tr->nthreads * sizeof(t->threads[0]));
	if (!t->threads)
		return -ENOMEM;
	t->nthreads = 0;
	if (t->arena) {
		ret = rp_rank_threads(d, t, tr);
		if (ret != 0)
			return ret;
	} else {
		for (size_t i = 0; i < tr->nthreads; i++)
			t->threads[t->nthreads++].tracee = tr->threads[i];
	}
	for (size_t i = 0; i < t->nthreads; i++) {
		t->threads[i].tid = t->threads[i].tracee->tid;
		ret = new_core(d, &t->threads[i], i == 0);
		if (ret < 0)
			return ret;
	}
	t->core = t->threads[0].core;
	return 0;
}

/* Stops the process; of a rank, at a moment when no application thread is inside the lower half. */
static int stage_freeze(struct rp_dump *d, struct rp_task *t)
{
	unsigned retry_ms = d->opts->rank && d->opts->rank->retry_ms ? d->opts->rank->retry_ms : RANK_RETRY_MS;
	uint64_t end = rp_now_ns() + retry_ms * 1000000UL;

	for (;;) {
		struct timespec nap = { 0, 1000000 };
		int ret = rp_tracee_seize(&t->tracee, t->pid, SEIZE_TIMEOUT_MS, &d->err);

		if (ret < 0)
			return ret;
		d->stats.freeze_ns = rp_now_ns() - t->tracee->freeze_begin_ns;
		ret = take_threads(d, t);
		if (ret <= 0)
			return ret;
		if (rp_now_ns() > end)
			return rp_error_prefix(&d->err, -EAGAIN, "pid %d: ", t->pid);
		rp_tracee_release(t->tracee, false);
		t->tracee = NULL;
		nanosleep(&nap, NULL);
	}
}

static int fill_pstree(struct rp_dump *d, struct rp_task *t)
{
	RP_AUTOFREE char *text = NULL;
	int ppid, pgid, sid, ret = rp_read_file_at(t->proc_fd, "stat", PROC_TEXT_MAX, &text, NULL);
	const char *p = ret == 0 ? strrchr(text, ')') : NULL;

	if (!p || sscanf(p + 1, " %*c %d %d %d", &ppid, &pgid, &sid) != 3)
		return rp_error(&d->err, ret < 0 ? ret : -EINVAL, "cannot read /proc/%d/stat", t->pid);
	t->pstree->pid = (uint32_t)t->pid;
	t->pstree->ppid = 0; /* the root of the tree */
	t->pstree->pgid = (uint32_t)pgid;
	t->pstree->sid = (uint32_t)sid;
	t->pstree->n_threads = t->nthreads;
	t->pstree->threads = rp_dump_alloc(d, t->nthreads * sizeof(uint32_t));
	if (!t->pstree->threads)
		return -ENOMEM;
	for (size_t i = 0; i < t->nthreads; i++)
		t->pstree->threads[i] = (uint32_t)t->threads[i].tid;
	return 0;
}

static int stage_state(struct rp_dump *d, struct rp_task *t)
{
	struct timespec now;
	int ret = check_children(d, t);

	if (ret < 0)
		return ret;
	clock_gettime(CLOCK_MONOTONIC, &now);
	t->extra->has_mono_ns = true;
	t->extra->mono_ns = now.tv_sec * 1000000000L + now.tv_nsec;
	ret = fill_pstree(d, t);
	if (ret == 0)
		ret = rp_dump_fds(d, t);
	if (ret == 0)
		ret = each_kind(d, t, "state", offsetof(struct rp_kind, freeze));
	if (ret == 0 && d->opts->rank && d->opts->rank->state)
		ret = d->opts->rank->state(d, t, d->opts->rank->arg);
	for (size_t i = 0; ret == 0 && i < t->nthreads; i++)
		ret = rp_tracee_disarm(t->tracee, t->threads[i].tracee, &d->err);
	return ret;
}

static void release(struct rp_dump *d, struct rp_task *t, bool stop)
{
	uint64_t begin;

	if (!t->tracee)
		return;
	begin = t->tracee->freeze_begin_ns;
	rp_tracee_release(t->tracee, stop);
	t->tracee = NULL;
	d->stats.frozen_ns = rp_now_ns() - begin;
	if (d->opts->released)
		d->opts->released(d->opts->released_arg);
}

/* Makes the copy-on-write child when that pays. 1: no child, copy from the process itself. */
static int make_child(struct rp_dump *d, struct rp_task *t, struct rp_pages *pages, int *child)
{
	struct rp_error why = { "" };
	int ret;

	if (!rp_pages_wants_cow(pages))
		return 1;
	ret = rp_pages_hold(pages);
	if (ret < 0)
		return ret;
	ret = rp_tracee_snapshot(t->tracee, t->threads[0].tracee, child, &why);
	if (ret < 0) {
		rp_info("pid %d: no copy-on-write child (%s): it stands still while its memory is copied", t->pid,
			why.text);
		*child = -1;
	}
	/* Whatever came of it, the thread goes back to its own registers; a process that died says so here. */
	if (rp_tracee_disarm(t->tracee, t->threads[0].tracee, &d->err) < 0)
		return -ESRCH;
	return ret < 0 ? 1 : 0;
}

/* Ends with the process running when it was asked for, with its memory in the pages file, and nothing committed. */
static int stage_pages(struct rp_dump *d, struct rp_task *t, struct rp_pages *pages)
{
	int child = -1, ret = rp_shm_copy(d, t);
	uint64_t begin;

	if (ret == 0)
		ret = make_child(d, t, pages, &child);
	if (ret < 0)
		return ret;
	if (child >= 0)
		release(d, t, false);
	d->stats.cow = child >= 0;
	begin = rp_now_ns();
	ret = rp_pages_scan(pages, child >= 0 ? child : t->pid);
	if (ret == 0)
		ret = rp_pages_copy(pages, child >= 0 ? child : t->pid);
	d->stats.page_ns = rp_now_ns() - begin;
	if (child >= 0)
		rp_tracee_snapshot_done(child);
	return ret;
}

static int stage_commit(struct rp_dump *d, struct rp_task *t, struct rp_pages *pages)
{
	int ret = rp_pages_write(pages);

	if (ret == 0)
		ret = rp_dump_write(d, t);
	if (ret == 0)
		ret = rp_dump_inventory(d, t);
	return ret;
}

static int run(struct rp_dump *d, struct rp_task *t, struct rp_pages **pages)
{
	int ret = stage_collect(d, t);

	if (ret == 0)
		ret = rp_pages_new(pages, d, t);
	if (ret == 0)
		ret = stage_freeze(d, t);
	if (ret == 0)
		ret = stage_state(d, t);
	if (ret == 0)
		ret = stage_pages(d, t, *pages);
	if (ret < 0)
		return ret;
	/* A process that goes on need not wait for the disk; one that ends must not end before its image is safe. */
	if (d->opts->after == RP_DUMP_LEAVE_RUNNING)
		release(d, t, false);
	ret = stage_commit(d, t, *pages);
	if (ret < 0)
		return ret;
	if (d->opts->after == RP_DUMP_LEAVE_STOPPED) {
		release(d, t, true);
	} else if (d->opts->after == RP_DUMP_KILL) {
		d->stats.frozen_ns = rp_now_ns() - t->tracee->freeze_begin_ns;
		rp_tracee_kill(t->tracee);
		t->tracee = NULL;
	}
	return 0;
}

int rp_dump(const struct rp_dump_opts *opts, struct rp_dump_stats *stats, struct rp_error *err)
{
	struct rp_task task = { .pid = opts->pid, .proc_fd = -1 };
	struct rp_dump d = { .opts = opts, .task = &task, .ntasks = 1, .next_id = 1, .next_pages_id = 2 };
	struct rp_pages *pages = NULL;
	uint64_t begin = rp_now_ns();
	int ret;

	if (opts->pid == getpid())
		return rp_error(err, -EINVAL, "a process cannot dump itself");
	ret = rp_writer_new(&d.writer, opts->dir_fd, &d.err);
	if (ret == 0)
		ret = run(&d, &task, &pages);
	release(&d, &task, false);
	rp_pages_free(pages);
	rp_dump_fds_done(&d);
	rp_writer_free(d.writer);
	if (task.proc_fd >= 0)
		close(task.proc_fd);
	rp_dump_mem_free(&d);
	d.stats.total_ns = rp_now_ns() - begin;
	if (stats)
		*stats = d.stats;
	if (ret < 0 && err)
		*err = d.err;
	return ret;
}
