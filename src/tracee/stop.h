/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Waiting for a thread to reach the next stop; shared by tracee.c and remote.c. Interface: waitpid(2) with __WALL.
 */
#ifndef RP_TRACEE_STOP_H
#define RP_TRACEE_STOP_H

#include "tracee/tracee.h"

enum rp_stop {
	RP_STOP_EVENT = 1,   /* PTRACE_EVENT_STOP; *sig is SIGTRAP, or the signal of a group stop */
	RP_STOP_SYSCALL = 2, /* entry or exit of a system call */
	RP_STOP_SIGNAL = 3,  /* *sig is about to be delivered */
	RP_STOP_GONE = 4,    /* the thread ended */
	RP_STOP_OTHER = 5,   /* an event that nobody asked for */
};

/* Returns one of enum rp_stop, or -ETIMEDOUT, or -errno of waitpid(). */
int rp_stop_wait(int tid, unsigned timeout_ms, int *sig);

#endif
