/* SPDX-License-Identifier: BSD-3-Clause */
#include "image/pool.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE ((size_t)64 << 10)

struct rp_pool_chunk {
	struct rp_pool_chunk *next;
	size_t size, used;
	_Alignas(16) char data[];
};

void rp_pool_init(struct rp_pool *p, uint64_t budget)
{
	memset(p, 0, sizeof(*p));
	p->budget = budget;
}

void rp_pool_done(struct rp_pool *p)
{
	while (p->chunks) {
		struct rp_pool_chunk *next = p->chunks->next;

		free(p->chunks);
		p->chunks = next;
	}
}

static struct rp_pool_chunk *chunk_new(size_t size)
{
	struct rp_pool_chunk *c = calloc(1, sizeof(*c) + size);

	if (c)
		c->size = size;
	return c;
}

void *rp_pool_alloc(struct rp_pool *p, size_t size)
{
	struct rp_pool_chunk *c = p->chunks;
	size_t need = (size + 15) & ~(size_t)15;

	if (need < size || need > p->budget) {
		p->exhausted = true;
		return NULL;
	}
	if (!c || c->size - c->used < need) {
		c = chunk_new(need > CHUNK_SIZE / 4 ? need : CHUNK_SIZE);
		if (!c) {
			p->exhausted = true;
			return NULL;
		}
		/* A large one goes behind the current chunk, which still has room for small ones. */
		if (p->chunks && c->size == need && need > CHUNK_SIZE / 4) {
			c->next = p->chunks->next;
			p->chunks->next = c;
		} else {
			c->next = p->chunks;
			p->chunks = c;
		}
	}
	p->budget -= need;
	c->used += need;
	return c->data + c->used - need;
}

static void *pb_alloc(void *arg, size_t size)
{
	return rp_pool_alloc(arg, size);
}

static void pb_free(void *arg, void *p)
{
}

ProtobufCAllocator rp_pool_allocator(struct rp_pool *p)
{
	ProtobufCAllocator a = { pb_alloc, pb_free, p };

	return a;
}
