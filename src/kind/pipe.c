/* SPDX-License-Identifier: BSD-3-Clause
 *
 * pipe(2): both ends, descriptions opened again through /proc, contents, capacity, packet mode. Cannot carry a pipe
 * whose other end is held by a process outside, unless it is a standard descriptor.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kind/fdcommon.h"
#include "kind/pipebuf.h"
#include "util/str.h"

/* A pipe at a restore. Both ends are kept (close-on-exec) so that every description can be made from them. */
struct made {
	uint32_t pipe_id;
	int end[2];
	bool used[2];
	struct made *next;
};

static bool pipe_is(const struct rp_fd *fd)
{
	return S_ISFIFO(fd->st.st_mode) && rp_str_has_prefix(fd->link, "pipe:[") && !(fd->flags & O_PATH);
}

static int pipe_dump(struct rp_dump *d, const struct rp_fd *fd, FileEntry *e)
{
	PipeEntry *m = RP_DUMP_MSG(d, PipeEntry, pipe_entry__init);
	int rc;

	if (!m || !(m->fown = rp_fown_dump(d, fd)))
		return -ENOMEM;
	m->id = fd->id;
	m->pipe_id = (uint32_t)fd->st.st_ino;
	m->flags = fd->flags;
	rc = rp_pipebuf_check_ends(d, fd);
	if (!rc)
		rc = rp_pipebuf_dump(d, fd, RP_IMG_PIPES_DATA, m->pipe_id);
	if (rc)
		return rc;
	e->type = FD_TYPES__PIPE;
	e->pipe = m;
	return 0;
}

static int pipe_check(struct rp_restore *r, const FileEntry *e)
{
	int rc;

	if (!e->pipe)
		return rp_error(&r->err, -EINVAL, "pipe, file id %u: not valid", e->id);
	rc = rp_fown_check(r, e->pipe->fown, "pipe", e->id);
	return rc ? rc : rp_pipebuf_check(r, RP_IMG_PIPES_DATA, e->pipe->pipe_id);
}

static int make_pipe(struct rp_restore *r, uint32_t pipe_id, struct made **out)
{
	struct made **head = (struct made **)&r->kind_state[FD_TYPES__PIPE], *m = *head;
	int rc, ends[2];

	while (m && m->pipe_id != pipe_id)
		m = m->next;
	if (m) {
		*out = m;
		return 0;
	}
	m = rp_restore_alloc(r, sizeof(*m));
	if (!m)
		return -ENOMEM;
	if (pipe2(ends, O_CLOEXEC))
		return rp_error(&r->err, -errno, "pipe: %s", strerror(errno));
	rc = rp_pipebuf_fill(r, RP_IMG_PIPES_DATA, pipe_id, ends[1]);
	for (int i = 0; i < 2; i++) {
		m->end[i] = rp_restore_stash_fd(r, ends[i]);
		if (m->end[i] < 0 && !rc)
			rc = m->end[i];
	}
	if (rc)
		return rc;
	m->pipe_id = pipe_id;
	m->next = *head;
	*head = m;
	*out = m;
	return 0;
}

static int pipe_open(struct rp_restore *r, const FileEntry *e, int *out_fd)
{
	int mode = (int)e->pipe->flags & O_ACCMODE, which = mode != O_RDONLY, fd;
	struct made *m = NULL;
	char path[64];
	int rc = make_pipe(r, e->pipe->pipe_id, &m);

	if (rc)
		return rc;
	/* The pipe's own two descriptions are used once each, others are opened anew. */
	if (mode != O_RDWR && !m->used[which]) {
		m->used[which] = true;
		fd = fcntl(m->end[which], F_DUPFD_CLOEXEC, 0);
	} else {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", m->end[which]);
		fd = open(path, mode | O_NONBLOCK | O_CLOEXEC);
	}
	if (fd < 0)
		return rp_error(&r->err, -errno, "pipe: %s", strerror(errno));
	*out_fd = fd;
	return rp_fd_set_flags(r, fd, e->pipe->flags, "pipe");
}

static int pipe_finish(struct rp_restore *r, struct rp_rtask *t, const FileEntry *e, int fd)
{
	return rp_fown_restore(r, t, e->pipe->fown, e->pipe->flags, fd);
}

const struct rp_kind rp_kind_pipe = {
	.name = "pipe",
	.fd_type = FD_TYPES__PIPE,
	.fd_is = pipe_is,
	.fd_dump = pipe_dump,
	.fd_check = pipe_check,
	.fd_open = pipe_open,
	.fd_finish = pipe_finish,
};
