/* SPDX-License-Identifier: BSD-3-Clause
 *
 * usage: children HOW PROGRAM
 *
 * Starts PROGRAM (whose status is 9) as a child, in one of the ways that a libc has, or opens it as a library and calls its
 * MPI_Init.
 */
#include <dlfcn.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int wait_for(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return status;
}

static int start(const char *how, char *program)
{
	char *argv[] = { program, NULL }, line[4200], *base = strrchr(program, '/');
	pid_t pid = -1;

	snprintf(line, sizeof(line), "true; LANG=C nice \"%s\"; exit $?", program);
	if (!strcmp(how, "system"))
		return system(line);
	if (!strcmp(how, "popen"))
		return pclose(popen(line, "r"));
	if (!strcmp(how, "spawn")) {
		posix_spawn(&pid, program, NULL, NULL, argv, environ);
		return wait_for(pid);
	}
	*base = 0;
	setenv("PATH", program, 1);
	posix_spawnp(&pid, base + 1, NULL, NULL, argv, environ);
	return wait_for(pid);
}

static int start_by_exec(const char *how, char *program)
{
	pid_t pid = strcmp(how, "vfork") ? fork() : vfork();

	if (!pid) {
		execl(program, program, (char *)NULL);
		_exit(1);
	}
	return wait_for(pid);
}

static int open_and_init(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW);
	int (*init)(int *, char ***), (*finalize)(void), r = 1;

	init = handle ? (int (*)(int *, char ***))dlsym(handle, "MPI_Init") : NULL;
	finalize = handle ? (int (*)(void))dlsym(handle, "MPI_Finalize") : NULL;
	if (init && finalize) {
		r = init(NULL, NULL);
		finalize();
	} else {
		fprintf(stderr, "%s\n", dlerror());
	}
	return r;
}

int main(int argc, char **argv)
{
	int status;

	if (argc < 3)
		return 2;
	if (!strcmp(argv[1], "dlopen"))
		return open_and_init(argv[2]);
	if (strstr(argv[1], "fork"))
		status = start_by_exec(argv[1], argv[2]);
	else
		status = start(argv[1], argv[2]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
