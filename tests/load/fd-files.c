/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Regular files: position, append, O_PATH, directory, deleted while open (twice, and with a hole), shared descriptions,
 * close-on-exec, devices, owner of asynchronous I/O.
 */
#include "load.h"

#include <sys/stat.h>

static int same_description(int a, int b)
{
	off_t pa = lseek(a, 0, SEEK_CUR), moved;

	lseek(b, 3, SEEK_CUR);
	moved = lseek(a, 0, SEEK_CUR);
	lseek(a, pa, SEEK_SET);
	return moved == pa + 3;
}

int main(int argc, char **argv)
{
	struct f_owner_ex own = { F_OWNER_PID, 0 };
	char buf[64] = { 0 };
	struct stat st;
	int rw, app, path, dir, ghost, ghost2, hole, null, zero, dup_fd, high, ro, own_status, group, tid_owned;

	load_begin(argc, argv);
	rw = open(load_path("rw"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	MUST(write(rw, "0123456789", 10) == 10 && lseek(rw, 4, SEEK_SET) == 4);
	app = open(load_path("app"), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
	MUST(write(app, "one\n", 4) == 4);
	ro = open(load_path("rw"), O_RDONLY);
	MUST(lseek(ro, 7, SEEK_SET) == 7);
	path = open(load_path("rw"), O_PATH);
	dir = open(load_dir, O_RDONLY | O_DIRECTORY);
	ghost = open(load_path("ghost"), O_RDWR | O_CREAT | O_TRUNC, 0640);
	MUST(write(ghost, "spirit", 6) == 6);
	ghost2 = open(load_path("ghost"), O_RDONLY);
	MUST(lseek(ghost2, 2, SEEK_SET) == 2);
	unlink(load_path("ghost"));
	hole = open(load_path("hole"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	MUST(pwrite(hole, "end", 3, 50 << 20) == 3 && pwrite(hole, "start", 5, 0) == 5);
	unlink(load_path("hole"));
	null = open("/dev/null", O_RDWR);
	zero = open("/dev/zero", O_RDONLY);
	dup_fd = dup(rw);
	high = fcntl(rw, F_DUPFD, 200);
	own.pid = getpid();
	MUST(!fcntl(null, F_SETOWN_EX, &own) && !fcntl(null, F_SETSIG, SIGUSR2));
	MUST(dir >= 0 && path >= 0 && ro >= 0 && zero >= 0 && high >= 200);
	group = open("/dev/null", O_RDWR);
	tid_owned = open("/dev/null", O_RDWR);
	MUST(!fcntl(group, F_SETOWN, -getpgrp()));
	own = (struct f_owner_ex){ F_OWNER_TID, getpid() };
	MUST(!fcntl(tid_owned, F_SETOWN_EX, &own));
	own_status = open("/proc/self/status", O_RDONLY);
	MUST(own_status >= 0);
	load_ready();

	CHECK(lseek(rw, 0, SEEK_CUR) == 4 && read(rw, buf, 2) == 2 && !memcmp(buf, "45", 2) &&
	      lseek(rw, 4, SEEK_SET) == 4);
	CHECK(fcntl(rw, F_GETFD) == FD_CLOEXEC && fcntl(dup_fd, F_GETFD) == 0);
	CHECK(same_description(rw, dup_fd) && same_description(dup_fd, high) && !same_description(rw, ro));
	CHECK(fcntl(rw, F_GETFL) == (O_RDWR | 0100000));
	CHECK(lseek(ro, 0, SEEK_CUR) == 7 + 0 || lseek(ro, 0, SEEK_CUR) == 10);
	CHECK(fcntl(app, F_GETFL) & O_APPEND && lseek(app, 0, SEEK_SET) == 0 && write(app, "two\n", 4) == 4);
	CHECK(!stat(load_path("app"), &st) && st.st_size == 8);
	CHECK(fcntl(path, F_GETFL) & O_PATH && !fstat(path, &st) && st.st_size == 10);
	CHECK(read(path, buf, 1) == -1 && errno == EBADF);
	CHECK(!fstat(dir, &st) && S_ISDIR(st.st_mode) && openat(dir, "rw", O_RDONLY) >= 0);
	CHECK(!fstat(ghost, &st) && st.st_nlink == 0 && st.st_size == 6 && (st.st_mode & 0777) == 0640);
	CHECK(lseek(ghost, 0, SEEK_CUR) == 6 && pwrite(ghost, "S", 1, 0) == 1);
	CHECK(lseek(ghost2, 0, SEEK_CUR) == 2 && pread(ghost2, buf, 6, 0) == 6 && !memcmp(buf, "Spirit", 6));
	CHECK(access(load_path("ghost"), F_OK) == -1);
	CHECK(!fstat(hole, &st) && st.st_size == (50 << 20) + 3 && st.st_blocks < 1000);
	CHECK(pread(hole, buf, 3, 50 << 20) == 3 && !memcmp(buf, "end", 3) && pread(hole, buf, 5, 0) == 5 &&
	      !memcmp(buf, "start", 5));
	CHECK(write(null, "x", 1) == 1 && read(null, buf, 1) == 0 && read(zero, buf, 1) == 1 && !buf[0]);
	CHECK(fcntl(null, F_GETSIG) == SIGUSR2 && !fcntl(null, F_GETOWN_EX, &own) && own.type == F_OWNER_PID &&
	      own.pid == getpid());
	CHECK_EQ(fcntl(group, F_GETOWN), -getpgrp());
	CHECK(!fcntl(tid_owned, F_GETOWN_EX, &own) && own.type == F_OWNER_TID && own.pid == getpid());
	CHECK(pread(own_status, buf, 19, 0) == 19 && !memcmp(buf, "Name:\tload-fd-files", 19));
	return load_end();
}
