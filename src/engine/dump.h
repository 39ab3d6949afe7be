/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A dump: takes the image of a process from outside and lets it go on (or ends it). Stages, each finished for every
 * kind before the next begins:
 *   collect  the process runs: what is expensive to read (smaps, mapped files) is read
 *   freeze   every thread is seized and stopped
 *   state    stopped: registers, injected calls, descriptors; kinds fill the messages
 *   pages    stopped, or beside a copy-on-write child: memory goes into the pages file
 *   commit   messages written, files durable
 *   release  the process goes on, stays stopped or is killed, as asked
 * A dump that fails at any point releases the process unharmed and leaves no committed image (inventory.img is written last).
 * A dumper that dies by SIGKILL at any instant leaves the process running as well: see tracee/tracee.h.
 */
#ifndef RP_ENGINE_DUMP_H
#define RP_ENGINE_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/task.h"
#include "image/image.h"
#include "kind/kind.h"
#include "util/error.h"
#include "util/progress.h"

enum rp_dump_after {
	RP_DUMP_KILL,	       /* SIGKILL once the image is complete (CRIU's default) */
	RP_DUMP_LEAVE_RUNNING, /* -R */
	RP_DUMP_LEAVE_STOPPED, /* -s: stopped by SIGSTOP */
};

struct rp_dump_stats {
	uint64_t freeze_ns;	/* seizing, until every thread stood still */
	uint64_t frozen_ns;	/* from the first thread stopped to the last one let go */
	uint64_t total_ns;	/* whole rp_dump() */
	uint64_t page_ns;	/* copying pages (inside frozen_ns unless copied beside the running process) */
	uint64_t pages_scanned; /* of 4 KiB */
	uint64_t pages_written;
	uint64_t image_bytes; /* of the pages files */
	bool cow;	      /* pages were copied from a copy-on-write child */
};

/* The process is a rank: its lower half (abi/layout.h) is left out. Everything is read through process_vm_readv(); the
 * rank has been parked and drained by its agent before. */
struct rp_dump_rank {
	/* Called in stage `state` with the process stopped: adds the rank's own image files. May be NULL.
	 * Returns 0 or -errno with d->err set. */
	int (*state)(struct rp_dump *d, struct rp_task *t, void *arg);
	void *arg;
	RpLaunchFd *const *launch_fds; /* what the launcher gave, borrowed: not saved while it still is that */
	size_t nlaunch_fds;
	unsigned retry_ms; /* how long a thread may be found inside the lower half before the dump gives up; 0: 200 */
};

struct rp_dump_opts {
	int pid;
	int dir_fd; /* images directory, borrowed */
	enum rp_dump_after after;
	unsigned page_workers; /* threads that copy pages; 0: as many as CPUs, at most 4 */
	bool no_cow;	       /* never use a copy-on-write child: pages are copied while the process stands still */
	bool no_sync;	       /* the caller makes the files durable itself */
	const struct rp_dump_rank *rank; /* NULL: a plain process */
	/* Called right after the process was let go (it runs, pages may still be copied). May be NULL. */
	void (*released)(void *arg);
	void *released_arg;
	struct rp_count *count; /* bytes of pages copied, of those to copy; NULL: nobody looks */
};

/* Takes one image of opts->pid into opts->dir_fd. Returns 0, or -errno with err: -ENOTSUP something cannot be carried,
 * -ESRCH no such process, -EBUSY another tracer holds it, -EAGAIN a thread of a rank stays inside the lower half, others as
 * system calls gave them. stats may be NULL. */
int rp_dump(const struct rp_dump_opts *opts, struct rp_dump_stats *stats, struct rp_error *err);

/* ---- for kinds ---- */

struct rp_arena_chunk; /* private to dump.c */

struct rp_dump {
	const struct rp_dump_opts *opts;
	struct rp_error err;
	struct rp_writer *writer; /* of the images directory */
	uint32_t
		next_pages_id; /* of pages-N.img (process memory, shared objects, memfds): take it and add one; 1 is the process's */
	struct rp_task *task; /* the tree: one member today */
	size_t ntasks;
	FileEntry **files; /* files.img, in order of id */
	size_t nfiles, files_room;
	uint32_t next_id;     /* of files: one number space for descriptors, mapped files, exe, cwd, root */
	void *kind_state[32]; /* private to descriptor kinds: [fd_type], memory of rp_dump_alloc() */
	struct rp_arena_chunk *chunks;
	struct rp_dump_stats stats;
	int inventory_version; /* 0: as CRIU */
};

/* Zeroed memory that lives as long as d. NULL: none left (d->err set). */
void *rp_dump_alloc(struct rp_dump *d, size_t size);
/* Copies with rp_dump_alloc(). NULL: none left (d->err set). */
char *rp_dump_strdup(struct rp_dump *d, const char *s);
void *rp_dump_memdup(struct rp_dump *d, const void *p, size_t size);

/* Adds e (memory of rp_dump_alloc(), e->id set) to files.img. Returns 0 or -ENOMEM. */
int rp_dump_add_file(struct rp_dump *d, FileEntry *e);

/* Records an opened file that is not a descriptor of the process (mapping, exe, cwd, root) through the descriptor kinds.
 * lfd: our own descriptor of it, borrowed; name: as the process sees it, " (deleted)" included; flags: O_* that a
 * restore opens it with. The same (device, inode, name, flags) gets the same id. Returns 0 or -errno with d->err. */
int rp_dump_file(struct rp_dump *d, struct rp_task *t, int lfd, const char *name, uint32_t flags, uint32_t *out_id);

#endif
