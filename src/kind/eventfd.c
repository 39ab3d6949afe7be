/* SPDX-License-Identifier: BSD-3-Clause
 *
 * eventfd(2): the counter, O_NONBLOCK, and semaphore mode (bit 0 of the recorded flags, which is no flag of a
 * descriptor that is always O_RDWR).
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kind/fdcommon.h"

#define FLAG_SEMAPHORE 1U

static bool eventfd_is(const struct rp_fd *fd)
{
	return !strcmp(fd->link, "anon_inode:[eventfd]");
}

static int eventfd_dump(struct rp_dump *d, const struct rp_fd *fd, FileEntry *e)
{
	EventfdFileEntry *m = RP_DUMP_MSG(d, EventfdFileEntry, eventfd_file_entry__init);
	uint64_t semaphore = 0;

	if (!m || !(m->fown = rp_fown_dump(d, fd)))
		return -ENOMEM;
	m->id = fd->id;
	m->flags = fd->flags;
	if (rp_fdtext_u64(fd->fdinfo, "eventfd-count", 16, &m->counter))
		return rp_error(&d->err, -ENOTSUP, "the kernel does not show the counter");
	/* Shown since Linux 6.5; before that the mode cannot be seen from outside. */
	rp_fdtext_u64(fd->fdinfo, "eventfd-semaphore", 10, &semaphore);
	if (semaphore)
		m->flags |= FLAG_SEMAPHORE;
	e->type = FD_TYPES__EVENTFD;
	e->efd = m;
	return 0;
}

static int eventfd_check(struct rp_restore *r, const FileEntry *e)
{
	if (!e->efd || e->efd->counter == UINT64_MAX)
		return rp_error(&r->err, -EINVAL, "eventfd, file id %u: not valid", e->id);
	return rp_fown_check(r, e->efd->fown, "eventfd", e->id);
}

static int eventfd_open(struct rp_restore *r, const FileEntry *e, int *out_fd)
{
	int fd = eventfd(0, EFD_CLOEXEC | (e->efd->flags & FLAG_SEMAPHORE ? EFD_SEMAPHORE : 0));

	if (fd < 0)
		return rp_error(&r->err, -errno, "eventfd: %s", strerror(errno));
	if (e->efd->counter && write(fd, &e->efd->counter, sizeof(e->efd->counter)) < 0) {
		int rc = rp_error(&r->err, -errno, "eventfd: %s", strerror(errno));

		close(fd);
		return rc;
	}
	*out_fd = fd;
	return rp_fd_set_flags(r, fd, e->efd->flags, "eventfd");
}

static int eventfd_finish(struct rp_restore *r, struct rp_rtask *t, const FileEntry *e, int fd)
{
	return rp_fown_restore(r, t, e->efd->fown, e->efd->flags, fd);
}

const struct rp_kind rp_kind_eventfd = {
	.name = "eventfd",
	.fd_type = FD_TYPES__EVENTFD,
	.fd_is = eventfd_is,
	.fd_dump = eventfd_dump,
	.fd_check = eventfd_check,
	.fd_open = eventfd_open,
	.fd_finish = eventfd_finish,
};
