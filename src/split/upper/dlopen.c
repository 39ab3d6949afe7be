/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An MPI library that the program opens by its path is the stub: a second one in the upper half would be one that nobody
 * carries. By its soname ld.so finds the stub itself. Another implementation's library is opened as asked, with one line.
 */
#include "split/upper/upper.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "split/upper/next.h"

typedef void *dlopen_fn(const char *path, int flags);

/* For arch/x86_64/dlopen.S: what to open instead of path; *real is who does it. */
RP_HIDDEN const char *rp_dlopen_path(const char *path, dlopen_fn **real);

static int has_prefix(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* As ld.so knows it: the stub came with the image, and the launch record of a restart may name another one. */
static const char *own_name(const char *otherwise)
{
	Dl_info info;

	return dladdr(&rp_outside, &info) && info.dli_fname ? info.dli_fname : otherwise;
}

const char *rp_dlopen_path(const char *path, dlopen_fn **real)
{
	char resolved[PATH_MAX];
	const char *base;

	*real = rp_next()->dlopen;
	if (rp_outside || !path)
		return path;
	base = base_name(path);
	if (!has_prefix(base, "libmpi.so") && !has_prefix(base, "libmpich.so"))
		return path;
	if (base != path)
		base = realpath(path, resolved) ? base_name(resolved) : "";
	if (has_prefix(base, "libmpi.so.40") || !strcmp(base, "libmpi.so"))
		return own_name(path);
	if (*base && rp_upper_tells(RP_TOLD_FOREIGN))
		rp_upper_say(path,
			     " is opened; only Open MPI 4 (libmpi.so.40) is carried: a checkpoint does not know of "
			     "its objects");
	return path;
}
