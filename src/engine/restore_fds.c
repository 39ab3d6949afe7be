/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Descriptors of a restore: which are taken over from the caller, which are opened anew, and their numbers.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/plan.h"
#include "engine/restore_impl.h"
#include "util/fd.h"

#define SPARE_FDS 64 /* service descriptors: pages, maps, ghosts, ends of pipes; more are taken as needed */

/* ---- inherited ---- */

/* Does the image's file go by this name (--inherit-fd)? CRIU writes paths without the leading slash. */
static bool is_resource(const FileEntry *e, const char *name)
{
	char text[64];

	if (e->type == FD_TYPES__REG && e->reg)
		return !strcmp(e->reg->name, name) || !strcmp(e->reg->name + (e->reg->name[0] == '/'), name);
	if (e->type == FD_TYPES__PIPE && e->pipe) {
		snprintf(text, sizeof(text), "pipe:[%u]", e->pipe->pipe_id);
		return !strcmp(text, name);
	}
	if (e->type == FD_TYPES__TTY && e->tty)
		return !strcmp(name, "tty");
	return false;
}

static size_t index_of_file(const struct rp_restore *r, uint32_t id)
{
	size_t i = 0;

	while (i < r->nfiles && r->files[i]->id != id)
		i++;
	return i;
}

/* The file that descriptor `number` of the image has, r->nfiles: none. */
static size_t index_of_fd(const struct rp_restore *r, uint32_t number)
{
	const struct rp_rtask *t = &r->tasks[0];

	for (size_t i = 0; i < t->nfds; i++)
		if (t->fds[i]->fd == number)
			return index_of_file(r, t->fds[i]->id);
	return r->nfiles;
}

static int choose_named(struct rp_restore *r, const struct rp_inherit *in)
{
	unsigned number;
	bool used = false;
	char end;

	if (fcntl(in->fd, F_GETFD) < 0)
		return rp_error(&r->err, -EBADF, "--inherit-fd: descriptor %d is not open", in->fd);
	if (sscanf(in->resource, "fd[%u]%c", &number, &end) == 1) {
		size_t i = index_of_fd(r, number);

		if (i < r->nfiles) {
			r->inherited[i] = in->fd;
			used = true;
		}
	}
	for (size_t i = 0; i < r->nfiles; i++)
		if (is_resource(r->files[i], in->resource)) {
			r->inherited[i] = in->fd;
			used = true;
		}
	return used ? 0 : rp_error(&r->err, -ENOENT, "--inherit-fd: the image has no %s", in->resource);
}

/* Is e one end of a pipe whose other end no descriptor of the image holds? */
static bool is_open_ended(const struct rp_restore *r, const FileEntry *e)
{
	uint32_t mode = e->pipe->flags & O_ACCMODE;

	if (mode == O_RDWR)
		return false;
	for (size_t i = 0; i < r->nfiles; i++) {
		const PipeEntry *p = r->files[i]->type == FD_TYPES__PIPE ? r->files[i]->pipe : NULL;

		if (p && p->pipe_id == e->pipe->pipe_id && (p->flags & O_ACCMODE) != mode)
			return false;
	}
	return true;
}

/* Does standard descriptor `number` come from the caller? With --stdio image only what cannot be made anew does. */
static bool is_callers(const struct rp_restore *r, const FileEntry *e)
{
	/* The image of a rank says itself what was its launcher's. */
	if (r->opts->stdio == RP_STDIO_INHERIT ||
	    (r->opts->stdio == RP_STDIO_DEFAULT && r->opts->attach == RP_ATTACH_INPLACE && !r->rank))
		return true;
	return e->type == FD_TYPES__TTY || (e->type == FD_TYPES__PIPE && e->pipe && is_open_ended(r, e));
}

/* Other descriptions of a pipe of which one is the caller's lead there too. */
static void spread_pipes(struct rp_restore *r, size_t from)
{
	const FileEntry *e = r->files[from];

	for (size_t i = 0; e->type == FD_TYPES__PIPE && e->pipe && i < r->nfiles; i++) {
		const PipeEntry *p = r->files[i]->type == FD_TYPES__PIPE ? r->files[i]->pipe : NULL;

		if (p && r->inherited[i] < 0 && p->pipe_id == e->pipe->pipe_id &&
		    (p->flags & O_ACCMODE) == (e->pipe->flags & O_ACCMODE))
			r->inherited[i] = r->inherited[from];
	}
}

int rp_restore_choose_inherited(struct rp_restore *r)
{
	int rc;

	r->inherited = rp_image_alloc(r->image, (r->nfiles + 1) * sizeof(*r->inherited));
	if (!r->inherited)
		return rp_error(&r->err, -ENOMEM, "no memory");
	for (size_t i = 0; i < r->nfiles; i++)
		r->inherited[i] = -1;
	for (size_t i = 0; i < r->opts->ninherit; i++) {
		rc = choose_named(r, &r->opts->inherit[i]);
		if (rc)
			return rc;
	}
	for (int number = 0; number <= 2; number++) {
		size_t i = index_of_fd(r, (uint32_t)number);

		if (i < r->nfiles && r->inherited[i] < 0 && fcntl(number, F_GETFD) >= 0 && is_callers(r, r->files[i]))
			r->inherited[i] = number;
	}
	for (size_t i = 0; i < r->nfiles; i++)
		if (r->inherited[i] >= 0)
			spread_pipes(r, i);
	for (size_t i = 0; i < r->tasks[0].nfds; i++) {
		const FdinfoEntry *f = r->tasks[0].fds[i];
		size_t file = index_of_file(r, f->id);

		if (f->type == FD_TYPES__EXT && r->inherited[file] < 0 && fcntl((int)f->fd, F_GETFD) >= 0)
			r->inherited[file] = (int)f->fd;
	}
	return 0;
}

/* ---- service descriptors ---- */

int rp_restore_choose_base(struct rp_restore *r)
{
	struct rlimit lim, raised;
	rlim_t need;

	r->fd_base = 3;
	for (size_t i = 0; i < r->ntasks; i++)
		if (r->tasks[i].nfds && (int)r->tasks[i].fds[r->tasks[i].nfds - 1]->fd >= r->fd_base)
			r->fd_base = (int)r->tasks[i].fds[r->tasks[i].nfds - 1]->fd + 1;
	if (getrlimit(RLIMIT_NOFILE, &lim))
		return rp_error(&r->err, -errno, "limit of descriptors: %s", strerror(errno));
	r->nofile_max = lim.rlim_max;
	need = (rlim_t)r->fd_base + SPARE_FDS;
	if (lim.rlim_cur >= need)
		return 0;
	/* The process gets its own limits later. Beyond the hard limit only a privileged caller can go for the
	 * moment. */
	raised = lim;
	raised.rlim_cur = need;
	if (need > lim.rlim_max)
		raised.rlim_max = need;
	if (setrlimit(RLIMIT_NOFILE, &raised))
		return rp_error(&r->err, -EMFILE,
				"the image's highest descriptor is %d, and the limit of descriptors here is %llu: "
				"raise it (ulimit -n)",
				r->fd_base - 1, (unsigned long long)lim.rlim_max);
	return 0;
}

int rp_restore_stash_fd(struct rp_restore *r, int fd)
{
	int rc = rp_fd_move_above(&fd, r->fd_base);

	if (!rc)
		rc = rp_fd_cloexec(fd, 1);
	return rc < 0 ? rp_error(&r->err, rc, "a service descriptor: %s", strerror(-rc)) : fd;
}

int rp_restore_service_fd(struct rp_restore *r, int fd)
{
	int rc;

	fd = rp_restore_stash_fd(r, fd);
	if (fd < 0)
		return fd;
	rc = rp_fd_cloexec(fd, 0);
	if (!rc && r->plan)
		rc = rp_planner_fdop(r->plan, fd, RP_FDOP_CLOSE, 0, 0, 0);
	return rc < 0 ? rp_error(&r->err, rc, "a service descriptor: %s", strerror(-rc)) : fd;
}

static int stash_copy(struct rp_restore *r, int fd, int *out)
{
	*out = fcntl(fd, F_DUPFD_CLOEXEC, r->fd_base);
	if (*out < 0 && errno != EBADF)
		return rp_error(&r->err, -errno, "a service descriptor: %s", strerror(errno));
	return 0;
}

int rp_restore_evacuate(struct rp_restore *r)
{
	int rc = 0, moved = -1;

	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC))
		return rp_error(&r->err, -errno, "close_range: %s", strerror(errno));
	for (int i = 0; !rc && i < 3; i++)
		rc = stash_copy(r, i, &r->caller_std[i]);
	/* The same caller's descriptor may stand in for several files: each gets its own copy, all share the
	 * description. */
	for (size_t i = 0; !rc && i < r->nfiles; i++) {
		if (r->inherited[i] < 0)
			continue;
		rc = stash_copy(r, r->inherited[i], &moved);
		r->inherited[i] = moved;
	}
	if (!rc && r->status_fd >= 0) {
		rc = rp_fd_move_above(&r->status_fd, r->fd_base);
		if (!rc)
			rc = rp_fd_cloexec(r->status_fd, 0);
	}
	if (!rc)
		rc = rp_image_move_above(r->image, r->fd_base);
	if (!rc)
		rc = rp_fd_move_above(&r->exec_fd, r->fd_base);
	if (rc)
		return r->err.text[0] ? rc : rp_error(&r->err, rc, "a service descriptor: %s", strerror(-rc));
	if (r->fd_base > 3)
		close_range(3, (unsigned)r->fd_base - 1, 0);
	return 0;
}

/* ---- placing ---- */

static int open_description(struct rp_restore *r, const struct rp_rtask *t, const FdinfoEntry *f, int *out_fd)
{
	size_t i = index_of_file(r, f->id);
	const struct rp_kind *kind = rp_kind_of_type(f->type);
	int fd, rc;

	if (r->inherited[i] >= 0) {
		fd = fcntl(r->inherited[i], F_DUPFD_CLOEXEC, 0);
		rc = fd < 0 ? rp_error(&r->err, -errno, "taking it over from the caller: %s", strerror(errno)) : 0;
	} else {
		rc = kind->fd_open(r, r->files[i], &fd);
	}
	if (rc)
		return rp_error_prefix(&r->err, rc, "pid %d fd %u: ", t->pid, f->fd);
	*out_fd = fd;
	return 0;
}

/* Puts fd at its number, without close-on-exec: the restorer is execed first. */
static int put(struct rp_restore *r, int fd, int number)
{
	if (fd == number)
		return rp_fd_cloexec(fd, 0);
	if (dup2(fd, number) < 0)
		return rp_error(&r->err, -errno, "fd %d: %s", number, strerror(errno));
	return 0;
}

/* The first descriptor of t with the file of t->fds[i], in order of numbers. */
static size_t first_with_file(const struct rp_rtask *t, size_t i)
{
	size_t k = 0;

	while (t->fds[k]->id != t->fds[i]->id)
		k++;
	return k;
}

int rp_restore_place_fds(struct rp_restore *r, struct rp_rtask *t)
{
	for (size_t i = 0; i < t->nfds; i++) {
		int number = (int)t->fds[i]->fd, fd = -1, rc;
		size_t first = first_with_file(t, i);

		if (first != i) {
			rc = put(r, (int)t->fds[first]->fd, number);
			if (rc)
				return rc;
			continue;
		}
		rc = open_description(r, t, t->fds[i], &fd);
		if (rc)
			return rc;
		rc = put(r, fd, number);
		if (fd != number)
			close(fd);
		if (rc)
			return rc;
	}
	for (int number = 0; number <= 2; number++)
		if (index_of_fd(r, (uint32_t)number) == r->nfiles)
			close(number);
	return 0;
}

int rp_restore_finish_fds(struct rp_restore *r, struct rp_rtask *t)
{
	for (size_t i = 0; i < t->nfds; i++) {
		const FdinfoEntry *f = t->fds[i];
		const struct rp_kind *kind = rp_kind_of_type(f->type);
		size_t file = index_of_file(r, f->id);
		int rc = 0;

		if (r->inherited[file] < 0 && first_with_file(t, i) == i && kind->fd_finish)
			rc = kind->fd_finish(r, t, r->files[file], (int)f->fd);
		if (!rc && f->flags & FD_CLOEXEC)
			rc = rp_planner_fdop(t->plan, (int)f->fd, RP_FDOP_CLOEXEC, 0, 0, 0);
		if (rc)
			return rp_error_prefix(&r->err, rc, "pid %d fd %u: ", t->pid, f->fd);
	}
	return 0;
}
