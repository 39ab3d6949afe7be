/* SPDX-License-Identifier: BSD-3-Clause */
#include "kind/fileid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kind/taskcommon.h"
#include "util/fd.h"
#include "util/hash.h"
#include "util/log.h"
#include "util/str.h"

#define MAPPED_MAX (16U << 20) /* mapped files up to this size are hashed, while the process runs */
#define READ_MAX (1U << 20)    /* and files that are read, while it stands still */
#define END_SIZE 4096U	       /* of others the first and the last bytes */
#define PIECE 32768U

static uint64_t mtime_of(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * 1000000000UL + (uint64_t)st->st_mtim.tv_nsec;
}

/* When the file was made; false: its file system does not say. */
static bool read_birth(int fd, uint64_t *ns)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &sx) < 0 || !(sx.stx_mask & STATX_BTIME))
		return false;
	*ns = (uint64_t)sx.stx_btime.tv_sec * 1000000000UL + sx.stx_btime.tv_nsec;
	return true;
}

/* Read in pieces, not mapped: whoever cuts the file meanwhile must not kill us. */
static bool hash_whole(int fd, uint64_t size, uint64_t *hash)
{
	uint64_t state = RP_HASH_INIT;
	char buf[PIECE];

	if (size == 0 || size > MAPPED_MAX)
		return false;
	for (uint64_t at = 0; at < size; at += PIECE) {
		size_t len = size - at < PIECE ? size - at : PIECE;

		if (rp_pread_all(fd, buf, len, (off_t)at) < 0)
			return false;
		state = rp_hash_add(state, buf, len);
	}
	*hash = rp_hash_end(state);
	return true;
}

/* The first and the last bytes of the first `size`. */
static bool hash_ends(int fd, uint64_t size, uint64_t *hash)
{
	char buf[2 * END_SIZE];
	size_t head = size < END_SIZE ? size : END_SIZE, tail = size - head < END_SIZE ? size - head : END_SIZE;

	if (rp_pread_all(fd, buf, head, 0) < 0 || rp_pread_all(fd, buf + head, tail, (off_t)(size - tail)) < 0)
		return false;
	*hash = rp_hash(buf, head + tail);
	return true;
}

/* A descriptor of ours that can be read, whatever fd is. */
static int open_again(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* ---- dump ---- */

int rp_fileid_dump(struct rp_dump *d, struct rp_task *t, int fd, const struct stat *st, uint32_t id,
		   enum rp_fileid_use use, bool is_read)
{
	RP_AUTOCLOSE int readable = open_again(fd);
	uint64_t max = use == RP_FILEID_FD ? READ_MAX : MAPPED_MAX;
	RpFileExtra *x, **more;

	for (size_t i = 0; i < t->extra->n_files; i++)
		if (t->extra->files[i]->id == id)
			return 0;
	x = RP_TASK_MSG(d, RpFileExtra, rp_file_extra__init);
	more = rp_dump_alloc(d, (t->extra->n_files + 1) * sizeof(*more));
	if (!x || !more)
		return -ENOMEM;
	x->id = id;
	x->size = (uint64_t)st->st_size;
	x->mtime_ns = mtime_of(st);
	x->has_use = use != RP_FILEID_PRIVATE;
	x->use = use;
	x->has_ino = true;
	x->ino = st->st_ino;
	x->has_birth_ns = read_birth(fd, &x->birth_ns);
	x->has_hash = is_read && readable >= 0 && x->size <= max && hash_whole(readable, x->size, &x->hash);
	x->has_ends_hash = use == RP_FILEID_FD && readable >= 0 && hash_ends(readable, x->size, &x->ends_hash);
	if (t->extra->n_files > 0)
		memcpy(more, t->extra->files, t->extra->n_files * sizeof(*more));
	more[t->extra->n_files++] = x;
	t->extra->files = more;
	return 0;
}

/* ---- restore ---- */

const RpFileExtra *rp_fileid_find(const struct rp_restore *r, uint32_t id)
{
	const RpTaskEntry *extra = r->tasks[0].extra;

	for (size_t i = 0; extra && i < extra->n_files; i++)
		if (extra->files[i]->id == id)
			return extra->files[i];
	return NULL;
}

static bool is_same_inode(const RpFileExtra *x, int fd, const struct stat *st)
{
	uint64_t birth;

	return x->has_ino && x->ino == st->st_ino &&
	       (!x->has_birth_ns || !read_birth(fd, &birth) || birth == x->birth_ns);
}

enum verdict { OTHER, LIKELY, SAME };

/* A copy, or a file that was touched, has another time: where not all was hashed, its ends have to do. */
static enum verdict judge_contents(const RpFileExtra *x, int readable, const struct stat *st)
{
	uint64_t hash;

	if ((uint64_t)st->st_size != x->size)
		return OTHER;
	if (mtime_of(st) == x->mtime_ns)
		return SAME;
	if (x->has_hash)
		return readable >= 0 && hash_whole(readable, x->size, &hash) && hash == x->hash ? SAME : OTHER;
	return x->has_ends_hash && readable >= 0 && hash_ends(readable, x->size, &hash) && hash == x->ends_hash ? LIKELY
														: OTHER;
}

/* Does it begin as it did? What cannot be read is not compared. */
static bool has_same_beginning(const RpFileExtra *x, int readable)
{
	uint64_t hash;

	return !x->has_ends_hash || readable < 0 || (hash_ends(readable, x->size, &hash) && hash == x->ends_hash);
}

/* The file as the process has it mapped shared, NULL: it has not. */
static const RegFileEntry *find_shared(const struct rp_restore *r, const char *name)
{
	const RpTaskEntry *extra = r->tasks[0].extra;

	for (size_t i = 0; extra && i < extra->n_files; i++) {
		const FileEntry *e = rp_restore_file(r, extra->files[i]->id);

		if (extra->files[i]->use == RP_FILEID_SHARED && e && e->reg && rp_streq(e->reg->name, name))
			return e->reg;
	}
	return NULL;
}

/* Of a file that is only read. What is mapped shared, others write: a cache of the system's (nscd, sssd) is never as it was. */
static enum verdict judge_read(const RpFileExtra *x, int readable, const struct stat *st, bool is_shared)
{
	enum verdict v = judge_contents(x, readable, st);

	return v == OTHER && is_shared && (uint64_t)st->st_size == x->size ? LIKELY : v;
}

static enum verdict judge_written(const RegFileEntry *m, const RpFileExtra *x, int fd, int readable,
				  const struct stat *st)
{
	bool same;

	if (x->use == RP_FILEID_SHARED)
		same = is_same_inode(x, fd, st) || judge_contents(x, readable, st) == SAME;
	else if (m->flags & O_APPEND)
		same = has_same_beginning(x, readable);
	else
		same = is_same_inode(x, fd, st) || (readable >= 0 && has_same_beginning(x, readable));
	return same ? SAME : OTHER;
}

int rp_fileid_check(struct rp_restore *r, const RegFileEntry *m, const RpFileExtra *x, int fd)
{
	const RegFileEntry *map = x->use == RP_FILEID_PRIVATE ? NULL : find_shared(r, m->name);
	/* Written by the process itself, if only through its mapping. */
	bool is_read = ((m->flags | (map ? map->flags : 0)) & O_ACCMODE) == O_RDONLY;
	RP_AUTOCLOSE int readable = open_again(fd);
	enum verdict v;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return rp_error(&r->err, -errno, "%s: %s", m->name, strerror(errno));
	v = is_read ? judge_read(x, readable, &st, map != NULL) : judge_written(m, x, fd, readable, &st);
	/* Once: not by every rank, and not again where it is opened. */
	if (v == LIKELY && !r->plan && (r->opts->only_check || !r->opts->job))
		rp_warn("%s was written or copied since the checkpoint: taken as it is", m->name);
	if (v != OTHER)
		return 0;
	return rp_error(&r->err, -ESTALE, "%s %s since the checkpoint: put the old file back", m->name,
			is_read ? "has changed" : "was replaced");
}
