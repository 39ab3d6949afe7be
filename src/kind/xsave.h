/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The XSAVE area of a thread (Intel SDM 1, 13.4; standard format as PTRACE_GETREGSET NT_X86_XSTATE gives it) to and from
 * the image's message. Carried: x87, SSE, AVX, MPX bounds, AVX-512, PKRU. Not carried: AMX tiles and whatever comes after
 * (refused at the dump when in use), CET (never on without the kernel's user shadow stacks).
 */
#ifndef RP_KIND_XSAVE_H
#define RP_KIND_XSAVE_H

#include "kind/kind.h"

/* Fills e from an area of len bytes. Returns 0 or -errno (d->err). */
int rp_xsave_dump(struct rp_dump *d, int tid, const uint8_t *area, size_t len, UserX86FpregsEntry *e);

/* -EINVAL when the message cannot be of this format, -ENOTSUP when this CPU lacks a feature that it has state of. */
int rp_xsave_check(struct rp_restore *r, uint32_t tid, const UserX86FpregsEntry *e);

/* Builds the area of a checked message; buf has room for rp_xsave_size() bytes and is zeroed here. */
size_t rp_xsave_size(void);
void rp_xsave_build(const UserX86FpregsEntry *e, uint8_t *buf);

#endif
