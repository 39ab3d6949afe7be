/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes struct rp_launch (abi/split.h), what the bootstrap is told, as one flat buffer or memfd.
 */
#ifndef RP_CMD_RANK_LAUNCH_H
#define RP_CMD_RANK_LAUNCH_H

#include <stddef.h>

#include "abi/split.h"
#include "rank_program.h"
#include "util/error.h"

/* Strings are borrowed for the call. */
struct rank_launch {
	const struct rank_program *program; /* NULL at a restart */
	char **envp;			    /* as the launcher gave it */
	const char *lower, *stub, *reprise, *snapshot_dir;
	const char *library_path; /* for ld.so alone, with the user's LD_LIBRARY_PATH; NULL: nothing */
	struct rp_launch head;	  /* scalar members: descriptors, slot, rank, flags */
};

/* The flat record in new memory (free it). */
int rank_launch_build(const struct rank_launch *in, void **out, size_t *size, struct rp_error *err);

/* The same in a memfd at a number of at least `min`, kept over exec. Returns the descriptor or -errno. */
int rank_launch_memfd(const struct rank_launch *in, int min, struct rp_error *err);

#endif
