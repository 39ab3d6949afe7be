/* SPDX-License-Identifier: BSD-3-Clause */
#include "arch/x86_64/sigframe.h"

#include <stddef.h>

#include <asm/sigcontext.h>
#include <asm/signal.h>
#include <asm/ucontext.h>

#include "arch/x86_64/regs.h"
#include "arch/x86_64/syscall.h"

#define ARCH_GET_XCOMP_PERM 0x1022
#define FXSAVE_SIZE 512UL
#define XSAVE_HEADER_SIZE 64UL
#define XSAVE_MIN (FXSAVE_SIZE + XSAVE_HEADER_SIZE)
#define SW_RESERVED_OFF 464UL
#define FEATURES_LEGACY 3UL /* x87 and SSE: in the first 512 bytes */

struct frame_stack { /* stack_t */
	uint64_t sp;
	int32_t flags, pad;
	uint64_t size;
};

/* struct rt_sigframe of the kernel. */
struct frame {
	uint64_t pretcode;
	uint64_t uc_flags, uc_link;
	struct frame_stack stack;
	struct sigcontext_64 mc;
	uint64_t sigmask;
	char siginfo[128];
};

_Static_assert(offsetof(struct frame, siginfo) == 8 + 304, "ucontext is 304 bytes");

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
	__asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "0"(leaf), "2"(sub));
}

static uint64_t permitted_features(void)
{
	uint64_t perm = 0;
	uint32_t lo, hi;

	if (rp_syscall2(__NR_arch_prctl, ARCH_GET_XCOMP_PERM, (long)&perm) == 0 && perm)
		return perm;
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (uint64_t)hi << 32 | lo;
}

uint64_t rp_sigframe_xsave_size(void)
{
	uint64_t features = permitted_features(), size = XSAVE_MIN;

	for (uint32_t i = 2; i < 63; i++) {
		uint32_t r[4];

		if (!(features >> i & 1))
			continue;
		cpuid(0xd, i, r);
		if (!(r[2] & 1) && (uint64_t)r[0] + r[1] > size) /* not a supervisor state */
			size = (uint64_t)r[0] + r[1];
	}
	return size;
}

uint64_t rp_sigframe_xfeatures(const void *xsave)
{
	return *(const uint64_t *)((const char *)xsave + FXSAVE_SIZE);
}

static void copy(void *to, const void *from, uint64_t len)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
}

static void zero(void *to, uint64_t len)
{
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(0) : "memory");
}

static void fill_xsave(char *to, uint64_t size, const struct rp_sigframe_state *s)
{
	struct _fpx_sw_bytes *sw = (struct _fpx_sw_bytes *)(to + SW_RESERVED_OFF);
	uint64_t features = permitted_features();
	uint32_t magic2 = FP_XSTATE_MAGIC2;

	zero(to, size);
	copy(to, s->xsave, s->xsave_len < size ? s->xsave_len : size);
	zero(to + FXSAVE_SIZE + 8, XSAVE_HEADER_SIZE - 8); /* standard format, reserved bytes */
	*(uint64_t *)(to + FXSAVE_SIZE) &= features;
	zero(sw, sizeof(*sw));
	sw->magic1 = FP_XSTATE_MAGIC1;
	sw->extended_size = (uint32_t)(size + FP_XSTATE_MAGIC2_SIZE);
	sw->xfeatures = features;
	sw->xstate_size = (uint32_t)size;
	copy(to + size, &magic2, sizeof(magic2));
}

static void fill_regs(struct sigcontext_64 *mc, const uint64_t *r)
{
	mc->r8 = r[RP_REG_R8];
	mc->r9 = r[RP_REG_R9];
	mc->r10 = r[RP_REG_R10];
	mc->r11 = r[RP_REG_R11];
	mc->r12 = r[RP_REG_R12];
	mc->r13 = r[RP_REG_R13];
	mc->r14 = r[RP_REG_R14];
	mc->r15 = r[RP_REG_R15];
	mc->di = r[RP_REG_RDI];
	mc->si = r[RP_REG_RSI];
	mc->bp = r[RP_REG_RBP];
	mc->bx = r[RP_REG_RBX];
	mc->dx = r[RP_REG_RDX];
	mc->ax = r[RP_REG_RAX];
	mc->cx = r[RP_REG_RCX];
	mc->sp = r[RP_REG_RSP];
	mc->ip = r[RP_REG_RIP];
	mc->flags = r[RP_REG_EFLAGS];
	mc->cs = RP_CS_USER64;
	mc->ss = RP_SS_USER;
}

uint64_t rp_sigframe_build(uint64_t top, uint64_t pretcode, const struct rp_sigframe_state *s)
{
	uint64_t size = rp_sigframe_xsave_size(), at = top;
	struct frame *f;

	if (s->xsave)
		at = (at - size - FP_XSTATE_MAGIC2_SIZE) & ~63UL;
	/* As the kernel places it: RSP is 8 modulo 16 when the handler would begin. */
	f = (struct frame *)(((at - sizeof(*f)) & ~15UL) - 8);
	zero(f, sizeof(*f));
	f->pretcode = pretcode;
	f->uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	if (s->xsave) {
		fill_xsave((char *)at, size, s);
		f->uc_flags |= UC_FP_XSTATE;
		f->mc.fpstate = at;
	}
	f->stack.sp = s->sas_sp;
	f->stack.flags = (int32_t)s->sas_flags;
	f->stack.size = s->sas_size;
	fill_regs(&f->mc, s->regs);
	f->sigmask = s->sigmask;
	return (uint64_t)f;
}

void rp_sigframe_return(uint64_t frame)
{
	__asm__ volatile("mov %0, %%rsp\n\tmov %1, %%eax\n\tsyscall\n\tud2"
			 :
			 : "r"(frame + 8), "i"(__NR_rt_sigreturn)
			 : "memory");
	__builtin_unreachable();
}
