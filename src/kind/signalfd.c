/* SPDX-License-Identifier: BSD-3-Clause
 *
 * signalfd(2): the mask and O_NONBLOCK. Pending signals belong to the threads, not to the descriptor.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kind/fdcommon.h"

static bool signalfd_is(const struct rp_fd *fd)
{
	return !strcmp(fd->link, "anon_inode:[signalfd]");
}

static int signalfd_dump(struct rp_dump *d, const struct rp_fd *fd, FileEntry *e)
{
	SignalfdEntry *m = RP_DUMP_MSG(d, SignalfdEntry, signalfd_entry__init);

	if (!m || !(m->fown = rp_fown_dump(d, fd)))
		return -ENOMEM;
	m->id = fd->id;
	m->flags = fd->flags;
	if (rp_fdtext_u64(fd->fdinfo, "sigmask", 16, &m->sigmask))
		return rp_error(&d->err, -ENOTSUP, "the kernel does not show the mask");
	e->type = FD_TYPES__SIGNALFD;
	e->sgfd = m;
	return 0;
}

static int signalfd_check(struct rp_restore *r, const FileEntry *e)
{
	if (!e->sgfd)
		return rp_error(&r->err, -EINVAL, "signalfd, file id %u: not valid", e->id);
	return rp_fown_check(r, e->sgfd->fown, "signalfd", e->id);
}

static int signalfd_open(struct rp_restore *r, const FileEntry *e, int *out_fd)
{
	/* libc's wrapper knows only its own, longer sigset_t. */
	int fd = (int)syscall(SYS_signalfd4, -1, &e->sgfd->sigmask, sizeof(e->sgfd->sigmask), O_CLOEXEC);

	if (fd < 0)
		return rp_error(&r->err, -errno, "signalfd: %s", strerror(errno));
	*out_fd = fd;
	return rp_fd_set_flags(r, fd, e->sgfd->flags, "signalfd");
}

static int signalfd_finish(struct rp_restore *r, struct rp_rtask *t, const FileEntry *e, int fd)
{
	return rp_fown_restore(r, t, e->sgfd->fown, e->sgfd->flags, fd);
}

const struct rp_kind rp_kind_signalfd = {
	.name = "signalfd",
	.fd_type = FD_TYPES__SIGNALFD,
	.fd_is = signalfd_is,
	.fd_dump = signalfd_dump,
	.fd_check = signalfd_check,
	.fd_open = signalfd_open,
	.fd_finish = signalfd_finish,
};
