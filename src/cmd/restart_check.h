/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What can be known of a restart before its launcher runs: the generation is whole; machine, CPU, MPI library and mapped files
 * are what the checkpoint had. Changes nothing.
 */
#ifndef RP_CMD_RESTART_CHECK_H
#define RP_CMD_RESTART_CHECK_H

#include "job/store.h"
#include "util/error.h"

/* Ids of all threads of the ranks that come back on this host. Owned; free(items). */
struct restart_ids {
	int *items;
	size_t count, room;
};

/* 0, or -errno with the difference in one line. Another kernel or C library is only warned of. ids: filled, the caller's also
 * after a failure. */
int restart_check(const struct rp_store *s, const struct rp_gen *gen, struct restart_ids *ids, struct rp_error *err);

#endif
