/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where the installed pieces are (reprise-restorer, reprise-boot, libmpi.so.40 ...): $REPRISE_LIBEXECDIR, else
 * ../libexec/reprise beside the directory of this executable, else the directory chosen at build time.
 */
#ifndef RP_UTIL_PIECES_H
#define RP_UTIL_PIECES_H

#include <stddef.h>

#include "util/error.h"

/* Absolute path of the piece into buf. -ENOENT with the directories tried when it is in none of them. */
int rp_piece_find(const char *name, char *buf, size_t size, struct rp_error *err);

/* Absolute path of this very executable. */
int rp_self_path(char *buf, size_t size, struct rp_error *err);

#endif
