/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Working directory, root directory, umask. /proc/PID/cwd, /proc/PID/root, chdir(2), chroot(2).
 * Cannot carry a working directory that was removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/proc.h"
#include "kind/taskcommon.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/str.h"

static int dump_dir(struct rp_dump *d, struct rp_task *t, const char *which, uint32_t *id)
{
	RP_AUTOCLOSE int fd = openat(t->proc_fd, which, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[PATH_MAX];
	int ret;

	if (fd < 0)
		fd = openat(t->proc_fd, which, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return rp_error(&d->err, -errno, "cannot open its %s: %s", which, strerror(errno));
	ret = rp_readlink_at(t->proc_fd, which, name, sizeof(name));
	if (ret < 0)
		return rp_error(&d->err, ret, "cannot read its %s: %s", which, strerror(-ret));
	ret = rp_dump_file(d, t, fd, name, O_RDONLY, id);
	return ret < 0 ? rp_error_prefix(&d->err, ret, "%s: ", which) : 0;
}

static int fs_freeze(struct rp_dump *d, struct rp_task *t)
{
	struct rp_proc_status st;
	int ret = rp_proc_status_read(t->pid, t->pid, &st, &d->err);

	if (ret < 0)
		return ret;
	t->fs->has_umask = true;
	t->fs->umask = st.umask;
	rp_proc_status_done(&st);
	ret = dump_dir(d, t, "cwd", &t->fs->cwd_id);
	return ret == 0 ? dump_dir(d, t, "root", &t->fs->root_id) : ret;
}

static int fs_check(struct rp_restore *r, struct rp_rtask *t)
{
	if (!t->fs)
		return 0;
	if (!rp_restore_file(r, t->fs->cwd_id) || !rp_restore_file(r, t->fs->root_id))
		return rp_bad_image(r, "working or root directory is not there (files %u, %u)", t->fs->cwd_id,
				    t->fs->root_id);
	if (t->fs->has_umask && t->fs->umask > 0777)
		return rp_bad_image(r, "umask %o", t->fs->umask);
	return 0;
}

/* Of a rank: the umask that its launcher gave, which gives place to that of the new launcher. */
static bool is_launchers(const struct rp_rtask *t, uint32_t mask)
{
	return t->launch && t->launch->has_umask && t->launch->umask == mask;
}

static int fs_prepare(struct rp_restore *r, struct rp_rtask *t)
{
	const char *root;
	int cwd, fd;

	if (!t->fs)
		return 0;
	cwd = rp_restore_open_file(r, t->fs->cwd_id, O_RDONLY | O_DIRECTORY);
	if (cwd < 0)
		return cwd;
	root = rp_restore_file_name(r, t->fs->root_id);
	if (!rp_streq(root, "/")) {
		fd = rp_restore_open_file(r, t->fs->root_id, O_RDONLY | O_DIRECTORY);
		if (fd < 0)
			return fd;
		if (fchdir(fd) < 0 || chroot(".") < 0)
			return rp_error(&r->err, -errno, "cannot change the root to %s: %s", root, strerror(errno));
	}
	if (fchdir(cwd) < 0)
		return rp_error(&r->err, -errno, "cannot change to the directory %s: %s",
				rp_restore_file_name(r, t->fs->cwd_id), strerror(errno));
	if (t->fs->has_umask && !is_launchers(t, t->fs->umask))
		umask((mode_t)t->fs->umask);
	return 0;
}

const struct rp_kind rp_kind_fs = {
	.name = "fs",
	.freeze = fs_freeze,
	.check = fs_check,
	.prepare = fs_prepare,
};
