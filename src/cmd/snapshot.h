/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How verbs name a snapshot, and ask for facts about it: [SNAPSHOT | --latest] [--seq N] [-D DIR] [--json].
 */
#ifndef RP_CMD_SNAPSHOT_H
#define RP_CMD_SNAPSHOT_H

#include "cmd.h"
#include "job/store.h"

struct snapshot_options {
	const char *ref, *dir;
	uint32_t seq;
	bool latest, json;
};

/* Child of a verb's argp, with a struct snapshot_options as input. Takes the arguments that the verb does not. */
extern const struct argp snapshot_argp;

/* Finds it; see rp_store_find(). */
int snapshot_find(const struct snapshot_options *o, struct rp_store **store, const struct rp_gen **gen,
		  struct rp_error *err);

/* Waits for the job whose snapshots go to `store` to end, if it is about to: two would write to the same files.
 * -EBUSY with text: it runs on. */
int snapshot_wait_for_writer(const char *store, struct rp_error *err);

#endif
