/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ghost files: regular files that were deleted while they were open or mapped. Their contents travel in
 * ghost-file-N.img, remap-fpath.img says which entries of files.img they stand for. One inode is one ghost, however many
 * descriptions lead to it. A restore makes the file anew under its old name (or beside it) and unlinks it at once.
 */
#ifndef RP_KIND_GHOST_H
#define RP_KIND_GHOST_H

#include "kind/kind.h"

/* Saves the file behind lfd (st: its stat) for the entry with id. Returns 0 or -errno (d->err). */
int rp_ghost_dump(struct rp_dump *d, int lfd, const struct stat *st, uint32_t id);

/* Is the entry with this id a ghost? Returns 1 with *remap_id, 0 no, -errno (text set): the image is not valid. */
int rp_ghost_find(struct rp_restore *r, uint32_t id, uint32_t *remap_id);

/* Checks the ghost's image. */
int rp_ghost_check(struct rp_restore *r, uint32_t remap_id);

/* The ghost as an open file (O_RDWR), made on first use. Returns a borrowed descriptor or -errno (text set). name: its old
 * name. */
int rp_ghost_make(struct rp_restore *r, uint32_t remap_id, const char *name);

#endif
