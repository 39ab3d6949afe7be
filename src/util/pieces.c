/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/pieces.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "util/fd.h"

int rp_self_path(char *buf, size_t size, struct rp_error *err)
{
	int r = rp_readlink_at(AT_FDCWD, "/proc/self/exe", buf, size);

	return r < 0 ? rp_error(err, r, "/proc/self/exe: %s", strerror(-r)) : 0;
}

/* DIR/name into buf when that file can be read; relative directories are resolved so that a later chdir is harmless. */
static int try_dir(const char *dir, const char *name, char *buf, size_t size)
{
	char path[PATH_MAX], real[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (!realpath(path, real))
		return -errno;
	if (access(real, R_OK) < 0)
		return -errno;
	if (strlen(real) >= size)
		return -ENAMETOOLONG;
	strcpy(buf, real);
	return 0;
}

int rp_piece_find(const char *name, char *buf, size_t size, struct rp_error *err)
{
	const char *env = getenv("REPRISE_LIBEXECDIR");
	char exe[PATH_MAX], beside[PATH_MAX + 32] = "";
	char *slash;
	int r;

	if (env && env[0]) {
		r = try_dir(env, name, buf, size);
		if (r < 0)
			return rp_error(err, r == -ENOENT ? -ENOPKG : r, "%s/%s: %s (from REPRISE_LIBEXECDIR)", env,
					name, strerror(-r));
		return 0;
	}
	r = rp_self_path(exe, sizeof(exe), err);
	if (r < 0)
		return r;
	slash = strrchr(exe, '/');
	if (slash) {
		*slash = 0;
		snprintf(beside, sizeof(beside), "%s/../libexec/reprise", exe);
		if (try_dir(beside, name, buf, size) == 0)
			return 0;
	}
	if (try_dir(RP_LIBEXECDIR, name, buf, size) == 0)
		return 0;
	return rp_error(err, -ENOPKG, "%s is neither in %s nor in %s: is Reprise installed completely?", name, beside,
			RP_LIBEXECDIR);
}
