/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The rank's side of a checkpoint, on the lower half's control thread (ctl.h gives the sequence of steps). FS-neutral:
 * no TLS, no libc that uses it; lower functions are called directly while every application thread is out.
 *
 * control.c parks and releases the rank and publishes what it waits for; drain.c brings it to quiet.
 */
#ifndef RP_MPI_CONTROL_H
#define RP_MPI_CONTROL_H

#include "abi/ctl.h"
#include "mpi/message.h"

/* What a drain's round adds up over all ranks. */
struct rp_totals {
	uint64_t sent, received;
	uint64_t pending;  /* sends and nonblocking collectives that are not complete */
	uint64_t suspects; /* synchronous sends in doubt (sync.c) */
	uint64_t refuse;   /* ranks that cannot go on */
};

enum rp_drain_outcome {
	RP_DRAIN_REFUSED = 1,	/* by this or another rank; text is set when it is this one */
	RP_DRAIN_CANCELLED = 2, /* given up: the attempt is over */
};

/* Is the attempt over? Called while the drain waits for other ranks; 1: give up. */
typedef int (*rp_drain_cancelled)(void *arg);

/* Brings this rank to quiet, together with all others: nothing in flight, all sends complete. Returns 0, an outcome, or
 * -errno with text. Control thread, gate shut, rp_lock() held. `attempt` is the same on all ranks. */
RP_HIDDEN int rp_drain(uint64_t attempt, rp_drain_cancelled cancelled, void *arg, char *text, uint32_t size);

/* One turn for every open request; returns how many became complete. */
RP_HIDDEN int rp_drain_progress(void);

/* Microseconds of CLOCK_MONOTONIC. */
RP_HIDDEN uint64_t rp_now_us(void);

/* Puts pieces together into text[size], always terminated. NULL ends the list. */
RP_HIDDEN void rp_text(char *text, uint32_t size, const char *a, const char *b, const char *c);

#endif
