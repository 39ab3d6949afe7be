/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Standing beside a restored process: pass signals on, mirror stop and continue, learn how it ended. Uses pidfd_send_signal,
 * PIDFD_GET_INFO (PIDFD_INFO_EXIT, Linux 6.15) and ptrace's view of group stops; for a child waitid().
 */
#ifndef RP_ENGINE_SUPERVISE_H
#define RP_ENGINE_SUPERVISE_H

#include <stdbool.h>
#include <sys/types.h>

#include "util/error.h"

struct rp_supervise {
	pid_t pid;
	int pidfd;
	bool is_child; /* else a sibling: this process is its proxy under a launcher that knows only the proxy */
};

/* Blocks every signal that is to be passed on; call it before the process is made, so that none is lost. */
void rp_supervise_block(void);

/* Waits for the end of the process. Every signal that reaches this process goes to it once. *out_wstatus as wait() gives
 * it. Returns 0, or -errno: -ECHILD when how it ended cannot be learned (somebody else reaped it on an old kernel). */
int rp_supervise(const struct rp_supervise *s, int *out_wstatus, struct rp_error *err);

#endif
