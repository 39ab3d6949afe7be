/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "engine/restore_impl.h"
#include "util/log.h"

const struct rp_kind *rp_kind_of_type(FdTypes type)
{
	for (size_t i = 0; rp_kinds[i]; i++)
		if (rp_kinds[i]->fd_open && rp_kinds[i]->fd_type == (int)type)
			return rp_kinds[i];
	return NULL;
}

static int check_file(struct rp_restore *r, size_t i)
{
	const FileEntry *e = r->files[i];
	const struct rp_kind *kind = rp_kind_of_type(e->type);
	int rc;

	if (r->inherited[i] >= 0)
		return 0;
	if (!kind)
		return rp_error(&r->err, -ENOTSUP, "file id %u is of type %d, which cannot be restored", e->id,
				(int)e->type);
	rc = kind->fd_check(r, e);
	if (rc)
		return rc;
	rp_debug("check %s: file id %u", kind->name, e->id);
	return 0;
}

int rp_stage_check(struct rp_restore *r)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < r->nfiles; i++)
		rc = check_file(r, i);
	for (size_t i = 0; !rc && i < r->ntasks; i++)
		for (size_t k = 0; !rc && rp_kinds[k]; k++)
			if (rp_kinds[k]->check)
				rc = rp_kinds[k]->check(r, &r->tasks[i]);
	return rc;
}

int rp_stage_prepare(struct rp_restore *r, struct rp_rtask *t)
{
	int rc = 0;

	for (size_t k = 0; !rc && rp_kinds[k]; k++) {
		if (!rp_kinds[k]->prepare)
			continue;
		rp_debug("prepare %d %s", t->pid, rp_kinds[k]->name);
		rc = rp_kinds[k]->prepare(r, t);
	}
	return rc;
}

int rp_stage_plan(struct rp_restore *r, struct rp_rtask *t)
{
	int rc = 0;

	for (size_t k = 0; !rc && rp_kinds[k]; k++) {
		if (!rp_kinds[k]->plan)
			continue;
		rp_debug("plan %d %s", t->pid, rp_kinds[k]->name);
		rc = rp_kinds[k]->plan(r, t);
	}
	return rc;
}

int rp_stage_leave(struct rp_restore *r, struct rp_rtask *t)
{
	int rc = 0;

	for (size_t k = 0; !rc && rp_kinds[k]; k++)
		if (rp_kinds[k]->leave)
			rc = rp_kinds[k]->leave(r, t);
	return rc;
}
