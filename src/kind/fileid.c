/* SPDX-License-Identifier: BSD-3-Clause */
#include "kind/fileid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kind/taskcommon.h"
#include "util/fd.h"
#include "util/hash.h"

#define MAPPED_MAX (16U << 20) /* mapped files up to this size are hashed, while the process runs */
#define READ_MAX (1U << 20)    /* and files that are read, while it stands still */
#define END_SIZE 4096U	       /* of others the first and the last bytes */

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

static bool hash_whole(int fd, uint64_t size, uint64_t *hash)
{
	void *data = size ? mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (data == MAP_FAILED)
		return false;
	*hash = rp_hash(data, size);
	munmap(data, size);
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
		   enum rp_fileid_use use)
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
	x->has_hash = readable >= 0 && x->size <= max && hash_whole(readable, x->size, &x->hash);
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

static bool is_same_contents(const RpFileExtra *x, int readable, const struct stat *st)
{
	uint64_t hash;

	if ((uint64_t)st->st_size != x->size)
		return false;
	return mtime_of(st) == x->mtime_ns ||
	       (x->has_hash && readable >= 0 && hash_whole(readable, x->size, &hash) && hash == x->hash);
}

/* Does it begin as it did? What cannot be read is not compared. */
static bool has_same_beginning(const RpFileExtra *x, int readable)
{
	uint64_t hash;

	return !x->has_ends_hash || readable < 0 || (hash_ends(readable, x->size, &hash) && hash == x->ends_hash);
}

int rp_fileid_check(struct rp_restore *r, const RegFileEntry *m, const RpFileExtra *x, int fd)
{
	bool is_read = (m->flags & O_ACCMODE) == O_RDONLY && x->use != RP_FILEID_SHARED, same;
	RP_AUTOCLOSE int readable = open_again(fd);
	struct stat st;

	if (fstat(fd, &st) < 0)
		return rp_error(&r->err, -errno, "%s: %s", m->name, strerror(errno));
	if (is_read)
		same = is_same_contents(x, readable, &st);
	else if (x->use == RP_FILEID_SHARED)
		same = is_same_inode(x, fd, &st) || is_same_contents(x, readable, &st);
	else if (m->flags & O_APPEND)
		same = has_same_beginning(x, readable);
	else
		same = is_same_inode(x, fd, &st) || (readable >= 0 && has_same_beginning(x, readable));
	if (same)
		return 0;
	return rp_error(&r->err, -ESTALE, "%s %s since the checkpoint: put the old file back", m->name,
			is_read ? "has changed" : "was replaced");
}
