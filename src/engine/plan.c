/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/layout.h"

struct table {
	char *rows;
	size_t count, room;
};

struct rp_planner {
	struct rp_plan head;
	struct table tables[RP_PART_MAX];
	char *bytes;
	size_t bytes_len, bytes_room;
};

/* The byte area follows the header directly, so that its offsets are known before the tables are. */
#define BYTES_OFF ((sizeof(struct rp_plan) + 63) & ~63UL)
#define HOLE_TRY_STEP (1UL << 40)
#define STACK_GAP (64UL << 20) /* room below a stack that still grows */

static const size_t row_size[RP_PART_MAX] = {
	[RP_PART_VMAS] = sizeof(struct rp_plan_vma),
	[RP_PART_RUNS] = sizeof(struct rp_plan_run),
	[RP_PART_SHMS] = sizeof(struct rp_plan_shm),
	[RP_PART_THREADS] = sizeof(struct rp_plan_thread),
	[RP_PART_SIGACTIONS] = sizeof(struct rp_plan_sigaction),
	[RP_PART_SIGINFOS] = 128,
	[RP_PART_POSIX_TIMERS] = sizeof(struct rp_plan_posix_timer),
	[RP_PART_CREDS] = sizeof(struct rp_plan_creds),
	[RP_PART_SECCOMPS] = sizeof(struct rp_plan_seccomp),
	[RP_PART_FDOPS] = sizeof(struct rp_plan_fdop),
	[RP_PART_LIMITS] = sizeof(struct rp_plan_limit),
};

int rp_planner_new(struct rp_planner **out)
{
	struct rp_planner *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->head.plan_fd = -1;
	p->head.mm.exe_fd = -1;
	*out = p;
	return 0;
}

void rp_planner_free(struct rp_planner *p)
{
	if (!p)
		return;
	for (int i = 0; i < RP_PART_MAX; i++)
		free(p->tables[i].rows);
	free(p->bytes);
	free(p);
}

struct rp_plan *rp_planner_head(struct rp_planner *p)
{
	return &p->head;
}

int64_t rp_planner_add(struct rp_planner *p, enum rp_plan_part part, const void *row)
{
	struct table *t = &p->tables[part];

	if (t->count == t->room) {
		size_t room = t->room ? 2 * t->room : 16;
		char *rows = reallocarray(t->rows, room, row_size[part]);

		if (!rows)
			return -ENOMEM;
		t->rows = rows;
		t->room = room;
	}
	memcpy(t->rows + t->count * row_size[part], row, row_size[part]);
	return (int64_t)t->count++;
}

void *rp_planner_row(struct rp_planner *p, enum rp_plan_part part, size_t index)
{
	struct table *t = &p->tables[part];

	return index < t->count ? t->rows + index * row_size[part] : NULL;
}

size_t rp_planner_count(const struct rp_planner *p, enum rp_plan_part part)
{
	return p->tables[part].count;
}

int64_t rp_planner_bytes(struct rp_planner *p, const void *data, size_t len, size_t align)
{
	size_t at = (p->bytes_len + align - 1) & ~(align - 1);

	if (len > SIZE_MAX / 4 - at)
		return -ENOMEM;
	if (at + len > p->bytes_room) {
		size_t room = 2 * (at + len) + 4096;
		char *bytes = realloc(p->bytes, room);

		if (!bytes)
			return -ENOMEM;
		p->bytes = bytes;
		p->bytes_room = room;
	}
	memset(p->bytes + p->bytes_len, 0, at - p->bytes_len);
	if (len)
		memcpy(p->bytes + at, data, len);
	p->bytes_len = at + len;
	return (int64_t)(BYTES_OFF + at);
}

int rp_planner_fdop(struct rp_planner *p, int fd, enum rp_plan_fdop_type op, uint64_t arg, uint64_t arg2, uint64_t arg3)
{
	struct rp_plan_fdop row = { .fd = fd, .op = op, .arg = arg, .arg2 = arg2, .arg3 = arg3 };
	int64_t index = rp_planner_add(p, RP_PART_FDOPS, &row);

	return index < 0 ? (int)index : 0;
}

static int compare_vmas(const void *a, const void *b)
{
	const struct rp_plan_vma *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int compare_runs(const void *a, const void *b)
{
	const struct rp_plan_run *x = a, *y = b;

	if (x->shm != y->shm)
		return x->shm < y->shm ? -1 : 1;
	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

static void sort_vmas(struct rp_planner *p)
{
	struct table *t = &p->tables[RP_PART_VMAS];

	if (t->count)
		qsort(t->rows, t->count, sizeof(struct rp_plan_vma), compare_vmas);
}

/* Is there a vma that begins exactly at addr? Runs are not merged over the border of two vmas. */
static bool vma_begins(struct rp_planner *p, uint64_t addr)
{
	struct rp_plan_vma key = { .start = addr };
	struct table *t = &p->tables[RP_PART_VMAS];

	return t->count && bsearch(&key, t->rows, t->count, sizeof(key), compare_vmas);
}

static void sort_runs(struct rp_planner *p)
{
	struct table *t = &p->tables[RP_PART_RUNS];
	struct rp_plan_run *runs = (struct rp_plan_run *)t->rows;
	size_t n = 0;

	if (!t->count)
		return;
	qsort(runs, t->count, sizeof(*runs), compare_runs);
	for (size_t i = 1; i < t->count; i++) {
		struct rp_plan_run *last = &runs[n];

		if (runs[i].shm == last->shm && runs[i].fd == last->fd && runs[i].vaddr == last->vaddr + last->len &&
		    runs[i].file_off == last->file_off + last->len &&
		    (runs[i].shm != UINT32_MAX || !vma_begins(p, runs[i].vaddr)))
			last->len += runs[i].len;
		else
			runs[++n] = runs[i];
	}
	t->count = n + 1;
}

/* Does [start, start + len) with a margin lie free in the image's address space (and outside a rank's lower half)? */
static bool is_free(struct rp_planner *p, uint64_t start, uint64_t len)
{
	const struct rp_plan_vma *vmas = (const struct rp_plan_vma *)p->tables[RP_PART_VMAS].rows;

	if (start < 0x10000 || start + len + RP_PAGE_SIZE > p->head.task_size)
		return false;
	if (p->head.flags & RP_PLAN_RANK && !(start + len < RP_BOOT_BASE || start >= RP_ARENA_BASE + RP_ARENA_SIZE))
		return false;
	for (size_t i = 0; i < p->tables[RP_PART_VMAS].count; i++) {
		uint64_t below = vmas[i].flags & MAP_GROWSDOWN ? STACK_GAP : RP_PAGE_SIZE;

		if (vmas[i].type != RP_VMA_VSYSCALL && start < vmas[i].end + RP_PAGE_SIZE &&
		    start + len + below > vmas[i].start)
			return false;
	}
	return true;
}

int rp_planner_hole(struct rp_planner *p, uint64_t len, struct rp_error *err)
{
	const struct rp_plan_vma *vmas;

	sort_vmas(p);
	vmas = (const struct rp_plan_vma *)p->tables[RP_PART_VMAS].rows;
	len = (len + RP_PAGE_SIZE - 1) & ~(RP_PAGE_SIZE - 1);
	p->head.hole_len = len;
	/* Round addresses in the middle of the address space first: the kernel puts neither the restorer nor its
	 * stack there. */
	for (uint64_t at = 16 * HOLE_TRY_STEP; at < p->head.task_size; at += HOLE_TRY_STEP)
		if (is_free(p, at, len)) {
			p->head.hole_start = at;
			return 0;
		}
	for (size_t i = 0; i < p->tables[RP_PART_VMAS].count; i++)
		if (is_free(p, vmas[i].end + RP_PAGE_SIZE, len)) {
			p->head.hole_start = vmas[i].end + RP_PAGE_SIZE;
			return 0;
		}
	return rp_error(err, -ENOMEM, "no gap of %llu bytes in the image's address space for the restorer",
			(unsigned long long)len);
}

static int write_at(int fd, const void *data, size_t len, off_t off)
{
	const char *p = data;

	while (len) {
		ssize_t n = pwrite(fd, p, len, off);

		if (n < 0)
			return -errno;
		p += n;
		off += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Gives every table its offset behind the byte area, and the plan its size. */
static void lay_out(struct rp_planner *p)
{
	struct rp_plan *h = &p->head;
	struct rp_plan_table *out[RP_PART_MAX] = {
		&h->vmas,	  &h->runs,  &h->shms,	   &h->threads, &h->sigactions, &h->siginfos,
		&h->posix_timers, &h->creds, &h->seccomps, &h->fdops,	&h->limits,
	};
	uint64_t off = (BYTES_OFF + p->bytes_len + 63) & ~63UL;

	for (int i = 0; i < RP_PART_MAX; i++) {
		out[i]->off = off;
		out[i]->count = p->tables[i].count;
		off = (off + p->tables[i].count * row_size[i] + 63) & ~63UL;
	}
	h->magic = RP_PLAN_MAGIC;
	h->version = RP_PLAN_VERSION;
	h->header_size = sizeof(*h);
	h->total_size = off;
}

static int write_all(struct rp_planner *p, int fd)
{
	const struct rp_plan *h = &p->head;
	const struct rp_plan_table *at[RP_PART_MAX] = {
		&h->vmas,	  &h->runs,  &h->shms,	   &h->threads, &h->sigactions, &h->siginfos,
		&h->posix_timers, &h->creds, &h->seccomps, &h->fdops,	&h->limits,
	};
	int rc;

	if (ftruncate(fd, (off_t)h->total_size))
		return -errno;
	rc = write_at(fd, h, sizeof(*h), 0);
	if (!rc)
		rc = write_at(fd, p->bytes, p->bytes_len, BYTES_OFF);
	for (int i = 0; !rc && i < RP_PART_MAX; i++)
		rc = write_at(fd, p->tables[i].rows, p->tables[i].count * row_size[i], (off_t)at[i]->off);
	if (!rc && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		rc = -errno;
	return rc;
}

int rp_planner_memfd(int *out_fd, struct rp_error *err)
{
	int fd = memfd_create("reprise-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return rp_error(err, -errno, "memfd for the plan: %s", strerror(errno));
	*out_fd = fd;
	return 0;
}

int rp_planner_seal(struct rp_planner *p, int fd, struct rp_error *err)
{
	int rc;

	sort_vmas(p);
	sort_runs(p);
	lay_out(p);
	rc = write_all(p, fd);
	return rc ? rp_error(err, rc, "writing the plan: %s", strerror(-rc)) : 0;
}
