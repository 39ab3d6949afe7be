/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/str.h"

/* off < 0: at the descriptor's own position. */
static int read_from(int fd, char *buf, size_t len, off_t off)
{
	while (len) {
		ssize_t n = off < 0 ? read(fd, buf, len) : pread(fd, buf, len, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		buf += n;
		len -= n;
		if (off >= 0)
			off += n;
	}
	return 0;
}

static int write_to(int fd, const char *buf, size_t len, off_t off)
{
	while (len) {
		ssize_t n = off < 0 ? write(fd, buf, len) : pwrite(fd, buf, len, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf += n;
		len -= n;
		if (off >= 0)
			off += n;
	}
	return 0;
}

int rp_read_all(int fd, void *buf, size_t len)
{
	return read_from(fd, buf, len, -1);
}

int rp_pread_all(int fd, void *buf, size_t len, off_t off)
{
	return off < 0 ? -EINVAL : read_from(fd, buf, len, off);
}

int rp_write_all(int fd, const void *buf, size_t len)
{
	return write_to(fd, buf, len, -1);
}

int rp_pwrite_all(int fd, const void *buf, size_t len, off_t off)
{
	return off < 0 ? -EINVAL : write_to(fd, buf, len, off);
}

int rp_read_file(int fd, size_t max, char **out, size_t *len)
{
	size_t used = 0, room = 4096;
	char *buf RP_AUTOFREE = malloc(room + 1);

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(fd, buf + used, room - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += n;
		if (used > max)
			return -EFBIG;
		if (used == room) {
			char *more = realloc(buf, room * 2 + 1);

			if (!more)
				return -ENOMEM;
			buf = more;
			room *= 2;
		}
	}
	buf[used] = 0;
	if (len)
		*len = used;
	*out = buf;
	buf = NULL;
	return 0;
}

int rp_read_file_at(int dirfd, const char *path, size_t max, char **out, size_t *len)
{
	int fd RP_AUTOCLOSE = openat(dirfd, path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : rp_read_file(fd, max, out, len);
}

int rp_readlink_at(int dirfd, const char *path, char *buf, size_t size)
{
	ssize_t n = readlinkat(dirfd, path, buf, size);

	if (n < 0)
		return -errno;
	if ((size_t)n >= size)
		return -ENAMETOOLONG;
	buf[n] = 0;
	return 0;
}

int rp_fd_path(int fd, char *buf, size_t size)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return rp_readlink_at(AT_FDCWD, name, buf, size);
}

int rp_fd_move_above(int *fd, int min)
{
	int flags, moved;

	if (*fd >= min)
		return 0;
	flags = fcntl(*fd, F_GETFD);
	if (flags < 0)
		return -errno;
	moved = fcntl(*fd, flags & FD_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, min);
	if (moved < 0)
		return -errno;
	close(*fd);
	*fd = moved;
	return 0;
}

int rp_fd_cloexec(int fd, int on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

int rp_mkdir_all(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	char *p;

	if (len == 0 || len >= sizeof(part))
		return len ? -ENAMETOOLONG : -ENOENT;
	memcpy(part, path, len + 1);
	for (p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (mkdir(part, mode) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
			return -errno;
		*p = '/';
	}
	if (mkdir(part, mode) < 0) {
		struct stat st;
		int error = errno;

		if (error != EEXIST)
			return -error;
		if (stat(part, &st) < 0)
			return -errno;
		return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	}
	return 0;
}
