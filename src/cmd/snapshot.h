/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How verbs name a snapshot: [SNAPSHOT | --latest] [--seq N] [-D DIR].
 */
#ifndef RP_CMD_SNAPSHOT_H
#define RP_CMD_SNAPSHOT_H

#include "cmd.h"
#include "job/store.h"

struct snapshot_options {
	const char *ref, *dir;
	uint32_t seq;
	bool latest;
};

/* Child of a verb's argp, with a struct snapshot_options as input (state->child_inputs). Does not take arguments. */
extern const struct argp snapshot_argp;

/* Finds it; see rp_store_find(). */
int snapshot_find(const struct snapshot_options *o, struct rp_store **store, const struct rp_gen **gen,
		  struct rp_error *err);

#endif
