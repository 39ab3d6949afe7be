/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Children that libc makes by itself, without execve(2) of ours: posix_spawn(3), system(3), popen(3). The wrappers look at
 * what is going to run, and say one line when it is an MPI program.
 */
#include "split/upper/upper.h"

#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split/upper/needed.h"
#include "split/upper/next.h"

/* As a shell finds it. */
static void look_at(const char *name)
{
	const char *path = getenv("PATH"), *end;
	char full[PATH_MAX];

	if (strchr(name, '/')) {
		rp_needed_warn(name);
		return;
	}
	for (path = path ? path : "/bin:/usr/bin"; *path; path = *end ? end + 1 : end) {
		end = strchrnul(path, ':');
		if (snprintf(full, sizeof(full), "%.*s/%s", (int)(end - path), path, name) < (int)sizeof(full) &&
		    rp_needed_warn(full))
			return;
	}
}

/* Any word may be the program: "cd there && nice ./app". */
static void look_at_command(const char *command)
{
	static const char between[] = " \t\n;&|()<>{}\"'`$";
	char word[PATH_MAX];

	if (rp_outside || !command)
		return;
	for (command += strspn(command, between); *command; command += strspn(command, between)) {
		size_t n = strcspn(command, between);

		if (n < sizeof(word) && *command != '-' && !memchr(command, '=', n)) {
			memcpy(word, command, n);
			word[n] = 0;
			look_at(word);
		}
		command += n;
	}
}

RP_PUBLIC int posix_spawn(pid_t *restrict pid, const char *restrict path, const posix_spawn_file_actions_t *actions,
			  const posix_spawnattr_t *restrict attr, char *const argv[restrict],
			  char *const envp[restrict])
{
	if (!rp_outside)
		rp_needed_warn(path);
	return rp_next()->posix_spawn(pid, rp_exe_seen(path), actions, attr, argv, envp);
}

RP_PUBLIC int posix_spawnp(pid_t *restrict pid, const char *restrict file, const posix_spawn_file_actions_t *actions,
			   const posix_spawnattr_t *restrict attr, char *const argv[restrict],
			   char *const envp[restrict])
{
	if (!rp_outside)
		look_at(file);
	return rp_next()->posix_spawnp(pid, rp_exe_seen(file), actions, attr, argv, envp);
}

RP_PUBLIC int system(const char *command)
{
	look_at_command(command);
	return rp_next()->system(command);
}

RP_PUBLIC FILE *popen(const char *command, const char *mode)
{
	look_at_command(command);
	return rp_next()->popen(command, mode);
}
