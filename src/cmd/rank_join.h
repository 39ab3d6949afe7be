/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Joining the host's agent, and the descriptors that the bootstrap gets: at numbers of the lower half, kept over exec.
 */
#ifndef RP_CMD_RANK_JOIN_H
#define RP_CMD_RANK_JOIN_H

#include "job/agent-client.h"
#include "rank_launch.h"

/* First number of lower-half descriptors in this process, as the bootstrap will choose it too. */
int rank_lower_fd_min(void);

/* Fills l's descriptors, slot, rank and store. argv: of the application. min: lowest number. A rank that cannot be
 * checkpointed still runs: then one line is printed and l says "no agent". Returns 0 or -errno with text. */
int rank_join(struct rank_launch *l, struct rp_join *j, char **argv, int min, struct rp_error *err);

/* l without an agent. */
void rank_join_none(struct rank_launch *l);

#endif
