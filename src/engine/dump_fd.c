/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/dump_impl.h"
#include "util/array.h"
#include "util/fd.h"
#include "util/str.h"

#define FDINFO_MAX (16U << 20)

#ifndef F_GETSIG
#define F_GETSIG 11
#endif

/* What is known of one open file description. */
struct description {
	int lfd; /* our duplicate */
	int fd;	 /* first number that it had in the process, -1: not a descriptor of it */
	uint32_t id;
	dev_t dev;
	ino_t ino;
	FileEntry *entry;
	char *name; /* files that are not descriptors: what tells them apart */
	uint32_t flags;
};

struct fd_state {
	struct {
		struct description *items;
		size_t count, room;
	} seen;
	struct {
		size_t *items; /* of `seen`, one per description, in the order of kcmp(2) */
		size_t count, room;
	} order;
};

/* The engine's own slot of kind_state: no descriptor type has number 0. */
static struct fd_state *state_of(struct rp_dump *d)
{
	if (!d->kind_state[0])
		d->kind_state[0] = rp_dump_alloc(d, sizeof(struct fd_state));
	return d->kind_state[0];
}

void rp_dump_fds_done(struct rp_dump *d)
{
	struct fd_state *s = d->kind_state[0];

	for (size_t i = 0; s && i < s->seen.count; i++)
		if (s->seen.items[i].fd >= 0)
			close(s->seen.items[i].lfd);
	if (s) {
		free(s->seen.items);
		free(s->order.items);
	}
}

static int read_fdinfo(struct rp_dump *d, int proc_fd, struct rp_fd *f, const char *path)
{
	RP_AUTOFREE char *text = NULL;
	const char *p;
	unsigned long flags = 0;
	long pos = 0;
	int mnt = 0, ret = rp_read_file_at(proc_fd, path, FDINFO_MAX, &text, NULL);

	if (ret < 0)
		return rp_error(&d->err, ret, "cannot read %s: %s", path, strerror(-ret));
	p = strstr(text, "pos:");
	if (p)
		sscanf(p + 4, "%ld", &pos);
	p = strstr(text, "flags:");
	if (p)
		sscanf(p + 6, "%lo", &flags);
	p = strstr(text, "mnt_id:");
	if (p)
		sscanf(p + 7, "%d", &mnt);
	f->pos = pos;
	f->cloexec = flags & O_CLOEXEC;
	f->flags = (uint32_t)flags & ~(uint32_t)O_CLOEXEC;
	f->mnt_id = mnt;
	f->fdinfo = rp_dump_strdup(d, text);
	return f->fdinfo ? 0 : -ENOMEM;
}

/* Is whom signals of a descriptor go to part of the checkpoint? */
static bool is_own(const struct rp_task *t, const struct rp_fd *f)
{
	if (f->owner_type == F_OWNER_PGRP)
		return f->owner == (int)t->pstree->pgid;
	for (size_t i = 0; i < t->nthreads; i++)
		if (t->threads[i].tid == f->owner)
			return true;
	return false;
}

static int read_owner(struct rp_dump *d, struct rp_task *t, struct rp_fd *f)
{
	struct f_owner_ex owner = { 0 };

	f->sig = fcntl(f->lfd, F_GETSIG);
	if (f->sig < 0)
		f->sig = 0;
	if (fcntl(f->lfd, F_GETOWN_EX, &owner) == 0) {
		f->owner_type = owner.type;
		f->owner = owner.pid;
	}
	if (f->owner == 0 || is_own(t, f))
		return 0;
	/* What the caller stands in for has an owner of the caller's choosing. */
	if (f->launched || f->fd <= 2) {
		f->owner = 0;
		return 0;
	}
	return rp_error(&d->err, -ENOTSUP,
			"its signals go to %s %d (F_SETOWN), which is not part of the checkpoint and may be another "
			"then: set "
			"the process itself as the owner",
			f->owner_type == F_OWNER_PGRP ? "process group" : "process", f->owner);
}

/* Says what an unknown descriptor is, in words. */
static const char *word_for(const struct rp_fd *f)
{
	switch (f->st.st_mode & S_IFMT) {
	case S_IFSOCK:
		return "a socket";
	case S_IFCHR:
		return "a character device";
	case S_IFBLK:
		return "a block device";
	case S_IFIFO:
		return "a pipe";
	case S_IFDIR:
		return "a directory";
	case S_IFREG:
		return "a file";
	default:
		return "a descriptor";
	}
}

static const struct rp_kind *kind_of(const struct rp_fd *f)
{
	for (const struct rp_kind *const *k = rp_kinds; *k; k++)
		if ((*k)->fd_type && (*k)->fd_is && (*k)->fd_is(f))
			return *k;
	return NULL;
}

/* Has a kind describe a descriptor that is new in this dump. */
static int describe(struct rp_dump *d, struct rp_fd *f, FileEntry **out)
{
	const struct rp_kind *k = kind_of(f);
	FileEntry *e;
	int ret;

	if (!k)
		return rp_error(&d->err, -ENOTSUP, "%s, %s, cannot be carried; the process has to close it first",
				f->link, word_for(f));
	if (!k->fd_dump)
		return rp_error(&d->err, -ENOTSUP, "%s (%s) cannot be dumped", f->link, k->name);
	e = rp_dump_alloc(d, sizeof(*e));
	if (!e)
		return -ENOMEM;
	file_entry__init(e);
	e->type = (FdTypes)k->fd_type;
	e->id = f->id;
	ret = k->fd_dump(d, f, e);
	if (ret == 0)
		ret = rp_dump_add_file(d, e);
	*out = e;
	return ret;
}

/* What kinds record beside the description. */
static int describe_more(struct rp_dump *d, const struct rp_fd *f, bool is_first)
{
	int ret = 0;

	for (const struct rp_kind *const *k = rp_kinds; ret == 0 && *k; k++)
		if ((*k)->fd_each)
			ret = (*k)->fd_each(d, f, is_first);
	return ret;
}

/* Looks a description up in the order of kcmp(2), which compares our own duplicates: the same file behind them is 0.
 * Returns its place in s->order, or where it belongs with *found false. */
static size_t find_same(const struct fd_state *s, int lfd, bool *found)
{
	size_t low = 0, high = s->order.count;

	*found = false;
	while (low < high) {
		size_t mid = (low + high) / 2;
		long c = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, (unsigned long)lfd,
				 (unsigned long)s->seen.items[s->order.items[mid]].lfd);

		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c == 1) /* less */
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* Puts description `index` at its place among those that are known. */
static int insert_order(struct rp_dump *d, struct fd_state *s, size_t place, size_t index)
{
	if (!RP_ARRAY_PUSH(&s->order))
		return rp_error(&d->err, -ENOMEM, "out of memory");
	memmove(s->order.items + place + 1, s->order.items + place,
		(s->order.count - 1 - place) * sizeof(s->order.items[0]));
	s->order.items[place] = index;
	return 0;
}

static int add_fdinfo(struct rp_dump *d, struct rp_task *t, const struct rp_fd *f, const FileEntry *e)
{
	FdinfoEntry *info = rp_dump_alloc(d, sizeof(*info));

	if (!info)
		return -ENOMEM;
	fdinfo_entry__init(info);
	info->id = f->id;
	info->flags = f->cloexec ? FD_CLOEXEC : 0;
	info->type = e->type;
	info->fd = (uint32_t)f->fd;
	t->fds[t->nfds++] = info;
	return 0;
}

/* Is the descriptor still what the rank's launcher gave under this number? */
static bool is_launched(const struct rp_dump *d, const struct rp_fd *f)
{
	const struct rp_dump_rank *rank = d->opts->rank;

	for (size_t i = 0; rank && i < rank->nlaunch_fds; i++) {
		const RpLaunchFd *l = rank->launch_fds[i];

		if (l->fd == (uint32_t)f->fd && l->dev == f->st.st_dev && l->ino == f->st.st_ino)
			return true;
	}
	return false;
}

static int dump_one(struct rp_dump *d, struct rp_task *t, int pidfd, int number)
{
	struct rp_fd *f = rp_dump_alloc(d, sizeof(*f));
	struct fd_state *s = state_of(d);
	struct description *o;
	FileEntry *e = NULL;
	char path[64];
	size_t at, place;
	bool same;
	int ret;

	if (!f || !s)
		return -ENOMEM;
	f->pid = t->pid;
	f->fd = number;
	f->lfd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	if (f->lfd < 0)
		return rp_error(&d->err, -errno, "cannot duplicate it: %s", strerror(errno));
	o = RP_ARRAY_PUSH(&s->seen);
	if (!o) {
		close(f->lfd);
		return rp_error(&d->err, -ENOMEM, "out of memory");
	}
	/* From here on the duplicate belongs to the list; kinds may add to it. */
	at = s->seen.count - 1;
	*o = (struct description){ .lfd = f->lfd, .fd = number };
	snprintf(path, sizeof(path), "fd/%d", number);
	ret = rp_readlink_at(t->proc_fd, path, f->link, sizeof(f->link));
	if (ret == 0 && fstat(f->lfd, &f->st) < 0)
		ret = -errno;
	if (ret < 0)
		return rp_error(&d->err, ret, "cannot inspect it: %s", strerror(-ret));
	snprintf(path, sizeof(path), "fdinfo/%d", number);
	f->launched = is_launched(d, f);
	ret = read_fdinfo(d, t->proc_fd, f, path);
	if (ret == 0)
		ret = read_owner(d, t, f);
	place = find_same(s, f->lfd, &same);
	if (ret == 0 && same) {
		f->id = s->seen.items[s->order.items[place]].id;
		e = s->seen.items[s->order.items[place]].entry;
	} else if (ret == 0) {
		f->id = d->next_id++;
		ret = insert_order(d, s, place, at);
		if (ret == 0)
			ret = describe(d, f, &e);
	}
	if (ret == 0)
		ret = describe_more(d, f, !same);
	s->seen.items[at] = (struct description){
		.lfd = f->lfd, .fd = number, .id = f->id, .dev = f->st.st_dev, .ino = f->st.st_ino, .entry = e
	};
	return ret < 0 ? ret : add_fdinfo(d, t, f, e);
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Numbers of all descriptors, ascending. *out is the caller's. */
static int list_fds(struct rp_dump *d, struct rp_task *t, int **out, size_t *count)
{
	struct {
		int *items;
		size_t count, room;
	} list = { 0 };
	RP_AUTOCLOSEDIR DIR *dir = NULL;
	int fd = openat(t->proc_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;

	if (fd >= 0)
		dir = fdopendir(fd);
	if (!dir)
		return rp_error(&d->err, -errno, "cannot list the descriptors: %s", strerror(errno));
	while ((e = readdir(dir)) != NULL) {
		int *slot = isdigit((unsigned char)e->d_name[0]) ? RP_ARRAY_PUSH(&list) : NULL;

		if (slot)
			*slot = atoi(e->d_name);
	}
	qsort(list.items, list.count, sizeof(int), by_number);
	*out = list.items;
	*count = list.count;
	return 0;
}

int rp_dump_fds(struct rp_dump *d, struct rp_task *t)
{
	RP_AUTOCLOSE int pidfd = (int)syscall(SYS_pidfd_open, t->pid, 0);
	RP_AUTOFREE int *numbers = NULL;
	size_t count = 0;
	int ret;

	if (pidfd < 0)
		return rp_error(&d->err, -errno, "pidfd_open: %s", strerror(errno));
	ret = list_fds(d, t, &numbers, &count);
	if (ret < 0)
		return ret;
	t->fds = rp_dump_alloc(d, (count + 1) * sizeof(t->fds[0]));
	if (!t->fds)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (rp_rank_fd_is_lower(t, numbers[i]))
			continue;
		ret = dump_one(d, t, pidfd, numbers[i]);
		if (ret < 0)
			return rp_error_prefix(&d->err, ret, "pid %d fd %d: ", t->pid, numbers[i]);
	}
	return 0;
}

int rp_dump_file(struct rp_dump *d, struct rp_task *t, int lfd, const char *name, uint32_t flags, uint32_t *out_id)
{
	struct fd_state *s = state_of(d);
	struct rp_fd *f = rp_dump_alloc(d, sizeof(*f));
	struct description *o;
	FileEntry *e;
	char path[64];
	int ret;

	if (!f || !s)
		return -ENOMEM;
	f->pid = t->pid;
	f->fd = -1;
	f->lfd = lfd;
	if (fstat(lfd, &f->st) < 0)
		return rp_error(&d->err, -errno, "%s: %s", name, strerror(errno));
	for (size_t i = 0; i < s->seen.count; i++) {
		o = &s->seen.items[i];
		if (o->fd < 0 && o->name && o->dev == f->st.st_dev && o->ino == f->st.st_ino && o->flags == flags &&
		    strcmp(o->name, name) == 0) {
			*out_id = o->id;
			return 0;
		}
	}
	snprintf(f->link, sizeof(f->link), "%s", name);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", lfd);
	ret = read_fdinfo(d, AT_FDCWD, f, path);
	if (ret < 0)
		return ret;
	f->pos = 0;
	f->flags = flags;
	f->id = d->next_id++;
	o = RP_ARRAY_PUSH(&s->seen);
	if (!o)
		return rp_error(&d->err, -ENOMEM, "out of memory");
	*o = (struct description){ .lfd = -1,
				   .fd = -1,
				   .id = f->id,
				   .dev = f->st.st_dev,
				   .ino = f->st.st_ino,
				   .flags = flags,
				   .name = rp_dump_strdup(d, name) };
	ret = describe(d, f, &e);
	*out_id = f->id;
	return ret;
}
