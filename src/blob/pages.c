/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include <asm/errno.h>
#include <asm/mman.h>
#include <linux/uio.h>

#include "abi/layout.h"
#include "arch/x86_64/syscall.h"
#include "blob/fill.h"
#include "blob/huge.h"
#include "blob/internal.h"

#define HUGE_SIZE (2UL << 20)
#define CHUNK_MAX (8UL << 20)
#define PIECES_MAX 64
#define HELPERS_MAX 3
#define HELPERS_FROM (6UL << 20) /* below, starting a thread costs more than it saves */

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
	int huge_fd;	/* for rp_huge_move(), < 0: huge pages are not made here */
	uint64_t stage; /* CHUNK_MAX bytes of huge pages to come, 0: not there yet */
	uint32_t gone;	/* thread id until it has ended */
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

/* May whole huge pages be put at this address? Where the image says something about huge pages, the kernel follows that by
 * itself; elsewhere pages are as large as it allows, without a mark on the mapping. */
static int is_huge_here(const struct worker *w, uint64_t at)
{
	const struct rp_plan_vma *v = w->huge_fd < 0 ? NULL : rp_plan_vma_at(w->blob->plan, at);

	return v && v->type == RP_VMA_ANON && !(v->prot & PROT_EXEC) && !(v->flags & (MAP_HUGETLB | MAP_GROWSDOWN)) &&
	       !(v->madv & (1UL << RP_MADV_NOHUGEPAGE | 1UL << RP_MADV_HUGEPAGE));
}

static int is_huge(const struct iovec *piece)
{
	return !((uint64_t)piece->iov_base % HUGE_SIZE) && !(piece->iov_len % HUGE_SIZE);
}

/* How much of [at, at + len) makes one piece: up to where whole huge pages begin or end, at most `room`. */
static uint64_t cut(const struct worker *w, uint64_t at, uint64_t len, uint64_t room)
{
	uint64_t up = (at + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1), down = (at + len) & ~(HUGE_SIZE - 1);

	if (up >= down || !is_huge_here(w, at))
		return len < room ? len : room;
	if (at < up)
		return up - at < room ? up - at : room;
	if (down - at <= room)
		return down - at;
	return room >= HUGE_SIZE ? room & ~(HUGE_SIZE - 1) : 0;
}

/* Takes the next part; 0: nothing left. */
static int take(const struct worker *w, struct chunk *c)
{
	struct rp_blob *b = w->blob;
	const struct rp_plan_run *r = rp_plan_runs(b->plan);

	c->count = 0;
	c->len = 0;
	lock(&b->lock);
	while (b->next_run < b->plan->runs.count && c->count < PIECES_MAX && c->len < CHUNK_MAX) {
		const struct rp_plan_run *run = &r[b->next_run];
		uint64_t at = run_address(w, run) + b->next_off, off = run->file_off + b->next_off;
		uint64_t len = cut(w, at, run->len - b->next_off, CHUNK_MAX - c->len);

		if (!len || (c->count && (run->fd != c->fd || off != c->off + c->len)))
			break;
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

static int read_pieces(const struct worker *w, int fd, struct iovec *piece, uint32_t count, uint64_t off)
{
	while (count) {
		long n = rp_syscall5(__NR_preadv, fd, (long)piece, count, (long)off, 0);

		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n <= 0)
			return rp_blob_error(&w->blob->err, RP_STAGE_PAGES, n ? (int)n : -ENODATA,
					     n ? "reading pages of" : "pages file is too short for",
					     (uint64_t)piece->iov_base);
		off += (uint64_t)n;
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

/* Reads pieces of whole huge pages into the stage, from where they are moved. */
static int read_chunk(struct worker *w, struct chunk *c)
{
	struct iovec to[PIECES_MAX];
	uint64_t at = w->stage, off = c->off;
	int rc;

	if (w->huge_fd >= 0 && !w->stage)
		at = w->stage = rp_huge_stage(CHUNK_MAX);
	for (uint32_t i = 0; i < c->count; i++) {
		to[i] = c->pieces[i];
		if (w->stage && is_huge(&to[i]) && is_huge_here(w, (uint64_t)to[i].iov_base)) {
			to[i].iov_base = (void *)at;
			at += to[i].iov_len;
		}
	}
	rc = read_pieces(w, c->fd, to, c->count, c->off);
	at = w->stage;
	for (uint32_t i = 0; !rc && i < c->count; i++) {
		struct iovec *piece = &c->pieces[i];
		uint64_t len = piece->iov_len, dst = (uint64_t)piece->iov_base;

		if (w->stage && is_huge(piece) && is_huge_here(w, dst)) {
			if (rp_huge_move(w->huge_fd, dst, at, len))
				rc = read_pieces(w, c->fd, piece, 1, off);
			at += len;
		}
		off += len;
	}
	return rc;
}

static void work(void *arg)
{
	struct worker *w = arg;
	struct chunk c;

	while (!__atomic_load_n(&w->blob->err.code, __ATOMIC_RELAXED) && take(w, &c))
		if (read_chunk(w, &c))
			break;
	if (w->stage)
		rp_syscall2(__NR_munmap, (long)w->stage, (long)CHUNK_MAX);
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
	int huge_fd;

	for (uint64_t i = 0; i < b->plan->runs.count; i++)
		total += r[i].len;
	huge_fd = total >= HUGE_SIZE ? rp_huge_open() : -1;
	for (uint32_t i = 0; i <= HELPERS_MAX; i++) {
		w[i].blob = b;
		w[i].base = base;
		w[i].huge_fd = huge_fd;
	}
	b->next_run = b->next_off = 0;
	while (total >= HELPERS_FROM && helpers < HELPERS_MAX && helpers < n) {
		char *stack = rp_blob_alloc(b, RP_STACK_SIZE);

		w[helpers].gone = 1;
		if (rp_is_error(rp_blob_helper(stack + RP_STACK_SIZE, work, &w[helpers], &w[helpers].gone)))
			break;
		helpers++;
	}
	work(&w[HELPERS_MAX]);
	for (uint32_t i = 0; i < helpers; i++)
		rp_blob_wait_gone(&w[i].gone);
	if (huge_fd >= 0)
		rp_syscall1(__NR_close, huge_fd);
	return b->err.code;
}
