/* SPDX-License-Identifier: BSD-3-Clause
 *
 * /proc/self/exe where the kernel's link is the bootstrap: setting it takes a capability (PR_SET_MM_MAP, prctl(2)) that
 * an ordinary user does not have. The usual ways to read the link or to open what it names see the program. Others, such
 * as system calls without libc or stat(2), see the bootstrap.
 */
#include "split/upper/upper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/x86_64/syscall.h"
#include "split/upper/next.h"

static char own[PATH_MAX]; /* upper memory: the same after a restart */

void rp_exe_init(void)
{
	const char *app = rp_launch_str(rp_launch(), rp_launch()->app);

	if (!app || !rp_next()->realpath(app, own))
		own[0] = 0;
}

/* "/proc/self/exe" in its three forms. */
static int names_exe(const char *path)
{
	static const char proc[] = "/proc/", self[] = "self/exe", thread[] = "thread-self/exe";
	long pid = 0;

	if (strncmp(path, proc, sizeof(proc) - 1))
		return 0;
	path += sizeof(proc) - 1;
	if (!strcmp(path, self) || !strcmp(path, thread))
		return 1;
	for (; *path >= '0' && *path <= '9' && pid < INT_MAX; path++)
		pid = pid * 10 + *path - '0';
	return !strcmp(path, "/exe") && pid == rp_syscall0(SYS_getpid);
}

/* Perhaps one that was replaced by a newer one since. */
static int is_bootstrap(void)
{
	char link[PATH_MAX + 1], *base;
	long n = rp_syscall3(SYS_readlink, (long)"/proc/self/exe", (long)link, PATH_MAX);

	link[n > 0 ? n : 0] = 0;
	base = strrchr(link, '/');
	return base && (!strcmp(base, "/reprise-boot") || !strcmp(base, "/reprise-boot (deleted)"));
}

const char *rp_exe_path(const char *path)
{
	return path && !rp_outside && own[0] && names_exe(path) ? own : path;
}

const char *rp_exe_seen(const char *path)
{
	const char *p = rp_exe_path(path);

	return p != path && is_bootstrap() ? p : path;
}

static int is_seen(const char *path)
{
	return rp_exe_seen(path) != path;
}

static ssize_t own_link(char *buf, size_t size)
{
	size_t n = strlen(own);

	n = n < size ? n : size;
	memcpy(buf, own, n);
	return (ssize_t)n;
}

static ssize_t raw_link(int dir, const char *path, char *buf, size_t size)
{
	long r = rp_syscall4(SYS_readlinkat, dir, (long)path, (long)buf, (long)size);

	if (r >= 0)
		return r;
	errno = (int)-r;
	return -1;
}

RP_PUBLIC ssize_t readlink(const char *restrict path, char *restrict buf, size_t size)
{
	if (is_seen(path))
		return own_link(buf, size);
	return rp_next_now.readlink ? rp_next_now.readlink(path, buf, size) : raw_link(AT_FDCWD, path, buf, size);
}

RP_PUBLIC ssize_t readlinkat(int dir, const char *restrict path, char *restrict buf, size_t size)
{
	if (is_seen(path))
		return own_link(buf, size);
	return rp_next_now.readlinkat ? rp_next_now.readlinkat(dir, path, buf, size) : raw_link(dir, path, buf, size);
}

RP_PUBLIC ssize_t __readlink_chk(const char *path, char *buf, size_t size, size_t room);
ssize_t __readlink_chk(const char *path, char *buf, size_t size, size_t room)
{
	if (size > room)
		rp_upper_die("*** buffer overflow detected ***: readlink");
	return readlink(path, buf, size);
}

RP_PUBLIC ssize_t __readlinkat_chk(int dir, const char *path, char *buf, size_t size, size_t room);
ssize_t __readlinkat_chk(int dir, const char *path, char *buf, size_t size, size_t room)
{
	if (size > room)
		rp_upper_die("*** buffer overflow detected ***: readlinkat");
	return readlinkat(dir, path, buf, size);
}

RP_PUBLIC char *realpath(const char *restrict path, char *restrict resolved)
{
	path = rp_exe_seen(path);
	return rp_next()->realpath(path, resolved);
}

RP_PUBLIC char *__realpath_chk(const char *path, char *resolved, size_t room);
char *__realpath_chk(const char *path, char *resolved, size_t room)
{
	if (room < PATH_MAX)
		rp_upper_die("*** buffer overflow detected ***: realpath");
	return realpath(path, resolved);
}

RP_PUBLIC char *canonicalize_file_name(const char *path)
{
	return realpath(path, NULL);
}

static int has_mode(int flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

/* The headers give some of these names to others (_FILE_OFFSET_BITS), so the symbols are named here. */
#define OPEN(function, symbol) \
	RP_PUBLIC int function(const char *path, int flags, ...) __asm__(symbol); \
	int function(const char *path, int flags, ...) \
	{ \
		mode_t mode = 0; \
		va_list ap; \
		va_start(ap, flags); \
		if (has_mode(flags)) \
			mode = va_arg(ap, mode_t); \
		va_end(ap); \
		path = rp_exe_seen(path); \
		return rp_next()->open(path, flags, mode); \
	}

#define OPENAT(function, symbol) \
	RP_PUBLIC int function(int dir, const char *path, int flags, ...) __asm__(symbol); \
	int function(int dir, const char *path, int flags, ...) \
	{ \
		mode_t mode = 0; \
		va_list ap; \
		va_start(ap, flags); \
		if (has_mode(flags)) \
			mode = va_arg(ap, mode_t); \
		va_end(ap); \
		path = rp_exe_seen(path); \
		return rp_next()->openat(dir, path, flags, mode); \
	}

#define FOPEN(function, symbol) \
	RP_PUBLIC FILE *function(const char *path, const char *mode) __asm__(symbol); \
	FILE *function(const char *path, const char *mode) \
	{ \
		path = rp_exe_seen(path); \
		return rp_next()->fopen(path, mode); \
	}

OPEN(open_plain, "open")
OPEN(open_large, "open64")
OPENAT(openat_plain, "openat")
OPENAT(openat_large, "openat64")
FOPEN(fopen_plain, "fopen")
FOPEN(fopen_large, "fopen64")

/* What a program calls that was built with _FORTIFY_SOURCE. */
#define OPEN_2(function) \
	RP_PUBLIC int function(const char *path, int flags); \
	int function(const char *path, int flags) \
	{ \
		path = rp_exe_seen(path); \
		return rp_next()->open_2(path, flags); \
	}

#define OPENAT_2(function) \
	RP_PUBLIC int function(int dir, const char *path, int flags); \
	int function(int dir, const char *path, int flags) \
	{ \
		path = rp_exe_seen(path); \
		return rp_next()->openat_2(dir, path, flags); \
	}

OPEN_2(__open_2)
OPEN_2(__open64_2)
OPENAT_2(__openat_2)
OPENAT_2(__openat64_2)
