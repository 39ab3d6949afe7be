/* SPDX-License-Identifier: BSD-3-Clause
 *
 * File locks: flock(2), and those of fcntl(2), of the process and of a description. /proc/PID/fdinfo shows them with the
 * descriptors; CRIU's filelocks.img holds them. A restore that finds a file locked by somebody else is refused.
 * Cannot carry leases and delegations.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "kind/fdcommon.h"
#include "kind/taskcommon.h"
#include "util/log.h"
#include "util/str.h"

/* The kernel's FL_*, as CRIU writes them. */
enum { LOCK_POSIX = 1, LOCK_FLOCK = 2, LOCK_OFD = 1024 };

/* Locks of the process are shown with every descriptor of the file. */
struct dumped {
	dev_t dev;
	ino_t ino;
	FileLockEntry lock;
	struct dumped *next;
};

#define BUSY_MS \
	5000	/* a lock is waited for: its holder may just be going away, or its server still think of the dead one */
#define SLOT 31 /* of kind_state: no descriptor type has this number */

/* ---- dump ---- */

/* Reads what follows "lock:". *out->fd is the descriptor's. */
static int parse_lock(struct rp_dump *d, const char *text, const struct rp_fd *fd, FileLockEntry *out)
{
	char kind[16], type[16], end[24];
	long long start;

	if (sscanf(text, " %*d: %15s %*s %15s %*d %*x:%*x:%*u %lld %23s", kind, type, &start, end) != 4)
		return rp_error(&d->err, -ENOTSUP, "the kernel does not show its locks in a known form");
	if (rp_streq(kind, "POSIX"))
		out->flag = LOCK_POSIX;
	else if (rp_streq(kind, "FLOCK"))
		out->flag = LOCK_FLOCK;
	else if (rp_streq(kind, "OFDLCK"))
		out->flag = LOCK_OFD;
	else
		return rp_error(&d->err, -ENOTSUP, "a lease on %s cannot be carried: give it up before the checkpoint",
				fd->link);
	out->type = rp_streq(type, "READ") ? F_RDLCK : F_WRLCK;
	out->fd = fd->fd;
	out->start = start;
	out->len = rp_streq(end, "EOF") ? 0 : strtoll(end, NULL, 10) - start + 1;
	return 0;
}

/* Can the lock be taken again through this descriptor? */
static bool is_able(const struct rp_fd *fd, const FileLockEntry *lock)
{
	int mode = (int)fd->flags & O_ACCMODE;

	if (fd->flags & O_PATH)
		return false;
	return lock->flag == LOCK_FLOCK || mode == O_RDWR || mode == (lock->type == F_RDLCK ? O_RDONLY : O_WRONLY);
}

static bool is_known(const struct dumped *l, const struct rp_fd *fd, const FileLockEntry *lock)
{
	for (; l; l = l->next)
		if (l->dev == fd->st.st_dev && l->ino == fd->st.st_ino && l->lock.flag == lock->flag &&
		    l->lock.start == lock->start && l->lock.len == lock->len && lock->flag == LOCK_POSIX)
			return true;
	return false;
}

static int filelock_fd(struct rp_dump *d, const struct rp_fd *fd, bool is_first)
{
	struct dumped **head = (struct dumped **)&d->kind_state[SLOT];
	const char *at = fd->fdinfo, *text;

	/* A lock of what the launcher gave is the launcher's. */
	while (!fd->launched && (text = rp_fdtext_next(&at, "lock"))) {
		struct dumped *l = rp_dump_alloc(d, sizeof(*l));
		int ret;

		if (!l)
			return -ENOMEM;
		file_lock_entry__init(&l->lock);
		ret = parse_lock(d, text, fd, &l->lock);
		if (ret < 0)
			return ret;
		if (!is_able(fd, &l->lock) || is_known(*head, fd, &l->lock) ||
		    (l->lock.flag != LOCK_POSIX && !is_first))
			continue;
		l->lock.pid = fd->pid;
		l->dev = fd->st.st_dev;
		l->ino = fd->st.st_ino;
		l->next = *head;
		*head = l;
		ret = rp_writer_put(d->writer, RP_IMG_FILE_LOCKS, 0, &l->lock, &d->err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* ---- restore ---- */

static int read_locks(struct rp_restore *r, FileLockEntry ***all, size_t *count)
{
	*count = 0;
	if (!rp_image_has(r->image, RP_IMG_FILE_LOCKS, 0))
		return 0;
	return rp_image_all(r->image, RP_IMG_FILE_LOCKS, 0, all, count, &r->err);
}

static const FdinfoEntry *find_fd(const struct rp_rtask *t, int fd)
{
	for (size_t i = 0; i < t->nfds; i++)
		if ((int)t->fds[i]->fd == fd)
			return t->fds[i];
	return NULL;
}

static int filelock_check(struct rp_restore *r, struct rp_rtask *t)
{
	FileLockEntry **all = NULL;
	size_t count;
	int ret = read_locks(r, &all, &count);

	for (size_t i = 0; ret == 0 && i < count; i++) {
		const FileLockEntry *l = all[i];

		if ((l->flag != LOCK_POSIX && l->flag != LOCK_FLOCK && l->flag != LOCK_OFD) ||
		    (l->type != F_RDLCK && l->type != F_WRLCK) || l->start < 0 || l->len < 0 ||
		    l->len > INT64_MAX - l->start || !find_fd(t, l->fd))
			ret = rp_bad_image(r, "file lock %zu (descriptor %d)", i, l->fd);
	}
	return ret;
}

static int take_lock(const FileLockEntry *l)
{
	struct flock lock = { .l_type = (short)l->type, .l_whence = SEEK_SET, .l_start = l->start, .l_len = l->len };

	if (l->flag == LOCK_FLOCK)
		return flock(l->fd, (l->type == F_RDLCK ? LOCK_SH : LOCK_EX) | LOCK_NB);
	return fcntl(l->fd, l->flag == LOCK_OFD ? F_OFD_SETLK : F_SETLK, &lock);
}

static int take_lock_in_time(const FileLockEntry *l)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	for (int waited = 0; take_lock(l) < 0; waited += 20) {
		if ((errno != EAGAIN && errno != EACCES) || waited >= BUSY_MS)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static bool is_inherited(const struct rp_restore *r, uint32_t id)
{
	for (size_t i = 0; i < r->nfiles; i++)
		if (r->files[i]->id == id)
			return r->inherited[i] >= 0;
	return false;
}

static int refuse_lock(struct rp_restore *r, const FileLockEntry *l, uint32_t id, int code)
{
	const char *name = rp_restore_file_name(r, id);

	if (code != -EAGAIN && code != -EACCES)
		return rp_error(&r->err, code, "%s (descriptor %d) was locked at the checkpoint: %s", name, l->fd,
				strerror(-code));
	return rp_error(&r->err, code,
			"%s (descriptor %d) was locked at the checkpoint: another process has locked it since; end "
			"it%s",
			name, l->fd, r->opts->job ? "" : ", or give a descriptor of yours (--inherit-fd)");
}

/* Descriptors have their numbers. A lock of the process goes with the first descriptor of its file that is closed, which
 * the restorer's own may be: that one is taken once more by the restorer, last of all. */
static int filelock_prepare(struct rp_restore *r, struct rp_rtask *t)
{
	FileLockEntry **all = NULL;
	size_t count;
	int ret = read_locks(r, &all, &count);

	for (size_t i = 0; ret == 0 && i < count; i++) {
		const FileLockEntry *l = all[i];
		uint32_t id = find_fd(t, l->fd)->id;

		if (is_inherited(r, id)) {
			rp_warn("descriptor %d is the caller's now: its lock was left out", l->fd);
			continue;
		}
		ret = take_lock_in_time(l);
		if (ret < 0)
			return refuse_lock(r, l, id, ret);
		if (l->flag == LOCK_POSIX)
			ret = rp_planner_fdop(t->plan, l->fd, RP_FDOP_LOCK, l->type, (uint64_t)l->start,
					      (uint64_t)l->len);
	}
	return ret == -ENOMEM ? rp_error(&r->err, ret, "no memory for the plan") : ret;
}

const struct rp_kind rp_kind_filelock = {
	.name = "filelock",
	.fd_each = filelock_fd,
	.check = filelock_check,
	.prepare = filelock_prepare,
};
