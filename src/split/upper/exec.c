/* SPDX-License-Identifier: BSD-3-Clause
 *
 * exec in a rank stays under Reprise: execve(2) and its family, called in the process that the launcher started, go
 * through `reprise rank` again, so a script that sets things up and then execs the program is carried. A child that a
 * rank forks execs as usual; when what it execs is an MPI program, one line says that it cannot be carried.
 */
#include "split/upper/upper.h"

#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/x86_64/syscall.h"
#include "split/upper/needed.h"

static int fail(long r)
{
	errno = (int)-r;
	return -1;
}

static int exec_raw(const char *path, char *const argv[], char *const envp[])
{
	return fail(rp_syscall3(SYS_execve, (long)path, (long)argv, (long)envp));
}

/* Nothing of the lower half survives an exec. */
static void close_lower_on_exec(void)
{
	struct rp_arena *a = rp_arena();

	for (int i = 0; i < RP_FD_BITS / 64; i++)
		for (uint64_t bits = a->fd_bitmap[i]; bits; bits &= bits - 1)
			rp_syscall3(SYS_fcntl, i * 64 + __builtin_ctzl(bits), F_SETFD, FD_CLOEXEC);
}

/* What execve would answer at once is answered here: behind `reprise rank` there is no way back. */
static int check_file(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -1;
	if (!S_ISREG(st.st_mode))
		return fail(-EACCES);
	return access(path, X_OK);
}

static int exec_again(const char *path, char *const argv[], char *const envp[])
{
	static char rank[] = "rank", entered[] = "--entered", argv0[] = "--argv0", no_agent[] = "--no-agent",
		    end[] = "--";
	static char none[] = "";
	const char *reprise = rp_launch_str(rp_launch(), rp_launch()->reprise);
	char **v, here[PATH_MAX];
	size_t n = 0, k = 0;

	if (check_file(path))
		return -1;
	if (!strchr(path, '/')) {
		if (strlen(path) + 3 > sizeof(here))
			return fail(-ENAMETOOLONG);
		strcpy(stpcpy(here, "./"), path);
		path = here;
	}
	while (argv && argv[n])
		n++;
	v = alloca((n + 10) * sizeof(*v));
	v[k++] = (char *)reprise;
	v[k++] = rank;
	v[k++] = entered;
	if (rp_launch()->agent_fd < 0)
		v[k++] = no_agent;
	v[k++] = argv0;
	v[k++] = n ? argv[0] : none;
	v[k++] = end;
	v[k++] = (char *)path;
	for (size_t i = 1; i < n; i++)
		v[k++] = argv[i];
	v[k] = NULL;
	close_lower_on_exec();
	return exec_raw(reprise, v, envp);
}

RP_PUBLIC int execve(const char *path, char *const argv[], char *const envp[])
{
	if (rp_is_rank())
		return exec_again(rp_exe_path(path), argv, envp);
	path = rp_exe_seen(path);
	if (!rp_outside)
		rp_needed_warn(path);
	return exec_raw(path, argv, envp);
}

RP_PUBLIC int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

static int exec_shell(const char *path, char *const argv[], char *const envp[])
{
	static char shell[] = "/bin/sh";
	size_t n = 0;
	char **v;

	while (argv[n])
		n++;
	v = alloca((n + 3) * sizeof(*v));
	v[0] = shell;
	v[1] = (char *)path;
	for (size_t i = 1; i <= n; i++)
		v[i + 1] = argv[i];
	v[n ? n + 1 : 2] = NULL;
	return execve(shell, v, envp);
}

static int exec_or_shell(const char *path, char *const argv[], char *const envp[])
{
	execve(path, argv, envp);
	return errno == ENOEXEC ? exec_shell(path, argv, envp) : -1;
}

RP_PUBLIC int execvpe(const char *file, char *const argv[], char *const envp[])
{
	const char *path = getenv("PATH"), *end;
	char full[PATH_MAX];
	int denied = 0;

	if (!*file)
		return fail(-ENOENT);
	if (strchr(file, '/'))
		return exec_or_shell(file, argv, envp);
	if (!path)
		path = "/bin:/usr/bin";
	for (;; path = end + 1) {
		size_t n;

		end = strchrnul(path, ':');
		n = end - path;
		if (n + strlen(file) + 2 <= sizeof(full)) {
			memcpy(full, path, n);
			if (n)
				full[n++] = '/';
			strcpy(full + n, file);
			exec_or_shell(full, argv, envp);
			denied |= errno == EACCES;
			if (errno != EACCES && errno != ENOENT && errno != ENOTDIR && errno != ESTALE &&
			    errno != ENODEV && errno != ETIMEDOUT)
				return -1;
		}
		if (!*end)
			break;
	}
	return fail(denied ? -EACCES : -ENOENT);
}

RP_PUBLIC int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

/* "/proc/self/fd/NUMBER"; returns its length. */
static int fd_name(char name[64], int fd)
{
	int n = 0, k = (int)(stpcpy(name, "/proc/self/fd/") - name);
	char digits[16];

	do
		digits[n++] = (char)('0' + fd % 10);
	while (fd /= 10);
	while (n)
		name[k++] = digits[--n];
	name[k] = 0;
	return k;
}

RP_PUBLIC int fexecve(int fd, char *const argv[], char *const envp[])
{
	char name[64], path[PATH_MAX];
	ssize_t len;

	if (fd < 0)
		return fail(-EINVAL);
	fd_name(name, fd);
	if (!rp_is_rank())
		return execve(name, argv, envp);
	len = readlink(name, path, sizeof(path) - 1);
	if (len < 0)
		return -1;
	path[len] = 0;
	return execve(path, argv, envp);
}

/* Flags other than AT_EMPTY_PATH, and a directory that has no name any more, are for a process that is no rank. */
RP_PUBLIC int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	char name[PATH_MAX], resolved[PATH_MAX];
	size_t n;

	if (!rp_is_rank())
		return fail(rp_syscall5(SYS_execveat, dir, (long)rp_exe_seen(path), (long)argv, (long)envp, flags));
	if (flags & ~AT_EMPTY_PATH)
		return fail(-EINVAL);
	if (!*path)
		return flags & AT_EMPTY_PATH ? fexecve(dir, argv, envp) : fail(-ENOENT);
	if (*path == '/' || dir == AT_FDCWD)
		return execve(path, argv, envp);
	n = (size_t)fd_name(name, dir);
	if (n + strlen(path) + 2 > sizeof(name))
		return fail(-ENAMETOOLONG);
	name[n++] = '/';
	strcpy(name + n, path);
	/* the descriptor's number is another's behind `reprise rank` */
	return realpath(name, resolved) ? execve(resolved, argv, envp) : -1;
}

/* The arguments of execl, execlp and execle as an array on the caller's stack. */
#define COLLECT(argv, first, ap) \
	do { \
		va_list count_; \
		size_t n_ = 1; \
		va_copy(count_, ap); \
		while (va_arg(count_, char *)) \
			n_++; \
		va_end(count_); \
		argv = alloca((n_ + 1) * sizeof(*argv)); \
		argv[0] = (char *)(first); \
		for (size_t i_ = 1; i_ <= n_; i_++) \
			argv[i_] = va_arg(ap, char *); \
	} while (0)

RP_PUBLIC int execl(const char *path, const char *arg, ...)
{
	char **argv;
	va_list ap;

	va_start(ap, arg);
	COLLECT(argv, arg, ap);
	va_end(ap);
	return execve(path, argv, environ);
}

RP_PUBLIC int execlp(const char *file, const char *arg, ...)
{
	char **argv;
	va_list ap;

	va_start(ap, arg);
	COLLECT(argv, arg, ap);
	va_end(ap);
	return execvpe(file, argv, environ);
}

RP_PUBLIC int execle(const char *path, const char *arg, ...)
{
	char **argv, **envp;
	va_list ap;

	va_start(ap, arg);
	COLLECT(argv, arg, ap);
	envp = va_arg(ap, char **);
	va_end(ap);
	return execve(path, argv, envp);
}
