/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "abi/layout.h"
#include "kind/fileid.h"
#include "kind/ghost.h"
#include "kind/taskcommon.h"
#include "kind/vma.h"
#include "util/fd.h"

#define TASK_SIZE 0x7ffffffff000UL
#define PROT_ALL ((uint32_t)(PROT_READ | PROT_WRITE | PROT_EXEC))
/* What the restorer can do. MAP_LOCKED is carried out as mlock(). */
#define FLAGS_KEPT \
	((uint32_t)(MAP_SHARED | MAP_PRIVATE | MAP_GROWSDOWN | MAP_HUGETLB | MAP_NORESERVE | MAP_STACK | \
		    MAP_ANONYMOUS | (uint32_t)MAP_HUGE_MASK << MAP_HUGE_SHIFT))
#define NO_SHM UINT32_MAX

static bool is_file(const VmaEntry *e)
{
	return e->status & (RP_VMA_FILE_PRIVATE | RP_VMA_FILE_SHARED | RP_VMA_MEMFD);
}

static bool is_shared(const VmaEntry *e)
{
	return (e->flags & MAP_TYPE) == MAP_SHARED || (e->flags & MAP_TYPE) == MAP_SHARED_VALIDATE;
}

static const RpVmaExtra *extra_of(const struct rp_rtask *t, uint64_t start)
{
	for (size_t i = 0; t->extra && i < t->extra->n_vmas; i++)
		if (t->extra->vmas[i]->start == start)
			return t->extra->vmas[i];
	return NULL;
}

static int check_entry(struct rp_restore *r, const VmaEntry *e, uint64_t *last)
{
	if (e->status & RP_VMA_STATUS_VSYSCALL)
		return 0;
	if (e->start % RP_PAGE_SIZE || e->end % RP_PAGE_SIZE || e->start >= e->end || e->end > TASK_SIZE ||
	    e->start < *last)
		return rp_bad_image(r, "mapping %#lx-%#lx is out of place", (unsigned long)e->start,
				    (unsigned long)e->end);
	*last = e->end;
	if (e->prot & ~PROT_ALL || e->pgoff % RP_PAGE_SIZE)
		return rp_bad_image(r, "mapping %#lx has protection %#x, offset %#lx", (unsigned long)e->start, e->prot,
				    (unsigned long)e->pgoff);
	if (e->status & (RP_VMA_SYSVIPC | RP_VMA_SOCKET | RP_VMA_AIORING))
		return rp_error(&r->err, -ENOTSUP, "mapping %#lx is of a kind that cannot be restored (status %#x)",
				(unsigned long)e->start, e->status);
	if (r->rank && rp_addr_is_lower(e->start))
		return rp_bad_image(r, "mapping %#lx lies in the lower half", (unsigned long)e->start);
	if (is_file(e) && (e->shmid > UINT32_MAX || !rp_restore_file(r, (uint32_t)e->shmid)))
		return rp_bad_image(r, "mapping %#lx is of file %lu, which is not there", (unsigned long)e->start,
				    (unsigned long)e->shmid);
	if (!is_file(e) &&
	    !(e->status & (RP_VMA_ANON_PRIVATE | RP_VMA_ANON_SHARED | RP_VMA_STATUS_VVAR | RP_VMA_STATUS_VDSO)))
		return rp_bad_image(r, "mapping %#lx is of no known kind (status %#x)", (unsigned long)e->start,
				    e->status);
	if (e->status & RP_VMA_ANON_SHARED && !is_file(e) && e->pgoff > TASK_SIZE)
		return rp_bad_image(r, "mapping %#lx of shared memory has offset %#lx", (unsigned long)e->start,
				    (unsigned long)e->pgoff);
	return 0;
}

/* The private mapping that holds an address; runs and mappings ascend, so the search goes on where it was. */
static const VmaEntry *find_vma(const MmEntry *mm, size_t *at, uint64_t addr)
{
	while (*at < mm->n_vmas && (mm->vmas[*at]->end <= addr || mm->vmas[*at]->status & RP_VMA_STATUS_VSYSCALL))
		(*at)++;
	if (*at == mm->n_vmas || mm->vmas[*at]->start > addr)
		return NULL;
	return mm->vmas[*at];
}

static int check_runs(struct rp_restore *r, struct rp_rtask *t)
{
	size_t at = 0;

	for (size_t i = 0; i < t->nruns; i++) {
		uint64_t addr = t->runs[i].vaddr, end = addr + t->runs[i].npages * RP_PAGE_SIZE;

		while (addr < end) {
			const VmaEntry *e = find_vma(t->mm, &at, addr);

			if (!e || is_shared(e) || e->status & RP_VMA_STATUS_VVAR)
				return rp_bad_image(r, "pages at %#lx belong to no private mapping",
						    (unsigned long)addr);
			addr = e->end;
		}
	}
	return 0;
}

/* While nothing has happened yet, by name; a file that the image itself carries has none. */
static int check_mapped(struct rp_restore *r, const RpFileExtra *x)
{
	const FileEntry *e = rp_restore_file(r, x->id);
	int fd RP_AUTOCLOSE = -1;
	uint32_t remap_id;
	int rc;

	if (x->use == RP_FILEID_FD || !e || e->type != FD_TYPES__REG || !e->reg)
		return 0;
	rc = rp_ghost_find(r, x->id, &remap_id);
	if (rc)
		return rc < 0 ? rc : 0;
	fd = open(e->reg->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? 0
		      : rp_fileid_check(r, e->reg, x,
					fd); /* what cannot be read here is looked at where it is opened */
}

static int check_files(struct rp_restore *r, struct rp_rtask *t)
{
	for (size_t i = 0; t->extra && i < t->extra->n_files; i++) {
		int ret = check_mapped(r, t->extra->files[i]);

		if (ret < 0)
			return ret;
	}
	return 0;
}

int rp_vma_check(struct rp_restore *r, struct rp_rtask *t)
{
	uint64_t last = RP_PAGE_SIZE;
	int ret;

	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		ret = check_entry(r, t->mm->vmas[i], &last);
		if (ret < 0)
			return ret;
	}
	ret = check_files(r, t);
	return ret ? ret : check_runs(r, t);
}

/* ---- prepare: files ---- */

static int file_flags(const VmaEntry *e)
{
	if (is_shared(e) && e->has_fdflags && (e->fdflags & O_ACCMODE) == O_RDWR)
		return O_RDWR;
	return is_shared(e) && !e->has_fdflags && e->prot & PROT_WRITE ? O_RDWR : O_RDONLY;
}

int rp_vma_prepare(struct rp_restore *r, struct rp_rtask *t)
{
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const VmaEntry *e = t->mm->vmas[i];
		int fd = is_file(e) ? rp_restore_open_file(r, (uint32_t)e->shmid, file_flags(e)) : 0;

		if (fd < 0)
			return fd;
	}
	for (size_t i = 0; t->extra && i < t->extra->n_files; i++) {
		const RpFileExtra *x = t->extra->files[i];
		const FileEntry *e = rp_restore_file(r, x->id);
		int fd, ret;

		if (x->use == RP_FILEID_FD || !e || !e->reg)
			continue;
		fd = rp_restore_open_file(r, x->id, O_RDONLY);
		ret = fd < 0 ? fd : rp_fileid_check(r, e->reg, x, fd);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* ---- plan ---- */

static int64_t find_object(struct rp_rtask *t, uint64_t shmid)
{
	for (size_t i = 0; i < rp_planner_count(t->plan, RP_PART_SHMS); i++) {
		struct rp_plan_shm *o = rp_planner_row(t->plan, RP_PART_SHMS, i);

		if (o->id == shmid)
			return (int64_t)i;
	}
	return -1;
}

/* Contents of a shared object that is new in the plan. */
static int plan_object_pages(struct rp_restore *r, struct rp_rtask *t, uint64_t shmid, uint32_t index, uint64_t *size)
{
	const struct rp_img_run *runs;
	uint32_t pages_id;
	uint64_t file_size;
	size_t count;
	int fd, ret;

	if (!rp_image_has(r->image, RP_IMG_PAGEMAP_SHMEM, shmid))
		return 0;
	ret = rp_image_pagemap(r->image, RP_IMG_PAGEMAP_SHMEM, shmid, &runs, &count, &pages_id, &r->err);
	if (ret < 0 || count == 0)
		return ret;
	ret = rp_image_pages(r->image, pages_id, &fd, &file_size, &r->err);
	if (ret < 0)
		return ret;
	fd = rp_restore_service_fd(r, fd);
	if (fd < 0)
		return fd;
	for (size_t i = 0; i < count; i++) {
		struct rp_plan_run row = { .vaddr = runs[i].vaddr,
					   .len = runs[i].npages * RP_PAGE_SIZE,
					   .file_off = runs[i].file_off,
					   .fd = fd,
					   .shm = index };

		if (row.vaddr + row.len > *size)
			*size = row.vaddr + row.len;
		if (rp_planner_add(t->plan, RP_PART_RUNS, &row) < 0)
			return rp_error(&r->err, -ENOMEM, "out of memory");
	}
	return 0;
}

static int plan_object(struct rp_restore *r, struct rp_rtask *t, uint64_t shmid, uint32_t *out)
{
	struct rp_plan_shm o = { .id = shmid, .fd = -1 };
	int64_t index = find_object(t, shmid);
	int ret;

	if (index >= 0) {
		*out = (uint32_t)index;
		return 0;
	}
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const VmaEntry *e = t->mm->vmas[i];

		if (e->status & RP_VMA_ANON_SHARED && !is_file(e) && e->shmid == shmid &&
		    e->pgoff + (e->end - e->start) > o.size)
			o.size = e->pgoff + (e->end - e->start);
	}
	index = (int64_t)rp_planner_count(t->plan, RP_PART_SHMS);
	ret = plan_object_pages(r, t, shmid, (uint32_t)index, &o.size);
	if (ret < 0)
		return ret;
	if (rp_planner_add(t->plan, RP_PART_SHMS, &o) < 0)
		return rp_error(&r->err, -ENOMEM, "out of memory");
	*out = (uint32_t)index;
	return 0;
}

static int plan_vma(struct rp_restore *r, struct rp_rtask *t, const VmaEntry *e)
{
	const RpVmaExtra *x = extra_of(t, e->start);
	struct rp_plan_vma v = { .start = e->start,
				 .end = e->end,
				 .prot = e->prot,
				 .fd = -1,
				 .shm = NO_SHM,
				 .madv = e->has_madv ? e->madv : 0,
				 .type = RP_VMA_ANON };
	int ret = 0;

	v.flags = e->flags & FLAGS_KEPT;
	v.flags = (v.flags & ~(uint32_t)MAP_TYPE) | (is_shared(e) ? MAP_SHARED : MAP_PRIVATE);
	v.mlock = x && x->has_mlock ? x->mlock : e->flags & MAP_LOCKED ? 1 : 0;
	if (e->status & RP_VMA_STATUS_VSYSCALL) {
		v.type = RP_VMA_VSYSCALL;
	} else if (e->status & RP_VMA_STATUS_VVAR) {
		v.type = RP_VMA_VVAR;
		v.madv = 0;
	} else if (e->status & RP_VMA_STATUS_VDSO) {
		v.type = RP_VMA_VDSO;
	} else if (is_file(e)) {
		v.type = RP_VMA_FILE;
		v.pgoff = e->pgoff;
		ret = v.fd = rp_restore_open_file(r, (uint32_t)e->shmid, file_flags(e));
	} else if (e->status & RP_VMA_ANON_SHARED) {
		v.type = RP_VMA_SHM;
		v.pgoff = e->pgoff;
		ret = plan_object(r, t, e->shmid, &v.shm);
	}
	if (ret < 0)
		return ret;
	if (rp_planner_add(t->plan, RP_PART_VMAS, &v) < 0)
		return rp_error(&r->err, -ENOMEM, "out of memory");
	return 0;
}

/* Runs of the image may go over the border between two mappings; those of the plan do not. */
static int plan_runs(struct rp_restore *r, struct rp_rtask *t)
{
	size_t at = 0;

	for (size_t i = 0; i < t->nruns; i++) {
		uint64_t addr = t->runs[i].vaddr, end = addr + t->runs[i].npages * RP_PAGE_SIZE;

		while (addr < end) {
			const VmaEntry *e = find_vma(t->mm, &at, addr);
			uint64_t stop = e->end < end ? e->end : end;
			struct rp_plan_run row = { .vaddr = addr,
						   .len = stop - addr,
						   .file_off = t->runs[i].file_off + (addr - t->runs[i].vaddr),
						   .fd = t->pages_fd,
						   .shm = NO_SHM };

			addr = stop;
			/* CRIU saves the pages of the vdso; it is the kernel's own, which is moved into place. */
			if (e->status & RP_VMA_STATUS_VDSO)
				continue;
			if (rp_planner_add(t->plan, RP_PART_RUNS, &row) < 0)
				return rp_error(&r->err, -ENOMEM, "out of memory");
		}
	}
	return 0;
}

int rp_vma_plan(struct rp_restore *r, struct rp_rtask *t)
{
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		int ret = plan_vma(r, t, t->mm->vmas[i]);

		if (ret < 0)
			return ret;
	}
	if (t->extra && t->extra->has_mlock_future && t->extra->mlock_future)
		rp_planner_head(t->plan)->mlock_future =
			t->extra->mlock_future == 1 ? MCL_FUTURE : MCL_FUTURE | MCL_ONFAULT;
	return plan_runs(r, t);
}
