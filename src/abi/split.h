/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What `reprise rank` tells the bootstrap: struct rp_launch, flat, in a memfd whose number is argv[1] of the bootstrap
 * (launch), or inside a plan at launch_off (restart). All strings and arrays are byte offsets from the struct's start;
 * 0 is "none". The bootstrap copies it into the arena, where it stays readable (struct rp_arena.launch).
 *
 * And the services of the bootstrap to the lower program, struct rp_boot_ops, by address in struct rp_arena.boot_ops.
 */
#ifndef RP_ABI_SPLIT_H
#define RP_ABI_SPLIT_H

#include <stdint.h>

#define RP_LAUNCH_MAGIC 0x68636e7561727072UL
#define RP_LAUNCH_VERSION 1

enum rp_launch_flag {
	RP_LAUNCH_RESTART = 1, /* part of a plan: app, argv and envp are not used */
	RP_LAUNCH_VERBOSE = 2,
	RP_LAUNCH_ENTERED = 4,	 /* the rank was entered before: exec inside a rank */
	RP_LAUNCH_PATH_LAST = 8, /* library_path stands behind the user's */
};

struct rp_launch {
	uint64_t magic;
	uint32_t version;
	uint32_t flags;
	uint64_t size;			 /* bytes of everything */
	uint64_t app;			 /* string: ELF file to run; for a script its interpreter */
	uint64_t execfn;		 /* string: what execve was given (AT_EXECFN) */
	uint64_t comm;			 /* string: name of the process, shorter than 16 */
	uint64_t lower;			 /* string: the lower program */
	uint64_t stub;			 /* string: the stub library, as it stands in LD_PRELOAD */
	uint64_t reprise;		 /* string: the host program, for exec inside the rank */
	uint64_t snapshot_dir;		 /* string: the job's store, 0 without an agent */
	uint64_t argc, argv;		 /* argv: uint64_t offsets[argc] */
	uint64_t envc, envp;		 /* of the application, LD_PRELOAD included */
	uint64_t lower_envc, lower_envp; /* of the lower program */
	int32_t agent_fd;		 /* control connection, -1: no agent */
	int32_t ctl_fd;			 /* memfd of struct rp_ctl, -1: no agent */
	uint64_t ctl_size;
	uint32_t slot;
	int32_t agent_pid; /* for PR_SET_PTRACER, 0: none */
	int32_t world_rank, world_size;
	uint64_t library_path; /* string: part of LD_LIBRARY_PATH until the program has started, 0: nothing */
	uint64_t reserved[7];
};

static inline const char *rp_launch_str(const struct rp_launch *l, uint64_t off)
{
	return off ? (const char *)l + off : 0;
}

/* FS-neutral functions of the bootstrap. */
struct rp_boot_ops {
	uint32_t version;
	uint32_t size;
	/* At a restart: the upper half is filled and rp_arena.saved put back; nothing of it runs yet. Returns 1, at a launch
	 * 0. Called on the main thread before run(). */
	int (*fill)(void);
	/* The lower program is ready: its services are in the arena. Called on the main thread from the lower program's
	 * main(); runs the application and does not return. */
	void (*run)(void);
	/* One line "reprise: TEXT" on stderr, then exit_group(125). */
	void (*die)(const char *text);
	/* Address of a symbol of the real vDSO, 0: absent. */
	uint64_t (*vdso_symbol)(const char *name);
};

#endif
