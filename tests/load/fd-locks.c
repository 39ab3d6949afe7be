/* SPDX-License-Identifier: BSD-3-Clause
 *
 * File locks: of a process (read and write, on ranges, also of a file that is mapped), of a description, by flock, of a file
 * that was deleted. A child asks whether they are held: a process does not meet its own.
 */
#include "load.h"

#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>

static int file(const char *name)
{
	int fd = open(load_path(name), O_RDWR | O_CREAT | O_TRUNC, 0600);

	MUST(fd >= 0 && !ftruncate(fd, 8192));
	return fd;
}

static void set(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock l = { .l_type = type, .l_start = start, .l_len = len };

	MUST(!fcntl(fd, cmd, &l));
}

/* What stands in the way of a lock of everything from `at` on: its type, or -1. */
static int who_holds(const char *name, off_t at, pid_t *pid, off_t *start, off_t *len)
{
	struct flock l = { .l_type = F_WRLCK, .l_start = at };
	int pipe_fds[2], status, fd;
	pid_t child;

	CHECK(!pipe(pipe_fds));
	child = fork();
	if (!child) {
		fd = open(load_path(name), O_RDWR);
		_exit(fcntl(fd, F_GETLK, &l) || write(pipe_fds[1], &l, sizeof(l)) != sizeof(l));
	}
	CHECK(waitpid(child, &status, 0) == child && !status && read(pipe_fds[0], &l, sizeof(l)) == sizeof(l));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	*pid = l.l_pid;
	*start = l.l_start;
	*len = l.l_len;
	return l.l_type == F_UNLCK ? -1 : l.l_type;
}

static int is_flocked(const char *name, int how)
{
	int fd = open(load_path(name), O_RDONLY), ret = flock(fd, how | LOCK_NB);

	close(fd);
	return ret < 0 && errno == EWOULDBLOCK;
}

int main(int argc, char **argv)
{
	int process, description, whole, shared, ghost, again;
	off_t start, len;
	char *map;
	pid_t pid;

	load_begin(argc, argv);
	process = file("process");
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, process, 0);
	MUST(map != MAP_FAILED);
	set(process, F_SETLK, F_WRLCK, 100, 50);
	set(process, F_SETLK, F_RDLCK, 4000, 0);
	again = dup(process);
	description = file("description");
	set(description, F_OFD_SETLK, F_WRLCK, 0, 10);
	whole = file("whole");
	MUST(!flock(whole, LOCK_EX));
	shared = file("shared");
	MUST(!flock(shared, LOCK_SH));
	ghost = file("ghost");
	unlink(load_path("ghost"));
	set(ghost, F_SETLK, F_WRLCK, 0, 1);
	load_ready();

	CHECK_EQ(who_holds("process", 0, &pid, &start, &len), F_WRLCK);
	CHECK(pid == getpid() && start == 100 && len == 50);
	CHECK_EQ(who_holds("process", 150, &pid, &start, &len), F_RDLCK);
	CHECK(pid == getpid() && start == 4000 && len == 0);
	CHECK_EQ(who_holds("description", 0, &pid, &start, &len), F_WRLCK);
	CHECK(pid == -1 && start == 0 && len == 10);
	CHECK(is_flocked("whole", LOCK_SH));
	CHECK(is_flocked("shared", LOCK_EX) && !is_flocked("shared", LOCK_SH));
	/* The locks hang where they did. */
	close(again);
	CHECK_EQ(who_holds("process", 0, &pid, &start, &len), -1);
	close(description);
	CHECK_EQ(who_holds("description", 0, &pid, &start, &len), -1);
	close(whole);
	CHECK(!is_flocked("whole", LOCK_EX));
	return load_end();
}
