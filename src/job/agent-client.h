/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The two clients of an agent: a rank that joins its job (`reprise rank`, before it becomes the bootstrap), and the
 * commands that ask for a checkpoint. The agent listens on a SOCK_SEQPACKET socket in the job's runtime directory
 * (registry.h); it checks SO_PEERCRED and the job's secret. The first rank of a host starts the agent.
 */
#ifndef RP_JOB_AGENT_CLIENT_H
#define RP_JOB_AGENT_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

/* What a rank says about itself. Strings are borrowed for the call. */
struct rp_join_request {
	char *const *argv; /* the application's command, NULL-terminated, without `reprise rank` */
	char *const *envp; /* the environment as the launcher gave it, NULL-terminated */
	/* Descriptors at least this number are services of Reprise and are not recorded as given by the launcher;
	 * 0: every descriptor open at the call was given by the launcher. */
	int fd_limit;
	/* Program to exec as `<agent_exe> agent`; NULL: the agent runs in a fork of the caller (tests). */
	const char *agent_exe;
};

/* What it gets. The descriptors are close-on-exec and >= 3; the caller moves them where it needs them. */
struct rp_join {
	int ctl_fd;	   /* memfd: struct rp_ctl and its slots; map it whole, MAP_SHARED, at RP_ARENA_CTL */
	uint64_t ctl_size; /* bytes of ctl_fd, multiple of the page size */
	uint32_t slot;	   /* index for rp_ctl_slot() */
	int agent_fd;	   /* control connection: keep it open as long as the process lives (lower half) */
	int32_t agent_pid; /* for PR_SET_PTRACER */
	int32_t world_rank, world_size;
	char *snapshot_dir; /* DIR/NAME of this job's store, absolute; owned */
};

enum rp_join_outcome {
	/* A live process already is this rank: a script that forks the program, say. The program can run, but not be
	 * checkpointed; the error text says so in one line. `out` is not set. */
	RP_JOIN_TAKEN = 1,
};

/* Joins the job of the calling process, starting the agent of this host when there is none. May be called again by the
 * same process after an exec: it gets the same slot. Rank and size come from the environment of the launcher
 * (rp_rank_identity()); without a launcher the process is rank 0 of 1.
 * Returns 0, RP_JOIN_TAKEN, or -errno with text. The caller's children, signal dispositions and mask are unchanged. */
int rp_agent_join(const struct rp_join_request *req, struct rp_join *out, struct rp_error *err);
void rp_join_done(struct rp_join *join); /* closes the descriptors; accepts a zeroed struct */

/* Which rank is this process, by the launcher's variables in envp (Open MPI, PMIx, hydra)? */
struct rp_rank_identity {
	int32_t rank, size;		/* 0 of 1 without a launcher */
	int32_t local_rank, local_size; /* on this host */
	const char *launcher;		/* "openmpi", "mpich", "none" */
};
void rp_rank_identity(char *const *envp, struct rp_rank_identity *out);

/* ---- checkpoint ---- */

enum rp_checkpoint_then {
	RP_THEN_CONTINUE,
	RP_THEN_TERM, /* after the commit the job ends */
	RP_THEN_STOP, /* after the commit the ranks are stopped (SIGSTOP) */
};

struct rp_checkpoint_options {
	enum rp_checkpoint_then then;
	unsigned timeout_ms; /* 0: none */
	/* Progress, one line without newline; may be NULL. */
	void (*progress)(void *arg, const char *line);
	void *arg;
	/* Counts up in a signal handler: at 1 the attempt is given up and the job goes on, at 2 its end is not waited for;
	 * may be NULL. */
	const volatile int *cancel;
};

struct rp_checkpoint_result {
	char reference[4096]; /* DIR/NAME/<seq>: what `reprise restart` takes */
	uint32_t seq;
	uint64_t bytes;
	uint64_t agree_us, stop_us, total_us; /* until all were quiet; longest stop of a rank; until the commit */
};

enum rp_checkpoint_outcome {
	RP_CHECKPOINT_REFUSED = 1, /* cannot be carried: the text says what, and what to do */
	RP_CHECKPOINT_TIMEOUT,	   /* everybody runs */
	RP_CHECKPOINT_CANCELLED,
};

/* Asks the agent of the job in runtime directory `dir` (rp_registry_find()) and waits for the commit.
 * Returns 0, an outcome above with text, or -errno with text (-ECONNREFUSED: the agent is gone). */
int rp_agent_checkpoint(const char *dir, const struct rp_checkpoint_options *opts, struct rp_checkpoint_result *res,
			struct rp_error *err);

#endif
