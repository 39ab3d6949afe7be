/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Mappings at the dump: /proc/PID/smaps (collect) and maps (again, stopped), map_files. Every kind of mapping becomes a
 * VmaEntry; files that are mapped become entries of files.img. A file that was deleted or replaced and is mapped privately
 * becomes anonymous memory, its pages saved whole.
 * Cannot carry: mappings of devices, System V shared memory, rings of asynchronous I/O, perf, io_uring and packet sockets, uprobes,
 * userfaultfd, memory protection keys, sealed mappings, memory without a name that another process shares.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "abi/layout.h"
#include "host/proc.h"
#include "host/smaps.h"
#include "kind/fileid.h"
#include "kind/taskcommon.h"
#include "kind/vma.h"
#include "util/array.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/str.h"

#define TEXT_MAX (1U << 30)
#define DELETED " (deleted)"

static int refuse(struct rp_dump *d, const struct rp_smap *s, const char *what)
{
	return rp_error(&d->err, -ENOTSUP, "the mapping at %#lx, %s (%s), cannot be carried", (unsigned long)s->start,
			what, s->path[0] ? s->path : "anonymous");
}

/* What cannot be carried by the look of its name or flags. */
static int check_kind(struct rp_dump *d, const struct rp_smap *s)
{
	if (s->vmflags & (RP_VMF(UM) | RP_VMF(UW) | RP_VMF(UI)))
		return refuse(d, s, "watched by a userfaultfd");
	if (s->vmflags & RP_VMF(SS))
		return refuse(d, s, "a shadow stack");
	if (s->vmflags & RP_VMF(SL) && s->path[0] != '[')
		return refuse(d, s, "which is sealed (mseal)");
	if (s->pkey != 0)
		return refuse(d, s, "with a memory protection key");
	if (rp_str_has_prefix(s->path, "/SYSV") && s->shared)
		return refuse(d, s, "System V shared memory");
	if (rp_str_has_prefix(s->path, "/[aio]"))
		return refuse(d, s, "a ring of asynchronous I/O");
	if (rp_str_has_prefix(s->path, "/secretmem"))
		return refuse(d, s, "secret memory");
	if (rp_streq(s->path, "[uprobes]"))
		return refuse(d, s, "breakpoints of uprobes");
	if (rp_str_has_prefix(s->path, "anon_inode:"))
		return refuse(d, s, "memory of a kernel object");
	if (rp_str_has_prefix(s->path, "socket:"))
		return refuse(d, s, "the ring of a socket");
	if (s->path[0] != '/' && s->path[0] != '[' && s->path[0] != '\0')
		return refuse(d, s, "of an unknown kind");
	return 0;
}

static bool is_shm_name(const struct rp_smap *s)
{
	return s->shared && (rp_streq(s->path, "/dev/zero" DELETED) || rp_str_has_prefix(s->path, "[anon_shmem:"));
}

static int classify(struct rp_dump *d, const struct rp_smap *s, struct rp_map *m)
{
	if (rp_streq(s->path, "[vsyscall]")) {
		m->what = RP_MAP_VSYSCALL;
	} else if (rp_str_has_prefix(s->path, "[vvar")) {
		m->what = RP_MAP_VVAR;
	} else if (rp_streq(s->path, "[vdso]")) {
		m->what = RP_MAP_VDSO;
	} else if (is_shm_name(s)) {
		m->what = RP_MAP_SHM;
	} else if (rp_str_has_prefix(s->path, "/anon_hugepage")) {
		m->what = s->shared ? RP_MAP_SHM : RP_MAP_ANON;
	} else if (s->path[0] == '/' && !rp_streq(s->path, "/dev/zero")) {
		m->what = RP_MAP_FILE;
	} else {
		m->what = RP_MAP_ANON;
	}
	if (m->what == RP_MAP_ANON && s->vmflags & (RP_VMF(PF) | RP_VMF(IO)))
		return refuse(d, s, "memory of a device");
	return 0;
}

/* The mapped file itself. Falls back to its name where map_files needs a right that we lack. */
static int open_mapped(struct rp_dump *d, struct rp_task *t, const struct rp_map *m)
{
	char path[64];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "map_files/%lx-%lx", (unsigned long)m->start, (unsigned long)m->end);
	fd = openat(t->proc_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && (errno == EPERM || errno == EACCES)) {
		fd = open(m->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_ino != m->ino)) {
			close(fd);
			fd = -1;
			errno = EPERM;
		}
	}
	return fd < 0 ? rp_error(&d->err, -errno, "cannot open the file mapped at %#lx (%s): %s",
				 (unsigned long)m->start, m->path, strerror(errno))
		      : fd;
}

/* Does the name still lead to this file? */
static bool is_gone(const struct rp_map *m, const struct stat *st)
{
	struct stat now;

	if (rp_str_has_suffix(m->path, DELETED))
		return true;
	return stat(m->path, &now) < 0 || now.st_dev != st->st_dev || now.st_ino != st->st_ino;
}

static bool has_build_id(const struct rp_dump *d, uint32_t id)
{
	for (size_t i = 0; i < d->nfiles; i++)
		if (d->files[i]->id == id)
			return d->files[i]->reg && d->files[i]->reg->n_build_id > 0;
	return false;
}

static int record_file(struct rp_dump *d, struct rp_task *t, struct rp_map *m)
{
	uint32_t flags = m->shared && m->vmflags & RP_VMF(MW) ? O_RDWR : O_RDONLY;
	RP_AUTOCLOSE int fd = -1;
	struct stat st;
	int ret;

	ret = open_mapped(d, t, m);
	if (ret < 0)
		return ret;
	fd = ret;
	if (fstat(fd, &st) < 0)
		return rp_error(&d->err, -errno, "%s: %s", m->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return rp_error(&d->err, -ENOTSUP, "the mapping at %#lx, of the device %s, cannot be carried",
				(unsigned long)m->start, m->path);
	if (!m->shared && !rp_str_has_prefix(m->path, "/memfd:") && is_gone(m, &st)) {
		uint64_t rest = (uint64_t)st.st_size > m->pgoff ? (uint64_t)st.st_size - m->pgoff : 0;

		rest = (rest + RP_PAGE_SIZE - 1) & ~(RP_PAGE_SIZE - 1);
		m->what = RP_MAP_ANON;
		m->save_all = true;
		m->save_len = rest < m->end - m->start ? rest : m->end - m->start;
		return 0;
	}
	ret = rp_dump_file(d, t, fd, m->path, flags, &m->file_id);
	/* What travels in the image itself is not looked for by name. */
	if (ret < 0 || st.st_nlink == 0 || has_build_id(d, m->file_id))
		return ret;
	return rp_fileid_dump(d, t, fd, &st, m->file_id, m->shared ? RP_FILEID_SHARED : RP_FILEID_PRIVATE, true);
}

/* Shared anonymous objects are told apart by their inode; the image numbers them from 1. */
static void number_shm(struct rp_task *t, struct rp_map *m)
{
	uint32_t highest = 0;

	for (struct rp_map *o = t->maps; o < m; o++) {
		if (o->what != RP_MAP_SHM)
			continue;
		if (o->ino == m->ino && o->dev_minor == m->dev_minor && o->dev_major == m->dev_major) {
			m->file_id = o->file_id;
			return;
		}
		if (o->file_id > highest)
			highest = o->file_id;
	}
	m->file_id = highest + 1;
}

static int take_map(struct rp_dump *d, struct rp_task *t, const struct rp_smap *s, struct rp_map *m)
{
	int ret;

	*m = (struct rp_map){ .start = s->start,
			      .end = s->end,
			      .pgoff = s->pgoff,
			      .prot = s->prot,
			      .shared = s->shared,
			      .dev_major = s->dev_major,
			      .dev_minor = s->dev_minor,
			      .ino = s->ino,
			      .page_size = s->page_size,
			      .vmflags = s->vmflags,
			      .dirty = s->anonymous + s->swap };
	/* Huge pages are in no other counter. */
	if (s->vmflags & RP_VMF(HT))
		m->dirty = s->end - s->start;
	m->lower = t->arena && rp_addr_is_lower(s->start);
	m->path = rp_dump_strdup(d, s->path);
	if (!m->path)
		return -ENOMEM;
	if (m->lower)
		return 0;
	ret = check_kind(d, s);
	if (ret == 0)
		ret = classify(d, s, m);
	if (ret == 0 && m->what == RP_MAP_FILE)
		ret = record_file(d, t, m);
	if (m->what == RP_MAP_SHM)
		number_shm(t, m);
	return ret;
}

static int read_maps(struct rp_dump *d, struct rp_task *t)
{
	RP_AUTOFREE char *text = NULL;
	RP_AUTOFREE struct rp_smap *smaps = NULL;
	size_t count;
	int ret = rp_read_file_at(t->proc_fd, "smaps", TEXT_MAX, &text, NULL);

	if (ret < 0)
		return rp_error(&d->err, ret, "cannot read its mappings: %s", strerror(-ret));
	ret = rp_smaps_parse(text, &smaps, &count, &d->err);
	if (ret < 0)
		return ret;
	t->maps = rp_dump_alloc(d, (count + 1) * sizeof(t->maps[0]));
	if (!t->maps)
		return -ENOMEM;
	t->nmaps = 0;
	for (size_t i = 0; i < count; i++) {
		ret = take_map(d, t, &smaps[i], &t->maps[i]);
		if (ret < 0)
			return ret;
		t->nmaps++;
	}
	return rp_vma_check_outside(d, t);
}

static int vma_collect(struct rp_dump *d, struct rp_task *t)
{
	return read_maps(d, t);
}

/* Has nothing changed since the process was running? */
static int compare_maps(struct rp_dump *d, struct rp_task *t, bool *same)
{
	RP_AUTOFREE char *text = NULL;
	RP_AUTOFREE struct rp_smap *maps = NULL;
	size_t count;
	int ret = rp_read_file_at(t->proc_fd, "maps", TEXT_MAX, &text, NULL);

	if (ret < 0)
		return rp_error(&d->err, ret, "cannot read its mappings: %s", strerror(-ret));
	ret = rp_smaps_parse(text, &maps, &count, &d->err);
	if (ret < 0)
		return ret;
	*same = count == t->nmaps;
	for (size_t i = 0; *same && i < count; i++) {
		const struct rp_map *m = &t->maps[i];

		*same = maps[i].start == m->start && maps[i].end == m->end && maps[i].prot == m->prot &&
			maps[i].pgoff == m->pgoff && !maps[i].shared == !m->shared && maps[i].ino == m->ino &&
			rp_streq(maps[i].path, m->path);
	}
	return 0;
}

static uint64_t madvise_bits(uint64_t vmflags)
{
	static const struct {
		uint64_t flag;
		int advice;
	} table[] = {
		{ RP_VMF(RR), MADV_RANDOM },	{ RP_VMF(SR), MADV_SEQUENTIAL }, { RP_VMF(DC), MADV_DONTFORK },
		{ RP_VMF(MG), MADV_MERGEABLE }, { RP_VMF(HG), MADV_HUGEPAGE },	 { RP_VMF(NH), MADV_NOHUGEPAGE },
		{ RP_VMF(DD), MADV_DONTDUMP },	{ RP_VMF(WF), MADV_WIPEONFORK },
	};
	uint64_t bits = 0;

	for (size_t i = 0; i < RP_COUNT(table); i++)
		if (vmflags & table[i].flag)
			bits |= 1UL << table[i].advice;
	return bits;
}

static uint32_t map_flags(const struct rp_map *m)
{
	uint32_t flags = m->shared ? MAP_SHARED : MAP_PRIVATE;

	if (m->what != RP_MAP_FILE)
		flags |= MAP_ANONYMOUS;
	if (m->vmflags & RP_VMF(GD))
		flags |= MAP_GROWSDOWN;
	if (m->vmflags & RP_VMF(NR))
		flags |= MAP_NORESERVE;
	if (m->vmflags & RP_VMF(LO))
		flags |= MAP_LOCKED;
	if (m->vmflags & RP_VMF(HT) && m->what != RP_MAP_FILE)
		flags |= MAP_HUGETLB | (uint32_t)__builtin_ctzl(m->page_size) << MAP_HUGE_SHIFT;
	return flags;
}

static uint32_t status_of(const struct rp_map *m)
{
	switch (m->what) {
	case RP_MAP_VSYSCALL:
		return RP_VMA_STATUS_VSYSCALL | RP_VMA_ANON_PRIVATE;
	case RP_MAP_VVAR:
		return RP_VMA_REGULAR | RP_VMA_ANON_PRIVATE | RP_VMA_STATUS_VVAR;
	case RP_MAP_VDSO:
		return RP_VMA_REGULAR | RP_VMA_ANON_PRIVATE | RP_VMA_STATUS_VDSO;
	case RP_MAP_SHM:
		return RP_VMA_REGULAR | RP_VMA_ANON_SHARED;
	case RP_MAP_FILE:
		return RP_VMA_REGULAR | (m->shared ? RP_VMA_FILE_SHARED : RP_VMA_FILE_PRIVATE) |
		       (rp_str_has_prefix(m->path, "/memfd:") ? RP_VMA_MEMFD : 0U);
	default:
		return RP_VMA_REGULAR | RP_VMA_ANON_PRIVATE | (rp_streq(m->path, "[heap]") ? RP_VMA_HEAP : 0U);
	}
}

static int make_entry(struct rp_dump *d, struct rp_map *m)
{
	VmaEntry *e = RP_TASK_MSG(d, VmaEntry, vma_entry__init);

	if (!e)
		return -ENOMEM;
	e->start = m->start;
	e->end = m->end;
	e->pgoff = m->what == RP_MAP_FILE || m->what == RP_MAP_SHM ? m->pgoff : 0;
	e->shmid = m->file_id;
	e->prot = m->prot;
	e->flags = map_flags(m);
	e->status = status_of(m);
	e->fd = -1;
	e->madv = madvise_bits(m->vmflags);
	e->has_madv = e->madv != 0;
	e->has_fdflags = m->what == RP_MAP_FILE;
	e->fdflags = m->shared && m->vmflags & RP_VMF(MW) ? O_RDWR : O_RDONLY;
	if (m->vmflags & RP_VMF(LO)) {
		m->extra = RP_TASK_MSG(d, RpVmaExtra, rp_vma_extra__init);
		if (!m->extra)
			return -ENOMEM;
		m->extra->start = m->start;
		m->extra->has_mlock = true;
		m->extra->mlock = m->vmflags & RP_VMF(LF) ? 2 : 1;
	}
	m->entry = e;
	return 0;
}

/* A new page of memory in the process. 0, its address in *addr; what mmap(2) said; or a failure, with text. */
static int probe_map(struct rp_dump *d, struct rp_task *t, int64_t *addr)
{
	static const uint64_t args[6] = { 0, RP_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
					  (uint64_t)-1 };
	int ret = rp_tracee_call(t->tracee, t->threads[0].tracee, SYS_mmap, args, addr, &d->err);

	return ret < 0 ? rp_error_prefix(&d->err, ret, "mmap: ") : 0;
}

/* Locked as its pages come, as far as one can tell: all that is locked is so. */
static bool is_all_on_fault(const struct rp_task *t)
{
	for (size_t i = 0; i < t->nmaps; i++)
		if (!t->maps[i].lower && (t->maps[i].vmflags & (RP_VMF(LO) | RP_VMF(LF))) == RP_VMF(LO))
			return false;
	return true;
}

/* Is new memory locked (mlockall(2), MCL_FUTURE)? Nothing shows it but new memory, which a process at its RLIMIT_MEMLOCK does not
 * get (EAGAIN). Only asked of who has locked some. */
static int read_future(struct rp_dump *d, struct rp_task *t)
{
	static const uint64_t present = 1UL << 63;
	struct rp_remote unmap = { .what = "munmap", .nr = SYS_munmap, .args = { 0, RP_PAGE_SIZE } };
	RP_AUTOCLOSE int pagemap = openat(t->proc_fd, "pagemap", O_RDONLY | O_CLOEXEC);
	struct rp_proc_status before, after;
	uint64_t page = 0;
	int64_t addr;
	int ret = rp_proc_status_read(t->pid, t->pid, &before, &d->err);

	if (ret < 0)
		return ret;
	rp_proc_status_done(&before);
	ret = probe_map(d, t, &addr);
	if (ret < 0)
		return ret;
	if (addr < 0 && addr >= -4095) {
		if (addr != -EAGAIN)
			rp_warn("pid %d: whether new memory is locked (mlockall) could not be found out: %s", t->pid,
				strerror((int)-addr));
		t->extra->has_mlock_future = addr == -EAGAIN;
		t->extra->mlock_future = is_all_on_fault(t) ? 2 : 1;
		return 0;
	}
	ret = rp_proc_status_read(t->pid, t->pid, &after, &d->err);
	if (ret == 0)
		rp_proc_status_done(&after);
	if (ret == 0 && after.vm_locked > before.vm_locked) {
		t->extra->has_mlock_future = true;
		(void)!pread(pagemap, &page, sizeof(page), addr / (int64_t)RP_PAGE_SIZE * (int64_t)sizeof(page));
		t->extra->mlock_future = page & present ? 1 : 2;
	}
	unmap.args[0] = (uint64_t)addr;
	return ret < 0 ? ret : rp_remote_call(d, t, &t->threads[0], &unmap, NULL);
}

static bool has_locked(const struct rp_task *t)
{
	for (size_t i = 0; i < t->nmaps; i++)
		if (!t->maps[i].lower && t->maps[i].vmflags & RP_VMF(LO))
			return true;
	return false;
}

static int vma_freeze(struct rp_dump *d, struct rp_task *t)
{
	bool same = false;
	int ret = compare_maps(d, t, &same);

	if (ret == 0 && !same) {
		rp_debug("state %d vma: mappings have changed, read again", t->pid);
		ret = read_maps(d, t);
	}
	if (ret < 0)
		return ret;
	t->mm->vmas = rp_dump_alloc(d, (t->nmaps + 1) * sizeof(t->mm->vmas[0]));
	if (!t->mm->vmas)
		return -ENOMEM;
	for (size_t i = 0; i < t->nmaps; i++) {
		if (t->maps[i].lower)
			continue;
		/* A rank's own vdso is the stand-in; the kernel's lies in the arena. */
		if (t->arena && t->maps[i].what == RP_MAP_VSYSCALL)
			continue;
		ret = make_entry(d, &t->maps[i]);
		if (ret < 0)
			return ret;
		t->mm->vmas[t->mm->n_vmas++] = t->maps[i].entry;
	}
	return has_locked(t) ? read_future(d, t) : 0;
}

const struct rp_kind rp_kind_vma = {
	.name = "vma",
	.collect = vma_collect,
	.freeze = vma_freeze,
	.check = rp_vma_check,
	.prepare = rp_vma_prepare,
	.plan = rp_vma_plan,
};
