/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One process as the engine sees it: struct rp_rtask while it is restored, struct rp_task (dump) while it is dumped.
 * Plain data; the engine fills it, kinds read it.
 */
#ifndef RP_ENGINE_TASK_H
#define RP_ENGINE_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/image.h"

struct rp_planner; /* engine/plan.h */
struct rp_arena;   /* abi/arena.h */

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
	FsEntry *fs;		       /* NULL: keep cwd, root and umask of the restorer */
	const struct rp_img_run *runs; /* pagemap of private memory, ascending, checked by the reader */
	size_t nruns;
	uint32_t pages_id; /* pages-<id>.img */
	int pages_fd;	   /* service descriptor of that file, -1 when there is none */
	FdinfoEntry **fds; /* descriptors, sorted by number */
	size_t nfds;
	const RpLaunchState *launch; /* of a rank: attributes as its launcher gave them; NULL: not a rank */
	RpTaskEntry *extra;	     /* what CRIU's format has no field for; NULL: not there (an image of CRIU's) */
	struct rp_planner *plan;     /* only during and after the stage "prepare" */
};

/* ---- dump ---- */

struct rp_tracee;	 /* tracee/tracee.h */
struct rp_tracee_thread; /* tracee/tracee.h */

/* One thread of a process that is being dumped. threads[0] is the leader. */
struct rp_dthread {
	int tid;
	struct rp_tracee_thread *tracee;
	RpThreadExtra *extra;
	uint32_t secbits; /* read with what else only the thread can say */
	CoreEntry *core;  /* memory of rp_dump_alloc() */
};

enum rp_map_what {
	RP_MAP_ANON, /* private anonymous, heap and stacks included */
	RP_MAP_FILE, /* private or shared mapping of a file (memfd and hugetlbfs files included) */
	RP_MAP_SHM,  /* MAP_SHARED | MAP_ANONYMOUS */
	RP_MAP_VVAR, /* kernel's pages: recorded, never filled */
	RP_MAP_VDSO,
	RP_MAP_VSYSCALL,
};

/* One mapping. */
struct rp_map {
	uint64_t start, end, pgoff; /* bytes */
	uint32_t prot;
	bool shared;
	bool lower; /* of a rank's lower half: left out of the image */
	enum rp_map_what what;
	uint32_t dev_major, dev_minor;
	uint64_t ino;
	uint64_t page_size; /* KernelPageSize */
	uint64_t vmflags;   /* bit per RP_VMF_* */
	uint32_t file_id;   /* RP_MAP_FILE: in files.img; RP_MAP_SHM: id of the object */
	uint64_t dirty;	    /* bytes that are not the file's: private pages in memory or swap, as of stage collect */
	uint64_t save_len;  /* save_all: bytes that can be read, up to the end of the file */
	bool save_all;	    /* a deleted or replaced file: pages are saved whole and it becomes anonymous */
	const char *path;   /* as /proc/PID/maps has it, "" for none */
	VmaEntry *entry;
	RpVmaExtra *extra; /* NULL: nothing to say */
};

/* One process at a dump. */
struct rp_task {
	int pid;
	struct rp_tracee *tracee;
	struct rp_dthread *threads; /* without the lower half's */
	size_t nthreads;
	struct rp_map *maps;
	size_t nmaps;
	CoreEntry *core; /* = threads[0].core */
	MmEntry *mm;
	FsEntry *fs;
	PstreeEntry *pstree;
	TaskKobjIdsEntry *ids;
	FdinfoEntry **fds;
	size_t nfds;
	RpTaskEntry *extra;	      /* what CRIU's format has no field for */
	const struct rp_arena *arena; /* rank: copy of its header, NULL: a plain process */
	int proc_fd;		      /* /proc/PID */
};

#endif
