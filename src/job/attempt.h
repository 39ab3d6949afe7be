/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the parts of a checkpoint share: attempt.c brings the ranks to quiet and decides, attempt-dump.c takes the
 * images of all ranks at once, each in a process of its own.
 */
#ifndef RP_JOB_ATTEMPT_H
#define RP_JOB_ATTEMPT_H

#include "job/agent.h"
#include "job/store.h"

struct rp_attempt {
	struct rp_agent *agent;
	int64_t start_us, deadline_us; /* 0: none */
	struct rp_store *store;
	struct rp_store_new gen;
	uint64_t stop_us;  /* longest stop of a rank */
	uint64_t agree_us; /* until all were quiet */
	bool kill_after, stop_after;
	struct rp_error err;
};

int64_t rp_attempt_now_us(void);

/* Has the attempt to be given up? 0, RP_CHECKPOINT_CANCELLED or _TIMEOUT with text. Also takes one turn of the agent. */
int rp_attempt_turn(struct rp_attempt *t, int timeout_ms);

/* Says something to the client, if it is still there. */
void rp_attempt_progress(struct rp_attempt *t, enum rp_msg_type type, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Takes the images of all ranks; every rank is DRAINED. `resume` is called once, when all memory has been captured. Fills
 * pid and max_id of gen->ranks. Returns 0, an outcome or -errno with text; no dumper is left running. */
int rp_attempt_dump(struct rp_attempt *t, struct rp_gen *gen, void (*resume)(struct rp_attempt *t));

#endif
