/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `reprise rank --restart GENERATION`: this process becomes rank r of a snapshot, r as the launcher's environment says.
 */
#ifndef RP_CMD_RANK_RESTART_H
#define RP_CMD_RANK_RESTART_H

#include <stdbool.h>

#include "engine/restore.h"
#include "util/error.h"

struct rank_restart {
	const char *generation; /* DIR/NAME/<seq> */
	enum rp_pid_policy pid;
	bool keep_output;
	bool no_agent;
};

/* Does not return when the rank runs in this process; else returns the exit code (of the proxy, or 125 after a line). */
int rank_restart(const struct rank_restart *in);

#endif
