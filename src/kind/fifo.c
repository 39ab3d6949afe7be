/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Named pipes (fifo(7)): like pipes, but every description is opened by name. The name, flags and identity are a
 * regular file entry of their own (regf_id), as CRIU has it. A deleted FIFO is refused.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kind/fdcommon.h"
#include "kind/pipebuf.h"

struct made {
	uint32_t pipe_id;
	struct made *next;
};

static bool fifo_is(const struct rp_fd *fd)
{
	return S_ISFIFO(fd->st.st_mode) && fd->link[0] == '/';
}

static int dump_name(struct rp_dump *d, const struct rp_fd *fd, uint32_t *out_id)
{
	FileEntry *e = RP_DUMP_MSG(d, FileEntry, file_entry__init);
	RegFileEntry *m = RP_DUMP_MSG(d, RegFileEntry, reg_file_entry__init);

	if (!e || !m || !(m->fown = rp_fown_dump(d, fd)) || !(m->name = rp_dump_strdup(d, fd->link)))
		return -ENOMEM;
	if (!fd->st.st_nlink)
		return rp_error(&d->err, -ENOTSUP, "a deleted FIFO cannot be carried: close it before the checkpoint");
	m->id = e->id = d->next_id++;
	m->flags = fd->flags;
	m->has_mode = true;
	m->mode = fd->st.st_mode;
	e->type = FD_TYPES__REG;
	e->reg = m;
	*out_id = m->id;
	return rp_dump_add_file(d, e);
}

static int fifo_dump(struct rp_dump *d, const struct rp_fd *fd, FileEntry *e)
{
	FifoEntry *m = RP_DUMP_MSG(d, FifoEntry, fifo_entry__init);
	int rc;

	if (!m)
		return -ENOMEM;
	m->id = fd->id;
	m->pipe_id = (uint32_t)fd->st.st_ino;
	m->has_regf_id = true;
	rc = rp_pipebuf_check_ends(d, fd);
	if (!rc)
		rc = dump_name(d, fd, &m->regf_id);
	if (!rc)
		rc = rp_pipebuf_dump(d, fd, RP_IMG_FIFO_DATA, m->pipe_id);
	if (rc)
		return rc;
	e->type = FD_TYPES__FIFO;
	e->fifo = m;
	return 0;
}

/* CRIU gives the name the same id when it has no regf_id. */
static const RegFileEntry *name_of(struct rp_restore *r, const FileEntry *e)
{
	uint32_t id = e->fifo->has_regf_id ? e->fifo->regf_id : e->id;

	for (size_t i = 0; i < r->nfiles; i++)
		if (r->files[i]->type == FD_TYPES__REG && r->files[i]->reg && r->files[i]->id == id)
			return r->files[i]->reg;
	return NULL;
}

static int fifo_check(struct rp_restore *r, const FileEntry *e)
{
	const RegFileEntry *m = e->fifo ? name_of(r, e) : NULL;
	struct stat st;

	if (!m)
		return rp_error(&r->err, -EINVAL, "FIFO, file id %u: not valid", e->id);
	if (stat(m->name, &st))
		return rp_error(&r->err, -errno, "%s: %s", m->name, strerror(errno));
	if (!S_ISFIFO(st.st_mode))
		return rp_error(&r->err, -ESTALE, "%s is no longer a FIFO", m->name);
	return rp_pipebuf_check(r, RP_IMG_FIFO_DATA, e->fifo->pipe_id);
}

/* Fills the FIFO on first use; the description that keeps the bytes alive stays open until the restorer is execed. */
static int fill_once(struct rp_restore *r, uint32_t pipe_id, const char *name)
{
	struct made **head = (struct made **)&r->kind_state[FD_TYPES__FIFO], *m = *head;
	int fd, rc;

	while (m && m->pipe_id != pipe_id)
		m = m->next;
	if (m)
		return 0;
	m = rp_restore_alloc(r, sizeof(*m));
	if (!m)
		return -ENOMEM;
	fd = open(name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return rp_error(&r->err, -errno, "%s: %s", name, strerror(errno));
	fd = rp_restore_stash_fd(r, fd);
	if (fd < 0)
		return fd;
	rc = rp_pipebuf_fill(r, RP_IMG_FIFO_DATA, pipe_id, fd);
	if (rc)
		return rp_error_prefix(&r->err, rc, "%s: ", name);
	m->pipe_id = pipe_id;
	m->next = *head;
	*head = m;
	return 0;
}

static int fifo_open(struct rp_restore *r, const FileEntry *e, int *out_fd)
{
	const RegFileEntry *m = name_of(r, e);
	int fd, rc = fill_once(r, e->fifo->pipe_id, m->name);

	if (rc)
		return rc;
	fd = open(m->name, ((int)m->flags & (O_ACCMODE | RP_FL_SETTABLE) & ~O_ASYNC) | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return rp_error(&r->err, -errno, "%s: %s", m->name, strerror(errno));
	*out_fd = fd;
	return rp_fd_set_flags(r, fd, m->flags, m->name);
}

static int fifo_finish(struct rp_restore *r, struct rp_rtask *t, const FileEntry *e, int fd)
{
	const RegFileEntry *m = name_of(r, e);

	return rp_fown_restore(r, t, m->fown, m->flags, fd);
}

const struct rp_kind rp_kind_fifo = {
	.name = "fifo",
	.fd_type = FD_TYPES__FIFO,
	.fd_is = fifo_is,
	.fd_dump = fifo_dump,
	.fd_check = fifo_check,
	.fd_open = fifo_open,
	.fd_finish = fifo_finish,
};
