/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One process as the engine sees it: struct rp_rtask while it is restored, struct rp_task (dump) while it is dumped.
 * Plain data; the engine fills it, kinds read it.
 */
#ifndef RP_ENGINE_TASK_H
#define RP_ENGINE_TASK_H

#include <stddef.h>
#include <stdint.h>

#include "image/image.h"

struct rp_planner; /* engine/plan.h */

/* One thread of a process that is being restored. threads[0] of a task is the leader. */
struct rp_rthread {
	int tid;
	CoreEntry *core; /* owned by the restore's arena; the leader's also has tc, the others' only thread_core */
};

/* One process at a restore: its messages as read (never modified) and the plan that is being built. */
struct rp_rtask {
	PstreeEntry *pstree;
	int pid;
	TaskKobjIdsEntry *ids; /* NULL: the image has none */
	struct rp_rthread *threads;
	size_t nthreads;
	CoreEntry *core; /* = threads[0].core */
	MmEntry *mm;
	FsEntry *fs;		 /* NULL: keep cwd, root and umask of the restorer */
	PagemapEntry **pagemap;	 /* of private memory, in file order */
	size_t npagemap;
	uint32_t pages_id;	 /* pages-<id>.img */
	int pages_fd;		 /* service descriptor of that file, -1 when there is none */
	FdinfoEntry **fds;	 /* descriptors, sorted by number */
	size_t nfds;
	struct rp_planner *plan; /* only during and after the stage "prepare" */
};

#endif
