/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Memory that is given back all at once, with a budget, for what an untrusted file makes us allocate.
 */
#ifndef RP_IMAGE_POOL_H
#define RP_IMAGE_POOL_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rp_pool_chunk;

struct rp_pool {
	struct rp_pool_chunk *chunks;
	uint64_t budget; /* bytes that may still be asked for */
	bool exhausted;	 /* an allocation was refused */
};

void rp_pool_init(struct rp_pool *p, uint64_t budget);
void rp_pool_done(struct rp_pool *p);

/* Zeroed, aligned for anything; NULL beyond the budget or without memory. */
void *rp_pool_alloc(struct rp_pool *p, size_t size);

/* For protobuf-c; freeing does nothing. Messages made with it are not freed one by one. */
ProtobufCAllocator rp_pool_allocator(struct rp_pool *p);

#endif
