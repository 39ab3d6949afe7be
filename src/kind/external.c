/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Descriptors that belong to whoever started the process: of a rank those that still are what the launcher gave, of any
 * process sockets that are its standard descriptors. The image only says that there was one; at a restore the
 * caller's descriptor of the same number stands in for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "kind/fdcommon.h"
#include "kind/pipebuf.h"

static bool external_is(const struct rp_fd *fd)
{
	return fd->launched || (fd->fd >= 0 && fd->fd <= 2 && S_ISSOCK(fd->st.st_mode));
}

/* What a rank has not read yet of the pipe that the launcher feeds; a restart hands it to the new launcher. */
static bool has_input(const struct rp_fd *fd)
{
	return fd->launched && fd->fd == 0 && S_ISFIFO(fd->st.st_mode) && (fd->flags & O_ACCMODE) == O_RDONLY;
}

static int external_dump(struct rp_dump *d, const struct rp_fd *fd, FileEntry *e)
{
	ExtFileEntry *m = RP_DUMP_MSG(d, ExtFileEntry, ext_file_entry__init);

	if (!m || !(m->fown = rp_fown_dump(d, fd)))
		return -ENOMEM;
	m->id = fd->id;
	e->type = FD_TYPES__EXT;
	e->ext = m;
	return has_input(fd) ? rp_pipebuf_dump(d, fd, RP_IMG_PIPES_DATA, RP_PIPE_LAUNCHED) : 0;
}

/* Those that the caller has something for are never checked or opened. */
static int external_check(struct rp_restore *r, const FileEntry *e)
{
	const struct rp_rtask *t = &r->tasks[0];

	if (r->opts->only_check)
		return 0;
	for (size_t i = 0; i < t->nfds; i++)
		if (t->fds[i]->id == e->id)
			return rp_error(&r->err, -EBADF,
					"descriptor %u of the process came from its launcher, and this caller "
					"has none: open it, or use --inherit-fd fd[N]:fd[%u]",
					t->fds[i]->fd, t->fds[i]->fd);
	return 0;
}

static int external_open(struct rp_restore *r, const FileEntry *e, int *out_fd)
{
	(void)out_fd;
	return rp_error(&r->err, -EBADF, "file id %u came from the launcher of the process", e->id);
}

const struct rp_kind rp_kind_external = {
	.name = "external",
	.fd_type = FD_TYPES__EXT,
	.fd_is = external_is,
	.fd_dump = external_dump,
	.fd_check = external_check,
	.fd_open = external_open,
};
