/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <time.h>

#include "engine/dump_impl.h"

static int write_timens(struct rp_dump *d)
{
	struct timespec mono, boot;
	Timespec m = TIMESPEC__INIT, b = TIMESPEC__INIT;
	TimensEntry e = TIMENS_ENTRY__INIT;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	m.tv_sec = (uint64_t)mono.tv_sec;
	m.tv_nsec = (uint64_t)mono.tv_nsec;
	b.tv_sec = (uint64_t)boot.tv_sec;
	b.tv_nsec = (uint64_t)boot.tv_nsec;
	e.monotonic = &m;
	e.boottime = &b;
	return rp_writer_put(d->writer, RP_IMG_TIMENS, 0, &e, &d->err);
}

static int write_fds(struct rp_dump *d, struct rp_task *t)
{
	uint64_t id = t->ids->files_id;
	int ret = rp_writer_touch(d->writer, RP_IMG_FDINFO, id, &d->err);

	for (size_t i = 0; ret == 0 && i < t->nfds; i++)
		ret = rp_writer_put(d->writer, RP_IMG_FDINFO, id, t->fds[i], &d->err);
	if (ret == 0)
		ret = rp_writer_touch(d->writer, RP_IMG_FILES, 0, &d->err);
	for (size_t i = 0; ret == 0 && i < d->nfiles; i++)
		ret = rp_writer_put(d->writer, RP_IMG_FILES, 0, d->files[i], &d->err);
	return ret;
}

static int write_extra(struct rp_dump *d, struct rp_task *t)
{
	RpTaskEntry *e = t->extra;

	e->threads = rp_dump_alloc(d, t->nthreads * sizeof(e->threads[0]));
	e->vmas = rp_dump_alloc(d, t->nmaps * sizeof(e->vmas[0]));
	if (!e->threads || !e->vmas)
		return -ENOMEM;
	for (size_t i = 0; i < t->nthreads; i++)
		e->threads[e->n_threads++] = t->threads[i].extra;
	for (size_t i = 0; i < t->nmaps; i++)
		if (t->maps[i].extra)
			e->vmas[e->n_vmas++] = t->maps[i].extra;
	return rp_writer_put(d->writer, RP_IMG_TASK, (uint64_t)t->pid, e, &d->err);
}

int rp_dump_write(struct rp_dump *d, struct rp_task *t)
{
	uint64_t pid = (uint64_t)t->pid;
	int ret = rp_writer_put(d->writer, RP_IMG_PSTREE, 0, t->pstree, &d->err);

	for (size_t i = 0; ret == 0 && i < t->nthreads; i++)
		ret = rp_writer_put(d->writer, RP_IMG_CORE, (uint64_t)t->threads[i].tid, t->threads[i].core, &d->err);
	if (ret == 0)
		ret = rp_writer_put(d->writer, RP_IMG_IDS, pid, t->ids, &d->err);
	if (ret == 0)
		ret = rp_writer_put(d->writer, RP_IMG_MM, pid, t->mm, &d->err);
	if (ret == 0)
		ret = rp_writer_put(d->writer, RP_IMG_FS, pid, t->fs, &d->err);
	if (ret == 0)
		ret = write_fds(d, t);
	if (ret == 0)
		ret = write_extra(d, t);
	if (ret == 0)
		ret = write_timens(d);
	return ret;
}

int rp_dump_inventory(struct rp_dump *d, struct rp_task *t)
{
	InventoryEntry e = INVENTORY_ENTRY__INIT;
	TaskKobjIdsEntry root = TASK_KOBJ_IDS_ENTRY__INIT;

	root = *t->ids;
	root.vm_id = root.files_id = root.fs_id = root.sighand_id = 1;
	e.img_version = d->opts->rank ? RP_IMG_VERSION_RANK : RP_IMG_VERSION;
	e.has_fdinfo_per_id = e.fdinfo_per_id = true;
	e.has_ns_per_id = e.ns_per_id = true;
	e.root_ids = &root;
	e.has_lsmtype = true;
	e.lsmtype = LSMTYPE__NO_LSM;
	return rp_writer_finish(d->writer, &e, !d->opts->no_sync, &d->err);
}
