/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Memory for the stub's objects, usable on any FS: its own mappings, raw system calls, no TLS. Mappings made by code of
 * the stub are upper-half memory whichever thread makes them, so objects are saved with the application.
 */
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <string.h>

#include "mpi/gate.h"
#include "mpi/object.h"

#define CHUNK (1UL << 20)
#define MIN_SHIFT 5
#define MAX_SHIFT 15
#define LARGE 255

struct block {
	uint64_t size; /* of a large block's mapping */
	uint8_t class;
	uint8_t pad[7];
};

static struct {
	struct free_block {
		struct free_block *next;
	} * free[MAX_SHIFT + 1];
	char *at, *end;
} heap;

/* One number per thread: the FS base of its own libc, which for a thread that is inside stands in its rp_thread. */
static uint64_t lock_self(void)
{
	uint64_t fs = rp_rdfsbase();
	const struct rp_thread *t;

	if (!rp_addr_is_lower(fs))
		return fs;
	t = rp_thread_current();
	return t ? t->upper_fs : fs;
}

void rp_lock(void)
{
	uint64_t me = lock_self();
	uint32_t was = 0;

	if (__atomic_load_n(&rp_stub.lock_owner, __ATOMIC_RELAXED) == me) {
		rp_stub.lock_depth++;
		return;
	}
	if (!__atomic_compare_exchange_n(&rp_stub.lock, &was, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		while (__atomic_exchange_n(&rp_stub.lock, 2, __ATOMIC_ACQUIRE))
			rp_sys6(SYS_futex, (long)&rp_stub.lock, FUTEX_WAIT_PRIVATE, 2, 0, 0, 0);
	__atomic_store_n(&rp_stub.lock_owner, me, __ATOMIC_RELAXED);
	rp_stub.lock_depth = 1;
}

void rp_unlock(void)
{
	if (--rp_stub.lock_depth)
		return;
	__atomic_store_n(&rp_stub.lock_owner, 0, __ATOMIC_RELAXED);
	if (__atomic_exchange_n(&rp_stub.lock, 0, __ATOMIC_RELEASE) == 2)
		rp_sys6(SYS_futex, (long)&rp_stub.lock, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

void rp_lock_inherit(void)
{
	if (!rp_stub.lock) {
		rp_lock();
		return;
	}
	__atomic_store_n(&rp_stub.lock_owner, lock_self(), __ATOMIC_RELAXED);
}

static void *heap_map(size_t size)
{
	long p = rp_sys6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p < 0 && p > -4096 ? NULL : (void *)p;
}

static struct block *heap_large(size_t size)
{
	struct block *b;

	size = (size + sizeof(*b) + RP_PAGE_SIZE - 1) & ~(RP_PAGE_SIZE - 1);
	b = heap_map(size);
	if (b) {
		b->size = size;
		b->class = LARGE;
	}
	return b;
}

static struct block *heap_small(unsigned int shift)
{
	size_t size = 1UL << shift;
	struct free_block *f = heap.free[shift];
	char *chunk;

	if (f) {
		heap.free[shift] = f->next;
		memset(f, 0, size);
		return (struct block *)f;
	}
	if ((size_t)(heap.end - heap.at) < size) {
		chunk = heap_map(CHUNK); /* the old rest is lost: at most one block of the largest class */
		if (!chunk)
			return NULL;
		heap.at = chunk;
		heap.end = chunk + CHUNK;
	}
	heap.at += size;
	return (struct block *)(heap.at - size);
}

void *rp_heap_alloc(size_t size)
{
	size_t need = size + sizeof(struct block);
	unsigned int shift = MIN_SHIFT;
	struct block *b;

	if (need < size || need > (1UL << 46))
		return NULL;
	while (shift <= MAX_SHIFT && (1UL << shift) < need)
		shift++;
	if (shift > MAX_SHIFT) {
		b = heap_large(size);
		return b ? b + 1 : NULL;
	}
	rp_lock();
	b = heap_small(shift);
	rp_unlock();
	if (!b)
		return NULL;
	b->class = (uint8_t)shift;
	return b + 1;
}

void rp_heap_free(void *p)
{
	struct free_block *f;
	struct block *b;
	unsigned int class;

	if (!p)
		return;
	b = (struct block *)p - 1;
	f = (struct free_block *)b;
	class = b->class;
	if (class == LARGE) {
		rp_sys6(SYS_munmap, (long)b, (long)b->size, 0, 0, 0, 0);
		return;
	}
	rp_lock();
	f->next = heap.free[class];
	heap.free[class] = f;
	rp_unlock();
}

void *rp_heap_dup(const void *p, size_t size)
{
	void *copy = size && p ? rp_heap_alloc(size) : NULL;

	if (copy)
		memcpy(copy, p, size);
	return copy;
}

char *rp_heap_strdup(const char *s)
{
	return s ? rp_heap_dup(s, strlen(s) + 1) : NULL;
}
