/* SPDX-License-Identifier: BSD-3-Clause */
#include "kind/pipebuf.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kind/fdcommon.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/str.h"

#define PIPE_MAX (256U << 20) /* no larger pipe is believed in */

struct saved {
	uint32_t pipe_id;
	struct saved *next;
};

/* ---- dump ---- */

static int save_one(struct rp_dump *d, enum rp_img type, uint32_t pipe_id, const void *data, size_t len, int capacity)
{
	PipeDataEntry e = PIPE_DATA_ENTRY__INIT;
	int rc;

	e.pipe_id = pipe_id;
	e.bytes = (uint32_t)len;
	e.has_size = true;
	e.size = (uint32_t)capacity;
	rc = rp_writer_put(d->writer, type, 0, &e, &d->err);
	return rc || !len ? rc : rp_writer_extra(d->writer, type, 0, data, len, &d->err);
}

/* Copies what is in the pipe into `copy`, an empty pipe, without taking it out. Returns bytes or -errno (text set). */
static ssize_t copy_contents(struct rp_dump *d, const struct rp_fd *fd, int copy, int capacity)
{
	char path[64];
	int in RP_AUTOCLOSE = -1;
	ssize_t n;

	/* The image's descriptor may be the write end, or block. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd->lfd);
	in = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (in < 0)
		return rp_error(&d->err, -errno, "opening its read end: %s", strerror(errno));
	if (fcntl(copy, F_SETPIPE_SZ, capacity) < 0)
		return rp_error(&d->err, -errno, "a pipe of %d bytes: %s", capacity, strerror(errno));
	n = tee(in, copy, INT_MAX, SPLICE_F_NONBLOCK);
	if (n < 0 && errno != EAGAIN)
		return rp_error(&d->err, -errno, "reading its contents: %s", strerror(errno));
	return n < 0 ? 0 : n;
}

static int save_contents(struct rp_dump *d, const struct rp_fd *fd, enum rp_img type, uint32_t pipe_id, int copy[2])
{
	int capacity = fcntl(fd->lfd, F_GETPIPE_SZ), rc = 0;
	char *buf RP_AUTOFREE = NULL;
	ssize_t n, left;

	if (capacity < 0)
		return rp_error(&d->err, -errno, "its capacity: %s", strerror(errno));
	left = copy_contents(d, fd, copy[1], capacity);
	if (left < 0)
		return (int)left;
	buf = malloc((size_t)left + 1);
	if (!buf)
		return rp_error(&d->err, -ENOMEM, "no memory");
	if (!left)
		return save_one(d, type, pipe_id, NULL, 0, capacity);
	/* One read returns everything, or one packet. */
	for (; left > 0 && !rc; left -= n) {
		n = read(copy[0], buf, (size_t)left);
		if (n <= 0)
			return rp_error(&d->err, n < 0 ? -errno : -EIO, "reading its contents failed");
		rc = save_one(d, type, pipe_id, buf, (size_t)n, capacity);
	}
	return rc;
}

int rp_pipebuf_dump(struct rp_dump *d, const struct rp_fd *fd, enum rp_img type, uint32_t pipe_id)
{
	struct saved **head =
		(struct saved **)&d->kind_state[type == RP_IMG_PIPES_DATA ? FD_TYPES__PIPE : FD_TYPES__FIFO];
	struct saved *s;
	int copy[2], rc;

	for (s = *head; s; s = s->next)
		if (s->pipe_id == pipe_id)
			return 0;
	s = rp_dump_alloc(d, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->pipe_id = pipe_id;
	s->next = *head;
	*head = s;
	if (pipe2(copy, O_CLOEXEC | O_NONBLOCK))
		return rp_error(&d->err, -errno, "pipe: %s", strerror(errno));
	rc = save_contents(d, fd, type, pipe_id, copy);
	close(copy[0]);
	close(copy[1]);
	return rc;
}

/* Is descriptor `name` of process pid the other end of fd's pipe? */
static bool is_other_end(int dir_fd, int pid, const char *name, const struct rp_fd *fd)
{
	char link[PATH_MAX], path[64], *text = NULL;
	uint64_t flags = 0;
	int mode = (int)fd->flags & O_ACCMODE;
	bool other;

	if (rp_readlink_at(dir_fd, name, link, sizeof(link)) || strcmp(link, fd->link))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.20s", pid, name);
	if (rp_read_file_at(AT_FDCWD, path, 65536, &text, NULL))
		return false;
	other = !rp_fdtext_u64(text, "flags", 8, &flags) &&
		((int)(flags & O_ACCMODE) == O_RDWR || (int)(flags & O_ACCMODE) != mode);
	free(text);
	return other;
}

static bool holds_other_end(int pid, const struct rp_fd *fd)
{
	char path[64];
	DIR *dir RP_AUTOCLOSEDIR = NULL;
	struct dirent *e;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.' && is_other_end(dirfd(dir), pid, e->d_name, fd))
			return true;
	return false;
}

/* Does one of the standard descriptors lead to the same pipe? */
static bool is_standard(const struct rp_fd *fd)
{
	char path[64], link[PATH_MAX];

	if (fd->fd <= 2)
		return true;
	for (int i = 0; i <= 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", fd->pid, i);
		if (!rp_readlink_at(AT_FDCWD, path, link, sizeof(link)) && !strcmp(link, fd->link))
			return true;
	}
	return false;
}

/* Is anybody at all at the other end? */
static bool has_other_end(const struct rp_fd *fd)
{
	struct pollfd p = { .fd = fd->lfd, .events = POLLIN | POLLOUT };

	return poll(&p, 1, 0) < 0 || !(p.revents & (POLLHUP | POLLERR));
}

static int find_outsider(const struct rp_fd *fd)
{
	DIR *dir RP_AUTOCLOSEDIR = opendir("/proc");
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		int pid = atoi(e->d_name);

		if (pid > 0 && pid != fd->pid && pid != getpid() && holds_other_end(pid, fd))
			return pid;
	}
	return 0;
}

int rp_pipebuf_check_ends(struct rp_dump *d, const struct rp_fd *fd)
{
	int pid;

	if ((fd->flags & O_ACCMODE) == O_RDWR || is_standard(fd) || holds_other_end(fd->pid, fd) || !has_other_end(fd))
		return 0;
	pid = find_outsider(fd);
	/* A FIFO that has never had a writer does not say so when it is polled. */
	if (!pid && S_ISFIFO(fd->st.st_mode) && fd->link[0] == '/')
		return 0;
	if (pid)
		return rp_error(&d->err, -ENOTSUP,
				"its other end is held by process %d, outside of the checkpoint: close it, or "
				"use a file",
				pid);
	return rp_error(&d->err, -ENOTSUP,
			"its other end is held by a process outside of the checkpoint: close it, or use a file");
}

/* ---- restore ---- */

int rp_pipebuf_check(struct rp_restore *r, enum rp_img type, uint32_t pipe_id)
{
	const struct rp_img_file *f;
	uint64_t total = 0;
	int rc;

	if (!rp_image_has(r->image, type, 0))
		return 0;
	rc = rp_image_load(r->image, type, 0, &f, &r->err);
	for (size_t i = 0; !rc && i < f->count; i++) {
		const PipeDataEntry *e = (const PipeDataEntry *)f->entries[i].msg;

		if (e->pipe_id != pipe_id)
			continue;
		total += e->bytes;
		if (total > PIPE_MAX || (e->has_size && (e->size > PIPE_MAX || total > e->size)))
			rc = rp_error(&r->err, -EINVAL, "%s: more bytes than pipe %u can hold", f->name, pipe_id);
	}
	return rc;
}

static int write_entry(struct rp_restore *r, const struct rp_img_file *f, size_t i, int fd)
{
	size_t len = (size_t)f->entries[i].extra_len;
	char *buf RP_AUTOFREE = malloc(len + 1);
	int rc;

	if (!buf)
		return rp_error(&r->err, -ENOMEM, "no memory");
	rc = rp_img_extra(f, i, 0, buf, len, &r->err);
	if (rc)
		return rc;
	rc = rp_write_all(fd, buf, len);
	return rc ? rp_error(&r->err, rc, "filling a pipe: %s", strerror(-rc)) : 0;
}

int rp_pipebuf_fill(struct rp_restore *r, enum rp_img type, uint32_t pipe_id, int write_fd)
{
	const struct rp_img_file *f;
	int entries = 0, flags = fcntl(write_fd, F_GETFL), rc;

	if (!rp_image_has(r->image, type, 0))
		return 0;
	rc = rp_image_load(r->image, type, 0, &f, &r->err);
	if (rc)
		return rc;
	for (size_t i = 0; i < f->count; i++) {
		const PipeDataEntry *e = (const PipeDataEntry *)f->entries[i].msg;

		if (e->pipe_id != pipe_id)
			continue;
		if (!entries++ && e->has_size && e->size && fcntl(write_fd, F_SETPIPE_SZ, (int)e->size) < 0)
			rp_warn("a pipe keeps its default capacity instead of %u bytes: %s", e->size, strerror(errno));
	}
	/* Never block: what does not fit is an error. Several entries are packets. */
	fcntl(write_fd, F_SETFL, flags | O_NONBLOCK | (entries > 1 ? O_DIRECT : 0));
	for (size_t i = 0; !rc && i < f->count; i++)
		if (((const PipeDataEntry *)f->entries[i].msg)->pipe_id == pipe_id && f->entries[i].extra_len)
			rc = write_entry(r, f, i, write_fd);
	fcntl(write_fd, F_SETFL, flags);
	return rc;
}
