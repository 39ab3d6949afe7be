/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Character devices. Those that carry no state (null, zero, full, random, urandom) are recorded by name like files and
 * opened again (regfile.c). The controlling terminal and that of a standard descriptor belong to the launcher: the restored
 * process gets the caller's. Any other terminal or device has state in its driver and is refused.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "host/proc.h"
#include "kind/fdcommon.h"

#define MEM_MAJOR 1
#define TTY_MAJOR 4
#define TTYAUX_MAJOR 5
#define PTMX_MINOR 2
#define PTS_FIRST 136
#define PTS_LAST 143

static bool is_tty(const struct stat *st)
{
	unsigned int maj = major(st->st_rdev);

	if (maj == TTYAUX_MAJOR)
		return minor(st->st_rdev) != PTMX_MINOR;
	return maj == TTY_MAJOR || (maj >= PTS_FIRST && maj <= PTS_LAST);
}

static bool is_stateless(const struct stat *st)
{
	unsigned int min = minor(st->st_rdev);

	return major(st->st_rdev) == MEM_MAJOR && (min == 3 || min == 5 || min == 7 || min == 8 || min == 9);
}

static bool chardev_is(const struct rp_fd *fd)
{
	return S_ISCHR(fd->st.st_mode) && fd->link[0] == '/' && !is_tty(&fd->st);
}

static int chardev_dump(struct rp_dump *d, const struct rp_fd *fd, FileEntry *e)
{
	RegFileEntry *m;

	if (!is_stateless(&fd->st))
		return rp_error(&d->err, -ENOTSUP,
				"the state of device %u:%u cannot be carried: close it before the checkpoint",
				major(fd->st.st_rdev), minor(fd->st.st_rdev));
	m = RP_DUMP_MSG(d, RegFileEntry, reg_file_entry__init);
	if (!m || !(m->fown = rp_fown_dump(d, fd)) || !(m->name = rp_dump_strdup(d, fd->link)))
		return -ENOMEM;
	m->id = fd->id;
	m->flags = fd->flags;
	m->has_mode = true;
	m->mode = fd->st.st_mode;
	e->type = FD_TYPES__REG;
	e->reg = m;
	return 0;
}

const struct rp_kind rp_kind_chardev = {
	.name = "chardev",
	.fd_type = FD_TYPES__REG,
	.fd_is = chardev_is,
	.fd_dump = chardev_dump,
};

/* ---- terminals ---- */

static bool tty_is(const struct rp_fd *fd)
{
	return S_ISCHR(fd->st.st_mode) && is_tty(&fd->st) && !(fd->flags & O_PATH);
}

/* Only a terminal that a restore's caller stands in for: the controlling one, or that of a standard descriptor. */
static int check_terminal(struct rp_dump *d, const struct rp_fd *fd)
{
	struct rp_proc_stat st;
	struct stat std;
	char path[64];
	int ret = rp_proc_stat_read(fd->pid, fd->pid, &st, &d->err);

	if (ret < 0)
		return ret;
	if (fd->fd <= 2 || st.tty_nr == (int32_t)fd->st.st_rdev || fd->st.st_rdev == makedev(TTYAUX_MAJOR, 0))
		return 0;
	for (int i = 0; i <= 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", fd->pid, i);
		if (stat(path, &std) == 0 && S_ISCHR(std.st_mode) && std.st_rdev == fd->st.st_rdev)
			return 0;
	}
	return rp_error(&d->err, -ENOTSUP,
			"%s is neither the controlling terminal nor that of a standard descriptor, and cannot be "
			"carried: "
			"close it before the checkpoint",
			fd->link);
}

static int tty_info(struct rp_dump *d, const struct rp_fd *fd, uint32_t info_id)
{
	TtyInfoEntry info = TTY_INFO_ENTRY__INIT;
	TtyPtyEntry pty = TTY_PTY_ENTRY__INIT;
	unsigned int maj = major(fd->st.st_rdev);

	info.id = info_id;
	info.type = TTY_TYPE__EXT_TTY;
	info.rdev = (uint32_t)fd->st.st_rdev;
	if (maj >= PTS_FIRST && maj <= PTS_LAST) {
		info.type = TTY_TYPE__PTY;
		pty.index = minor(fd->st.st_rdev) + (maj - PTS_FIRST) * 256;
		info.pty = &pty;
	}
	return rp_writer_put(d->writer, RP_IMG_TTY_INFO, 0, &info, &d->err);
}

static int tty_dump(struct rp_dump *d, const struct rp_fd *fd, FileEntry *e)
{
	TtyFileEntry *m = RP_DUMP_MSG(d, TtyFileEntry, tty_file_entry__init);
	int ret = check_terminal(d, fd);

	if (ret < 0)
		return ret;
	if (!m || !(m->fown = rp_fown_dump(d, fd)))
		return -ENOMEM;
	m->id = fd->id;
	m->tty_info_id = fd->id;
	m->flags = fd->flags;
	e->type = FD_TYPES__TTY;
	e->tty = m;
	return tty_info(d, fd, m->tty_info_id);
}

static int tty_check(struct rp_restore *r, const FileEntry *e)
{
	if (!e->tty)
		return rp_error(&r->err, -EINVAL, "terminal, file id %u: not valid", e->id);
	return rp_fown_check(r, e->tty->fown, "terminal", e->id);
}

/* The caller's terminal, else the controlling one, else what the caller has as standard error. */
static int tty_open(struct rp_restore *r, const FileEntry *e, int *out_fd)
{
	char path[64];
	int flags = (int)e->tty->flags & ~(RP_FL_CREATION | O_ASYNC), fd = -1;

	for (int i = 0; i < 3 && fd < 0; i++) {
		if (r->caller_std[i] < 0 || !isatty(r->caller_std[i]))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", r->caller_std[i]);
		fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
	}
	if (fd < 0)
		fd = open("/dev/tty", flags | O_CLOEXEC | O_NOCTTY);
	for (int i = 2; i >= 0 && fd < 0; i--)
		if (r->caller_std[i] >= 0)
			fd = fcntl(r->caller_std[i], F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return rp_error(&r->err, -ENOTTY,
				"the image needs a terminal and the caller has none: see --stdio inherit");
	*out_fd = fd;
	return 0;
}

static int tty_finish(struct rp_restore *r, struct rp_rtask *t, const FileEntry *e, int fd)
{
	return rp_fown_restore(r, t, e->tty->fown, e->tty->flags, fd);
}

const struct rp_kind rp_kind_tty = {
	.name = "tty",
	.fd_type = FD_TYPES__TTY,
	.fd_is = tty_is,
	.fd_dump = tty_dump,
	.fd_check = tty_check,
	.fd_open = tty_open,
	.fd_finish = tty_finish,
};
