/* SPDX-License-Identifier: BSD-3-Clause
 *
 * memfd_create(2): name, size, seals, mode, contents (memfd.img and pagemap-shmem-N.img), any number of descriptions.
 * Pages that were never written stay holes. A memfd of huge pages is carried whole.
 */
#include "kind/memfd.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "abi/layout.h"
#include "kind/fdcommon.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/str.h"

#define PREFIX "/memfd:"
#define DELETED " (deleted)"
#define SIZE_LIMIT (1ULL << 46)

struct dumped {
	ino_t ino;
	uint32_t inode_id;
	struct dumped *next;
};

struct made {
	uint64_t inode_id;
	int fd;
	struct made *next;
};

static bool memfd_is(const struct rp_fd *fd)
{
	return S_ISREG(fd->st.st_mode) && rp_str_has_prefix(fd->link, PREFIX) && !(fd->flags & O_PATH);
}

/* ---- dump ---- */

static uint64_t page_up(uint64_t n)
{
	return (n + RP_PAGE_SIZE - 1) & ~(RP_PAGE_SIZE - 1);
}

/* Copies [from, to) of fd to pages_fd at *out_off, zeros behind the end of the file. */
static int copy_range(struct rp_dump *d, int fd, int pages_fd, uint64_t from, uint64_t to, uint64_t *out_off)
{
	size_t room = 1 << 20;
	char *buf RP_AUTOFREE = malloc(room);

	if (!buf)
		return rp_error(&d->err, -ENOMEM, "no memory");
	while (from < to) {
		size_t want = to - from < room ? (size_t)(to - from) : room;
		ssize_t n = pread(fd, buf, want, (off_t)from);
		int rc;

		if (n < 0)
			return rp_error(&d->err, -errno, "reading its contents: %s", strerror(errno));
		if (n == 0 || (size_t)n < want)
			memset(buf + n, 0, want - (size_t)n);
		rc = rp_pwrite_all(pages_fd, buf, want, (off_t)*out_off);
		if (rc)
			return rp_error(&d->err, rc, "writing its contents: %s", strerror(-rc));
		from += want;
		*out_off += want;
	}
	return 0;
}

/* Ranges with data, whole pages. Returns false at the end. */
static bool next_data(int fd, uint64_t size, uint64_t *from, uint64_t *to)
{
	off_t start = lseek(fd, (off_t)*to, SEEK_DATA), end;

	if (start < 0 || (uint64_t)start >= size)
		return false;
	end = lseek(fd, start, SEEK_HOLE);
	*from = (uint64_t)start & ~(RP_PAGE_SIZE - 1);
	*to = page_up(end < 0 || (uint64_t)end > size ? size : (uint64_t)end);
	return true;
}

static int dump_contents(struct rp_dump *d, int fd, uint64_t size, uint32_t shmid)
{
	PagemapHead head = PAGEMAP_HEAD__INIT;
	uint64_t from = 0, to = 0, off = 0;
	int pages_fd, rc;

	head.pages_id = d->next_pages_id++;
	rc = rp_writer_put(d->writer, RP_IMG_PAGEMAP_SHMEM, shmid, &head, &d->err);
	if (!rc)
		rc = rp_writer_pages(d->writer, head.pages_id, 0, &pages_fd, &d->err);
	while (!rc && next_data(fd, size, &from, &to)) {
		PagemapEntry e;

		rp_pagemap_entry_init(&e, from, (to - from) / RP_PAGE_SIZE, RP_PE_PRESENT);
		rc = rp_writer_put(d->writer, RP_IMG_PAGEMAP_SHMEM, shmid, &e, &d->err);
		if (!rc)
			rc = copy_range(d, fd, pages_fd, from, to, &off);
	}
	return rc ? rc : rp_writer_pages_end(d->writer, head.pages_id, off, &d->err);
}

static int dump_inode(struct rp_dump *d, const struct rp_fd *fd, uint32_t inode_id)
{
	MemfdInodeEntry m = MEMFD_INODE_ENTRY__INIT;
	char name[PATH_MAX], path[64];
	int own RP_AUTOCLOSE = -1;
	struct statfs fs;
	int seals, rc;

	snprintf(name, sizeof(name), "%s", fd->link + strlen(PREFIX));
	if (rp_str_has_suffix(name, DELETED))
		name[strlen(name) - strlen(DELETED)] = 0;
	/* Our duplicate may be write-only, and its position is the process's. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd->lfd);
	own = open(path, O_RDONLY | O_CLOEXEC);
	seals = own < 0 ? -1 : fcntl(own, F_GET_SEALS);
	if (seals < 0 || fstatfs(own, &fs))
		return rp_error(&d->err, -errno, "reading it: %s", strerror(errno));
	m.name = name;
	m.uid = fd->st.st_uid;
	m.gid = fd->st.st_gid;
	m.size = (uint64_t)fd->st.st_size;
	m.shmid = (uint32_t)fd->st.st_ino;
	m.seals = (uint32_t)seals;
	m.inode_id = inode_id;
	m.has_mode = true;
	m.mode = fd->st.st_mode;
	if (fs.f_type == HUGETLBFS_MAGIC) {
		m.has_hugetlb_flag = true;
		m.hugetlb_flag = MFD_HUGETLB | (unsigned)__builtin_ctzl((unsigned long)fs.f_bsize) << MAP_HUGE_SHIFT;
	}
	rc = rp_writer_put(d->writer, RP_IMG_MEMFD_INODE, 0, &m, &d->err);
	return rc ? rc : dump_contents(d, own, m.size, m.shmid);
}

static int memfd_dump(struct rp_dump *d, const struct rp_fd *fd, FileEntry *e)
{
	struct dumped **head = (struct dumped **)&d->kind_state[FD_TYPES__MEMFD], *i = *head;
	MemfdFileEntry *m = RP_DUMP_MSG(d, MemfdFileEntry, memfd_file_entry__init);
	int rc;

	if (!m || !(m->fown = rp_fown_dump(d, fd)))
		return -ENOMEM;
	while (i && i->ino != fd->st.st_ino)
		i = i->next;
	if (!i) {
		i = rp_dump_alloc(d, sizeof(*i));
		if (!i)
			return -ENOMEM;
		i->ino = fd->st.st_ino;
		i->inode_id = *head ? (*head)->inode_id + 1 : 1;
		i->next = *head;
		*head = i;
		rc = dump_inode(d, fd, i->inode_id);
		if (rc)
			return rc;
	}
	m->id = fd->id;
	m->flags = fd->flags;
	m->pos = (uint64_t)fd->pos;
	m->inode_id = i->inode_id;
	e->type = FD_TYPES__MEMFD;
	e->memfd = m;
	return 0;
}

/* ---- restore ---- */

static const MemfdInodeEntry *find_inode(struct rp_restore *r, uint64_t inode_id)
{
	MemfdInodeEntry **all;
	size_t count;

	if (rp_image_all(r->image, RP_IMG_MEMFD_INODE, 0, &all, &count, &r->err))
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (all[i]->inode_id == inode_id)
			return all[i];
	rp_error(&r->err, -EINVAL, "memfd.img: no inode %llu", (unsigned long long)inode_id);
	return NULL;
}

static int memfd_check(struct rp_restore *r, const FileEntry *e)
{
	const struct rp_img_run *runs;
	const MemfdInodeEntry *m;
	uint32_t pages_id;
	size_t count;
	int rc;

	if (!e->memfd || e->memfd->pos > INT64_MAX)
		return rp_error(&r->err, -EINVAL, "memfd, file id %u: not valid", e->id);
	m = find_inode(r, e->memfd->inode_id);
	if (!m)
		return -EINVAL;
	if (m->size > SIZE_LIMIT || strlen(m->name) > 249)
		return rp_error(&r->err, -EINVAL, "memfd.img: inode %llu is not valid",
				(unsigned long long)m->inode_id);
	rc = rp_fown_check(r, e->memfd->fown, "memfd", e->id);
	if (rc || !rp_image_has(r->image, RP_IMG_PAGEMAP_SHMEM, m->shmid))
		return rc;
	rc = rp_image_pagemap(r->image, RP_IMG_PAGEMAP_SHMEM, m->shmid, &runs, &count, &pages_id, &r->err);
	if (!rc && count && runs[count - 1].vaddr + runs[count - 1].npages * RP_PAGE_SIZE > page_up(m->size))
		rc = rp_error(&r->err, -EINVAL, "memfd %s: pages lie beyond its end", m->name);
	return rc;
}

/* Huge pages have no write(2), so the pages are read into a mapping. */
static int fill(struct rp_restore *r, const MemfdInodeEntry *m, int fd)
{
	const struct rp_img_run *runs;
	uint64_t pages_size, len = page_up(m->size);
	int pages_fd RP_AUTOCLOSE = -1;
	uint32_t pages_id;
	size_t count;
	char *map;
	int rc;

	if (!m->size || !rp_image_has(r->image, RP_IMG_PAGEMAP_SHMEM, m->shmid))
		return 0;
	rc = rp_image_pagemap(r->image, RP_IMG_PAGEMAP_SHMEM, m->shmid, &runs, &count, &pages_id, &r->err);
	if (!rc && count)
		rc = rp_image_pages(r->image, pages_id, &pages_fd, &pages_size, &r->err);
	if (rc || !count)
		return rc;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return rp_error(&r->err, -errno, "memfd %s: %s", m->name, strerror(errno));
	for (size_t i = 0; !rc && i < count; i++) {
		rc = rp_pread_all(pages_fd, map + runs[i].vaddr, runs[i].npages * RP_PAGE_SIZE,
				  (off_t)runs[i].file_off);
		if (rc)
			rp_error(&r->err, rc, "memfd %s: reading pages-%u.img: %s", m->name, pages_id, strerror(-rc));
	}
	munmap(map, len);
	return rc;
}

static int make(struct rp_restore *r, const MemfdInodeEntry *m)
{
	int fd = memfd_create(m->name, MFD_CLOEXEC | MFD_ALLOW_SEALING | (m->has_hugetlb_flag ? m->hugetlb_flag : 0));
	int rc = 0;

	if (fd < 0)
		return rp_error(&r->err, -errno, "memfd %s: %s", m->name, strerror(errno));
	if (ftruncate(fd, (off_t)m->size))
		rc = rp_error(&r->err, -errno, "memfd %s of %llu bytes: %s", m->name, (unsigned long long)m->size,
			      strerror(errno));
	if (!rc)
		rc = fill(r, m, fd);
	if (!rc && fchown(fd, m->uid, m->gid))
		rp_warn("memfd %s keeps our owner instead of %u:%u: %s", m->name, m->uid, m->gid, strerror(errno));
	if (!rc && m->has_mode && fchmod(fd, m->mode & 07777))
		rc = rp_error(&r->err, -errno, "memfd %s: %s", m->name, strerror(errno));
	if (!rc && m->seals && fcntl(fd, F_ADD_SEALS, m->seals))
		rc = rp_error(&r->err, -errno, "memfd %s: seals 0x%x: %s", m->name, m->seals, strerror(errno));
	if (rc) {
		close(fd);
		return rc;
	}
	return rp_restore_stash_fd(r, fd);
}

int rp_memfd_open_as(struct rp_restore *r, const MemfdFileEntry *m, int flags, int *out_fd)
{
	struct made **head = (struct made **)&r->kind_state[FD_TYPES__MEMFD], *i = *head;
	const MemfdInodeEntry *inode = find_inode(r, m->inode_id);
	char path[64];
	int fd;

	if (!inode)
		return -EINVAL;
	while (i && i->inode_id != m->inode_id)
		i = i->next;
	if (!i) {
		i = rp_restore_alloc(r, sizeof(*i));
		if (!i)
			return -ENOMEM;
		i->inode_id = m->inode_id;
		i->fd = make(r, inode);
		if (i->fd < 0)
			return i->fd;
		i->next = *head;
		*head = i;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", i->fd);
	fd = open(path, (flags & (O_ACCMODE | O_LARGEFILE | (RP_FL_SETTABLE & ~O_ASYNC))) | O_CLOEXEC);
	if (fd < 0)
		return rp_error(&r->err, -errno, "memfd %s: %s", inode->name, strerror(errno));
	*out_fd = fd;
	return 0;
}

static int memfd_open(struct rp_restore *r, const FileEntry *e, int *out_fd)
{
	int fd, rc = rp_memfd_open_as(r, e->memfd, (int)e->memfd->flags, &fd);

	if (rc)
		return rc;
	if (lseek(fd, (off_t)e->memfd->pos, SEEK_SET) < 0) {
		rc = rp_error(&r->err, -errno, "memfd: position: %s", strerror(errno));
		close(fd);
		return rc;
	}
	*out_fd = fd;
	return 0;
}

static int memfd_finish(struct rp_restore *r, struct rp_rtask *t, const FileEntry *e, int fd)
{
	return rp_fown_restore(r, t, e->memfd->fown, e->memfd->flags, fd);
}

const struct rp_kind rp_kind_memfd = {
	.name = "memfd",
	.fd_type = FD_TYPES__MEMFD,
	.fd_is = memfd_is,
	.fd_dump = memfd_dump,
	.fd_check = memfd_check,
	.fd_open = memfd_open,
	.fd_finish = memfd_finish,
};
