/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a file without a build id is known again: size, time, hash of its contents or of their ends, inode and time of birth
 * (statx(2)), as rp_file_extra in reprise-task-PID.img. Mapped files, and the descriptors of ranks.
 */
#ifndef RP_KIND_FILEID_H
#define RP_KIND_FILEID_H

#include "kind/kind.h"

/* What the file is to the process; the number is the image's. */
enum rp_fileid_use {
	RP_FILEID_PRIVATE = 0, /* mapped privately: as it was, to the last byte */
	RP_FILEID_SHARED =
		1,	  /* mapped shared: the same file, whatever it holds by now; if only read, any of its size */
	RP_FILEID_FD = 2, /* a descriptor: as it was if it was only read, else the same file with the same beginning */
};

/* Records the regular file behind fd (st: its stat) for entry `id` of files.img, once; is_read: with a hash of its contents.
 * Returns 0 or -errno (d->err). */
int rp_fileid_dump(struct rp_dump *d, struct rp_task *t, int fd, const struct stat *st, uint32_t id,
		   enum rp_fileid_use use, bool is_read);

/* What is recorded of an entry, NULL: nothing. */
const RpFileExtra *rp_fileid_find(const struct rp_restore *r, uint32_t id);

/* Is the file behind fd, open for reading or by O_PATH, the one that m means? Where that is likely but
 * not sure it warns. Returns 0, -ESTALE or another -errno (text set). */
int rp_fileid_check(struct rp_restore *r, const RegFileEntry *m, const RpFileExtra *x, int fd);

#endif
