/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frames of the threads, and the way out. A rank returns from frames in the bootstrap's memory, which stays. A plain
 * process leaves nothing behind: the final frame lies where the kernel would put a signal's; a first frame leads to a
 * "syscall; ret" of the image's text, which counts the thread out (FUTEX_WAKE_OP, so that the kernel does it) or, for the
 * leader, which comes last, unmaps the blob; its `ret` finds the final frame's first word on the stack and goes to an
 * rt_sigreturn of the image's text, with the stack pointer where that wants it.
 */
#include <stddef.h>

#include <asm/errno.h>
#include <asm/mman.h>
#include <linux/futex.h>

#include "abi/layout.h"
#include "arch/x86_64/regs.h"
#include "arch/x86_64/sigframe.h"
#include "arch/x86_64/syscall.h"
#include "blob/gadget.h"
#include "blob/internal.h"

#define SS_FLAG_ONSTACK 1U
#define SS_FLAG_DISABLE 2U
#define EFLAGS_PLAIN 0x202

static const uint8_t gadget_syscall[] = { RP_GADGET_SYSCALL_BYTES };
static const uint8_t gadget_return[] = { RP_GADGET_RETURN_BYTES };

static uint64_t keep_start(const struct rp_blob *b)
{
	return b->mem + b->mem_len;
}

/* Where a plain process finds no gadget in its text, one page of ours stays. */
static int make_gadgets(struct rp_blob *b)
{
	uint8_t *p = (uint8_t *)keep_start(b);
	long ret;

	for (unsigned i = 0; i < sizeof(gadget_syscall); i++)
		p[i] = gadget_syscall[i];
	for (unsigned i = 0; i < sizeof(gadget_return); i++)
		p[16 + i] = gadget_return[i];
	ret = rp_syscall3(__NR_mprotect, (long)p, RP_PAGE_SIZE, PROT_READ | PROT_EXEC);
	if (ret)
		return rp_blob_error(&b->err, RP_STAGE_JUMP, (int)ret, "page with the last instructions", (uint64_t)p);
	b->gadget_syscall = (uint64_t)p;
	b->gadget_return = (uint64_t)p + 16;
	return 0;
}

/* Are [start, end) bytes that this thread may be given a frame in? */
static int is_room(const struct rp_plan *p, uint64_t start, uint64_t end)
{
	const struct rp_plan_vma *v = start < end ? rp_plan_vma_at(p, end - 1) : NULL;

	return v && v->prot & PROT_WRITE && start >= v->start && v->type == RP_VMA_ANON && !v->pkey;
}

/* Top of the place for the final frame in the image's memory, 0: none. As for a signal (sigaltstack(2)). */
static uint64_t frame_top(const struct rp_plan *p, const struct rp_plan_thread *t, uint64_t room)
{
	uint64_t sp = t->regs[RP_REG_RSP], top = sp - RP_RED_ZONE;
	int is_on = sp > t->sas_sp && sp - t->sas_sp <= t->sas_size;

	if (!(t->sas_flags & SS_FLAG_DISABLE) && t->sas_size >= room && !is_on)
		top = t->sas_sp + t->sas_size;
	return top > room && is_room(p, top - room, top) ? top : 0;
}

static struct rp_sigframe_state final_state(const struct rp_blob_thread *t)
{
	const struct rp_plan_thread *p = t->plan;
	struct rp_sigframe_state s = {
		.regs = p->regs,
		.xsave = p->xsave_len ? (const char *)t->blob->plan + p->xsave_off : NULL,
		.xsave_len = p->xsave_len,
		.sigmask = p->sigmask,
		.sas_sp = p->sas_sp,
		.sas_size = p->sas_size,
		.sas_flags = p->sas_size ? p->sas_flags & ~SS_FLAG_ONSTACK : SS_FLAG_DISABLE,
	};

	return s;
}

static void build_final(struct rp_blob_thread *t, uint64_t *kept)
{
	struct rp_blob *b = t->blob;
	struct rp_sigframe_state s = final_state(t);
	uint64_t room = rp_blob_frame_room(), top;

	if (b->plan->flags & RP_PLAN_RANK) {
		top = (uint64_t)rp_blob_alloc(b, room) + room;
	} else {
		top = frame_top(b->plan, t->plan, room);
		if (!top) {
			top = keep_start(b) + RP_PAGE_SIZE + (t->index + 1) * room;
			*kept = 1;
		}
	}
	t->frame = rp_sigframe_build(top, b->gadget_return, &s);
}

/* The frame whose system call takes the thread out of the blob. */
static void build_way(struct rp_blob_thread *t)
{
	struct rp_blob *b = t->blob;
	uint64_t regs[RP_REG_MAX] = { 0 };
	uint64_t room = rp_blob_frame_room();
	struct rp_sigframe_state s = { .regs = regs, .sigmask = RP_ALL_SIGNALS, .sas_flags = SS_FLAG_DISABLE };

	regs[RP_REG_RIP] = b->gadget_syscall;
	regs[RP_REG_RSP] = t->frame;
	regs[RP_REG_EFLAGS] = EFLAGS_PLAIN;
	if (t->index) {
		regs[RP_REG_RAX] = __NR_futex;
		regs[RP_REG_RDI] = (uint64_t)&b->running;
		regs[RP_REG_RSI] = FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG;
		regs[RP_REG_RDX] = 1;
		regs[RP_REG_R10] = 0;
		regs[RP_REG_R8] = (uint64_t)&b->running;
		regs[RP_REG_R9] = FUTEX_OP(FUTEX_OP_ADD, -1, FUTEX_OP_CMP_EQ, 0);
	} else {
		regs[RP_REG_RAX] = __NR_munmap;
		regs[RP_REG_RDI] = b->unmap_start;
		regs[RP_REG_RSI] = b->unmap_len;
	}
	t->way = rp_sigframe_build((uint64_t)rp_blob_alloc(b, room) + room, b->gadget_return, &s);
}

int rp_blob_frames(struct rp_blob *b)
{
	int is_plain = !(b->plan->flags & RP_PLAN_RANK), rc = 0;
	uint64_t kept_frames = 0, kept = 0;

	if (is_plain) {
		rp_blob_find_gadgets(b);
		if (!b->gadget_syscall || !b->gadget_return) {
			kept = RP_PAGE_SIZE;
			rc = make_gadgets(b);
		}
	}
	if (rc)
		return rc;
	for (uint64_t i = 0; i < b->plan->threads.count; i++)
		build_final(&b->threads[i], &kept_frames);
	if (!is_plain)
		return 0;
	if (kept_frames)
		kept = rp_blob_keep_size(b->plan);
	/* What stays is the beginning of the tail; the rest of the tail goes now, all before it with the last call. */
	if (kept) {
		uint64_t end = b->unmap_start + b->unmap_len;

		if (keep_start(b) + kept < end)
			rp_syscall2(__NR_munmap, (long)(keep_start(b) + kept), (long)(end - keep_start(b) - kept));
		b->unmap_len = keep_start(b) - b->unmap_start;
	}
	for (uint64_t i = 0; i < b->plan->threads.count; i++)
		build_way(&b->threads[i]);
	return 0;
}
