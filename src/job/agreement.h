/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When may the image of a job be taken, and who has to run on until then? Pure functions over what the ranks published
 * (abi/ctl.h): no clock, no memory between calls, no system call; docs/architecture.md tells the protocol.
 *
 * Each communicator has a collective clock: how many collectives a member has entered. A rank that stands at the entry of one has
 * counted it but not begun it. Where one member is ahead, the others are *behind*: their part of a begun collective is
 * still to come. Where all have counted as many but not the same ones (struct rp_clock, mark), each is behind the others.
 * Obliged are the ranks that are behind, those that a rank inside a collective needs although they share no clock (the other
 * leader in MPI_Intercomm_create), and, transitively, everybody whom an obliged rank may be waiting for, parked or not.
 * Obliged ranks run on; when nobody is behind and all are quiet, the job can be drained.
 */
#ifndef RP_JOB_AGREEMENT_H
#define RP_JOB_AGREEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/ctl.h"

/* One rank as last seen; index = world rank. Pointers are borrowed. */
struct rp_agree_rank {
	uint32_t state; /* enum rp_rank_state */
	bool settled;	/* the state takes the last command into account */
	bool wait_any;
	uint64_t coll_key;
	uint32_t coll_awaits; /* world rank + 1, 0: none */
	uint32_t threads;
	const struct rp_clock *clocks;
	uint32_t nclocks;
	const uint32_t *waits; /* world ranks; those outside 0..n-1 are ignored */
	uint32_t nwaits;
	const char *text; /* REFUSED */
};

enum rp_verdict {
	RP_VERDICT_WAIT,    /* somebody is on the way: look again when a state changes */
	RP_VERDICT_RELEASE, /* release[] says who has to run on */
	RP_VERDICT_DRAIN,   /* all are quiet, nobody is behind */
	RP_VERDICT_TAKE,    /* all are drained */
	RP_VERDICT_REFUSE,  /* cannot be carried: text */
};

struct rp_agreement {
	enum rp_verdict verdict;
	size_t nrelease;
	int rank; /* REFUSE: which */
	char text[320];
};

/* Is something of the rank held that a release lets go? A rank of several threads that is inside a collective may owe what another
 * thread of it has to do. */
bool rp_agree_has_parked(const struct rp_agree_rank *r);

/* Judges n ranks. release (n entries) is set for RELEASE: true for each rank that is obliged and has something
 * parked.
 * Returns 0 or -ENOMEM. */
int rp_agree(const struct rp_agree_rank *ranks, size_t n, bool *release, struct rp_agreement *out);

/* The obligation closure alone (n flags, in and out): adds whom the marked ranks may be waiting for. 0 or -ENOMEM. */
int rp_agree_closure(const struct rp_agree_rank *ranks, size_t n, bool *obliged);

#endif
