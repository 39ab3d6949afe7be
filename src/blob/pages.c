/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include <asm/errno.h>
#include <asm/mman.h>
#include <linux/uio.h>

#include "abi/layout.h"
#include "arch/x86_64/syscall.h"
#include "blob/fill.h"
#include "blob/internal.h"

#define HUGE_SIZE (2UL << 20)
#define CHUNK_MAX (8UL << 20)
#define PIECES_MAX 64
#define HELPERS_MAX 3
#define HELPERS_FROM (6UL << 20) /* below, starting a thread costs more than it saves */

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* A part of the work: pieces of memory whose bytes follow each other in one file. */
struct chunk {
	struct iovec pieces[PIECES_MAX];
	uint32_t count;
	int32_t fd;
	uint64_t off, len;
};

struct worker {
	struct rp_blob *blob;
	const uint64_t *base;
	uint32_t gone; /* thread id until it has ended */
};

static void lock(uint32_t *word)
{
	while (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}

static void unlock(uint32_t *word)
{
	__atomic_store_n(word, 0, __ATOMIC_RELEASE);
}

static uint64_t run_address(const struct worker *w, const struct rp_plan_run *r)
{
	return (r->shm == UINT32_MAX ? 0 : w->base[r->shm]) + r->vaddr;
}

/* Takes the next part; 0: nothing left. Long runs are cut where a huge page begins. */
static int take(const struct worker *w, struct chunk *c)
{
	struct rp_blob *b = w->blob;
	const struct rp_plan_run *r = rp_plan_runs(b->plan);

	c->count = 0;
	c->len = 0;
	lock(&b->lock);
	while (b->next_run < b->plan->runs.count && c->count < PIECES_MAX && c->len < CHUNK_MAX) {
		const struct rp_plan_run *run = &r[b->next_run];
		uint64_t at = run_address(w, run) + b->next_off, len = run->len - b->next_off;
		uint64_t off = run->file_off + b->next_off;

		if (c->count && (run->fd != c->fd || off != c->off + c->len))
			break;
		if (len > CHUNK_MAX - c->len) {
			uint64_t cut = (at + CHUNK_MAX - c->len) & ~(HUGE_SIZE - 1);

			if (cut <= at && c->count)
				break;
			len = cut > at && cut - at < len ? cut - at : len;
		}
		if (!c->count) {
			c->fd = run->fd;
			c->off = off;
		}
		c->pieces[c->count].iov_base = (void *)at;
		c->pieces[c->count++].iov_len = len;
		c->len += len;
		b->next_off += len;
		if (b->next_off == run->len) {
			b->next_run++;
			b->next_off = 0;
		}
	}
	unlock(&b->lock);
	return c->count != 0;
}

/* Puts huge pages under memory that is about to be filled whole, without marking the mapping as MADV_HUGEPAGE would. */
static void make_huge(const struct worker *w, const struct iovec *piece)
{
	uint64_t start = ((uint64_t)piece->iov_base + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);
	uint64_t end = ((uint64_t)piece->iov_base + piece->iov_len) & ~(HUGE_SIZE - 1);
	const struct rp_plan_vma *v;

	if (start >= end)
		return;
	v = rp_plan_vma_at(w->blob->plan, start);
	if (!v || v->type != RP_VMA_ANON || v->flags & MAP_HUGETLB ||
	    v->madv & (1UL << RP_MADV_NOHUGEPAGE | 1UL << RP_MADV_HUGEPAGE))
		return;
	for (uint64_t at = start; at < end; at += HUGE_SIZE)
		*(volatile char *)at = 0;
	rp_syscall3(__NR_madvise, (long)start, (long)(end - start), MADV_COLLAPSE);
}

static int read_chunk(const struct worker *w, struct chunk *c)
{
	struct iovec *piece = c->pieces;
	uint32_t count = c->count;

	for (uint32_t i = 0; i < count; i++)
		make_huge(w, &piece[i]);
	while (count) {
		long n = rp_syscall5(__NR_preadv, c->fd, (long)piece, count, (long)c->off, 0);

		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n <= 0)
			return rp_blob_error(&w->blob->err, RP_STAGE_PAGES, n ? (int)n : -ENODATA,
					     n ? "reading pages of" : "pages file is too short for",
					     (uint64_t)piece->iov_base);
		c->off += (uint64_t)n;
		while (count && (uint64_t)n >= piece->iov_len) {
			n -= (long)piece->iov_len;
			piece++;
			count--;
		}
		if (count) {
			piece->iov_base = (char *)piece->iov_base + n;
			piece->iov_len -= (uint64_t)n;
		}
	}
	return 0;
}

static void work(void *arg)
{
	struct worker *w = arg;
	struct chunk c;

	while (!__atomic_load_n(&w->blob->err.code, __ATOMIC_RELAXED) && take(w, &c))
		if (read_chunk(w, &c))
			return;
}

static uint32_t cpus(void)
{
	uint64_t set[128];
	long len = rp_syscall3(__NR_sched_getaffinity, 0, sizeof(set), (long)set);
	uint32_t count = 0;

	for (long i = 0; i < len / 8; i++)
		for (uint64_t bits = set[i]; bits; bits &= bits - 1)
			count++;
	return count ? count : 1;
}

int rp_blob_pages(struct rp_blob *b, const uint64_t *base)
{
	struct worker *w = rp_blob_alloc(b, (HELPERS_MAX + 1) * sizeof(*w));
	const struct rp_plan_run *r = rp_plan_runs(b->plan);
	uint64_t total = 0;
	uint32_t helpers = 0, n = cpus() - 1;

	for (uint64_t i = 0; i < b->plan->runs.count; i++)
		total += r[i].len;
	b->next_run = b->next_off = 0;
	while (total >= HELPERS_FROM && helpers < HELPERS_MAX && helpers < n) {
		char *stack = rp_blob_alloc(b, RP_STACK_SIZE);

		w[helpers].blob = b;
		w[helpers].base = base;
		w[helpers].gone = 1;
		if (rp_is_error(rp_blob_helper(stack + RP_STACK_SIZE, work, &w[helpers], &w[helpers].gone)))
			break;
		helpers++;
	}
	w[HELPERS_MAX].blob = b;
	w[HELPERS_MAX].base = base;
	work(&w[HELPERS_MAX]);
	for (uint32_t i = 0; i < helpers; i++)
		rp_blob_wait_gone(&w[i].gone);
	return b->err.code;
}
