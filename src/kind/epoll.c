/* SPDX-License-Identifier: BSD-3-Clause
 *
 * epoll(7): the interest list. Cannot carry an entry whose descriptor number has been closed or reused since it was
 * added. An edge-triggered descriptor that is ready reports one edge after a restore.
 */
#include <errno.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "kind/fdcommon.h"
#include "util/log.h"

static bool epoll_is(const struct rp_fd *fd)
{
	return !strcmp(fd->link, "anon_inode:[eventpoll]");
}

static int parse_member(struct rp_dump *d, const char *text, EventpollTfdEntry **out)
{
	EventpollTfdEntry *m = RP_DUMP_MSG(d, EventpollTfdEntry, eventpoll_tfd_entry__init);
	unsigned long long data, ino;
	unsigned int tfd, events, sdev;
	long long pos;

	if (!m)
		return -ENOMEM;
	if (sscanf(text, " %u events: %x data: %llx pos:%lli ino:%llx sdev:%x", &tfd, &events, &data, &pos, &ino,
		   &sdev) != 6)
		return rp_error(&d->err, -ENOTSUP, "the kernel does not show the members in a known form");
	m->tfd = tfd;
	m->events = events;
	m->data = data;
	m->has_dev = m->has_inode = m->has_pos = 1;
	m->dev = sdev;
	m->inode = ino;
	m->pos = (uint64_t)pos;
	*out = m;
	return 0;
}

/* Does the number still lead to the description that was added? before: members with the same number so far. */
static int check_member(struct rp_dump *d, const struct rp_fd *fd, const EventpollTfdEntry *m, uint32_t before)
{
	struct kcmp_epoll_slot slot = { .efd = (uint32_t)fd->lfd, .tfd = m->tfd, .toff = before };
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd/%u", fd->pid, m->tfd);
	if (stat(path, &st))
		return rp_error(&d->err, -ENOTSUP,
				"it still watches what was descriptor %u, which is closed in this process; "
				"remove it from the interest list before closing it",
				m->tfd);
	if (syscall(SYS_kcmp, fd->pid, getpid(), KCMP_EPOLL_TFD, m->tfd, &slot) != 0)
		return rp_error(&d->err, -ENOTSUP,
				"it still watches what was descriptor %u before that number was reused; "
				"remove it from the interest list before closing it",
				m->tfd);
	return 0;
}

static uint32_t count_number(const EventpollFileEntry *m, uint32_t tfd)
{
	uint32_t n = 0;

	for (size_t i = 0; i < m->n_tfd; i++)
		n += m->tfd[i]->tfd == tfd;
	return n;
}

static int epoll_dump(struct rp_dump *d, const struct rp_fd *fd, FileEntry *e)
{
	EventpollFileEntry *m = RP_DUMP_MSG(d, EventpollFileEntry, eventpoll_file_entry__init);
	const char *at = fd->fdinfo, *text;
	size_t n = 0;
	int rc;

	if (!m || !(m->fown = rp_fown_dump(d, fd)))
		return -ENOMEM;
	while (rp_fdtext_next(&at, "tfd"))
		n++;
	m->id = fd->id;
	m->flags = fd->flags;
	m->tfd = n ? rp_dump_alloc(d, n * sizeof(*m->tfd)) : NULL;
	if (n && !m->tfd)
		return -ENOMEM;
	for (at = fd->fdinfo; (text = rp_fdtext_next(&at, "tfd")); m->n_tfd++) {
		rc = parse_member(d, text, &m->tfd[m->n_tfd]);
		if (!rc)
			rc = check_member(d, fd, m->tfd[m->n_tfd], count_number(m, m->tfd[m->n_tfd]->tfd));
		if (rc)
			return rc;
		m->tfd[m->n_tfd]->id = fd->id;
	}
	e->type = FD_TYPES__EVENTPOLL;
	e->epfd = m;
	return 0;
}

static bool has_fd(const struct rp_restore *r, uint32_t number)
{
	for (size_t i = 0; i < r->ntasks; i++)
		for (size_t k = 0; k < r->tasks[i].nfds; k++)
			if (r->tasks[i].fds[k]->fd == number)
				return true;
	return false;
}

static int epoll_check(struct rp_restore *r, const FileEntry *e)
{
	if (!e->epfd)
		return rp_error(&r->err, -EINVAL, "epoll, file id %u: not valid", e->id);
	for (size_t i = 0; i < e->epfd->n_tfd; i++)
		if (!has_fd(r, e->epfd->tfd[i]->tfd))
			return rp_error(&r->err, -EINVAL,
					"epoll, file id %u: watches descriptor %u, which the image does not have",
					e->id, e->epfd->tfd[i]->tfd);
	return rp_fown_check(r, e->epfd->fown, "epoll", e->id);
}

static int epoll_open(struct rp_restore *r, const FileEntry *e, int *out_fd)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return rp_error(&r->err, -errno, "epoll: %s", strerror(errno));
	*out_fd = fd;
	return rp_fd_set_flags(r, fd, e->epfd->flags, "epoll");
}

static int epoll_finish(struct rp_restore *r, struct rp_rtask *t, const FileEntry *e, int fd)
{
	for (size_t i = 0; i < e->epfd->n_tfd; i++) {
		const EventpollTfdEntry *m = e->epfd->tfd[i];
		struct epoll_event ev = { .events = m->events, .data.u64 = m->data };

		if (!epoll_ctl(fd, EPOLL_CTL_ADD, (int)m->tfd, &ev))
			continue;
		/* Standard descriptors may be another kind of file now, one that is always ready. */
		if (errno == EPERM && m->tfd <= 2) {
			rp_warn("pid %d fd %d epoll: descriptor %u is now a file that cannot be watched", t->pid, fd,
				m->tfd);
			continue;
		}
		return rp_error(&r->err, -errno, "fd %d epoll: watching descriptor %u: %s", fd, m->tfd,
				strerror(errno));
	}
	return rp_fown_restore(r, t, e->epfd->fown, e->epfd->flags, fd);
}

const struct rp_kind rp_kind_epoll = {
	.name = "epoll",
	.fd_type = FD_TYPES__EVENTPOLL,
	.fd_is = epoll_is,
	.fd_dump = epoll_dump,
	.fd_check = epoll_check,
	.fd_open = epoll_open,
	.fd_finish = epoll_finish,
};
