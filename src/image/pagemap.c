/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "image/image.h"
#include "util/fd.h"

#define PAGE_SIZE 4096ULL
#define ADDRESS_END ((uint64_t)1 << 47) /* four-level paging; also more than any shared memory object has */

/* One entry into *run; *pos is the place in the pages file and *end the end of the run before. NULL or what is wrong. */
static const char *check_run(const PagemapEntry *e, uint64_t file_size, uint64_t *pos, uint64_t *end,
			     struct rp_img_run *run)
{
	uint64_t n = rp_pagemap_pages(e), len;
	/* Before there were flags an entry without in_parent was present. */
	uint32_t flags = e->has_flags ? e->flags : RP_PE_PRESENT;

	if ((e->has_in_parent && e->in_parent) || (flags & RP_PE_PARENT))
		return "pages in a parent image are not supported";
	if (!(flags & RP_PE_PRESENT))
		return "pages that are not in the pages file";
	if (n == 0 || n > ADDRESS_END / PAGE_SIZE)
		return "a run of impossible length";
	len = n * PAGE_SIZE;
	if (e->vaddr % PAGE_SIZE || e->vaddr > ADDRESS_END - len)
		return "a run at an impossible address";
	if (e->vaddr < *end)
		return "runs overlap or are out of order";
	if (len > file_size - *pos)
		return "more pages than the pages file holds";
	run->vaddr = e->vaddr;
	run->npages = n;
	run->file_off = *pos;
	run->flags = flags;
	*pos += len;
	*end = e->vaddr + len;
	return NULL;
}

int rp_image_pagemap(struct rp_image *im, enum rp_img type, uint64_t id, const struct rp_img_run **runs, size_t *count,
		     uint32_t *pages_id, struct rp_error *err)
{
	uint64_t file_size = 0, pos = 0, end = 0;
	const struct rp_img_file *f;
	struct rp_img_run *list;
	const PagemapHead *head;
	size_t i;
	int r = rp_image_load(im, type, id, &f, err);

	if (r < 0)
		return r;
	head = (const PagemapHead *)f->entries[0].msg;
	if (f->count > 1) {
		int fd RP_AUTOCLOSE = -1;

		r = rp_image_pages(im, head->pages_id, &fd, &file_size, err);
		if (r < 0)
			return r;
	}
	list = rp_image_alloc(im, f->count * sizeof(*list));
	if (!list)
		return rp_error(err, -ENOMEM, "out of memory");
	for (i = 1; i < f->count; i++) {
		const char *what =
			check_run((const PagemapEntry *)f->entries[i].msg, file_size, &pos, &end, &list[i - 1]);

		if (what)
			return rp_error(err, -EBADMSG, "%s: at byte %" PRIu64 ": %s", f->name, f->entries[i].off, what);
	}
	*runs = list;
	*count = f->count - 1;
	*pages_id = head->pages_id;
	return 0;
}
