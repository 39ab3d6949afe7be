/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the stub offers to the lower half: struct rp_stub_ops, which split/upper/init.c makes known through the arena.
 */
#include "mpi/lower.h"
#include "mpi/message.h"

extern struct rp_stub_ops rp_stub_ops RP_HIDE;

static int replay(struct rp_arena *arena, char *text, uint32_t size)
{
	int rc = 0;

	rp_lock_inherit();
	if (rp_stub.state == RP_MPI_READY) {
		rc = rp_objects_replay(text, size);
		if (rc == 0)
			rc = rp_messages_replay(text, size);
	} else if (rp_stub.lower_ready) {
		rc = rp_lower_fill(text, size);
	}
	if (rc == 0)
		rp_control_restarted();
	return rc;
}

static int32_t thread_level(struct rp_arena *arena)
{
	return rp_stub.state == RP_MPI_READY ? rp_stub.thread_provided : -1;
}

struct rp_stub_ops rp_stub_ops = {
	.version = RP_STUB_OPS_VERSION,
	.size = sizeof(rp_stub_ops),
	.control = rp_control,
	.replay = replay,
	.environment = rp_env_give,
	.thread_level = thread_level,
};
