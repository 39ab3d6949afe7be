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
#include "util/str.h"

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
#define PROCESS_PAGES 1	    /* number of the pages file; shared objects and memfds count on from there */
#define CHUNK (256UL << 10) /* copied by one system call: fits a second-level cache while zeros are looked for */
#define SCAN_REGIONS 1024
#define MAX_WORKERS 4
#define ZERO_WORTH_CUTTING (1UL << 20)
#define COW_MIN (2UL << 20)				  /* less is copied as fast as a child is made */
#define HELD_FLAGS (RP_VMF(DC) | RP_VMF(WF) | RP_VMF(HT)) /* not in a child, or not for sure (huge pages may run out) */

/* A run of pages that is copied to a place of the pages file. */
struct run {
	uint64_t vaddr, len;
	uint64_t off;
	bool unreadable;  /* no PROT_READ: through /proc/PID/mem, which may read it all the same */
	const char *held; /* copied already, by rp_pages_hold(); NULL: from the process */
};

struct chunk {
	uint64_t vaddr, off;
	uint32_t len;
	bool unreadable;
	const char *held;
};

/* Pages that a copy-on-write child would not have. */
struct held {
	uint64_t vaddr, len;
	char *copy;
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
	struct {
		struct held *items;
		size_t count, room;
	} held;
	bool holds;	   /* rp_pages_hold() was called: its mappings are not scanned again */
	uint32_t id;	   /* of the pages file */
	uint64_t expected; /* bytes, by what the process had while it ran */
	uint64_t reserved; /* bytes of the file */
	uint64_t total;	   /* bytes chosen */
	int fd;		   /* borrowed */
	char *map;
	uint64_t map_len;
	uint8_t *zero; /* one byte per chosen page: it is all zeros */
	uint64_t nzero;
};

struct copy_job {
	struct rp_pages *p;
	int pid, mem_fd;
	bool by_write; /* into the file by pwrite(2), else through its mapping */
	atomic_size_t next;
	atomic_int failed;
	atomic_ulong nzero;
	uint64_t failed_at;
	const char *failed_to;
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

bool rp_pages_wants_cow(const struct rp_pages *p)
{
	return p->d->opts->after == RP_DUMP_LEAVE_RUNNING && !p->d->opts->no_cow && p->expected >= COW_MIN;
}

/* Does the process wait for the copy, to run again? Then it goes through a mapping of the file whose pages are made before
 * the freeze: the shortest stop. Else pwrite(2) does with a third less work in all, since it neither clears pages nor maps them. */
static bool is_awaited(const struct rp_pages *p)
{
	return p->d->opts->after == RP_DUMP_LEAVE_RUNNING && !rp_pages_wants_cow(p);
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
	p->id = PROCESS_PAGES;
	p->expected = bytes;
	/* On some file systems it takes as long as the copy. With a child there is time for it when the process runs again. */
	p->reserved = rp_pages_wants_cow(p) ? 0 : bytes;
	ret = rp_writer_pages(d->writer, p->id, p->reserved, &p->fd, &d->err);
	if (ret < 0)
		return ret;
	ret = map_file(p, p->reserved);
	/* Faults are taken now, not while the process stands still. Only a hint. */
	if (ret == 0 && p->map && is_awaited(p))
		madvise(p->map, p->map_len, MADV_POPULATE_WRITE);
	return ret;
}

static int add_run(struct rp_pages *p, const struct rp_map *m, uint64_t start, uint64_t end, const char *held)
{
	bool unreadable = !(m->prot & PROT_READ);
	struct run *last = p->runs.count ? &p->runs.items[p->runs.count - 1] : NULL;

	if (start >= end)
		return 0;
	if (last && last->vaddr + last->len == start && last->unreadable == unreadable && !last->held && !held) {
		last->len += end - start;
	} else {
		last = RP_ARRAY_PUSH(&p->runs);
		if (!last)
			return rp_error(&p->d->err, -ENOMEM, "out of memory");
		*last = (struct run){
			.vaddr = start, .len = end - start, .off = p->total, .unreadable = unreadable, .held = held
		};
	}
	p->total += end - start;
	return 0;
}

static int hold_run(struct rp_pages *p, uint64_t start, uint64_t end);

/* Pages of one mapping that hold something which its file (or nothing) does not. */
static int scan_map(struct rp_pages *p, int pagemap, const struct rp_map *m, struct page_region *vec, bool hold)
{
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = m->start,
		.end = m->end,
		.vec = (uintptr_t)vec,
		.vec_len = SCAN_REGIONS,
		.category_mask = PAGE_IS_FILE | PAGE_IS_PFNZERO,
		.category_inverted = PAGE_IS_FILE | PAGE_IS_PFNZERO,
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
		.return_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED | PAGE_IS_GUARD,
	};
	int ret;

	while (arg.start < m->end) {
		int n = ioctl(pagemap, PAGEMAP_SCAN, &arg);

		if (n < 0 && errno == EINVAL && arg.return_mask & PAGE_IS_GUARD) {
			arg.return_mask &= ~PAGE_IS_GUARD; /* a kernel before 6.15 */
			continue;
		}
		if (n < 0)
			return rp_error(&p->d->err, -errno, "cannot scan the pages of %#lx: %s",
					(unsigned long)m->start, strerror(errno));
		for (int i = 0; i < n; i++) {
			if (vec[i].categories & PAGE_IS_GUARD)
				return rp_error(&p->d->err, -ENOTSUP,
						"the guard pages at %#lx (MADV_GUARD_INSTALL) cannot "
						"be carried",
						(unsigned long)vec[i].start);
			ret = hold ? hold_run(p, vec[i].start, vec[i].end)
				   : add_run(p, m, vec[i].start, vec[i].end, NULL);
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
			c->held = r->held ? r->held + at : NULL;
		}
	}
	return 0;
}

/* Nothing was reserved yet, or more was touched since. */
static int grow(struct rp_pages *p)
{
	int ret = 0;

	if (p->total <= p->reserved)
		return 0;
	if (fallocate(p->fd, 0, 0, (off_t)p->total) < 0)
		ret = errno == EOPNOTSUPP ? ftruncate(p->fd, (off_t)p->total) : -1;
	if (ret < 0)
		return rp_error(&p->d->err, -errno, "no room for %lu bytes of pages: %s", (unsigned long)p->total,
				strerror(errno));
	p->reserved = p->total;
	return map_file(p, p->total);
}

/* Copies pages of the stopped process into memory of ours. */
static int hold_run(struct rp_pages *p, uint64_t start, uint64_t end)
{
	struct held *h = RP_ARRAY_PUSH(&p->held);
	int ret;

	if (!h)
		return rp_error(&p->d->err, -ENOMEM, "out of memory");
	*h = (struct held){ .vaddr = start, .len = end - start };
	h->copy = mmap(NULL, h->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (h->copy == MAP_FAILED) {
		h->copy = NULL;
		return rp_error(&p->d->err, -ENOMEM, "out of memory");
	}
	ret = rp_tracee_read(p->t->pid, start, h->copy, h->len);
	if (ret == -EFAULT) { /* not readable */
		RP_AUTOCLOSE int mem = openat(p->t->proc_fd, "mem", O_RDONLY | O_CLOEXEC);

		ret = mem < 0 ? -errno : rp_pread_all(mem, h->copy, h->len, (off_t)start);
	}
	return ret < 0 ? rp_error(&p->d->err, ret, "cannot read the memory at %#lx: %s", (unsigned long)start,
				  strerror(-ret))
		       : 0;
}

static int add_held(struct rp_pages *p, const struct rp_map *m)
{
	for (size_t i = 0; i < p->held.count; i++) {
		const struct held *h = &p->held.items[i];
		int ret = h->vaddr >= m->start && h->vaddr < m->end
				  ? add_run(p, m, h->vaddr, h->vaddr + h->len, h->copy)
				  : 0;

		if (ret < 0)
			return ret;
	}
	return 0;
}

static int scan_maps(struct rp_pages *p, int pagemap, bool hold, struct page_region *vec)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < p->t->nmaps; i++) {
		const struct rp_map *m = &p->t->maps[i];

		if (!is_saved(m) || (hold && !(m->vmflags & HELD_FLAGS)))
			continue;
		if (!hold)
			p->d->stats.pages_scanned += (m->end - m->start) / PAGE;
		if (!hold && p->holds && m->vmflags & HELD_FLAGS)
			ret = add_held(p, m);
		else if (m->save_all)
			ret = hold ? hold_run(p, m->start, m->start + m->save_len)
				   : add_run(p, m, m->start, m->start + m->save_len, NULL);
		else
			ret = scan_map(p, pagemap, m, vec, hold);
	}
	return ret;
}

static int scan(struct rp_pages *p, int pid, bool hold)
{
	RP_AUTOCLOSE int pagemap = -1;
	struct page_region *vec;
	char path[64];
	int ret;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		return rp_error(&p->d->err, -errno, "cannot open the pagemap: %s", strerror(errno));
	vec = malloc(SCAN_REGIONS * sizeof(*vec));
	if (!vec)
		return rp_error(&p->d->err, -ENOMEM, "out of memory");
	ret = scan_maps(p, pagemap, hold, vec);
	free(vec);
	return ret;
}

int rp_pages_hold(struct rp_pages *p)
{
	p->holds = true;
	return scan(p, p->t->pid, true);
}

int rp_pages_scan(struct rp_pages *p, int pid)
{
	int ret = scan(p, pid, false);

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

static int read_chunk(struct copy_job *j, const struct chunk *c, char *to)
{
	int ret = -EFAULT;

	if (c->held) {
		memcpy(to, c->held, c->len);
		return 0;
	}
	/* process_vm_readv(2) pins what it reads, for which the kernel makes each page of a copy-on-write child the child's own:
	 * a second copy of the whole memory. */
	if (!c->unreadable && j->pid == j->p->t->pid)
		ret = rp_tracee_read(j->pid, c->vaddr, to, c->len);
	return ret == -EFAULT ? rp_pread_all(j->mem_fd, to, c->len, (off_t)c->vaddr) : ret;
}

static void find_zeros(struct copy_job *j, const struct chunk *c, const char *pages)
{
	for (uint64_t at = 0; at < c->len; at += PAGE) {
		if (is_zero_page(pages + at)) {
			j->p->zero[(c->off + at) / PAGE] = 1;
			atomic_fetch_add(&j->nzero, 1);
		}
	}
}

/* buffer: CHUNK bytes, or NULL: through the mapping. */
static int copy_chunk(struct copy_job *j, const struct chunk *c, char *buffer)
{
	char *to = buffer ? buffer : j->p->map + c->off;
	int ret = read_chunk(j, c, to);

	if (ret < 0) {
		j->failed_to = "read the memory";
		return ret;
	}
	find_zeros(j, c, to);
	if (buffer)
		ret = rp_pwrite_all(j->p->fd, buffer, c->len, (off_t)c->off);
	if (ret < 0) {
		j->failed_to = "write the pages";
		return ret;
	}
	rp_count_add(j->p->d->opts->count, c->len);
	return 0;
}

static void *copy_worker(void *arg)
{
	struct copy_job *j = arg;
	RP_AUTOFREE char *buffer = j->by_write ? malloc(CHUNK) : NULL;

	while (atomic_load(&j->failed) == 0) {
		size_t i = atomic_fetch_add(&j->next, 1);
		int ret;

		if (i >= j->p->chunks.count)
			break;
		ret = copy_chunk(j, &j->p->chunks.items[i], buffer);
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

int rp_pages_copy(struct rp_pages *p, int pid)
{
	RP_AUTOCLOSE int mem_fd = -1;
	struct copy_job job = { .p = p, .pid = pid, .by_write = !is_awaited(p) };
	pthread_t threads[64];
	unsigned n = worker_count(p), started = 0;
	char path[64];

	if (p->chunks.count == 0)
		return 0;
	if (p->d->opts->count)
		atomic_store(&p->d->opts->count->total, p->total);
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
		return rp_error(&p->d->err, atomic_load(&job.failed), "cannot %s at %#lx: %s", job.failed_to,
				(unsigned long)job.failed_at, strerror(-atomic_load(&job.failed)));
	return 0;
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
			ret = rp_put_pagemap(p->d, RP_IMG_PAGEMAP, id, r->vaddr + first, at - first);
		while (at < r->len && p->zero[page + at / PAGE])
			at += PAGE;
	}
	return ret;
}

int rp_pages_write(struct rp_pages *p)
{
	struct rp_dump *d = p->d;
	int ret = rp_put_pagemap_head(d, RP_IMG_PAGEMAP, (uint64_t)p->t->pid, p->id);

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
	for (size_t i = 0; i < p->held.count; i++)
		if (p->held.items[i].copy)
			munmap(p->held.items[i].copy, p->held.items[i].len);
	free(p->held.items);
	free(p->runs.items);
	free(p->chunks.items);
	free(p->zero);
	free(p);
}
