/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The page that an agent and the ranks of its host share: a sealed-size memfd made by the agent, mapped by each rank at
 * RP_ARENA_CTL. It carries the request, each rank's parked state and collective clock, and the agent's commands.
 * No signals are used. Waits are shared futexes on `request`, `command_seq` and `bell`.
 *
 * A checkpoint, seen from one rank (owner of each step in brackets):
 *   [agent] request = odd number, wake                      checkpoint attempt begins
 *   [rank]  control thread or application thread parks the rank; publishes clocks, waits, state = PARKED, rings bell
 *   [agent] computes obligations; RELEASE to obliged ranks; each runs on until it parks again (echo = command_seq)
 *   [agent] all parked, nobody behind: DRAIN
 *   [rank]  control thread drains; state = DRAINED (or REFUSED + text)
 *   [agent] stops the process, takes the image, lets it go on: RESUME; request = even number
 *   [rank]  state = RUNNING
 * RESUME at any earlier moment cancels the attempt.
 */
#ifndef RP_ABI_CTL_H
#define RP_ABI_CTL_H

#include <stdint.h>

#define RP_CTL_MAGIC 0x316c746370726570UL
#define RP_CTL_VERSION 2
#define RP_SLOT_CLOCKS 8192
#define RP_SLOT_WAITS 4096

enum rp_rank_state {
	RP_RANK_EMPTY,	  /* slot not taken */
	RP_RANK_RUNNING,  /* no request seen, or released */
	RP_RANK_PREINIT,  /* parked; MPI_Init not entered yet (or a program without MPI) */
	RP_RANK_IN_INIT,  /* inside MPI_Init: the request has to wait */
	RP_RANK_IN_COLL,  /* inside a collective of coll_key that it entered; cannot park until the members come */
	RP_RANK_PARKED,	  /* quiet: every application thread is outside the lower half and cannot enter it */
	RP_RANK_DRAINED,  /* no message of this rank is in flight; the image may be taken */
	RP_RANK_REFUSED,  /* cannot be carried: text says what, and what to do */
	RP_RANK_FINALIZE, /* in or after MPI_Finalize: the job is ending */
	RP_RANK_GONE,	  /* process ended (set by the agent) */
};

enum rp_rank_command {
	RP_CMD_NONE,
	RP_CMD_RELEASE, /* run on until the next park point */
	RP_CMD_DRAIN,
	RP_CMD_RESUME, /* attempt over (image taken, or cancelled): run */
};

/* One communicator's collective clock. key: same on all members, unique in the job; seq: collectives entered on it. mark:
 * which ones, where threads of the members may come to them in different order: a sum over them; 0 where a count is enough. */
struct rp_clock {
	uint64_t key;
	uint64_t seq;
	uint64_t mark;
};

struct rp_slot {
	int32_t world_rank; /* set by the agent when the slot is given */
	int32_t pid;
	/* written by the rank; `version` is odd while it writes */
	uint32_t version;
	uint32_t state;	   /* enum rp_rank_state */
	uint32_t echo;	   /* command_seq that `state` already takes into account */
	uint32_t wait_any; /* 1: may be waiting for every member of its communicators (ANY_SOURCE) */
	uint64_t coll_key; /* IN_COLL: the communicator; PARKED: the one at whose entry it stands, 0 none */
	uint64_t progress; /* grows with every MPI call completed while a request is up */
	uint32_t nclocks;
	uint32_t nwaits;
	uint64_t sent, received; /* point-to-point messages, job-wide sums agree when nothing is in flight */
	/* written by the agent */
	uint32_t command;     /* enum rp_rank_command */
	uint32_t command_seq; /* futex; grows with each command */
	uint32_t
		coll_awaits; /* IN_COLL: world rank + 1 that has to enter a call of its own, without a common clock; 0 none */
	uint32_t threads; /* that call MPI; IN_COLL: some of several may be parked, and a RELEASE lets those run on */
	uint32_t reserved[12];
	char text[256]; /* REFUSED: one line */
	/* world ranks that it may be waiting for: open receives, sends, unsuccessful polls */
	uint32_t waits[RP_SLOT_WAITS];
	struct rp_clock clocks[RP_SLOT_CLOCKS];
};

#define RP_SLOT_STRIDE ((sizeof(struct rp_slot) + 4095UL) & ~4095UL)

/* Slots follow from offset 4096, RP_SLOT_STRIDE apart. */
struct rp_ctl {
	uint64_t magic;
	uint32_t version;
	uint32_t nslots;
	uint32_t request;    /* futex; odd: a checkpoint attempt is on */
	uint32_t bell;	     /* futex; a rank that changed its state adds one and wakes the agent */
	uint32_t agent_pid;  /* a robust futex of the agent: the kernel adds RP_CTL_OWNER_DIED when the agent ends */
	uint32_t agent_gone; /* 1: the agent ended; the job can no longer be checkpointed */
	uint32_t told;	     /* enum rp_told: lines that somebody has printed, for one per job is enough */
};

enum rp_told {
	RP_TOLD_FUNCTIONS = 1, /* the program uses functions that are not carried */
	RP_TOLD_FOREIGN = 2,   /* a program that cannot be carried */
	RP_TOLD_CHILD = 4,     /* an MPI program started as a child of a rank */
};

#define RP_CTL_OWNER_DIED 0x40000000U /* FUTEX_OWNER_DIED */

/* Has the agent ended, by itself or by SIGKILL? Then nobody will ever resume a parked rank. */
static inline int rp_ctl_is_orphaned(const struct rp_ctl *ctl)
{
	const volatile struct rp_ctl *c = ctl;

	return c->agent_gone || (c->agent_pid & RP_CTL_OWNER_DIED);
}

static inline struct rp_slot *rp_ctl_slot(struct rp_ctl *ctl, uint32_t i)
{
	return (struct rp_slot *)((char *)ctl + 4096 + (uint64_t)i * RP_SLOT_STRIDE);
}

#endif
