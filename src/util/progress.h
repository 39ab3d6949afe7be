/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A line of progress on a terminal, for work that takes more than a second. Silent when stderr is no terminal or
 * progress was switched off; the line is removed at the end. The library counts (struct rp_count), only programs draw.
 */
#ifndef RP_UTIL_PROGRESS_H
#define RP_UTIL_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How far a piece of work is, in units of its own; any thread may add and look. total 0: not known (yet). */
struct rp_count {
	_Atomic uint64_t done, total;
};

/* c may be NULL: nobody looks. */
static inline void rp_count_add(struct rp_count *c, uint64_t n)
{
	if (c)
		atomic_fetch_add_explicit(&c->done, n, memory_order_relaxed);
}

struct rp_progress {
	const char *what; /* "copying pages"; borrowed, may be changed at any time */
	uint64_t total;	  /* 0: unknown, seconds are shown */
	int64_t start_ns, last_ns;
	bool shown, wanted;
};

void rp_progress_init(struct rp_progress *p, const char *what, uint64_t total, bool wanted);

/* done out of total units; may be called often: it draws at most ten times a second. One thread only. */
void rp_progress_update(struct rp_progress *p, uint64_t done);

void rp_progress_done(struct rp_progress *p);

#endif
