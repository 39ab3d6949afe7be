/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Opening the memfds of an image, for descriptors and for mappings.
 */
#ifndef RP_KIND_MEMFD_H
#define RP_KIND_MEMFD_H

#include "kind/kind.h"

/* A new description of the memfd, made and filled on first use, with the given flags. *out_fd is the caller's,
 * close-on-exec. Returns 0 or -errno (text set). */
int rp_memfd_open_as(struct rp_restore *r, const MemfdFileEntry *m, int flags, int *out_fd);

#endif
