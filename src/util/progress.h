/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A line of progress on a terminal, for work that takes more than a second. Silent when stderr is no terminal or
 * progress was switched off; the line is removed at the end.
 */
#ifndef RP_UTIL_PROGRESS_H
#define RP_UTIL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct rp_progress {
	const char *what; /* "copying pages" */
	uint64_t total;	  /* 0: unknown */
	int64_t start_ns, last_ns;
	bool shown, wanted;
};

void rp_progress_init(struct rp_progress *p, const char *what, uint64_t total, bool wanted);

/* done out of total units; may be called often: it draws at most ten times a second. One thread only. */
void rp_progress_update(struct rp_progress *p, uint64_t done);

void rp_progress_done(struct rp_progress *p);

#endif
