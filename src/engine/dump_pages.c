/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "engine/dump_impl.h"
#include "host/smaps.h"
#include "util/array.h"
#include "util/fd.h"
#include "util/log.h"

/* PAGEMAP_SCAN (Documentation/admin-guide/mm/pagemap.rst, Linux 6.7); not in the headers of Debian 12. */
struct pm_scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

struct page_region {
	uint64_t start, end, categories;
};

#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_FILE (1UL << 2)
#define PAGE_IS_PRESENT (1UL << 3)
#define PAGE_IS_SWAPPED (1UL << 4)
#define PAGE_IS_PFNZERO (1UL << 5)
#define PAGE_IS_GUARD (1UL << 8)

#define PAGE 4096UL
#define CHUNK (256UL << 10) /* copied by one system call: fits a second-level cache while zeros are looked for */
#define SCAN_REGIONS 1024
#define MAX_WORKERS 4
#define ZERO_WORTH_CUTTING (1UL << 20)

/* A run of pages that is copied to a place of the pages file. */
struct run {
	uint64_t vaddr, len;
	uint64_t off;
	bool unreadable; /* no PROT_READ: through /proc/PID/mem, which may read it all the same */
	bool shared_now; /* must be copied while the process stands still, whatever it is copied from */
};

struct chunk {
	uint64_t vaddr, off;
	uint32_t len;
	bool unreadable, shared_now;
};

struct rp_pages {
	struct rp_dump *d;
	struct rp_task *t;
	struct {
		struct run *items;
		size_t count, room;
	} runs;
	struct {
		struct chunk *items;
		size_t count, room;
	} chunks;
	uint32_t id;	   /* of the pages file */
	uint64_t reserved; /* bytes of it */
	uint64_t total;	   /* bytes chosen */
	int fd;
	char *map;
	uint64_t map_len;
	uint8_t *zero; /* one byte per chosen page: it is all zeros */
	uint64_t nzero;
};

struct copy_job {
	struct rp_pages *p;
	int pid, mem_fd;
	bool shared_now;
	atomic_size_t next;
	atomic_int failed;
	atomic_ulong nzero;
	uint64_t failed_at;
};

static bool is_saved(const struct rp_map *m)
{
	if (m->lower || m->shared)
		return false;
	return m->what == RP_MAP_ANON || m->what == RP_MAP_FILE;
}

static int map_file(struct rp_pages *p, uint64_t len)
{
	if (p->map) {
		munmap(p->map, p->map_len);
		p->map = NULL;
	}
	if (len == 0)
		return 0;
	p->map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, 0);
	if (p->map == MAP_FAILED) {
		p->map = NULL;
		return rp_error(&p->d->err, -errno, "cannot map the pages file: %s", strerror(errno));
	}
	p->map_len = len;
	return 0;
}

int rp_pages_new(struct rp_pages **out, struct rp_dump *d, struct rp_task *t)
{
	struct rp_pages *p = calloc(1, sizeof(*p));
	uint64_t bytes = 0;
	int ret;

	if (!p)
		return rp_error(&d->err, -ENOMEM, "out of memory");
	*out = p;
	p->d = d;
	p->t = t;
	p->fd = -1;
	for (size_t i = 0; i < t->nmaps; i++)
		if (is_saved(&t->maps[i]))
			bytes += t->maps[i].save_all ? t->maps[i].end - t->maps[i].start : t->maps[i].dirty;
	/* Memory that is touched between now and the freeze. */
	bytes += (bytes >> 6) + 64 * PAGE;
	bytes &= ~(PAGE - 1);
	p->id = d->next_pages_id++;
	ret = rp_writer_pages(d->writer, p->id, bytes, &p->fd, &d->err);
	if (ret < 0)
		return ret;
	p->reserved = bytes;
	ret = map_file(p, bytes);
	/* Faults are taken now, not while the process stands still. Only a hint. */
	if (ret == 0 && p->map)
		madvise(p->map, p->map_len, MADV_POPULATE_WRITE);
	return ret;
}

static int add_run(struct rp_pages *p, const struct rp_map *m, uint64_t start, uint64_t end)
{
	bool unreadable = !(m->prot & PROT_READ);
	bool now = m->vmflags & (RP_VMF(DC) | RP_VMF(WF));
	struct run *last = p->runs.count ? &p->runs.items[p->runs.count - 1] : NULL;

	if (start >= end)
		return 0;
	if (last && last->vaddr + last->len == start && last->unreadable == unreadable && last->shared_now == now) {
		last->len += end - start;
	} else {
		last = RP_ARRAY_PUSH(&p->runs);
		if (!last)
			return rp_error(&p->d->err, -ENOMEM, "out of memory");
		*last = (struct run){ .vaddr = start, .len = end - start, .off = p->total, .unreadable = unreadable,
				      .shared_now = now };
	}
	p->total += end - start;
	return 0;
}

/* Pages of one mapping that hold something which its file (or nothing) does not. */
static int scan_map(struct rp_pages *p, int pagemap, const struct rp_map *m, struct page_region *vec)
{
	struct pm_scan_arg arg = {
		.size = sizeof(arg), .start = m->start, .end = m->end, .vec = (uintptr_t)vec, .vec_len = SCAN_REGIONS,
		.category_mask = PAGE_IS_FILE | PAGE_IS_PFNZERO, .category_inverted = PAGE_IS_FILE | PAGE_IS_PFNZERO,
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED, .return_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
	};

	while (arg.start < m->end) {
		int n = ioctl(pagemap, PAGEMAP_SCAN, &arg);

		if (n < 0)
			return rp_error(&p->d->err, -errno, "cannot scan the pages of %#lx: %s", (unsigned long)m->start,
					strerror(errno));
		for (int i = 0; i < n; i++) {
			int ret = add_run(p, m, vec[i].start, vec[i].end);

			if (ret < 0)
				return ret;
		}
		arg.start = arg.walk_end;
		if (arg.walk_end == 0 || (n == 0 && arg.walk_end >= m->end))
			break;
	}
	return 0;
}

static int make_chunks(struct rp_pages *p)
{
	for (size_t i = 0; i < p->runs.count; i++) {
		const struct run *r = &p->runs.items[i];

		for (uint64_t at = 0; at < r->len; at += CHUNK) {
			struct chunk *c = RP_ARRAY_PUSH(&p->chunks);

			if (!c)
				return rp_error(&p->d->err, -ENOMEM, "out of memory");
			c->vaddr = r->vaddr + at;
			c->off = r->off + at;
			c->len = (uint32_t)(r->len - at < CHUNK ? r->len - at : CHUNK);
			c->unreadable = r->unreadable;
			c->shared_now = r->shared_now;
		}
	}
	return 0;
}

/* More was touched than was reserved for. */
static int grow(struct rp_pages *p)
{
	int ret;

	if (p->total <= p->reserved)
		return 0;
	ret = posix_fallocate(p->fd, 0, (off_t)p->total);
	if (ret != 0)
		return rp_error(&p->d->err, -ret, "no room for %lu bytes of pages: %s", (unsigned long)p->total,
				strerror(ret));
	p->reserved = p->total;
	return map_file(p, p->total);
}

int rp_pages_scan(struct rp_pages *p)
{
	RP_AUTOCLOSE int pagemap = openat(p->t->proc_fd, "pagemap", O_RDONLY | O_CLOEXEC);
	struct page_region *vec;
	int ret = 0;

	if (pagemap < 0)
		return rp_error(&p->d->err, -errno, "cannot open the pagemap: %s", strerror(errno));
	vec = malloc(SCAN_REGIONS * sizeof(*vec));
	if (!vec)
		return rp_error(&p->d->err, -ENOMEM, "out of memory");
	for (size_t i = 0; ret == 0 && i < p->t->nmaps; i++) {
		const struct rp_map *m = &p->t->maps[i];

		if (!is_saved(m))
			continue;
		p->d->stats.pages_scanned += (m->end - m->start) / PAGE;
		ret = m->save_all ? add_run(p, m, m->start, m->start + m->save_len) : scan_map(p, pagemap, m, vec);
	}
	free(vec);
	if (ret == 0)
		ret = make_chunks(p);
	if (ret == 0)
		ret = grow(p);
	if (ret == 0 && p->total > 0) {
		p->zero = calloc(1, p->total / PAGE);
		if (!p->zero)
			ret = rp_error(&p->d->err, -ENOMEM, "out of memory");
	}
	return ret;
}

static bool is_zero_page(const char *page)
{
	const uint64_t *w = (const uint64_t *)page;

	/* Most pages that are not zero show it in their first words. */
	for (size_t i = 0; i < PAGE / 8; i += 8)
		if (w[i] | w[i + 1] | w[i + 2] | w[i + 3] | w[i + 4] | w[i + 5] | w[i + 6] | w[i + 7])
			return false;
	return true;
}

static int copy_chunk(struct copy_job *j, const struct chunk *c)
{
	char *to = j->p->map + c->off;
	int ret = -EFAULT;

	if (!c->unreadable)
		ret = rp_tracee_read(j->pid, c->vaddr, to, c->len);
	if (ret == -EFAULT)
		ret = rp_pread_all(j->mem_fd, to, c->len, (off_t)c->vaddr);
	if (ret < 0)
		return ret;
	for (uint64_t at = 0; at < c->len; at += PAGE) {
		if (is_zero_page(to + at)) {
			j->p->zero[(c->off + at) / PAGE] = 1;
			atomic_fetch_add(&j->nzero, 1);
		}
	}
	return 0;
}

static void *copy_worker(void *arg)
{
	struct copy_job *j = arg;

	while (atomic_load(&j->failed) == 0) {
		size_t i = atomic_fetch_add(&j->next, 1);
		int ret;

		if (i >= j->p->chunks.count)
			break;
		if (j->p->chunks.items[i].shared_now != j->shared_now)
			continue;
		ret = copy_chunk(j, &j->p->chunks.items[i]);
		if (ret < 0) {
			j->failed_at = j->p->chunks.items[i].vaddr;
			atomic_store(&j->failed, ret);
		}
	}
	return NULL;
}

static unsigned worker_count(const struct rp_pages *p)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = p->d->opts->page_workers;

	if (n == 0)
		n = cpus < 1 ? 1 : cpus > MAX_WORKERS ? MAX_WORKERS : (unsigned)cpus;
	if (n > p->chunks.count / 4 + 1) /* a thread for a megabyte at least */
		n = (unsigned)(p->chunks.count / 4 + 1);
	return n;
}

static int copy_some(struct rp_pages *p, int pid, bool shared_now)
{
	RP_AUTOCLOSE int mem_fd = -1;
	struct copy_job job = { .p = p, .pid = pid, .shared_now = shared_now };
	pthread_t threads[64];
	unsigned n = worker_count(p), started = 0;
	char path[64];

	if (p->chunks.count == 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (mem_fd < 0)
		return rp_error(&p->d->err, -errno, "cannot open %s: %s", path, strerror(errno));
	job.mem_fd = mem_fd;
	if (n > RP_COUNT(threads))
		n = RP_COUNT(threads);
	/* This thread is one of them: fewer, when no more can be had, are slower and nothing else. */
	while (started + 1 < n && pthread_create(&threads[started], NULL, copy_worker, &job) == 0)
		started++;
	copy_worker(&job);
	while (started > 0)
		pthread_join(threads[--started], NULL);
	p->nzero += atomic_load(&job.nzero);
	if (atomic_load(&job.failed) < 0)
		return rp_error(&p->d->err, atomic_load(&job.failed), "cannot read the memory at %#lx: %s",
				(unsigned long)job.failed_at, strerror(-atomic_load(&job.failed)));
	return 0;
}

int rp_pages_copy(struct rp_pages *p, int from_pid)
{
	return copy_some(p, from_pid, false);
}

/* ---- shared anonymous memory: whole objects, read through /proc/PID/map_files ---- */

static int put_pagemap(struct rp_dump *d, enum rp_img type, uint64_t id, uint64_t vaddr, uint64_t len)
{
	PagemapEntry e;

	rp_pagemap_entry_init(&e, vaddr, len / PAGE, RP_PE_PRESENT);
	return rp_writer_put(d->writer, type, id, &e, &d->err);
}

static int put_head(struct rp_dump *d, enum rp_img type, uint64_t id, uint32_t pages_id)
{
	PagemapHead head = PAGEMAP_HEAD__INIT;

	head.pages_id = pages_id;
	return rp_writer_put(d->writer, type, id, &head, &d->err);
}

/* Copies the parts of a file in memory that hold data. */
static int copy_object(struct rp_pages *p, int fd, uint64_t size, uint64_t shmid, uint32_t pages_id)
{
	struct rp_dump *d = p->d;
	static const size_t step = 1U << 20;
	char *buf = malloc(step);
	uint64_t used = 0;
	off_t data = 0, hole;
	int out, ret = put_head(d, RP_IMG_PAGEMAP_SHMEM, shmid, pages_id);

	if (ret == 0)
		ret = rp_writer_pages(d->writer, pages_id, 0, &out, &d->err);
	if (!buf)
		ret = rp_error(&d->err, -ENOMEM, "out of memory");
	while (ret == 0 && (data = lseek(fd, data, SEEK_DATA)) >= 0 && (uint64_t)data < size) {
		data &= ~(off_t)(PAGE - 1);
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			hole = (off_t)size;
		hole = (hole + (off_t)PAGE - 1) & ~(off_t)(PAGE - 1);
		ret = put_pagemap(d, RP_IMG_PAGEMAP_SHMEM, shmid, (uint64_t)data, (uint64_t)(hole - data));
		for (; ret == 0 && data < hole; data += (off_t)step) {
			size_t n = (uint64_t)(hole - data) < step ? (size_t)(hole - data) : step;

			memset(buf, 0, n);
			ret = rp_pread_all(fd, buf, n, data);
			if (ret == -ENODATA) /* the last page may be cut short by the size */
				ret = 0;
			if (ret == 0)
				ret = rp_pwrite_all(out, buf, n, (off_t)used);
			used += n;
			if (ret < 0)
				rp_error(&d->err, ret, "cannot copy shared memory: %s", strerror(-ret));
		}
		data = hole;
	}
	free(buf);
	d->stats.pages_written += used / PAGE;
	d->stats.image_bytes += used;
	return ret < 0 ? ret : rp_writer_pages_end(d->writer, pages_id, used, &d->err);
}

static int copy_shm(struct rp_pages *p, const struct rp_map *m, uint32_t pages_id)
{
	RP_AUTOCLOSE int fd = -1;
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "map_files/%lx-%lx", (unsigned long)m->start, (unsigned long)m->end);
	fd = openat(p->t->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return rp_error(&p->d->err, -errno, "cannot open the shared memory at %#lx: %s", (unsigned long)m->start,
				strerror(errno));
	return copy_object(p, fd, (uint64_t)st.st_size, m->file_id, pages_id);
}

int rp_pages_copy_shared(struct rp_pages *p)
{
	int ret = copy_some(p, p->t->pid, true);

	for (size_t i = 0; ret == 0 && i < p->t->nmaps; i++) {
		const struct rp_map *m = &p->t->maps[i];
		bool first = !m->lower && m->what == RP_MAP_SHM;

		for (size_t j = 0; first && j < i; j++)
			first = p->t->maps[j].what != RP_MAP_SHM || p->t->maps[j].file_id != m->file_id;
		if (first)
			ret = copy_shm(p, m, p->d->next_pages_id++);
	}
	return ret;
}

/* ---- after the process was let go ---- */

/* Closes the gaps that zero pages leave, when that is worth the copying. From here on file offsets follow the pagemap. */
static void cut_zeros(struct rp_pages *p)
{
	uint64_t to = 0, npages = p->total / PAGE;

	if (p->nzero * PAGE < ZERO_WORTH_CUTTING && p->nzero < npages / 8) {
		memset(p->zero, 0, npages);
		return;
	}
	for (uint64_t i = 0; i < npages;) {
		uint64_t first = i;

		while (i < npages && !p->zero[i])
			i++;
		if (i > first && to != first * PAGE)
			memmove(p->map + to, p->map + first * PAGE, (i - first) * PAGE);
		to += (i - first) * PAGE;
		while (i < npages && p->zero[i])
			i++;
	}
	p->total = to;
}

static int put_run(struct rp_pages *p, const struct run *r)
{
	uint64_t at = 0, page = r->off / PAGE, id = (uint64_t)p->t->pid;
	int ret = 0;

	while (ret == 0 && at < r->len) {
		uint64_t first = at;

		while (at < r->len && !p->zero[page + at / PAGE])
			at += PAGE;
		if (at > first)
			ret = put_pagemap(p->d, RP_IMG_PAGEMAP, id, r->vaddr + first, at - first);
		while (at < r->len && p->zero[page + at / PAGE])
			at += PAGE;
	}
	return ret;
}

int rp_pages_write(struct rp_pages *p)
{
	struct rp_dump *d = p->d;
	int ret = put_head(d, RP_IMG_PAGEMAP, (uint64_t)p->t->pid, p->id);

	if (p->total > 0)
		cut_zeros(p);
	for (size_t i = 0; ret == 0 && i < p->runs.count; i++)
		ret = put_run(p, &p->runs.items[i]);
	d->stats.pages_written += p->total / PAGE;
	d->stats.image_bytes += p->total;
	return ret < 0 ? ret : rp_writer_pages_end(d->writer, p->id, p->total, &d->err);
}

void rp_pages_free(struct rp_pages *p)
{
	if (!p)
		return;
	if (p->map)
		munmap(p->map, p->map_len);
	free(p->runs.items);
	free(p->chunks.items);
	free(p->zero);
	free(p);
}
