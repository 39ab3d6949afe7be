/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Joining the host's agent, and the descriptors that the bootstrap gets: at numbers of the lower half, kept over exec.
 */
#ifndef RP_CMD_RANK_JOIN_H
#define RP_CMD_RANK_JOIN_H

#include <stdbool.h>

#include "job/agent-client.h"
#include "rank_launch.h"

/* First number of lower-half descriptors in this process, as the bootstrap will choose it too. */
int rank_lower_fd_min(void);

/* Fills l's descriptors, slot, rank and store. argv: of the application. min: lowest number. A rank that cannot be
 * checkpointed still runs: then one line is printed and l says "no agent". Returns 0 or -errno with text. */
int rank_join(struct rank_launch *l, struct rp_join *j, char **argv, int min, struct rp_error *err);

/* Is this process to print the line `what` (enum rp_told of abi/ctl.h)? True for one of the ranks that share j's agent; without
 * an agent (j->ctl_fd -1) for the first rank. */
bool rank_join_tells(const struct rp_join *j, uint32_t what);

/* Says that this rank cannot be carried, and why: a checkpoint is refused with the text. */
void rank_join_refuse(const struct rp_join *j, const char *text);

/* l without an agent. */
void rank_join_none(struct rank_launch *l);

#endif
