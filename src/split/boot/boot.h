/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The bootstrap of a split process: what its files share. It owns the arena's address space and the lower half's
 * descriptors for as long as the process lives; all of its functions are FS-neutral.
 */
#ifndef RP_SPLIT_BOOT_H
#define RP_SPLIT_BOOT_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/arena.h"
#include "abi/layout.h"
#include "abi/split.h"
#include "split/boot/sys.h"

#define RP_PAGE_UP(x) (((uint64_t)(x) + RP_PAGE_SIZE - 1) & ~(RP_PAGE_SIZE - 1))
#define RP_PAGE_DOWN(x) ((uint64_t)(x) & ~(RP_PAGE_SIZE - 1))

/* Fixed places in the arena, besides those of abi/layout.h */
#define RP_ARENA_LAUNCH (RP_ARENA_BASE + 0x0e000000UL) /* copy of struct rp_launch, at most 16 MiB */
#define RP_ARENA_LAUNCH_MAX 0x01000000UL
#define RP_ARENA_THUNKS (RP_ARENA_BASE + 0x0f000000UL)
#define RP_ARENA_THUNKS_SIZE 0x00100000UL
#define RP_ARENA_CODE (RP_ARENA_BASE + 0x10000000UL) /* private file maps */
#define RP_ARENA_DATA (RP_ARENA_BASE + RP_ARENA_CODE_SIZE)

#define RP_LOWER_STACK_SIZE 0x00800000UL

/* Kept in the bootstrap's own data; one process, one of these. */
struct rp_boot {
	const Elf64_auxv_t *auxv; /* as the kernel gave it */
	uint64_t sp;		  /* the kernel's stack pointer at entry */
	uint64_t stack_top;	  /* end of the kernel's [stack] */
	int32_t input_fd;	  /* argv[1]: launch or plan */
	int32_t restart;
	struct rp_launch *launch; /* in the arena */
};
extern struct rp_boot rp_boot;
extern const struct rp_boot_ops rp_boot_table;

/* ---- main.c ---- */
void rp_boot_main(uint64_t sp) __attribute__((noreturn));
void rp_die(const char *text) __attribute__((noreturn));
/* "reprise: TEXT: NAME: error NUMBER (kernel's)" and exit with the given status. */
void rp_die_with(int status, const char *text, const char *name, long err) __attribute__((noreturn));
uint64_t rp_auxval(uint64_t type);

/* Maps room for the launch record; takes what was written there (size bytes), the agent's descriptors and page. */
void rp_launch_map(void);
void rp_launch_take(uint64_t size);

/* ---- restart.c ---- */
/* From the plan: ranges reserved, threads made and parked, rights dropped, launch record taken. Fails by exiting. */
void rp_restart_begin(void);
int rp_restart_fill(void);				/* struct rp_boot_ops.fill */
void rp_restart_finish(void) __attribute__((noreturn)); /* the jump */

/* ---- self.c ---- */
void rp_self_anonymous(void); /* no mapping of the bootstrap's file is left after this */
void rp_vdso_move(void);      /* vvar and vdso go to RP_ARENA_VDSO; fills arena->vdso_start/end */
uint64_t rp_vdso_symbol(const char *name);

/* ---- maps.c: lines of /proc/self/maps, read with a small buffer ---- */
struct rp_map {
	uint64_t start, end;
	char name[64]; /* path or [name], cut */
};
/* Calls fn for each map until it returns non-zero, which is returned; or -errno. Maps must not change meanwhile. */
int rp_maps_walk(int (*fn)(const struct rp_map *m, void *arg), void *arg);

/* ---- elf.c ---- */
enum rp_place {
	RP_PLACE_LOWER, /* in the arena, patched */
	RP_PLACE_UPPER, /* where the kernel likes */
	RP_PLACE_PIE,	/* where the kernel puts position-independent programs */
};
struct rp_elf {
	uint64_t base; /* load bias */
	uint64_t entry, phdr, phnum;
	uint64_t start_code, end_code, start_data, end_data, brk; /* brk: end of bss */
	uint32_t exec_stack;
	char interp[256]; /* empty: none */
	int fd;		  /* open for reading when asked to keep, else closed */
};
/* Maps the file. Failure ends the process with one line. */
void rp_elf_load(const char *path, enum rp_place place, int keep_fd, struct rp_elf *out);

/* ---- stack.c ---- */
struct rp_stack {
	uint64_t top; /* end of the mapping */
	const struct rp_launch *strings;
	uint64_t argc, argv; /* offsets in strings */
	uint64_t envc, envp;
	const char *argv0; /* when argc is 0: the only argument */
	const char *execfn;
	const struct rp_elf *prog, *interp; /* interp NULL: static */
	uint64_t vdso;
	/* results */
	uint64_t sp;
	uint64_t arg_start, arg_end, env_start, env_end, auxv, auxv_size;
};
void rp_stack_build(struct rp_stack *s);

/* ---- arena.c ---- */
void rp_arena_init(void);
/* Address for a new map of the lower half; the caller maps it with MAP_FIXED_NOREPLACE. */
uint64_t rp_arena_place(uint64_t len, int code);
/* A range was unmapped and may be given again. */
void rp_arena_unplace(uint64_t addr, uint64_t len);
/* mmap() for the lower half. */
long rp_arena_mmap(uint64_t addr, uint64_t len, int prot, int flags, int fd, uint64_t off);
/* Takes over a fresh descriptor: gives it a number of the lower half, returns it. */
long rp_fd_own(long fd);
void rp_fd_mark(long fd, int held);

/* ---- patch.c ---- */
void rp_patch_init(void);
/* Turns the system calls in [start, start + len) that make maps or descriptors into jumps. */
void rp_patch_text(uint64_t start, uint64_t len, int prot);
extern uint64_t rp_thunk_set[8]; /* bit n: system call n goes through rp_thunk() */
int rp_thunk_wants(long nr);

/* ---- thunk.c, entry.S ---- */
long rp_thunk(long a, long b, long c, long d, long e, long f, long nr);
void rp_thunk_common(void); /* jumped to with rcx = return address, rax = number */

/* ---- app.c ---- */
void rp_lower_start(void) __attribute__((noreturn));
void rp_app_run(void) __attribute__((noreturn));
uint64_t rp_standin_map(void);	       /* a new stand-in vDSO in the upper half */
void rp_standin_refill(uint64_t base); /* its table, from the real vDSO and arena->saved */

/* ---- entry.S ---- */
void rp_jump(uint64_t sp, uint64_t rip) __attribute__((noreturn)); /* clears registers, FS untouched */

#endif
