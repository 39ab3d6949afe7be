/* SPDX-License-Identifier: BSD-3-Clause */
#include "kind/fdcommon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

FownEntry *rp_fown_dump(struct rp_dump *d, const struct rp_fd *fd)
{
	FownEntry *fown = RP_DUMP_MSG(d, FownEntry, fown_entry__init);

	if (!fown)
		return NULL;
	fown->signum = (uint32_t)fd->sig;
	fown->pid_type = fd->owner ? (uint32_t)fd->owner_type : 0;
	fown->pid = (uint32_t)fd->owner;
	return fown;
}

int rp_fown_check(struct rp_restore *r, const FownEntry *fown, const char *what, uint32_t id)
{
	if (!fown)
		return 0;
	if (fown->signum > (uint32_t)SIGRTMAX || fown->pid_type > F_OWNER_PGRP)
		return rp_error(&r->err, -EINVAL, "%s, file id %u: owner of asynchronous I/O is not valid", what, id);
	return 0;
}

int rp_fown_restore(struct rp_restore *r, struct rp_rtask *t, const FownEntry *fown, uint32_t flags, int fd)
{
	uint32_t owner = fown ? fown->pid : 0;
	int rc = 0;

	/* The process may be in another group now. */
	if (fown && fown->pid_type == F_OWNER_PGRP && owner == t->pstree->pgid)
		owner = (uint32_t)getpgrp();
	if (owner)
		rc = rp_planner_fdop(t->plan, fd, RP_FDOP_SETOWN, fown->pid_type, owner, 0);
	if (!rc && fown && fown->signum)
		rc = rp_planner_fdop(t->plan, fd, RP_FDOP_SETSIG, fown->signum, 0, 0);
	if (!rc && flags & O_ASYNC)
		rc = rp_planner_fdop(t->plan, fd, RP_FDOP_SETFL, flags & RP_FL_SETTABLE, 0, 0);
	return rc ? rp_error(&r->err, rc, "no memory for the plan") : 0;
}

int rp_fd_set_flags(struct rp_restore *r, int fd, uint32_t flags, const char *what)
{
	int want = (int)(flags & RP_FL_SETTABLE & ~(uint32_t)O_ASYNC), now = fcntl(fd, F_GETFL);

	if (now >= 0 && (now & RP_FL_SETTABLE) == want)
		return 0;
	if (now < 0 || fcntl(fd, F_SETFL, want))
		return rp_error(&r->err, -errno, "%s: setting flags 0%o: %s", what, want, strerror(errno));
	return 0;
}

const char *rp_fdtext_next(const char **at, const char *key)
{
	size_t len = strlen(key);

	while (**at) {
		const char *line = *at, *end = strchr(line, '\n');

		*at = end ? end + 1 : line + strlen(line);
		if (!strncmp(line, key, len) && line[len] == ':')
			return line + len + 1;
	}
	return NULL;
}

const char *rp_fdtext_find(const char *fdinfo, const char *key)
{
	return rp_fdtext_next(&fdinfo, key);
}

int rp_fdtext_u64(const char *fdinfo, const char *key, int base, uint64_t *out)
{
	const char *text = rp_fdtext_find(fdinfo, key);
	char *end;

	if (!text)
		return -ENOENT;
	*out = strtoull(text, &end, base);
	return end == text ? -ENOENT : 0;
}

int rp_fd_error(struct rp_dump *d, const struct rp_fd *fd, int code)
{
	return rp_error_prefix(&d->err, code, "pid %d fd %d (%s): ", fd->pid, fd->fd, fd->link);
}
