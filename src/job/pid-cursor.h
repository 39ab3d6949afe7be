/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where the kernel's search for free ids (/proc/sys/kernel/ns_last_pid) has to begin before a restart, so that neither the
 * launcher nor the threads that its libraries make take an id that an image needs.
 */
#ifndef RP_JOB_PID_CURSOR_H
#define RP_JOB_PID_CURSOR_H

#include <stddef.h>

#define RP_PID_CURSOR_ROOM 2000 /* ids that a launcher and the lower halves of one host may use up meanwhile */

/* Ids lo to hi, hi included, belong to an image. */
struct rp_id_range {
	int lo, hi;
};

/* The new cursor, or -1: it is good where it is. now: the last id given; ids are below pid_max, and after a wrap the search
 * begins again at 300. */
int rp_pid_cursor(const struct rp_id_range *ranges, size_t n, int now, int pid_max);

#endif
