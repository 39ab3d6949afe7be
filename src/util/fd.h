/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Descriptors: closing by scope, reading and writing whole buffers, small files under /proc. All functions return
 * -errno on failure unless said otherwise; EINTR is handled inside.
 */
#ifndef RP_UTIL_FD_H
#define RP_UTIL_FD_H

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

static inline void rp_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void rp_closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static inline void rp_fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* int fd RP_AUTOCLOSE = -1; closes it when it leaves its scope. */
#define RP_AUTOCLOSE __attribute__((cleanup(rp_closep)))
#define RP_AUTOCLOSEDIR __attribute__((cleanup(rp_closedirp)))
#define RP_AUTOFCLOSE __attribute__((cleanup(rp_fclosep)))

/* Hands a descriptor out of an RP_AUTOCLOSE variable. */
static inline int rp_fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Reads exactly len bytes; a file that ends earlier is -ENODATA. */
int rp_read_all(int fd, void *buf, size_t len);
int rp_pread_all(int fd, void *buf, size_t len, off_t off);

/* Writes exactly len bytes. */
int rp_write_all(int fd, const void *buf, size_t len);
int rp_pwrite_all(int fd, const void *buf, size_t len, off_t off);

/* Reads a file of unknown size (such as those of /proc) to its end into a new buffer *out with a NUL after it; free it.
 * *len (may be NULL) is set without the NUL. A file that is longer than max bytes is -EFBIG. */
int rp_read_file(int fd, size_t max, char **out, size_t *len);

/* The same by name, relative to dirfd (AT_FDCWD). */
int rp_read_file_at(int dirfd, const char *path, size_t max, char **out, size_t *len);

/* readlinkat() with a NUL; -ENAMETOOLONG when the target does not fit. */
int rp_readlink_at(int dirfd, const char *path, char *buf, size_t size);

/* The target of /proc/self/fd/FD. */
int rp_fd_path(int fd, char *buf, size_t size);

/* Moves *fd to the lowest free number >= min and closes the old one; no change when it is there already. Keeps
 * close-on-exec as it was. */
int rp_fd_move_above(int *fd, int min);

/* Sets or clears close-on-exec. */
int rp_fd_cloexec(int fd, int on);

/* Makes DIR and its missing parents with the mode; an existing directory is left as it is. */
int rp_mkdir_all(const char *path, mode_t mode);

#endif
