/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The meeting point of bootstrap, lower program, stub library and agent: one struct at RP_ARENA_BASE, written by the
 * bootstrap and the lower program, read by the stub directly and by the agent through process_vm_readv().
 * It is lower-half memory: its contents are lost at a restart, except what the agent stores in reprise-rank-<pid>.img
 * (struct rp_arena_saved) and the bootstrap writes back before the upper half runs again.
 */
#ifndef RP_ABI_ARENA_H
#define RP_ABI_ARENA_H

#include <stdint.h>

#include "layout.h"

#define RP_ARENA_MAGIC 0x31616e6572617072UL
#define RP_ARENA_VERSION 1
#define RP_FD_BITS 65536

struct rp_stub_ops;

enum rp_arena_flag {
	RP_ARENA_STARTED = 1, /* the application was (or is, within a few instructions) jumped to */
	RP_ARENA_MPI = 2,     /* the lower program has opened the MPI library */
	RP_ARENA_DYNAMIC = 4, /* the application has an interpreter, which loads the stub: wait for its stub_ops */
};

/* Survives a restart: recorded by the agent at the dump, put back by the bootstrap. All addresses are upper half. */
struct rp_arena_saved {
	uint64_t stub_ops;	/* struct rp_stub_ops of the loaded stub, 0: none */
	uint64_t standin_vdso;	/* base of the stand-in vDSO (2 pages) */
	uint64_t brk_start;	/* heap as PR_SET_MM was told */
	int64_t mono_offset_ns; /* added to CLOCK_MONOTONIC and its coarse form so that they never go backwards */
	uint64_t main_thread;	/* struct rp_thread of the main thread, 0: not registered yet */
	uint64_t sigact_lower;	/* bit n-1: the disposition of signal n belongs to the lower half: not restored */
	uint32_t generation;	/* as rp_arena.generation */
	uint32_t pad;
	int64_t raw_offset_ns, boot_offset_ns; /* the same for CLOCK_MONOTONIC_RAW and CLOCK_BOOTTIME */
	uint64_t reserved[7];
};

/* One per application thread, in the thread's own upper-half TLS; the GS base of a registered thread points at it
 * (GS base 0: the thread has never entered the lower half, so its FS is the upper one). */
struct rp_thread {
	uint64_t self;	     /* address of this struct */
	uint64_t upper_fs;   /* FS base of the application's libc */
	uint64_t lower_fs;   /* FS base lent by the twin; valid while generation == arena->generation */
	uint32_t generation; /* incarnation for which lower_fs is valid */
	uint32_t depth;	     /* frames in the lower half; a thread may be frozen only when 0 */
	int32_t tid;
	uint32_t is_main;
	uint64_t next;	   /* list of registered threads, head in the stub */
	uint64_t coll_key; /* stub: key of the communicator whose collective it is in or stands at, 0: none */
	uint64_t entry_sp; /* stack pointer when it went from depth 0 to 1; upper/jump.c */
	uint64_t reserved[7];
};

struct rp_arena {
	uint64_t magic;
	uint32_t version;
	uint32_t size;
	uint32_t generation; /* 1 at launch, one more at each restart of this process */
	uint32_t flags;	     /* enum rp_arena_flag */
	int32_t world_rank;  /* as the launcher says, -1 unknown */
	int32_t world_size;
	uint64_t ctl;		       /* address of struct rp_ctl, 0: no agent */
	uint64_t slot;		       /* address of this rank's struct rp_slot, 0: no agent */
	uint64_t vdso_start, vdso_end; /* the real vvar + vdso in the arena */
	uint64_t main_lower_fs;	       /* lower FS of the main thread */
	/* Services of the lower program. All are called on the lower FS unless said otherwise. */
	void *(*lower_dlsym)(const char *name); /* symbol of the lower libmpi or libc, NULL when absent */
	/* Lends a twin's FS. FS-neutral: may be called on any FS; blocks until the spawner has made it. Returns 0 or -errno. */
	int (*twin_get)(int32_t tid, uint64_t *lower_fs);
	void (*twin_put)(uint64_t lower_fs); /* the upper thread ended; FS-neutral */
	struct rp_arena_saved saved;
	uint64_t lower_state; /* private to the lower program */
	uint64_t boot_state;  /* private to the bootstrap */
	int32_t agent_fd;     /* descriptor of the control connection, -1 none; closed over exec */
	uint32_t pad;
	char mpi_library[64];		     /* e.g. "Open MPI 4.1.4", for the manifest; empty until MPI is loaded */
	uint64_t fd_bitmap[RP_FD_BITS / 64]; /* descriptors that the lower half holds */
	uint64_t launch;		     /* address of struct rp_launch (split.h), a copy in the arena */
	uint64_t boot_ops;		     /* address of struct rp_boot_ops (split.h) */
	uint32_t fd_min;		     /* first number that lower descriptors take in this process */
	/* Lower descriptors that have a low number for a moment (made, not moved yet). Whoever stops the process to list
	 * its descriptors lets it go on and tries again while this is not 0. */
	uint32_t fd_low;
	int32_t pid; /* of the rank; a forked child sees another getpid() */
	uint32_t control_tid;
	int64_t mpi_ready_ns; /* CLOCK_MONOTONIC of the kernel when a restart's MPI_Init returned, 0: none; for measurements */
};

/* What the stub library offers to the lower half. The struct lives in the stub's data (upper half, saved): version and
 * size, always first, are checked at a restart, so whatever changes here, or in ctl.h, changes the version.
 * Every function is FS-neutral: it uses no TLS, no libc call that does, and runs on a lower-half thread. */
#define RP_STUB_OPS_VERSION 3
struct rp_stub_ops {
	uint32_t version;
	uint32_t size;
	/* One turn of the control thread after the request flag was seen or a command came: drives the rank's slot
	 * (see ctl.h). Returns microseconds after which it wants to be called again, 0: only when the ctl page changes. */
	uint32_t (*control)(struct rp_arena *arena);
	/* After a restart, before any application thread runs: MPI has been initialised (or not, as it was), rebuild all
	 * objects in the new lower library and re-post receives. Runs on the main thread with the lower FS.
	 * Returns 0, or -errno with one line in text[size]. */
	int (*replay)(struct rp_arena *arena, char *text, uint32_t size);
	/* What the application changed in its environment before it initialised MPI, for the lower half. Lower FS. */
	void (*environment)(struct rp_arena *arena);
	/* Was MPI initialised (and with which thread level) at the checkpoint? -1: not initialised */
	int32_t (*thread_level)(struct rp_arena *arena);
};

static inline struct rp_arena *rp_arena(void)
{
	return (struct rp_arena *)RP_ARENA_BASE;
}

#endif
