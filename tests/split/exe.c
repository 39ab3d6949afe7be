/* SPDX-License-Identifier: BSD-3-Clause
 *
 * usage: exe [STEPS]
 *
 * Says what /proc/self/exe is, asked in many ways, STEPS times with 50 ms in between (default 1); the last time it also
 * starts itself by it: as a child by fork, posix_spawn and posix_spawnp, and in its own place.
 */
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* What a program calls that was built with _FORTIFY_SOURCE. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);
ssize_t __readlink_chk(const char *path, char *buf, size_t size, size_t room);
ssize_t __readlinkat_chk(int dir, const char *path, char *buf, size_t size, size_t room);

static unsigned long number_of(int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return 0;
	close(fd);
	return st.st_ino;
}

static void say(unsigned long self)
{
	char text[PATH_MAX] = "", mine[64], *resolved = realpath("/proc/self/exe", NULL);
	FILE *f = fopen("/proc/self/exe", "r");

	snprintf(mine, sizeof(mine), "/proc/%d/exe", getpid());
	printf("link %.*s", (int)readlink("/proc/self/exe", text, sizeof(text)), text);
	printf(" %.*s", (int)readlinkat(AT_FDCWD, mine, text, 5), text);
	printf(" resolved %s", resolved);
	printf(" opened %d %d %d\n", number_of(open(mine, O_RDONLY)) == self,
	       number_of(openat(AT_FDCWD, "/proc/thread-self/exe", O_RDONLY)) == self,
	       f && number_of(dup(fileno(f))) == self);
	fflush(stdout);
	free(resolved);
	if (f)
		fclose(f);
}

static void say_fortified(unsigned long self)
{
	static const char path[] = "/proc/self/exe";
	char text[PATH_MAX];

	printf("fortified %.*s", (int)__readlink_chk(path, text, sizeof(text), sizeof(text)), text);
	printf(" %.*s", (int)__readlinkat_chk(AT_FDCWD, path, text, sizeof(text), sizeof(text)), text);
	printf(" opened %d %d %d %d\n", number_of(__open_2(path, O_RDONLY)) == self,
	       number_of(__open64_2(path, O_RDONLY)) == self, number_of(__openat_2(AT_FDCWD, path, O_RDONLY)) == self,
	       number_of(__openat64_2(AT_FDCWD, path, O_RDONLY)) == self);
	fflush(stdout);
}

static void start(void)
{
	char name[] = "again", arg[] = "end", *argv[] = { name, arg, NULL };
	pid_t pid = fork();

	if (!pid) {
		execv("/proc/self/exe", argv);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ))
		printf("cannot spawn\n");
	waitpid(pid, NULL, 0);
	if (posix_spawnp(&pid, "/proc/self/exe", NULL, NULL, argv, environ))
		printf("cannot spawn\n");
	waitpid(pid, NULL, 0);
	arg[0] = '1'; /* "1nd": the next place */
	execv("/proc/self/exe", argv);
	printf("cannot exec\n");
}

/* From one exec to the next: by a descriptor, by a directory and a name, by a path. */
static int go_on(char **argv)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), dir = open("/usr", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char sh[] = "sh", c[] = "-c", line[] = "exec \"$0\" end", *shell[] = { sh, c, line, argv[0], NULL };

	if (argv[1][0] == '1') {
		argv[1][0] = '2';
		fexecve(fd, argv, environ);
	} else if (argv[1][0] == '2') {
		argv[1][0] = '3';
		execveat(fd, "", argv, environ, AT_EMPTY_PATH);
	} else {
		shell[3] = realpath("/proc/self/exe", NULL);
		execveat(dir, "bin/sh", shell, environ, 0);
	}
	printf("cannot exec in place %c\n", argv[1][0]);
	return 1;
}

int main(int argc, char **argv)
{
	int steps = argc > 1 ? atoi(argv[1]) : 1;
	struct stat st;

	if (argc > 1 && strchr("123", argv[1][0]) && !strcmp(argv[1] + 1, "nd"))
		return go_on(argv);
	if (argc > 1 && !strcmp(argv[1], "end")) {
		printf("started as %s, library path %s\n", argv[0], getenv("LD_LIBRARY_PATH") ?: "none");
		return 4;
	}
	if (stat(argv[0], &st))
		return 1;
	for (int i = 0; i < steps; i++) {
		usleep(steps > 1 ? 50000 : 0);
		say(st.st_ino);
		say_fortified(st.st_ino);
	}
	start();
	return 1;
}
