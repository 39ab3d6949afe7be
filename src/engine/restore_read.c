/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Stage "read" of a restore.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include "engine/restore_impl.h"

static int compare_files(const void *a, const void *b)
{
	const FileEntry *x = *(FileEntry *const *)a, *y = *(FileEntry *const *)b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int compare_fds(const void *a, const void *b)
{
	const FdinfoEntry *x = *(FdinfoEntry *const *)a, *y = *(FdinfoEntry *const *)b;

	return x->fd < y->fd ? -1 : x->fd > y->fd;
}

static int read_files(struct rp_restore *r)
{
	int rc = rp_image_all(r->image, RP_IMG_FILES, 0, &r->files, &r->nfiles, &r->err);

	if (rc)
		return rc;
	if (r->nfiles)
		qsort(r->files, r->nfiles, sizeof(*r->files), compare_files);
	for (size_t i = 1; i < r->nfiles; i++)
		if (r->files[i]->id == r->files[i - 1]->id)
			return rp_error(&r->err, -EINVAL, "files.img: file id %u twice", r->files[i]->id);
	return 0;
}

const FileEntry *rp_restore_file(const struct rp_restore *r, uint32_t id)
{
	FileEntry key = { .id = id }, *pkey = &key, **found;

	if (!r->nfiles)
		return NULL;
	found = bsearch(&pkey, r->files, r->nfiles, sizeof(*r->files), compare_files);
	return found ? *found : NULL;
}

const char *rp_restore_file_name(const struct rp_restore *r, uint32_t id)
{
	const FileEntry *e = rp_restore_file(r, id);

	return e && e->reg ? e->reg->name : "?";
}

static int read_fds(struct rp_restore *r, struct rp_rtask *t)
{
	uint32_t id = r->inventory->has_fdinfo_per_id && r->inventory->fdinfo_per_id && t->ids ? t->ids->files_id
											       : (uint32_t)t->pid;
	int rc = rp_image_all(r->image, RP_IMG_FDINFO, id, &t->fds, &t->nfds, &r->err);

	if (rc)
		return rc;
	if (t->nfds)
		qsort(t->fds, t->nfds, sizeof(*t->fds), compare_fds);
	for (size_t i = 0; i < t->nfds; i++) {
		const FileEntry *e = rp_restore_file(r, t->fds[i]->id);

		if (t->fds[i]->fd >= RP_FD_LIMIT || (i && t->fds[i]->fd == t->fds[i - 1]->fd) ||
		    t->fds[i]->flags & ~(uint32_t)FD_CLOEXEC)
			return rp_error(&r->err, -EINVAL, "fdinfo-%u.img: descriptor %u is not valid", id,
					t->fds[i]->fd);
		if (!e || e->type != t->fds[i]->type)
			return rp_error(&r->err, -EINVAL,
					"fdinfo-%u.img: descriptor %u has no file of its type and id %u", id,
					t->fds[i]->fd, t->fds[i]->id);
	}
	return 0;
}

static int read_threads(struct rp_restore *r, struct rp_rtask *t)
{
	const PstreeEntry *p = t->pstree;
	size_t n = p->n_threads;

	if (!n || n > RP_THREADS_LIMIT)
		return rp_error(&r->err, -EINVAL, "pstree.img: process %d has %zu threads", t->pid, n);
	t->threads = rp_image_alloc(r->image, n * sizeof(*t->threads));
	if (!t->threads)
		return rp_error(&r->err, -ENOMEM, "no memory for %zu threads", n);
	t->nthreads = n;
	for (size_t i = 0; i < n; i++) {
		int rc;

		if (p->threads[i] == 0 || p->threads[i] > INT_MAX)
			return rp_error(&r->err, -EINVAL, "pstree.img: thread id %u", p->threads[i]);
		for (size_t k = 0; n < 1024 && k < i; k++)
			if (p->threads[k] == p->threads[i])
				return rp_error(&r->err, -EINVAL, "pstree.img: thread id %u twice", p->threads[i]);
		t->threads[i].tid = (int)p->threads[i];
		rc = rp_image_one(r->image, RP_IMG_CORE, p->threads[i], &t->threads[i].core, &r->err);
		if (rc)
			return rc;
	}
	if (t->threads[0].tid != t->pid)
		return rp_error(&r->err, -EINVAL, "pstree.img: the first thread of process %d is %d", t->pid,
				t->threads[0].tid);
	t->core = t->threads[0].core;
	if (!t->core->tc)
		return rp_error(&r->err, -EINVAL, "core-%d.img: has no task_core_entry", t->pid);
	if (t->core->tc->task_state != RP_TASK_ALIVE && t->core->tc->task_state != RP_TASK_STOPPED)
		return rp_error(&r->err, -ENOTSUP, "process %d was not alive at the checkpoint", t->pid);
	return 0;
}

/* A rank keeps of the image only what its program changed (design: what belongs to whom). */
static int read_launch(struct rp_restore *r, struct rp_rtask *t)
{
	RpRankEntry *e;
	int rc = rp_image_one(r->image, RP_IMG_RANK, (uint64_t)t->pid, &e, &r->err);

	if (!rc)
		t->launch = e->launch;
	return rc;
}

static int read_task(struct rp_restore *r, struct rp_rtask *t)
{
	uint32_t pid = t->pstree->pid;
	int rc;

	if (pid == 0 || pid > INT_MAX)
		return rp_error(&r->err, -EINVAL, "pstree.img: pid %u", pid);
	t->pid = (int)pid;
	t->pages_fd = -1;
	rc = read_threads(r, t);
	if (!rc && rp_image_has(r->image, RP_IMG_IDS, pid))
		rc = rp_image_one(r->image, RP_IMG_IDS, pid, &t->ids, &r->err);
	if (!rc)
		rc = rp_image_one(r->image, RP_IMG_MM, pid, &t->mm, &r->err);
	if (!rc && rp_image_has(r->image, RP_IMG_FS, pid))
		rc = rp_image_one(r->image, RP_IMG_FS, pid, &t->fs, &r->err);
	if (!rc && rp_image_has(r->image, RP_IMG_TASK, pid))
		rc = rp_image_one(r->image, RP_IMG_TASK, pid, &t->extra, &r->err);
	if (!rc && t->extra && t->extra->version != 1)
		rc = rp_error(&r->err, -EPROTONOSUPPORT,
			      "reprise-task-%u.img: version %u was written by another version of Reprise", pid,
			      t->extra->version);
	if (!rc)
		rc = rp_image_pagemap(r->image, RP_IMG_PAGEMAP, pid, &t->runs, &t->nruns, &t->pages_id, &r->err);
	if (!rc && r->rank && rp_image_has(r->image, RP_IMG_RANK, pid))
		rc = read_launch(r, t);
	return rc ? rc : read_fds(r, t);
}

int rp_restore_read(struct rp_restore *r)
{
	PstreeEntry **tree;
	int rc = rp_image_inventory(r->image, &r->inventory, &r->err);

	if (rc)
		return rc;
	r->rank = r->inventory->img_version == RP_IMG_VERSION_RANK;
	rc = rp_image_all(r->image, RP_IMG_PSTREE, 0, &tree, &r->ntasks, &r->err);
	if (!rc)
		rc = read_files(r);
	if (rc)
		return rc;
	if (r->ntasks != 1)
		return rp_error(&r->err, -ENOTSUP,
				"the image holds %zu processes: trees of processes cannot be restored yet", r->ntasks);
	r->tasks = rp_image_alloc(r->image, r->ntasks * sizeof(*r->tasks));
	if (!r->tasks)
		return rp_error(&r->err, -ENOMEM, "no memory");
	for (size_t i = 0; !rc && i < r->ntasks; i++) {
		r->tasks[i].pstree = tree[i];
		rc = read_task(r, &r->tasks[i]);
	}
	return rc;
}
