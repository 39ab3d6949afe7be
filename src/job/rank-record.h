/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a rank was given at its launch, as a packed rp_rank_entry (image/proto/reprise.proto): descriptors by device and
 * inode, attributes, command. The rank makes it before it becomes the bootstrap, the agent keeps it and completes it at
 * each checkpoint, so that "changed by the application" is known at a restart.
 */
#ifndef RP_JOB_RANK_RECORD_H
#define RP_JOB_RANK_RECORD_H

#include "engine/dump.h"
#include "job/agent-client.h"
#include "util/error.h"

/* Packs the calling process's record into a sealed memfd. Returns the descriptor or -errno with text. */
int rp_rank_record_make(const struct rp_join_request *req, const struct rp_rank_identity *id, struct rp_error *err);

/* A rank that execed joins again with a new record: what the launcher gave is in the old one, not what a script has
 * redirected since. Replaces *record (malloc'ed, *len bytes) by the combination. 0 or -errno, *record unchanged. */
int rp_rank_record_keep_launch(const void *old, size_t old_len, void **record, size_t *len);

/* Adds reprise-rank-PID.img to the dump of a stopped rank from its record and its lower half's header. 0, or -errno with
 * d->err. */
int rp_rank_record_put(struct rp_dump *d, const struct rp_task *t, const void *record, size_t len, int rank, int size);

#endif
