/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Messages on an agent's socket: one SOCK_SEQPACKET packet each, struct rp_msg in host order (both ends are the same
 * version on the same host). JOIN carries the rank's record as a memfd (a packed rp_rank_entry), JOINED the control
 * page's memfd.
 */
#ifndef RP_JOB_AGENT_PROTO_H
#define RP_JOB_AGENT_PROTO_H

#include <stdint.h>

#include "job/agent-client.h"
#include "job/registry.h"

#define RP_MSG_MAGIC 0x31677370U
#define RP_RECORD_MAX (64U << 20)

enum rp_msg_type {
	RP_MSG_JOIN = 1,   /* rank -> agent, with secret and record */
	RP_MSG_JOINED,	   /* agent -> rank: code 0, RP_JOIN_TAKEN or -errno */
	RP_MSG_CHECKPOINT, /* client -> agent, with secret */
	RP_MSG_CANCEL,	   /* client -> agent */
	RP_MSG_PROGRESS,   /* agent -> client: text */
	RP_MSG_RESULT,	   /* agent -> client: code 0, enum rp_checkpoint_outcome or -errno */
	RP_MSG_COMMIT,	   /* agent -> client: text; the next message is the result, however long the disk takes */
};

struct rp_msg {
	uint32_t magic, type;
	int32_t code;
	unsigned char secret[RP_SECRET_LEN];
	char text[RP_ERROR_MAX];
	union {
		struct {
			int32_t rank, size, local_rank, local_size;
		} join;
		struct {
			uint64_t ctl_size;
			uint32_t slot;
			int32_t agent_pid, rank, size;
			char snapshot_dir[4096];
		} joined;
		struct {
			uint32_t then, timeout_ms;
		} checkpoint;
		struct rp_checkpoint_result result;
	} u;
};

/* Sends one message, with a descriptor unless fd is -1. 0 or -errno. */
int rp_msg_send(int sock, const struct rp_msg *m, int fd);
/* Receives one; *fd (may be NULL: descriptors are closed) is -1 or the caller's. Returns 1, 0 at end of file,
 * -EAGAIN on a nonblocking socket, other -errno. */
int rp_msg_recv(int sock, struct rp_msg *m, int *fd);

#endif
