/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Shared anonymous memory: whole objects, read through /proc/PID/map_files, whatever part of them is mapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/dump_impl.h"
#include "util/fd.h"

#define PAGE 4096UL

int rp_put_pagemap(struct rp_dump *d, enum rp_img type, uint64_t id, uint64_t vaddr, uint64_t len)
{
	PagemapEntry e;

	rp_pagemap_entry_init(&e, vaddr, len / PAGE, RP_PE_PRESENT);
	return rp_writer_put(d->writer, type, id, &e, &d->err);
}

int rp_put_pagemap_head(struct rp_dump *d, enum rp_img type, uint64_t id, uint32_t pages_id)
{
	PagemapHead head = PAGEMAP_HEAD__INIT;

	head.pages_id = pages_id;
	return rp_writer_put(d->writer, type, id, &head, &d->err);
}

/* Copies the parts of a file in memory that hold data. */
static int copy_object(struct rp_dump *d, int fd, uint64_t size, uint64_t shmid, uint32_t pages_id)
{
	static const size_t step = 1U << 20;
	char *buf = malloc(step);
	uint64_t used = 0;
	off_t data = 0, hole;
	int out, ret = rp_put_pagemap_head(d, RP_IMG_PAGEMAP_SHMEM, shmid, pages_id);

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
		ret = rp_put_pagemap(d, RP_IMG_PAGEMAP_SHMEM, shmid, (uint64_t)data, (uint64_t)(hole - data));
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

static int copy_shm(struct rp_dump *d, struct rp_task *t, const struct rp_map *m, uint32_t pages_id)
{
	RP_AUTOCLOSE int fd = -1;
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "map_files/%lx-%lx", (unsigned long)m->start, (unsigned long)m->end);
	fd = openat(t->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return rp_error(&d->err, -errno, "cannot open the shared memory at %#lx: %s", (unsigned long)m->start,
				strerror(errno));
	return copy_object(d, fd, (uint64_t)st.st_size, m->file_id, pages_id);
}

int rp_shm_copy(struct rp_dump *d, struct rp_task *t)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < t->nmaps; i++) {
		const struct rp_map *m = &t->maps[i];
		bool first = !m->lower && m->what == RP_MAP_SHM;

		for (size_t j = 0; first && j < i; j++)
			first = t->maps[j].what != RP_MAP_SHM || t->maps[j].file_id != m->file_id;
		if (first)
			ret = copy_shm(d, t, m, d->next_pages_id++);
	}
	return ret;
}
