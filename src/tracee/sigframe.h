/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The x86-64 signal frame that rt_sigreturn(2) reads, made for a stopped thread. Layout: Linux uapi asm/sigcontext.h and
 * asm/ucontext.h; the XSAVE image behind it in the standard format with the kernel's software-reserved bytes.
 */
#ifndef RP_TRACEE_SIGFRAME_H
#define RP_TRACEE_SIGFRAME_H

#include <stddef.h>
#include <stdint.h>

#include "tracee/tracee.h"

/* Room that a frame for this thread takes at most, alignment included. */
size_t rp_sigframe_size(const struct rp_tracee_thread *th);

/* Builds in buf (rp_sigframe_size() bytes, zeroed) the frame that makes the thread go on as its state says, for being placed at
 * addr (16-byte aligned). The stack pointer with which rt_sigreturn has to be called goes to *sp. The alternate signal
 * stack is left as it is. */
void rp_sigframe_build(const struct rp_tracee_thread *th, uint64_t addr, void *buf, uint64_t *sp);

#endif
