/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The agent of one host and job: owns the control page (abi/ctl.h), watches its ranks by pidfd and ends with them, takes
 * the images, writes the store. One process, one thread; dumps run in child processes. agent.c: connections and
 * members; attempt.c: one checkpoint; attempt-dump.c: its images.
 */
#ifndef RP_JOB_AGENT_H
#define RP_JOB_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "abi/ctl.h"
#include "job/agent-proto.h"
#include "job/registry.h"

/* Runs until every rank has ended. Descriptors: the job's directory (path), its listening socket, and one that gets a
 * byte when the agent is ready. Returns an exit code. */
int rp_agent_main(const char *path, int dir_fd, int listen_fd, int ready_fd);

struct rp_member {
	pid_t pid;
	int pidfd; /* -1: ended */
	int32_t rank;
	void *record; /* packed rp_rank_entry */
	size_t record_len;
};

struct rp_conn {
	int fd;
	bool is_rank;
};

struct rp_agent {
	const char *path;
	int dir_fd, listen_fd, signal_fd;
	unsigned char secret[RP_SECRET_LEN];
	struct rp_ctl *ctl;
	int ctl_fd;
	uint64_t ctl_size;
	struct rp_member *members; /* nslots of them; index = slot; pid 0: free */
	uint32_t nslots;
	struct {
		struct rp_conn *items;
		size_t count, room;
	} conns;
	int32_t world_size, local_size;
	bool joined, ended;
	struct rp_job_info info; /* what `reprise ps` shows */
	char **launch_argv, **launch_env;
	char *launch_cwd;
	/* the checkpoint that is on; client < 0: its client has gone, the work goes on */
	bool busy, cancel;
	int client;
	pid_t sweeper; /* removes old generations; 0 or less: none */
};

/* One turn: waits up to timeout_ms for something to happen and handles it. Used by the main loop and, with a short
 * time, while a checkpoint is on. */
void rp_agent_turn(struct rp_agent *a, int timeout_ms);

/* The calling process, an agent or a dumper, goes before ranks that spin, or no longer. Only where it may (CAP_SYS_NICE). */
void rp_agent_go_first(bool first);

/* The live member of a world rank, NULL: none. */
struct rp_member *rp_agent_rank(struct rp_agent *a, int32_t rank);

/* A request has come in (a->client): runs the checkpoint to its end and fills the answer. */
void rp_attempt_run(struct rp_agent *a, enum rp_checkpoint_then then, unsigned timeout_ms, struct rp_msg *answer);

#endif
