/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A rank becomes its checkpoint: the blob's steps (blob.h), with the lower half loaded in between. What is privileged is
 * over, and every id of the image taken, before code of a library that nobody checked runs.
 */
#include <time.h>

#include "abi/plan.h"
#include "arch/x86_64/tls.h"
#include "blob/blob.h"
#include "split/boot/boot.h"
#include "split/standin/table.h"

#define PLAN_MAX (1UL << 30)
#define USER_END 0x7ffffffff000UL

static struct rp_blob blob;
static struct rp_plan *plan; /* in the arena: nobody else can change it */

static void check(int rc)
{
	if (rc)
		rp_blob_fail(plan, &blob.err);
}

static void read_plan(void)
{
	struct rp_blob_error err = { 0 };
	long size = rp_sys(SYS_lseek, rp_boot.input_fd, 0, 2, 0), at, r;

	if (size < (long)sizeof(*plan) || size > (long)PLAN_MAX)
		rp_die("the plan of the restart has an impossible size");
	at = rp_arena_mmap(0, RP_PAGE_UP(size), 3, 0x22, -1, 0);
	if (rp_is_error(at))
		rp_die_with(125, "no memory for the plan", NULL, at);
	for (long done = 0; done < size; done += r) {
		r = rp_sys(SYS_pread64, rp_boot.input_fd, at + done, size - done, done);
		if (r <= 0)
			rp_die_with(125, "cannot read the plan", NULL, r);
	}
	rp_sys(SYS_close, rp_boot.input_fd, 0, 0, 0);
	if (rp_blob_check((struct rp_plan *)at, size, &err))
		rp_blob_fail(NULL, &err);
	plan = (struct rp_plan *)at;
	if (!(plan->flags & RP_PLAN_RANK) || plan->saved_len != sizeof(struct rp_arena_saved) ||
	    plan->saved_off > (uint64_t)size - plan->saved_len || plan->launch_len > (uint64_t)size ||
	    plan->launch_len > RP_ARENA_LAUNCH_MAX || plan->launch_off > (uint64_t)size - plan->launch_len)
		rp_die("this plan is not for a rank");
	for (uint64_t i = 0; i < plan->vmas.count; i++) {
		const struct rp_plan_vma *v = (const struct rp_plan_vma *)((char *)plan + plan->vmas.off) + i;

		if (v->end > RP_BOOT_BASE && v->start < RP_ARENA_BASE + RP_ARENA_SIZE)
			rp_die("the plan has memory of the application where the lower half lives");
	}
}

/* Everything but the bootstrap and the arena. */
static void unmap_upper(void)
{
	long r = rp_munmap(0, RP_BOOT_BASE);

	if (!r)
		r = rp_munmap(RP_BOOT_BASE + RP_BOOT_SIZE, RP_ARENA_BASE - RP_BOOT_BASE - RP_BOOT_SIZE);
	if (!r)
		r = rp_munmap(RP_ARENA_BASE + RP_ARENA_SIZE, USER_END - RP_ARENA_BASE - RP_ARENA_SIZE);
	if (r)
		rp_die_with(125, "cannot clear the address space", NULL, r);
}

void rp_restart_begin(void)
{
	long mem;

	read_plan();
	unmap_upper();
	mem = rp_arena_mmap(0, rp_blob_mem_size(plan), 3, 0x22, -1, 0);
	if (rp_is_error(mem))
		rp_die_with(125, "no memory for the restart", NULL, mem);
	rp_blob_init(&blob, plan, mem, 0, 0);
	blob.borrowed = (uint32_t)rp_blob_is_borrowed((const uint64_t *)rp_boot.auxv);
	check(rp_blob_reserve(&blob));
	check(rp_blob_threads(&blob));
	check(rp_blob_drop(&blob));
	rp_launch_map();
	memcpy((void *)RP_ARENA_LAUNCH, (char *)plan + plan->launch_off, plan->launch_len);
	rp_launch_take(plan->launch_len);
}

/* A clock of the application goes on from where it was when the kernel's is behind: another boot or host. */
static int64_t clock_offset(long clock, int64_t then)
{
	int64_t ts[2] = { 0, 0 }, now;

	if (rp_sys(SYS_clock_gettime, clock, ts, 0, 0))
		return 0;
	now = ts[0] * 1000000000 + ts[1];
	return then > now ? then - now : 0;
}

/* The coarse clock is a tick behind the monotonic one and may not go back either: it sets the offset of both. */
static void set_clocks(struct rp_arena_saved *saved)
{
	int64_t mono = plan->dump_mono_ns;

	saved->mono_offset_ns = clock_offset(CLOCK_MONOTONIC_COARSE, mono);
	saved->raw_offset_ns = clock_offset(CLOCK_MONOTONIC_RAW, plan->dump_raw_ns ? plan->dump_raw_ns : mono);
	saved->boot_offset_ns = clock_offset(CLOCK_BOOTTIME, plan->dump_boot_ns ? plan->dump_boot_ns : mono);
}

/* Is [addr, addr + len) memory of the image, with these rights? The saved state of a rank is as untrusted as the plan. */
static int is_image_memory(uint64_t addr, uint64_t len, uint32_t prot)
{
	const struct rp_plan_vma *v = (const struct rp_plan_vma *)((char *)plan + plan->vmas.off);

	for (uint64_t i = 0; i < plan->vmas.count; i++)
		if (addr >= v[i].start && addr < v[i].end)
			return v[i].end - addr >= len && (v[i].prot & prot) == prot;
	return 0;
}

/* The stub came with the image: another release's does not know what this one's lower half asks of it. */
static int is_stub_ours(uint64_t addr)
{
	const struct rp_stub_ops *ops = (const struct rp_stub_ops *)addr;

	return ops->version == RP_STUB_OPS_VERSION && ops->size == sizeof(*ops);
}

int rp_restart_fill(void)
{
	struct rp_arena *a = rp_arena();
	struct rp_thread *t;

	if (!rp_boot.restart)
		return 0;
	check(rp_blob_fill(&blob));
	memcpy(&a->saved, (char *)plan + plan->saved_off, sizeof(a->saved));
	a->saved.generation++;
	a->generation = a->saved.generation;
	set_clocks(&a->saved);
	a->main_lower_fs = rp_rdfsbase();
	if (!is_image_memory(a->saved.standin_vdso + RP_PAGE_SIZE, sizeof(struct rp_standin_table), 3) ||
	    (a->saved.main_thread && !is_image_memory(a->saved.main_thread, sizeof(*t), 3)) ||
	    (a->saved.stub_ops && !is_image_memory(a->saved.stub_ops, 2 * sizeof(uint32_t), 1)))
		rp_die("the image's state of the rank does not fit its memory");
	if (a->saved.stub_ops && !is_stub_ours(a->saved.stub_ops))
		rp_die("the image was made with another release of Reprise, whose MPI stub this one cannot drive; "
		       "restart it with that release");
	if (a->saved.stub_ops && !is_image_memory(a->saved.stub_ops, sizeof(struct rp_stub_ops), 1))
		rp_die("the image's state of the rank does not fit its memory");
	rp_standin_refill(a->saved.standin_vdso);
	t = (struct rp_thread *)a->saved.main_thread;
	if (t) { /* callbacks of the library during the replay find it; its next entry does the rest */
		t->lower_fs = a->main_lower_fs;
		rp_wrgsbase((uint64_t)t);
	}
	return 1;
}

void rp_restart_finish(void)
{
	struct rp_arena *a = rp_arena();

	__atomic_store_n(&a->flags, a->flags | RP_ARENA_STARTED, __ATOMIC_RELEASE);
	check(rp_blob_finish(&blob));
	rp_die("the restart came to no end");
}
