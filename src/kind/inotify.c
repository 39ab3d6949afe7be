/* SPDX-License-Identifier: BSD-3-Clause
 *
 * inotify(7): watches with their numbers, masks and files. The file of a watch is found through its handle at the dump
 * (CAP_DAC_READ_SEARCH) and by path at the restore. Cannot carry events that were not read yet.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "kind/fdcommon.h"
#include "util/fd.h"
#include "util/str.h"

#ifndef INOTIFY_IOC_SETNEXTWD
#define INOTIFY_IOC_SETNEXTWD _IOW('I', 0, int32_t)
#endif
#define MASK_USER (IN_ALL_EVENTS | IN_UNMOUNT | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_ONLYDIR | IN_ONESHOT)

static bool inotify_is(const struct rp_fd *fd)
{
	return !strcmp(fd->link, "anon_inode:inotify") || !strcmp(fd->link, "anon_inode:[inotify]");
}

/* ---- dump ---- */

/* A descriptor inside some mount of the device (as fdinfo writes it), which open_by_handle_at() wants. */
static int open_mount(unsigned sdev)
{
	FILE *f RP_AUTOFCLOSE = fopen("/proc/self/mountinfo", "re");
	char line[8192], point[4096];
	unsigned maj, min;

	while (f && fgets(line, sizeof(line), f)) {
		int fd;

		if (sscanf(line, "%*d %*d %u:%u %*s %4095s", &maj, &min, point) != 3 || (maj << 20 | min) != sdev)
			continue;
		fd = open(point, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd >= 0)
			return fd;
	}
	return -1;
}

static int parse_hex(const char *hex, uint8_t *bytes, size_t max)
{
	size_t n = 0;
	unsigned byte;

	for (; n < max && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
		bytes[n] = (uint8_t)byte;
	return (int)n;
}

/* The path of the watched file, in d's memory. */
static int find_path(struct rp_dump *d, const struct rp_fd *fd, unsigned sdev, const FhEntry *fh, char **out)
{
	union {
		struct file_handle fh;
		char room[sizeof(struct file_handle) + 128];
	} h;
	int mnt RP_AUTOCLOSE = open_mount(sdev), file RP_AUTOCLOSE = -1;
	char path[PATH_MAX];

	h.fh.handle_bytes = fh->bytes;
	h.fh.handle_type = (int)fh->type;
	memcpy(h.fh.f_handle, fh->handle, fh->bytes);
	file = mnt < 0 ? -1 : open_by_handle_at(mnt, &h.fh, O_PATH | O_CLOEXEC);
	if (file < 0 || rp_fd_path(file, path, sizeof(path)))
		return rp_error(&d->err, -ENOTSUP, "the file of a watch cannot be found: %s", strerror(errno));
	if (rp_str_has_suffix(path, " (deleted)"))
		return rp_error(&d->err, -ENOTSUP, "it watches %s: remove the watch before the checkpoint", path);
	(void)fd;
	*out = rp_dump_strdup(d, path);
	return *out ? 0 : -ENOMEM;
}

static int parse_watch(struct rp_dump *d, const struct rp_fd *fd, const char *text, InotifyWdEntry **out)
{
	InotifyWdEntry *w = RP_DUMP_MSG(d, InotifyWdEntry, inotify_wd_entry__init);
	FhEntry *fh = RP_DUMP_MSG(d, FhEntry, fh_entry__init);
	unsigned wd, sdev, mask, ignored, bytes, type;
	unsigned long long ino;
	char hex[260];

	if (!w || !fh || !(fh->handle = rp_dump_alloc(d, 128)))
		return -ENOMEM;
	if (sscanf(text, "%x ino:%llx sdev:%x mask:%x ignored_mask:%x fhandle-bytes:%x fhandle-type:%x f_handle:%259s",
		   &wd, &ino, &sdev, &mask, &ignored, &bytes, &type, hex) != 8 ||
	    bytes > 128 || parse_hex(hex, (uint8_t *)fh->handle, 128) < (int)bytes)
		return rp_error(&d->err, -ENOTSUP, "the kernel does not show the watches in a known form");
	fh->bytes = bytes;
	fh->type = type;
	fh->n_handle = 16; /* what CRIU expects: the whole room */
	w->id = fd->id;
	w->wd = wd;
	w->i_ino = ino;
	w->s_dev = sdev;
	w->mask = mask;
	w->ignored_mask = ignored;
	w->f_handle = fh;
	*out = w;
	return find_path(d, fd, sdev, fh, &fh->path);
}

static int inotify_dump(struct rp_dump *d, const struct rp_fd *fd, FileEntry *e)
{
	InotifyFileEntry *m = RP_DUMP_MSG(d, InotifyFileEntry, inotify_file_entry__init);
	const char *p = fd->fdinfo;
	size_t n = 0;
	int waiting = 0;

	if (!m || !(m->fown = rp_fown_dump(d, fd)))
		return -ENOMEM;
	if (!ioctl(fd->lfd, FIONREAD, &waiting) && waiting)
		return rp_error(&d->err, -ENOTSUP,
				"%d bytes of inotify events, which were not read yet, cannot be carried: read them "
				"before the "
				"checkpoint, or remove the watch",
				waiting);
	for (const char *q = p; (q = strstr(q, "inotify wd:")); q++)
		n++;
	m->id = fd->id;
	m->flags = fd->flags;
	m->wd = n ? rp_dump_alloc(d, n * sizeof(*m->wd)) : NULL;
	if (n && !m->wd)
		return -ENOMEM;
	for (; (p = strstr(p, "inotify wd:")); m->n_wd++) {
		int rc;

		p += strlen("inotify wd:");
		rc = parse_watch(d, fd, p, &m->wd[m->n_wd]);
		if (rc)
			return rc;
	}
	e->type = FD_TYPES__INOTIFY;
	e->ify = m;
	return 0;
}

/* ---- restore ---- */

/* Opens the file of a watch: by the path that we record, else (images of CRIU) by its handle. Returns an O_PATH
 * descriptor. */
static int open_watched(struct rp_restore *r, const InotifyWdEntry *w)
{
	union {
		struct file_handle fh;
		char room[sizeof(struct file_handle) + 128];
	} h;
	struct stat st;
	int fd = -1;

	if (w->f_handle->path) {
		fd = open(w->f_handle->path, O_PATH | O_CLOEXEC | (w->mask & IN_DONT_FOLLOW ? O_NOFOLLOW : 0));
	} else {
		int mnt RP_AUTOCLOSE = open_mount(w->s_dev);

		h.fh.handle_bytes = w->f_handle->bytes;
		h.fh.handle_type = (int)w->f_handle->type;
		memcpy(h.fh.f_handle, w->f_handle->handle, w->f_handle->bytes);
		fd = mnt < 0 ? -1 : open_by_handle_at(mnt, &h.fh, O_PATH | O_CLOEXEC);
	}
	if (fd < 0)
		return rp_error(&r->err, -errno, "inotify: watched file %s: %s",
				w->f_handle->path ? w->f_handle->path : "(by handle)", strerror(errno));
	if (!fstat(fd, &st) && st.st_ino == w->i_ino)
		return fd;
	close(fd);
	return rp_error(&r->err, -ESTALE, "inotify: watched file %s was replaced since the checkpoint",
			w->f_handle->path ? w->f_handle->path : "(by handle)");
}

static int inotify_check(struct rp_restore *r, const FileEntry *e)
{
	if (!e->ify)
		return rp_error(&r->err, -EINVAL, "inotify, file id %u: not valid", e->id);
	for (size_t i = 0; i < e->ify->n_wd; i++) {
		const InotifyWdEntry *w = e->ify->wd[i];
		int fd;

		if (!w->f_handle || w->f_handle->bytes > 128 || w->f_handle->n_handle * 8 < w->f_handle->bytes ||
		    !w->wd || w->wd > INT32_MAX || (w->f_handle->path && w->f_handle->path[0] != '/'))
			return rp_error(&r->err, -EINVAL, "inotify, file id %u: a watch is not valid", e->id);
		fd = open_watched(r, w);
		if (fd < 0)
			return fd;
		close(fd);
	}
	return rp_fown_check(r, e->ify->fown, "inotify", e->id);
}

static int add_watch(struct rp_restore *r, int fd, const InotifyWdEntry *w)
{
	int file RP_AUTOCLOSE = open_watched(r, w);
	char path[64];
	int wd;

	if (file < 0)
		return file;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (ioctl(fd, INOTIFY_IOC_SETNEXTWD, w->wd))
		return rp_error(&r->err, -errno, "inotify: number of watch %u: %s", w->wd, strerror(errno));
	wd = inotify_add_watch(fd, path, w->mask & MASK_USER & ~(uint32_t)IN_DONT_FOLLOW);
	if (wd < 0)
		return rp_error(&r->err, -errno, "inotify: watch %u: %s", w->wd, strerror(errno));
	if (wd != (int)w->wd)
		return rp_error(&r->err, -EEXIST, "inotify: watch %u got number %d", w->wd, wd);
	return 0;
}

static int inotify_open(struct rp_restore *r, const FileEntry *e, int *out_fd)
{
	int fd = inotify_init1(IN_CLOEXEC), rc = 0;

	if (fd < 0)
		return rp_error(&r->err, -errno, "inotify: %s", strerror(errno));
	for (size_t i = 0; !rc && i < e->ify->n_wd; i++)
		rc = add_watch(r, fd, e->ify->wd[i]);
	if (!rc)
		rc = rp_fd_set_flags(r, fd, e->ify->flags, "inotify");
	if (rc)
		close(fd);
	else
		*out_fd = fd;
	return rc;
}

static int inotify_finish(struct rp_restore *r, struct rp_rtask *t, const FileEntry *e, int fd)
{
	return rp_fown_restore(r, t, e->ify->fown, e->ify->flags, fd);
}

const struct rp_kind rp_kind_inotify = {
	.name = "inotify",
	.fd_type = FD_TYPES__INOTIFY,
	.fd_is = inotify_is,
	.fd_dump = inotify_dump,
	.fd_check = inotify_check,
	.fd_open = inotify_open,
	.fd_finish = inotify_finish,
};
