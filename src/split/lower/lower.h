/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The lower program: an ordinary glibc program that lives in the arena and brings the real MPI library into the process.
 * Functions marked FS-neutral are called by application threads on the upper FS as well: no libc, no TLS in them.
 */
#ifndef RP_SPLIT_LOWER_H
#define RP_SPLIT_LOWER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "abi/arena.h"
#include "abi/ctl.h"
#include "abi/split.h"
#include "arch/x86_64/syscall.h"

/* ---- probe.c ---- */
/* Makes maps and descriptors in the usual ways; returns what escaped from the arena, NULL: nothing. */
const char *rp_lower_probe(void);

/* ---- thread.c ---- */
/* A detached thread with all signals blocked. 0 or -errno. */
int rp_lower_thread(void *(*fn)(void *), void *arg, size_t stack);

/* ---- twin.c ---- */
int rp_twin_start(void);			  /* the spawner */
int rp_twin_get(int32_t tid, uint64_t *lower_fs); /* FS-neutral */
void rp_twin_put(uint64_t lower_fs);		  /* FS-neutral */

/* ---- control.c ---- */
int rp_control_start(void);

static inline const struct rp_boot_ops *rp_boot_ops(void)
{
	return (const struct rp_boot_ops *)rp_arena()->boot_ops;
}

/* Shared (between processes) futexes have no private flag. */
static inline long rp_futex(uint32_t *word, int op, uint32_t value)
{
	return rp_syscall6(SYS_futex, (long)word, op, value, 0, 0, 0);
}

#endif
