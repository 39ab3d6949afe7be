/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Standard input of a restarted job: first what rank 0 had not read of its old launcher's pipe, then a file. It becomes the
 * launcher's own standard input, so the order of bytes is the launcher's business.
 */
#ifndef RP_CMD_RESTART_STDIN_H
#define RP_CMD_RESTART_STDIN_H

#include "util/error.h"

/* Replaces descriptor 0. images: rank 0's image directory; path: what follows, NULL for nothing (end of file). 0 or -errno. */
int restart_stdin(const char *images, const char *path, struct rp_error *err);

#endif
