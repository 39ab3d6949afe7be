/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/layout.h"
#include "engine/attach.h"
#include "engine/plan.h"
#include "engine/restore_impl.h"
#include "engine/supervise.h"
#include "host/kernel.h"
#include "kind/memfd.h"
#include "kind/regfile.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/pieces.h"

#define TASK_SIZE 0x7ffffffff000UL /* four-level page tables; what lies above needs a hint in mmap() and is not used */
#define HOLE_BASE (4UL << 20)	   /* code, stack and tables of the restorer */
#define HOLE_PER_THREAD (64UL << 10)

struct opened {
	uint32_t id;
	int flags, fd;
	struct opened *next;
};

/* ---- context ---- */

static int check_inplace_rank(struct rp_restore *r)
{
	if (r->rank && !r->opts->boot_path)
		return rp_error(&r->err, -ENOTSUP,
				"this is the image of a rank of an MPI job: `reprise restart` brings it back");
	if (!r->rank && r->opts->boot_path && !r->opts->job)
		return rp_error(&r->err, -ENOTSUP, "this is not the image of a rank");
	return 0;
}

int rp_restore_new(struct rp_restore **out, const struct rp_restore_opts *opts, struct rp_error *err)
{
	struct rp_restore *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return rp_error(err, -ENOMEM, "no memory");
	r->opts = opts;
	r->status_fd = r->exec_fd = -1;
	r->caller_std[0] = r->caller_std[1] = r->caller_std[2] = -1;
	rc = rp_image_open(&r->image, opts->images_dir, &r->err);
	if (!rc)
		rc = rp_restore_read(r);
	if (!rc)
		rc = check_inplace_rank(r);
	if (!rc)
		rc = rp_restore_choose_inherited(r);
	if (!rc)
		rc = rp_stage_check(r);
	if (rc) {
		*err = r->err;
		rp_restore_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void rp_restore_free(struct rp_restore *r)
{
	if (!r)
		return;
	rp_planner_free(r->plan);
	if (r->image)
		rp_image_close(r->image);
	if (r->exec_fd >= 0)
		close(r->exec_fd);
	free(r);
}

void *rp_restore_alloc(struct rp_restore *r, size_t size)
{
	void *p = rp_image_alloc(r->image, size);

	if (!p)
		rp_error(&r->err, -ENOMEM, "no memory");
	return p;
}

int rp_restore_open_file(struct rp_restore *r, uint32_t id, int flags)
{
	const FileEntry *e = rp_restore_file(r, id);
	struct opened *o;
	int fd, rc;

	for (o = r->opened; o; o = o->next)
		if (o->id == id && o->flags == flags)
			return o->fd;
	if (!e || (e->type != FD_TYPES__REG && e->type != FD_TYPES__MEMFD))
		return rp_error(&r->err, -EINVAL, "file id %u: no file that can be opened by name", id);
	o = rp_restore_alloc(r, sizeof(*o));
	if (!o)
		return -ENOMEM;
	rc = e->type == FD_TYPES__REG ? rp_regfile_open_as(r, e->reg, flags, &fd)
				      : rp_memfd_open_as(r, e->memfd, flags, &fd);
	if (rc)
		return rc;
	fd = rp_restore_service_fd(r, fd);
	if (fd < 0)
		return fd;
	*o = (struct opened){ .id = id, .flags = flags, .fd = fd, .next = r->opened };
	r->opened = o;
	return fd;
}

/* ---- in the process to be ---- */

/* Warnings of later stages must not go into a file of the restored process that has number 2. */
static void log_to_caller(enum rp_log_level level, const char *line, void *arg)
{
	const struct rp_restore *r = arg;

	if (r->caller_std[2] >= 0)
		dprintf(r->caller_std[2], level == RP_LOG_WARNING ? "reprise: warning: %s\n" : "reprise: %s\n", line);
}

static void redirect_log(struct rp_restore *r)
{
	enum rp_log_level level = RP_LOG_QUIET;

	for (enum rp_log_level l = RP_LOG_WARNING; l <= RP_LOG_DEBUG; l++)
		if (rp_log_wants(l))
			level = l;
	rp_log_set(level, log_to_caller, r);
}

static int open_restorer(struct rp_restore *r)
{
	char path[4096];
	int rc;

	if (r->opts->boot_path)
		snprintf(path, sizeof(path), "%s", r->opts->boot_path);
	else if ((rc = rp_piece_find("reprise-restorer", path, sizeof(path), &r->err)))
		return rc;
	r->exec_fd = open(path, O_PATH | O_CLOEXEC);
	return r->exec_fd < 0 ? rp_error(&r->err, -errno, "%s: %s", path, strerror(errno)) : 0;
}

/* Session and group as the image has them, where they are the process's own. What belonged to somebody else belongs to
 * the launcher now. */
static int set_session(struct rp_restore *r, const struct rp_rtask *t)
{
	bool leads_session = t->pstree->sid == t->pstree->pid, leads_group = t->pstree->pgid == t->pstree->pid;

	/* Of a rank both are the new launcher's, but for a group that it made for itself. */
	if (r->rank && leads_group && t->launch && t->launch->has_pgid && t->launch->pgid != t->pstree->pgid &&
	    setpgid(0, 0) && errno != EPERM)
		return rp_error(&r->err, -errno, "setpgid: %s", strerror(errno));
	if (r->opts->attach == RP_ATTACH_INPLACE || r->opts->boot_path)
		return 0;
	if (leads_session && setsid() < 0 && getsid(0) != getpid())
		return rp_error(&r->err, -errno, "setsid: %s", strerror(errno));
	/* Without a terminal there is no job control: a group of its own makes each signal arrive once
	 * (supervise.c). */
	if (!leads_session && (leads_group || !isatty(0)) && setpgid(0, 0) && errno != EPERM)
		return rp_error(&r->err, -errno, "setpgid: %s", strerror(errno));
	return 0;
}

static int open_pages(struct rp_restore *r, struct rp_rtask *t)
{
	uint64_t size;
	int fd, rc;

	if (!t->nruns)
		return 0;
	rc = rp_image_pages(r->image, t->pages_id, &fd, &size, &r->err);
	if (rc)
		return rc;
	fd = rp_restore_service_fd(r, fd);
	if (fd < 0)
		return fd;
	t->pages_fd = fd;
	return 0;
}

static int fill_head(struct rp_restore *r, struct rp_rtask *t)
{
	struct rp_plan *h = rp_planner_head(t->plan);

	h->pid = t->pid;
	h->task_size = TASK_SIZE;
	h->child_subreaper = t->core->tc->has_child_subreaper && t->core->tc->child_subreaper;
	if (r->opts->boot_path)
		h->flags |= RP_PLAN_RANK;
	if (r->pid_any)
		h->flags |= RP_PLAN_PID_ANY;
	if (t->core->tc->task_state == RP_TASK_STOPPED)
		h->flags |= RP_PLAN_STOPPED;
	return 0;
}

static int make_plan_fd(struct rp_restore *r)
{
	int fd, rc = rp_planner_memfd(&fd, &r->err);

	if (rc)
		return rc;
	r->plan_fd = rp_restore_stash_fd(r, fd);
	return r->plan_fd < 0 ? r->plan_fd : 0;
}

static int prepare_and_plan(struct rp_restore *r, struct rp_rtask *t)
{
	int rc = rp_planner_new(&r->plan);

	if (rc)
		return rp_error(&r->err, rc, "no memory");
	t->plan = r->plan;
	rc = fill_head(r, t);
	if (!rc)
		rc = make_plan_fd(r);
	if (!rc)
		rc = set_session(r, t);
	if (!rc)
		rc = rp_restore_place_fds(r, t);
	if (!rc)
		rc = open_pages(r, t);
	if (!rc)
		rc = rp_restore_finish_fds(r, t);
	if (!rc)
		rc = rp_stage_prepare(r, t);
	if (!rc)
		rc = rp_stage_plan(r, t);
	if (!rc && r->opts->fill)
		rc = r->opts->fill(r, t, r->opts->fill_arg);
	if (!rc && r->status_fd >= 0)
		rc = rp_planner_fdop(t->plan, r->status_fd, RP_FDOP_STATUS, 0, 0, 0);
	if (!rc)
		rc = rp_planner_hole(t->plan, HOLE_BASE + t->nthreads * HOLE_PER_THREAD, &r->err);
	return rc;
}

static int exec_restorer(struct rp_restore *r)
{
	static char *const no_env[] = { NULL };
	const char *slash = r->opts->boot_path ? strrchr(r->opts->boot_path, '/') : NULL;
	char number[16];
	char *argv[3] = { slash ? (char *)slash + 1 : "reprise-restorer", number, NULL };

	rp_fd_cloexec(r->plan_fd, 0);
	snprintf(number, sizeof(number), "%d", r->plan_fd);
	syscall(SYS_execveat, r->exec_fd, "", argv, r->opts->boot_path ? environ : no_env, AT_EMPTY_PATH);
	return rp_error(&r->err, -errno, "executing the restorer: %s", strerror(errno));
}

int rp_restore_exec(struct rp_restore *r)
{
	struct rp_rtask *t = &r->tasks[0];
	int rc;

	rc = open_restorer(r);
	if (!rc)
		rc = rp_restore_choose_base(r);
	if (!rc)
		rc = rp_restore_evacuate(r);
	if (rc)
		return rc;
	redirect_log(r);
	rc = prepare_and_plan(r, t);
	if (!rc)
		rc = rp_planner_seal(t->plan, r->plan_fd, &r->err);
	if (!rc)
		rc = rp_stage_leave(r, t);
	return rc ? rc : exec_restorer(r);
}

/* ---- attaching ---- */

static void report_failure(struct rp_restore *r, int rc)
{
	struct rp_plan_status s = { .code = rc };
	ssize_t n;

	memcpy(s.text, r->err.text, sizeof(s.text) - 1);
	n = write(r->status_fd, &s, sizeof(s));
	(void)n;
	_exit(125);
}

/* Waits until the process runs. It has said so or why not, or it died. */
static int read_status(struct rp_restore *r, int fd, pid_t pid)
{
	const struct rp_waiting *w = &r->opts->waiting;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct rp_plan_status s;
	ssize_t n;

	while (w->tick && poll(&p, 1, 100) <= 0)
		w->tick(w->arg, "restoring");
	do
		n = read(fd, &s, sizeof(s));
	while (n < 0 && errno == EINTR);
	if (n == sizeof(s) && !s.code)
		return 0;
	if (n != sizeof(s))
		return rp_error(&r->err, -ECHILD, "process %d died while it was being restored", pid);
	s.text[sizeof(s.text) - 1] = 0;
	if (s.text[0])
		return rp_error(&r->err, s.code, "%s", s.text);
	return rp_error(&r->err, s.code, "the restorer failed in step %u at 0x%llx: %s", s.stage,
			(unsigned long long)s.arg, strerror(-s.code));
}

static pid_t clone_by_policy(struct rp_restore *r, pid_t want, bool sibling, int *pidfd)
{
	struct rp_error why = { "" };
	pid_t pid;

	if (r->opts->pid == RP_PID_ANY) {
		r->pid_any = true;
		return rp_attach_clone(0, sibling, pidfd, &r->opts->waiting, &r->err);
	}
	pid = rp_attach_clone(want, sibling, pidfd, &r->opts->waiting, &why);
	if (pid >= 0)
		return pid;
	if (r->opts->pid == RP_PID_EXACT)
		return rp_error(&r->err, pid, "%s", why.text);
	rp_warn("%s: another pid is used", why.text);
	r->pid_any = true;
	return rp_attach_clone(0, sibling, pidfd, &r->opts->waiting, &r->err);
}

static int check_ids(struct rp_restore *r)
{
	const struct rp_rtask *t = &r->tasks[0];
	int *ids, rc;

	if (r->opts->pid == RP_PID_ANY || t->nthreads < 2)
		return 0;
	ids = rp_restore_alloc(r, t->nthreads * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	for (size_t i = 1; i < t->nthreads; i++)
		ids[i - 1] = t->threads[i].tid;
	rc = rp_attach_ids_free(ids, t->nthreads - 1, &r->opts->waiting, &r->err);
	if (rc && r->opts->pid == RP_PID_PREFER) {
		rp_warn("%s: other ids are used", r->err.text);
		r->err.text[0] = 0;
		r->pid_any = true;
		return 0;
	}
	return rc;
}

/* Becomes the process in place: its pid is the caller's, or none that can be had was asked for. A proxy would wait for
 * nothing then. */
static bool stays_here(struct rp_restore *r, pid_t want)
{
	struct rp_error why = { "" };

	if (r->opts->attach != RP_ATTACH_INPLACE)
		return false;
	if (getpid() == want || r->opts->pid == RP_PID_ANY)
		return true;
	if (r->opts->pid != RP_PID_PREFER)
		return false;
	if (!rp_kernel()->cap_checkpoint_restore)
		rp_error(&why, -EPERM, "pid %d cannot be asked for: CAP_CHECKPOINT_RESTORE is missing", want);
	else if (!rp_attach_ids_free(&want, 1, &r->opts->waiting, &why))
		return false;
	rp_warn("%s: pid %d is used", why.text, getpid());
	return true;
}

static int write_pidfile(struct rp_restore *r, pid_t pid)
{
	int fd RP_AUTOCLOSE = -1;

	if (!r->opts->pidfile)
		return 0;
	fd = open(r->opts->pidfile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || dprintf(fd, "%d", pid) < 0)
		return rp_error(&r->err, -errno, "%s: %s", r->opts->pidfile, strerror(errno));
	return 0;
}

static int run_apart(struct rp_restore *r, pid_t *out_pid, int *out_pidfd)
{
	bool sibling = r->opts->attach == RP_ATTACH_SIBLING || r->opts->attach == RP_ATTACH_INPLACE;
	int pipefd[2], pidfd = -1, rc;
	pid_t pid, parent = getpid();

	if (pipe2(pipefd, O_CLOEXEC))
		return rp_error(&r->err, -errno, "pipe: %s", strerror(errno));
	pid = clone_by_policy(r, r->tasks[0].pid, sibling, &pidfd);
	if (pid == 0) {
		close(pipefd[0]);
		r->status_fd = pipefd[1];
		/* Nothing half alive stays when the restore is killed: the restorer puts the image's value back. */
		if (!sibling && (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent))
			_exit(125);
		/* A launcher signals the group of the proxy: the sibling must not get each signal twice. */
		if (r->opts->attach == RP_ATTACH_INPLACE)
			setpgid(0, 0);
		report_failure(r, rp_restore_exec(r));
	}
	close(pipefd[1]);
	rc = pid < 0 ? pid : read_status(r, pipefd[0], pid);
	close(pipefd[0]);
	if (!rc)
		rc = write_pidfile(r, pid);
	if (rc && pid > 0) {
		kill(pid, SIGKILL);
		if (!sibling)
			waitpid(pid, NULL, 0);
		close(pidfd);
	}
	if (rc)
		return rc;
	*out_pid = pid;
	*out_pidfd = pidfd;
	return 0;
}

int rp_restore_run(struct rp_restore *r, pid_t *out_pid, int *out_pidfd)
{
	pid_t want = r->tasks[0].pid;
	int rc;

	/* Found out early what would stop the restore late. */
	rc = check_ids(r);
	if (rc)
		return rc;
	if (stays_here(r, want)) {
		r->pid_any = r->pid_any || getpid() != want;
		return rp_restore_exec(r);
	}
	return run_apart(r, out_pid, out_pidfd);
}
