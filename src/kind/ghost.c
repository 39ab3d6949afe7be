/* SPDX-License-Identifier: BSD-3-Clause */
#include "kind/ghost.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kind/fdcommon.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/str.h"

/* Both states hang at kind_state[FD_TYPES__REG]. */
struct dumped {
	dev_t dev;
	ino_t ino;
	uint32_t remap_id;
	struct dumped *next;
};

struct made {
	uint32_t remap_id;
	int fd;
	struct made *next;
};

/* ---- dump ---- */

static int write_holes(struct rp_dump *d, int fd, const struct stat *st, uint32_t remap_id)
{
	off_t at = 0, end;

	while (at < st->st_size) {
		GhostChunkEntry chunk = GHOST_CHUNK_ENTRY__INIT;
		int rc;

		at = lseek(fd, at, SEEK_DATA);
		if (at < 0)
			return errno == ENXIO ? 0
					      : rp_error(&d->err, -errno, "reading its contents: %s", strerror(errno));
		end = lseek(fd, at, SEEK_HOLE);
		if (end < 0)
			return rp_error(&d->err, -errno, "reading its contents: %s", strerror(errno));
		if (end > st->st_size)
			end = st->st_size;
		chunk.off = (uint64_t)at;
		chunk.len = (uint64_t)(end - at);
		rc = rp_writer_put(d->writer, RP_IMG_GHOST_FILE, remap_id, &chunk, &d->err);
		if (!rc)
			rc = rp_writer_extra_from(d->writer, RP_IMG_GHOST_FILE, remap_id, fd, chunk.off, chunk.len,
						  &d->err);
		if (rc)
			return rc;
		at = end;
	}
	return 0;
}

static int write_ghost(struct rp_dump *d, int lfd, const struct stat *st, uint32_t remap_id)
{
	GhostFileEntry g = GHOST_FILE_ENTRY__INIT;
	Timeval atim = TIMEVAL__INIT, mtim = TIMEVAL__INIT;
	int fd RP_AUTOCLOSE = -1;
	char path[64];
	int rc;

	/* Our duplicate may be write-only or O_PATH. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", lfd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return rp_error(&d->err, -errno, "reading its contents: %s", strerror(errno));
	g.uid = st->st_uid;
	g.gid = st->st_gid;
	g.mode = st->st_mode;
	g.has_dev = g.has_ino = true;
	g.dev = (uint32_t)st->st_dev;
	g.ino = st->st_ino;
	atim.tv_sec = (uint64_t)st->st_atim.tv_sec;
	atim.tv_usec = (uint64_t)st->st_atim.tv_nsec / 1000;
	mtim.tv_sec = (uint64_t)st->st_mtim.tv_sec;
	mtim.tv_usec = (uint64_t)st->st_mtim.tv_nsec / 1000;
	g.atim = &atim;
	g.mtim = &mtim;
	g.has_size = g.has_chunks = (uint64_t)st->st_blocks * 512 < (uint64_t)st->st_size;
	g.chunks = g.has_chunks;
	g.size = g.has_size ? (uint64_t)st->st_size : 0;
	rc = rp_writer_put(d->writer, RP_IMG_GHOST_FILE, remap_id, &g, &d->err);
	if (rc)
		return rc;
	if (g.chunks)
		return write_holes(d, fd, st, remap_id);
	return rp_writer_extra_from(d->writer, RP_IMG_GHOST_FILE, remap_id, fd, 0, (uint64_t)st->st_size, &d->err);
}

int rp_ghost_dump(struct rp_dump *d, int lfd, const struct stat *st, uint32_t id)
{
	struct dumped **head = (struct dumped **)&d->kind_state[FD_TYPES__REG], *g = *head;
	RemapFilePathEntry remap = REMAP_FILE_PATH_ENTRY__INIT;
	int rc;

	while (g && (g->dev != st->st_dev || g->ino != st->st_ino))
		g = g->next;
	if (!g) {
		g = rp_dump_alloc(d, sizeof(*g));
		if (!g)
			return -ENOMEM;
		g->dev = st->st_dev;
		g->ino = st->st_ino;
		g->remap_id = *head ? (*head)->remap_id + 1 : 1;
		g->next = *head;
		*head = g;
		rc = write_ghost(d, lfd, st, g->remap_id);
		if (rc)
			return rc;
	}
	remap.orig_id = id;
	remap.remap_id = g->remap_id;
	remap.has_remap_type = true;
	remap.remap_type = REMAP_TYPE__GHOST;
	return rp_writer_put(d->writer, RP_IMG_REMAP_FPATH, 0, &remap, &d->err);
}

/* ---- restore ---- */

int rp_ghost_find(struct rp_restore *r, uint32_t id, uint32_t *remap_id)
{
	RemapFilePathEntry **all;
	size_t count;
	int rc;

	if (!rp_image_has(r->image, RP_IMG_REMAP_FPATH, 0))
		return 0;
	rc = rp_image_all(r->image, RP_IMG_REMAP_FPATH, 0, &all, &count, &r->err);
	if (rc)
		return rc;
	for (size_t i = 0; i < count; i++) {
		if (all[i]->orig_id != id)
			continue;
		if (all[i]->has_remap_type && all[i]->remap_type != REMAP_TYPE__GHOST)
			return rp_error(&r->err, -ENOTSUP,
					"file id %u (%s) was remapped in a way that is not supported", id,
					rp_restore_file_name(r, id));
		*remap_id = all[i]->remap_id;
		return 1;
	}
	return 0;
}

int rp_ghost_check(struct rp_restore *r, uint32_t remap_id)
{
	const struct rp_img_file *f;
	const GhostFileEntry *g;
	uint64_t end;
	int rc = rp_image_load(r->image, RP_IMG_GHOST_FILE, remap_id, &f, &r->err);

	if (rc)
		return rc;
	if (!f->count)
		return rp_error(&r->err, -EBADMSG, "%s: is empty", f->name);
	g = (const GhostFileEntry *)f->entries[0].msg;
	if (!S_ISREG(g->mode))
		return rp_error(&r->err, -ENOTSUP, "%s: a deleted file that is not a regular file cannot be restored",
				f->name);
	if (g->has_chunks && g->chunks && !g->has_size)
		return rp_error(&r->err, -EBADMSG, "%s: has chunks but no size", f->name);
	for (size_t i = 1; i < f->count; i++) {
		const GhostChunkEntry *c = (const GhostChunkEntry *)f->entries[i].msg;

		if (__builtin_add_overflow(c->off, c->len, &end) || end > g->size)
			return rp_error(&r->err, -EBADMSG, "%s: a chunk lies outside the file", f->name);
	}
	return 0;
}

static int fill(struct rp_restore *r, const struct rp_img_file *f, size_t entry, int fd, uint64_t at)
{
	uint64_t len = f->entries[entry].extra_len;
	char *buf RP_AUTOFREE = malloc(1 << 18);
	int rc;

	if (!buf)
		return rp_error(&r->err, -ENOMEM, "no memory");
	for (uint64_t done = 0; done < len;) {
		size_t n = len - done < 1 << 18 ? (size_t)(len - done) : 1 << 18;

		rc = rp_img_extra(f, entry, done, buf, n, &r->err);
		if (rc)
			return rc;
		rc = rp_pwrite_all(fd, buf, n, (off_t)(at + done));
		if (rc)
			return rp_error(&r->err, rc, "writing a deleted file anew: %s", strerror(-rc));
		done += n;
	}
	return 0;
}

/* Makes a file and removes its name again, both in the same directory: whoever may rename directories on the path must not
 * make the second call meet another file. Returns the descriptor or -errno. */
static int create_in_dir(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir_path[PATH_MAX];
	int dir RP_AUTOCLOSE = -1;
	int fd;

	snprintf(dir_path, sizeof(dir_path), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	dir = open(dir_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	fd = openat(dir, slash + 1, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	unlinkat(dir, slash + 1, 0);
	return fd;
}

/* A new file without a name that shows `name` as its old one where that is possible. */
static int create_unlinked(struct rp_restore *r, const char *name)
{
	const char *tmp = getenv("TMPDIR"), *base = strrchr(name, '/');
	char path[PATH_MAX];
	int fd = -1;

	for (int i = 0; i < 3 && fd < 0; i++) {
		if (i == 0)
			snprintf(path, sizeof(path), "%s", name);
		else if (i == 1)
			snprintf(path, sizeof(path), "%.4000s.ghost-%d", name, getpid());
		else
			snprintf(path, sizeof(path), "%.2000s/%.1000s.ghost-%d", tmp ? tmp : "/tmp",
				 base ? base + 1 : name, getpid());
		fd = create_in_dir(path);
	}
	return fd < 0 ? rp_error(&r->err, fd, "cannot make the deleted file %s anew: %s", name, strerror(-fd)) : fd;
}

static int make(struct rp_restore *r, const struct rp_img_file *f, int fd)
{
	const GhostFileEntry *g = (const GhostFileEntry *)f->entries[0].msg;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_OMIT } };
	int rc = 0;

	if (g->has_chunks && g->chunks) {
		if (ftruncate(fd, (off_t)g->size))
			return rp_error(&r->err, -errno, "making a deleted file anew: %s", strerror(errno));
		for (size_t i = 1; !rc && i < f->count; i++)
			rc = fill(r, f, i, fd, ((const GhostChunkEntry *)f->entries[i].msg)->off);
	} else {
		rc = fill(r, f, 0, fd, 0);
	}
	if (rc)
		return rc;
	if (fchown(fd, g->uid, g->gid))
		rp_warn("a deleted file keeps our owner instead of %u:%u: %s", g->uid, g->gid, strerror(errno));
	if (fchmod(fd, g->mode & 07777))
		return rp_error(&r->err, -errno, "mode of a deleted file: %s", strerror(errno));
	if (g->atim && g->mtim) {
		times[0] = (struct timespec){ (time_t)g->atim->tv_sec, (long)(g->atim->tv_usec % 1000000) * 1000 };
		times[1] = (struct timespec){ (time_t)g->mtim->tv_sec, (long)(g->mtim->tv_usec % 1000000) * 1000 };
		futimens(fd, times);
	}
	return 0;
}

int rp_ghost_make(struct rp_restore *r, uint32_t remap_id, const char *name)
{
	struct made **head = (struct made **)&r->kind_state[FD_TYPES__REG], *m = *head;
	const struct rp_img_file *f;
	int fd, rc;

	while (m && m->remap_id != remap_id)
		m = m->next;
	if (m)
		return m->fd;
	rc = rp_image_load(r->image, RP_IMG_GHOST_FILE, remap_id, &f, &r->err);
	if (rc)
		return rc;
	m = rp_restore_alloc(r, sizeof(*m));
	if (!m)
		return -ENOMEM;
	fd = create_unlinked(r, name);
	if (fd < 0)
		return fd;
	rc = make(r, f, fd);
	if (rc) {
		close(fd);
		return rc;
	}
	fd = rp_restore_stash_fd(r, fd);
	if (fd < 0)
		return fd;
	m->remap_id = remap_id;
	m->fd = fd;
	m->next = *head;
	*head = m;
	return fd;
}
