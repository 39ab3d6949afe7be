/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Regular files, directories and O_PATH descriptors by name: flags, position, identity of the file. At a restore the
 * file must be there: same type; a file that is only read must have the recorded build id or size; a file that is
 * written must not have become shorter; a job's must be the one that it was (fileid.h). What a job's file has grown by since is cut off (unless --keep-output). Cannot
 * carry a file whose name leads elsewhere although it has others, and deleted directories.
 */
#include "kind/regfile.h"

#include <elf.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kind/fdcommon.h"
#include "kind/fileid.h"
#include "kind/ghost.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/str.h"

#define DELETED " (deleted)"
#define TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)
#define PROC "/proc/"
#define MQUEUE_MAGIC 0x19800202

static bool regfile_is(const struct rp_fd *fd)
{
	if (fd->link[0] != '/' || rp_str_has_prefix(fd->link, "/memfd:") || rp_str_has_prefix(fd->link, "/secretmem"))
		return false;
	return fd->flags & O_PATH || S_ISREG(fd->st.st_mode) || S_ISDIR(fd->st.st_mode);
}

static bool is_written(uint32_t flags)
{
	return !(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY;
}

/* ---- build id ---- */

static size_t note_build_id(const uint8_t *notes, size_t len, uint32_t *words)
{
	size_t at = 0;

	while (len - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr nh;
		size_t name, desc;

		memcpy(&nh, notes + at, sizeof(nh));
		name = at + sizeof(nh);
		if (nh.n_namesz > len || nh.n_descsz > len)
			return 0;
		desc = name + ((nh.n_namesz + 3UL) & ~3UL);
		if (desc > len || nh.n_descsz > len - desc)
			return 0;
		if (nh.n_type == NT_GNU_BUILD_ID && nh.n_namesz == 4 && !memcmp(notes + name, "GNU", 4) &&
		    nh.n_descsz && nh.n_descsz <= 64) {
			memset(words, 0, 64);
			memcpy(words, notes + desc, nh.n_descsz);
			return (nh.n_descsz + 3) / 4;
		}
		at = desc + ((nh.n_descsz + 3UL) & ~3UL);
		if (at > len)
			return 0;
	}
	return 0;
}

size_t rp_regfile_build_id(int fd, uint32_t words[static 16])
{
	uint8_t buf[4096];
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	size_t n = 0;

	if (pread(fd, &eh, sizeof(eh), 0) != sizeof(eh) || memcmp(eh.e_ident, ELFMAG, SELFMAG) ||
	    eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_phentsize != sizeof(ph))
		return 0;
	for (int i = 0; i < eh.e_phnum && !n; i++) {
		ssize_t got;

		if (pread(fd, &ph, sizeof(ph), (off_t)(eh.e_phoff + (size_t)i * sizeof(ph))) != sizeof(ph))
			return 0;
		if (ph.p_type != PT_NOTE || ph.p_filesz > sizeof(buf))
			continue;
		got = pread(fd, buf, ph.p_filesz, (off_t)ph.p_offset);
		if (got > 0)
			n = note_build_id(buf, (size_t)got, words);
	}
	return n;
}

/* ---- dump ---- */

/* Finds out whether the name still leads to the file. Returns 0, 1: deleted, or -ENOTSUP. */
static int check_name(struct rp_dump *d, const struct rp_fd *fd, const char *name)
{
	struct stat st;

	if (!fd->st.st_nlink && S_ISDIR(fd->st.st_mode))
		return rp_error(&d->err, -ENOTSUP,
				"a deleted directory cannot be carried: close it before the checkpoint");
	if (!fd->st.st_nlink)
		return 1;
	if (!lstat(name, &st) && st.st_dev == fd->st.st_dev && st.st_ino == fd->st.st_ino)
		return 0;
	return rp_error(&d->err, -ENOTSUP,
			"%s no longer leads to this file, which lives on under another name: "
			"close it before the checkpoint",
			name);
}

/* Files of /proc that lead to an address space take it when they are opened, not when they are read: reopened before the
 * restorer has made the new one, they would show another. */
static bool is_memory_view(const char *name)
{
	static const char *const views[] = { "auxv",	  "environ", "maps",  "mem",
					     "numa_maps", "pagemap", "smaps", "smaps_rollup" };
	const char *last = strrchr(name, '/') + 1;

	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		if (rp_streq(last, views[i]))
			return true;
	return false;
}

/* Files that are no files of a disk. */
static int check_system(struct rp_dump *d, const struct rp_fd *fd)
{
	struct statfs fs;
	int pid;

	if (fstatfs(fd->lfd, &fs) < 0)
		return rp_error(&d->err, -errno, "cannot inspect it: %s", strerror(errno));
	if (fs.f_type == MQUEUE_MAGIC)
		return rp_error(&d->err, -ENOTSUP,
				"the POSIX message queue %s cannot be carried: close it before the checkpoint",
				fd->link);
	pid = fs.f_type == PROC_SUPER_MAGIC && rp_str_has_prefix(fd->link, PROC) ? atoi(fd->link + strlen(PROC)) : 0;
	if (pid > 0 && pid != fd->pid)
		return rp_error(&d->err, -ENOTSUP,
				"%s is about another process, which need not be there at a restore: close it before "
				"the checkpoint",
				fd->link);
	if (pid > 0 && strstr(fd->link, "/task/"))
		return rp_error(&d->err, -ENOTSUP,
				"%s is about one thread, which is not there yet when files are opened at a restore: "
				"close it before the checkpoint",
				fd->link);
	if (pid > 0 && is_memory_view(fd->link))
		return rp_error(&d->err, -ENOTSUP,
				"%s leads to the memory of the process and cannot be carried: close it before the "
				"checkpoint",
				fd->link);
	return 0;
}

static int record_identity(struct rp_dump *d, const struct rp_fd *fd, RegFileEntry *m)
{
	uint32_t words[16];
	size_t n = 0;

	m->has_mode = true;
	m->mode = fd->st.st_mode;
	if (!S_ISREG(fd->st.st_mode) || fd->flags & O_PATH)
		return 0;
	m->has_size = true;
	m->size = (uint64_t)fd->st.st_size;
	if (!is_written(fd->flags))
		n = rp_regfile_build_id(fd->lfd, words);
	if (n && !(m->build_id = rp_dump_memdup(d, words, n * sizeof(words[0]))))
		return -ENOMEM;
	m->n_build_id = n;
	return 0;
}

/* A job's file by which its replacement would be known. Files of /proc and /sys have no contents of their own. */
static bool has_contents(const struct rp_dump *d, const struct rp_fd *fd, const RegFileEntry *m)
{
	if (!d->opts->rank || fd->fd < 0 || !S_ISREG(fd->st.st_mode) || fd->flags & O_PATH || m->n_build_id)
		return false;
	return is_written(fd->flags) || (fd->st.st_size > 0 && fd->st.st_blocks > 0);
}

static int regfile_dump(struct rp_dump *d, const struct rp_fd *fd, FileEntry *e)
{
	RegFileEntry *m = RP_DUMP_MSG(d, RegFileEntry, reg_file_entry__init);
	int rc, deleted;

	if (!m || !(m->fown = rp_fown_dump(d, fd)) || !(m->name = rp_dump_strdup(d, fd->link)))
		return -ENOMEM;
	if (!fd->st.st_nlink && rp_str_has_suffix(m->name, DELETED))
		m->name[strlen(m->name) - strlen(DELETED)] = 0;
	deleted = check_system(d, fd);
	if (deleted == 0)
		deleted = check_name(d, fd, m->name);
	if (deleted < 0)
		return deleted;
	if (deleted && !S_ISREG(fd->st.st_mode))
		return rp_error(&d->err, -ENOTSUP,
				"a deleted file of this type cannot be carried: close it before the checkpoint");
	m->id = fd->id;
	m->flags = fd->flags;
	m->pos = fd->flags & O_PATH ? 0 : (uint64_t)fd->pos;
	rc = record_identity(d, fd, m);
	if (!rc && deleted)
		rc = rp_ghost_dump(d, fd->lfd, &fd->st, fd->id);
	else if (!rc && has_contents(d, fd, m))
		rc = rp_fileid_dump(d, d->task, fd->lfd, &fd->st, fd->id, RP_FILEID_FD, !is_written(fd->flags));
	if (rc)
		return rc;
	e->type = FD_TYPES__REG;
	e->reg = m;
	return 0;
}

/* ---- restore ---- */

static int check_build_id(struct rp_restore *r, const RegFileEntry *m, int fd)
{
	uint32_t words[16];
	size_t n = rp_regfile_build_id(fd, words);

	if (n == m->n_build_id && !memcmp(words, m->build_id, n * sizeof(words[0])))
		return 0;
	return rp_error(&r->err, -ESTALE,
			"%s was replaced since the checkpoint (another build id): put the old file back", m->name);
}

/* Is this the file that the image means? readable: fd can be read. */
static int check_identity(struct rp_restore *r, const RegFileEntry *m, int fd, bool readable)
{
	const RpFileExtra *x = rp_fileid_find(r, m->id);
	struct stat st;

	if (x && x->use != RP_FILEID_FD)
		x = NULL; /* a mapping's: looked at by the mappings */
	if (fstat(fd, &st))
		return rp_error(&r->err, -errno, "%s: %s", m->name, strerror(errno));
	if (m->has_mode && (m->mode & S_IFMT) != (st.st_mode & S_IFMT))
		return rp_error(&r->err, -ESTALE, "%s is a file of another type than at the checkpoint", m->name);
	if (!S_ISREG(st.st_mode))
		return 0;
	if (is_written(m->flags)) {
		if (m->has_size && (uint64_t)st.st_size < m->size)
			return rp_error(&r->err, -ESTALE,
					"%s has become shorter since the checkpoint (%lld bytes, was %llu): put "
					"it back",
					m->name, (long long)st.st_size, (unsigned long long)m->size);
		return x && r->opts->job ? rp_fileid_check(r, m, x, fd) : 0;
	}
	if (m->n_build_id && readable && r->opts->validation == RP_VALIDATE_BUILDID)
		return check_build_id(r, m, fd);
	if (m->has_size && (uint64_t)st.st_size != m->size)
		return rp_error(&r->err, -ESTALE,
				"%s has changed since the checkpoint (%lld bytes, was %llu): put the old file "
				"back",
				m->name, (long long)st.st_size, (unsigned long long)m->size);
	return x && r->opts->job ? rp_fileid_check(r, m, x, fd) : 0;
}

/* The name to open now: what /proc shows of the process itself goes by another number before it exists, and for good with
 * new ids. */
static const char *name_now(const struct rp_restore *r, const RegFileEntry *m, char buf[PATH_MAX])
{
	int len;

	snprintf(buf, PATH_MAX, PROC "%d%n", r->tasks[0].pid, &len);
	if (strncmp(m->name, buf, (size_t)len) != 0 || (m->name[len] != '/' && m->name[len] != '\0'))
		return m->name;
	snprintf(buf, PATH_MAX, PROC "self%s", m->name + len);
	return buf;
}

static int clean_flags(const RegFileEntry *m, int flags)
{
	flags &= ~RP_FL_CREATION;
	/* The bit that O_TMPFILE leaves in the flags would make a new file. */
	flags &= ~TMPFILE_BIT;
	if (!m->has_mode || !S_ISDIR(m->mode))
		flags &= ~O_DIRECTORY;
	return flags | O_CLOEXEC | O_NOCTTY;
}

/* Opens a deleted file that was made anew. Who made it once might do more with it than its mode lets him do now. */
static int open_ghost(int ghost, const char *path, int flags)
{
	int fd = open(path, flags);
	struct stat st;

	if (fd >= 0 || errno != EACCES || fstat(ghost, &st) || fchmod(ghost, 0600))
		return fd;
	fd = open(path, flags);
	if (fchmod(ghost, st.st_mode & 07777) && fd >= 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int rp_regfile_open_as(struct rp_restore *r, const RegFileEntry *m, int flags, int *out_fd)
{
	char self[64], own[PATH_MAX];
	const char *path = name_now(r, m, own);
	uint32_t remap_id;
	int ghost = -1, fd, rc = rp_ghost_find(r, m->id, &remap_id);

	if (rc < 0)
		return rc;
	flags = clean_flags(m, flags);
	if (rc > 0) {
		ghost = rp_ghost_make(r, remap_id, m->name);
		if (ghost < 0)
			return ghost;
		snprintf(self, sizeof(self), "/proc/self/fd/%d", ghost);
		path = self;
	}
	/* O_NONBLOCK: a FIFO that stands where a file was must not hang us. */
	fd = ghost >= 0 ? open_ghost(ghost, path, flags | O_NONBLOCK) : open(path, flags | O_NONBLOCK);
	if (fd < 0 && errno == EPERM && flags & O_NOATIME)
		fd = open(path, (flags & ~O_NOATIME) | O_NONBLOCK);
	if (fd < 0)
		return rp_error(&r->err, -errno, "%s: %s", m->name, strerror(errno));
	if (ghost < 0 && (rc = check_identity(r, m, fd, false))) {
		close(fd);
		return rc;
	}
	if (!(flags & (O_PATH | O_NONBLOCK)))
		fcntl(fd, F_SETFL, flags & RP_FL_SETTABLE);
	*out_fd = fd;
	return 0;
}

static int regfile_check(struct rp_restore *r, const FileEntry *e)
{
	const RegFileEntry *m = e->reg;
	int fd RP_AUTOCLOSE = -1;
	char own[PATH_MAX];
	const char *name;
	uint32_t remap_id;
	int rc;

	if (!m || m->name[0] != '/' || m->id != e->id || m->pos > INT64_MAX || (m->has_size && m->size > INT64_MAX) ||
	    m->n_build_id > 16)
		return rp_error(&r->err, -EINVAL, "regular file, file id %u: not valid", e->id);
	rc = rp_fown_check(r, m->fown, m->name, e->id);
	if (!rc)
		rc = rp_ghost_find(r, m->id, &remap_id);
	if (rc < 0)
		return rc;
	if (rc > 0)
		return rp_ghost_check(r, remap_id);
	name = name_now(r, m, own);
	/* Read-only access is enough to compare; where even that is not given, what can be seen without is compared. */
	if (m->n_build_id)
		fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	rc = fd >= 0;
	if (fd < 0)
		fd = open(name, O_PATH | O_CLOEXEC | (m->has_mode && S_ISLNK(m->mode) ? O_NOFOLLOW : 0));
	if (fd < 0)
		return rp_error(&r->err, -errno, "%s: %s", m->name, strerror(errno));
	return check_identity(r, m, fd, rc);
}

/* A job's output goes on where the image has it: what was written after the checkpoint will be written again. */
static int cut_growth(struct rp_restore *r, const RegFileEntry *m, int fd)
{
	struct stat st;

	if (!r->opts->job || r->opts->keep_output || !m->has_size || !(m->flags & O_APPEND) || !is_written(m->flags))
		return 0;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size <= m->size)
		return 0;
	if (ftruncate(fd, (off_t)m->size))
		return rp_error(&r->err, -errno, "%s: cutting it to the %llu bytes that it had: %s", m->name,
				(unsigned long long)m->size, strerror(errno));
	return 0;
}

static int regfile_open(struct rp_restore *r, const FileEntry *e, int *out_fd)
{
	const RegFileEntry *m = e->reg;
	struct stat st;
	int fd, rc = rp_regfile_open_as(r, m, (int)m->flags & ~O_ASYNC, &fd);

	if (rc)
		return rc;
	rc = cut_growth(r, m, fd);
	if (!rc && !(m->flags & O_PATH) && !fstat(fd, &st) && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) &&
	    lseek(fd, (off_t)m->pos, SEEK_SET) < 0)
		rc = rp_error(&r->err, -errno, "%s: position %llu: %s", m->name, (unsigned long long)m->pos,
			      strerror(errno));
	if (rc) {
		close(fd);
		return rc;
	}
	*out_fd = fd;
	return 0;
}

static int regfile_finish(struct rp_restore *r, struct rp_rtask *t, const FileEntry *e, int fd)
{
	return rp_fown_restore(r, t, e->reg->fown, e->reg->flags, fd);
}

const struct rp_kind rp_kind_regfile = {
	.name = "regfile",
	.fd_type = FD_TYPES__REG,
	.fd_is = regfile_is,
	.fd_dump = regfile_dump,
	.fd_check = regfile_check,
	.fd_open = regfile_open,
	.fd_finish = regfile_finish,
};
