/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include <asm/errno.h>
#include <asm/mman.h>
#include <asm/prctl.h>
#include <linux/mman.h>

#include "abi/layout.h"
#include "arch/x86_64/syscall.h"
#include "blob/fill.h"
#include "blob/internal.h"

#define MAPPED_FLAGS \
	(MAP_SHARED | MAP_PRIVATE | MAP_GROWSDOWN | MAP_HUGETLB | MAP_NORESERVE | MAP_STACK | \
	 ((unsigned)MAP_HUGE_MASK << MAP_HUGE_SHIFT))

static long map(uint64_t at, uint64_t len, uint32_t prot, uint32_t flags, int fd, uint64_t off)
{
	return rp_syscall6(__NR_mmap, (long)at, (long)len, prot, flags, fd, (long)off);
}

static int failed(struct rp_blob *b, uint32_t stage, long ret, const char *text, uint64_t arg)
{
	return rp_blob_error(&b->err, stage, rp_is_error(ret) ? (int)ret : -EEXIST, text, arg);
}

int rp_blob_reserve(struct rp_blob *b)
{
	const struct rp_plan_vma *v = rp_plan_vmas(b->plan), *end = v + b->plan->vmas.count;

	while (v < end) {
		uint64_t start = v->start, to = v->end;
		long ret;

		if (v++->type == RP_VMA_VSYSCALL)
			continue;
		for (; v < end && v->type != RP_VMA_VSYSCALL && v->start == to; v++)
			to = v->end;
		ret = map(start, to - start, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
		if ((uint64_t)ret != start)
			return failed(b, RP_STAGE_RESERVE, ret, "range of the image is not free:", start);
	}
	return 0;
}

/* ---- vdso ---- */

/* The kernel maps its pages again, as one piece, where the image has them. Only the same kernel's pieces fit. */
static int map_vdso(struct rp_blob *b)
{
	const struct rp_plan_vma *v = rp_plan_vmas(b->plan);
	uint64_t start = 0, end = 0;
	long ret;

	for (uint64_t i = 0; i < b->plan->vmas.count; i++) {
		if (v[i].type != RP_VMA_VVAR && v[i].type != RP_VMA_VDSO)
			continue;
		if (end && v[i].start != end)
			return failed(b, RP_STAGE_MAP, -EOPNOTSUPP, "vdso in several places:", v[i].start);
		start = end ? start : v[i].start;
		end = v[i].end;
	}
	if (!end)
		return 0;
	rp_syscall2(__NR_munmap, (long)start, (long)(end - start));
	ret = rp_syscall2(__NR_arch_prctl, ARCH_MAP_VDSO_64, (long)start);
	if (rp_is_error(ret))
		return failed(b, RP_STAGE_MAP, ret, "vdso at", start);
	/* The first and the last page must be taken now, or it went elsewhere or has another size. */
	for (int i = 0; i < 2; i++) {
		uint64_t at = i ? end - RP_PAGE_SIZE : start;

		ret = map(at, RP_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		if (ret != -EEXIST)
			return failed(b, RP_STAGE_MAP, -EOPNOTSUPP, "vdso of another kernel at", start);
	}
	return 0;
}

/* ---- shared anonymous objects ---- */

/* The one mapping that shows the whole object, NULL: none or several. */
static const struct rp_plan_vma *whole_vma(struct rp_blob *b, uint64_t shm, uint32_t *flags)
{
	const struct rp_plan_vma *v = rp_plan_vmas(b->plan), *only = NULL;
	uint64_t size = RP_PAGE_UP(rp_plan_shms(b->plan)[shm].size);
	int count = 0;

	for (uint64_t i = 0; i < b->plan->vmas.count; i++)
		if (v[i].type == RP_VMA_SHM && v[i].shm == shm) {
			only = &v[i];
			*flags |= v[i].flags & MAPPED_FLAGS;
			count++;
		}
	return count == 1 && !only->pgoff && only->end - only->start == size ? only : NULL;
}

static int has_runs(struct rp_blob *b, uint64_t shm)
{
	const struct rp_plan_run *r = rp_plan_runs(b->plan);

	for (uint64_t i = 0; i < b->plan->runs.count; i++)
		if (r[i].shm == shm)
			return 1;
	return 0;
}

/* Makes each object, at its place when one mapping shows all of it, else somewhere free from where it is duplicated. */
static int make_objects(struct rp_blob *b, uint64_t *base)
{
	const struct rp_plan_shm *s = rp_plan_shms(b->plan);

	for (uint64_t i = 0; i < b->plan->shms.count; i++) {
		uint32_t flags = MAP_SHARED | (s[i].fd < 0 ? MAP_ANONYMOUS : 0);
		const struct rp_plan_vma *v = whole_vma(b, i, &flags);
		long ret;

		if (s[i].fd >= 0 && !has_runs(b, i))
			continue;
		flags &= ~(uint32_t)MAP_GROWSDOWN;
		ret = map(v ? v->start : 0, RP_PAGE_UP(s[i].size), PROT_READ | PROT_WRITE, flags | (v ? MAP_FIXED : 0),
			  s[i].fd, 0);
		if (rp_is_error(ret))
			return failed(b, RP_STAGE_MAP, ret, "shared memory object", i);
		base[i] = (uint64_t)ret;
	}
	return 0;
}

static int drop_objects(struct rp_blob *b, const uint64_t *base)
{
	const struct rp_plan_shm *s = rp_plan_shms(b->plan);

	for (uint64_t i = 0; i < b->plan->shms.count; i++) {
		const struct rp_plan_vma *v = base[i] ? rp_plan_vma_at(b->plan, base[i]) : NULL;
		long ret = 0;

		if (base[i] && !v)
			ret = rp_syscall2(__NR_munmap, (long)base[i], (long)RP_PAGE_UP(s[i].size));
		if (ret)
			return failed(b, RP_STAGE_MAP, ret, "shared memory object", i);
	}
	return 0;
}

static int map_object(struct rp_blob *b, const struct rp_plan_vma *v, const uint64_t *base)
{
	const struct rp_plan_shm *s = &rp_plan_shms(b->plan)[v->shm];
	long ret;

	if (s->fd >= 0)
		ret = map(v->start, v->end - v->start, v->prot, MAP_FIXED | MAP_SHARED | (v->flags & MAPPED_FLAGS),
			  s->fd, v->pgoff);
	else if (base[v->shm] == v->start)
		ret = (long)v->start;
	else /* an old length of 0 maps the same pages once more: mremap(2) */
		ret = rp_syscall5(__NR_mremap, (long)(base[v->shm] + v->pgoff), 0, (long)(v->end - v->start),
				  MREMAP_MAYMOVE | MREMAP_FIXED, (long)v->start);
	return (uint64_t)ret == v->start ? 0 : failed(b, RP_STAGE_MAP, ret, "shared memory at", v->start);
}

/* ---- mappings ---- */

/* Protection while pages are filled: what the image has, and writable where there is something to write. */
static uint32_t fill_prot(const struct rp_plan_vma *v, int filled)
{
	return v->prot | (filled ? PROT_READ | PROT_WRITE : 0);
}

static int map_vma(struct rp_blob *b, const struct rp_plan_vma *v, int filled, const uint64_t *base)
{
	uint32_t flags = MAP_FIXED | (v->flags & MAPPED_FLAGS);
	long ret;

	switch (v->type) {
	case RP_VMA_ANON:
		ret = map(v->start, v->end - v->start, fill_prot(v, filled), flags | MAP_ANONYMOUS, -1, 0);
		break;
	case RP_VMA_FILE:
		ret = map(v->start, v->end - v->start, fill_prot(v, filled), flags, v->fd, v->pgoff);
		break;
	case RP_VMA_SHM:
		return map_object(b, v, base);
	default:
		return 0;
	}
	if ((uint64_t)ret != v->start)
		return failed(b, RP_STAGE_MAP, ret, v->type == RP_VMA_FILE ? "file at" : "memory at", v->start);
	/* These two decide how pages come, so they go first. */
	for (int advice = RP_MADV_HUGEPAGE; advice <= RP_MADV_NOHUGEPAGE; advice++)
		if (v->madv >> advice & 1)
			rp_syscall3(__NR_madvise, (long)v->start, (long)(v->end - v->start), advice);
	return 0;
}

/* Calls each mapping with whether it gets pages; both tables are sorted. */
static int each_vma(struct rp_blob *b, const uint64_t *base,
		    int (*call)(struct rp_blob *b, const struct rp_plan_vma *v, int filled, const uint64_t *base))
{
	const struct rp_plan_vma *v = rp_plan_vmas(b->plan);
	const struct rp_plan_run *r = rp_plan_runs(b->plan), *end = r + b->plan->runs.count;

	/* Runs of objects come last: UINT32_MAX is the largest. Those of memory are found behind them. */
	while (r < end && r->shm != UINT32_MAX)
		r++;
	for (uint64_t i = 0; i < b->plan->vmas.count; i++, v++) {
		int rc;

		if (v->type == RP_VMA_VSYSCALL)
			continue;
		while (r < end && r->vaddr + r->len <= v->start)
			r++;
		rc = call(b, v, r < end && r->vaddr < v->end, base);
		if (rc)
			return rc;
	}
	return 0;
}

/* Protection keys are numbers that the process allocated; the kernel gives the lowest free one. */
static int set_pkey(struct rp_blob *b, const struct rp_plan_vma *v)
{
	uint32_t taken = 0;
	long ret = -EINVAL;

	if (v->prot == PROT_EXEC) /* the kernel chose the key of execute-only memory and will again */
		return rp_syscall3(__NR_mprotect, (long)v->start, (long)(v->end - v->start), v->prot) ? -EINVAL : 0;
	for (int i = 0; i < 16; i++) {
		ret = rp_syscall4(__NR_pkey_mprotect, (long)v->start, (long)(v->end - v->start), v->prot, v->pkey);
		if (ret != -EINVAL)
			break;
		ret = rp_syscall2(__NR_pkey_alloc, 0, 0);
		if (rp_is_error(ret))
			break;
		taken |= 1U << ret;
	}
	for (uint32_t key = 1; key < 16; key++)
		if (taken >> key & 1 && key != v->pkey)
			rp_syscall1(__NR_pkey_free, key);
	return rp_is_error(ret) ? failed(b, RP_STAGE_PROTECT, ret, "protection key of", v->start) : 0;
}

static int finish_vma(struct rp_blob *b, const struct rp_plan_vma *v, int filled, const uint64_t *base)
{
	uint64_t len = v->end - v->start;
	uint32_t now = v->type == RP_VMA_SHM && rp_plan_shms(b->plan)[v->shm].fd < 0 ? PROT_READ | PROT_WRITE
										     : fill_prot(v, filled);
	long ret;

	(void)base;
	if (v->type == RP_VMA_VVAR || v->type == RP_VMA_VDSO)
		return 0;
	for (int advice = 0; advice < 64; advice++) {
		if (!(v->madv >> advice & 1) || advice == RP_MADV_HUGEPAGE || advice == RP_MADV_NOHUGEPAGE)
			continue;
		ret = rp_syscall3(__NR_madvise, (long)v->start, (long)len, advice);
		if (ret)
			return failed(b, RP_STAGE_PROTECT, ret, "madvise of", v->start);
	}
	if (v->mlock) {
		ret = rp_syscall3(__NR_mlock2, (long)v->start, (long)len, v->mlock == 2 ? MLOCK_ONFAULT : 0);
		/* mlock says so of a PROT_NONE range, which is locked nevertheless */
		if (ret && ret != -ENOMEM)
			return failed(b, RP_STAGE_PROTECT, ret, "mlock of", v->start);
	}
	if (v->pkey)
		return set_pkey(b, v);
	ret = now == v->prot ? 0 : rp_syscall3(__NR_mprotect, (long)v->start, (long)len, v->prot);
	return ret ? failed(b, RP_STAGE_PROTECT, ret, "mprotect of", v->start) : 0;
}

int rp_blob_fill(struct rp_blob *b)
{
	uint64_t *base = rp_blob_alloc(b, b->plan->shms.count * sizeof(*base));
	int rc = map_vdso(b);

	if (!rc)
		rc = make_objects(b, base);
	if (!rc)
		rc = each_vma(b, base, map_vma);
	if (!rc)
		rc = rp_blob_pages(b, base);
	if (!rc)
		rc = drop_objects(b, base);
	if (!rc)
		rc = each_vma(b, base, finish_vma);
	return rc;
}
