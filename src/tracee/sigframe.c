/* SPDX-License-Identifier: BSD-3-Clause */
#include "tracee/sigframe.h"

#include <cpuid.h>
#include <string.h>

#define FP_XSTATE_MAGIC1 0x46505853U
#define FP_XSTATE_MAGIC2 0x46505845U
#define FXSAVE_SIZE 512
#define XSAVE_MIN (FXSAVE_SIZE + 64) /* legacy area and header */
#define XSTATE_BV_OFFSET FXSAVE_SIZE
#define SW_BYTES_OFFSET 464 /* of struct sw_bytes in the legacy area */

/* uc_flags: an XSAVE image follows, ss is valid and is to be restored as it stands. */
#define UC_FLAGS 7UL

/* Mode bits that sigaltstack(2) does not know: the kernel then leaves the alternate stack alone. */
#define SS_INVALID 0x10000U

struct sw_bytes {
	uint32_t magic1, extended_size;
	uint64_t features;
	uint32_t xstate_size, padding[7];
};

struct sigcontext_64 {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
};

struct rt_frame {
	uint64_t pretcode;
	uint64_t uc_flags, uc_link;
	uint64_t ss_sp;
	uint32_t ss_flags, ss_pad;
	uint64_t ss_size;
	struct sigcontext_64 mc;
	uint64_t sigmask;
	uint8_t siginfo[128];
};

/* Bytes of the image that hold state: a thread that may not use a dynamic feature (AMX) has a smaller limit on what its
 * frames may claim than what ptrace returns, and a larger claim makes the kernel restore the legacy part alone. */
static uint32_t used_size(const struct rp_tracee_thread *th, uint64_t *features)
{
	uint64_t bv = 3;
	uint32_t used = XSAVE_MIN;

	if (th->xsave_len >= XSAVE_MIN)
		memcpy(&bv, th->xsave + XSTATE_BV_OFFSET, sizeof(bv));
	for (unsigned i = 2; i < 63; i++) {
		uint32_t size, offset, flags, unused;

		if (!(bv >> i & 1))
			continue;
		__cpuid_count(0xd, i, size, offset, flags, unused);
		if (!(flags & 1) && offset + size > used && offset + size <= th->xsave_len)
			used = offset + size;
	}
	*features = bv | 3;
	return used;
}

size_t rp_sigframe_size(const struct rp_tracee_thread *th)
{
	return sizeof(struct rt_frame) + 64 + th->xsave_len + sizeof(uint32_t) + 16;
}

static void put_xsave(const struct rp_tracee_thread *th, uint8_t *at)
{
	uint64_t features;
	uint32_t used = used_size(th, &features), magic2 = FP_XSTATE_MAGIC2;
	struct sw_bytes sw = { 0 };

	memcpy(at, th->xsave, used);
	sw.magic1 = FP_XSTATE_MAGIC1;
	sw.extended_size = used + sizeof(magic2);
	sw.features = features;
	sw.xstate_size = used;
	memcpy(at + SW_BYTES_OFFSET, &sw, sizeof(sw));
	memcpy(at + used, &magic2, sizeof(magic2));
}

void rp_sigframe_build(const struct rp_tracee_thread *th, uint64_t addr, void *buf, uint64_t *sp)
{
	struct user_regs_struct r = th->regs;
	struct rt_frame *f = buf;
	uint64_t xsave_at = (addr + sizeof(*f) + 63) & ~63UL;

	rp_regs_restart(&r);
	f->uc_flags = UC_FLAGS;
	f->ss_flags = SS_INVALID;
	f->mc = (struct sigcontext_64){
		.r8 = r.r8,
		.r9 = r.r9,
		.r10 = r.r10,
		.r11 = r.r11,
		.r12 = r.r12,
		.r13 = r.r13,
		.r14 = r.r14,
		.r15 = r.r15,
		.di = r.rdi,
		.si = r.rsi,
		.bp = r.rbp,
		.bx = r.rbx,
		.dx = r.rdx,
		.ax = r.rax,
		.cx = r.rcx,
		.sp = r.rsp,
		.ip = r.rip,
		.flags = r.eflags,
		.cs = (uint16_t)r.cs,
		.gs = (uint16_t)r.gs,
		.fs = (uint16_t)r.fs,
		.ss = (uint16_t)r.ss,
		.fpstate = xsave_at,
	};
	f->sigmask = th->sigmask;
	put_xsave(th, (uint8_t *)buf + (xsave_at - addr));
	*sp = addr + sizeof(f->pretcode);
}
