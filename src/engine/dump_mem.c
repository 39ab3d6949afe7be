/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/dump_impl.h"

#define CHUNK_SIZE (64U << 10)
#define ALIGN 16

struct rp_arena_chunk {
	struct rp_arena_chunk *next;
	size_t used, size;
	_Alignas(ALIGN) char data[];
};

void *rp_dump_alloc(struct rp_dump *d, size_t size)
{
	struct rp_arena_chunk *c = d->chunks;
	size_t need = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	void *p;

	if (!c || c->size - c->used < need) {
		size_t room = need > CHUNK_SIZE / 4 ? need : CHUNK_SIZE;

		c = need < size ? NULL : malloc(sizeof(*c) + room);
		if (!c) {
			rp_error(&d->err, -ENOMEM, "out of memory");
			return NULL;
		}
		c->used = 0;
		c->size = room;
		c->next = d->chunks;
		d->chunks = c;
	}
	p = c->data + c->used;
	c->used += need;
	return memset(p, 0, size);
}

void *rp_dump_memdup(struct rp_dump *d, const void *p, size_t size)
{
	void *copy = rp_dump_alloc(d, size);

	return copy && size > 0 ? memcpy(copy, p, size) : copy;
}

char *rp_dump_strdup(struct rp_dump *d, const char *s)
{
	return rp_dump_memdup(d, s, strlen(s) + 1);
}

int rp_dump_add_file(struct rp_dump *d, FileEntry *e)
{
	if (d->nfiles == d->files_room) {
		size_t room = d->files_room ? d->files_room * 2 : 32;
		FileEntry **more = realloc(d->files, room * sizeof(*more));

		if (!more)
			return rp_error(&d->err, -ENOMEM, "out of memory");
		d->files = more;
		d->files_room = room;
	}
	d->files[d->nfiles++] = e;
	return 0;
}

void rp_dump_mem_free(struct rp_dump *d)
{
	while (d->chunks) {
		struct rp_arena_chunk *c = d->chunks;

		d->chunks = c->next;
		free(c);
	}
	free(d->files);
}
