/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Opening what files.img records by name: regular files, directories, symbolic links (O_PATH), character devices that
 * carry no state, files that were deleted while open (ghosts).
 */
#ifndef RP_KIND_REGFILE_H
#define RP_KIND_REGFILE_H

#include "kind/kind.h"

/* Opens the file of entry m with access flags of its own (not m->flags) and no position; identity is checked as for a
 * descriptor. *out_fd is the caller's, close-on-exec. Returns 0 or -errno (text set). Only from stage prepare on: ghosts
 * are made on first use. */
int rp_regfile_open_as(struct rp_restore *r, const RegFileEntry *m, int flags, int *out_fd);

/* GNU build id of an ELF file as CRIU stores it (32-bit words). Returns the number of words, 0: has none. */
size_t rp_regfile_build_id(int fd, uint32_t words[static 16]);

#endif
