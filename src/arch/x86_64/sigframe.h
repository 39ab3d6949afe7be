/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Builds the frame that rt_sigreturn(2) takes a thread's whole user state from: general registers, signal mask,
 * alternate stack and the XSAVE area in the layout of the kernel's signal frames (arch/x86/include/asm/sigframe.h,
 * asm/sigcontext.h; Documentation/arch/x86/xstate.rst). FS and GS base are not in it. Freestanding: no libc.
 *
 * The kernel drops everything beyond SSE without a word when the sizes in the software-reserved bytes do not fit what it
 * expects of this task, so the size is computed from CPUID and the permitted features, never from the caller's length.
 */
#ifndef RP_ARCH_SIGFRAME_H
#define RP_ARCH_SIGFRAME_H

#include <stdint.h>

/* Bytes that a frame with an XSAVE area of xsave_len bytes takes at most below its top, alignment included. */
#define RP_SIGFRAME_MAX(xsave_len) (640 + 64 + 64 + (uint64_t)(xsave_len))

struct rp_sigframe_state {
	const uint64_t *regs; /* RP_REG_MAX of them, enum rp_reg */
	const void *xsave;    /* standard format as PTRACE_GETREGSET NT_X86_XSTATE gives it; NULL: initial state */
	uint64_t xsave_len;   /* multiple of 8, >= 576 */
	uint64_t sigmask;
	uint64_t sas_sp, sas_size;
	uint32_t sas_flags; /* SS_DISABLE, SS_AUTODISARM; not SS_ONSTACK */
};

/* Size of the XSAVE area of a signal frame of the calling task, given the features it may use. */
uint64_t rp_sigframe_xsave_size(void);

/* Features (XCR0 bits) that the XSAVE image has in use. */
uint64_t rp_sigframe_xfeatures(const void *xsave);

/* Writes a frame whose highest byte is below `top` and returns its address: what RSP - 8 must be at the rt_sigreturn,
 * that is, RSP at the `ret` that leads to the code of the restorer. The first word of the frame is `pretcode`: the
 * address which that `ret` jumps to. At most RP_SIGFRAME_MAX(rp_sigframe_xsave_size()) bytes below top are written. */
uint64_t rp_sigframe_build(uint64_t top, uint64_t pretcode, const struct rp_sigframe_state *state);

/* rt_sigreturn from a frame. Does not return. */
void rp_sigframe_return(uint64_t frame) __attribute__((noreturn));

#endif
