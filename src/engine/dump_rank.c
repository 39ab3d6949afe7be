/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "abi/arena.h"
#include "abi/layout.h"
#include "engine/dump_impl.h"

int rp_rank_read(struct rp_dump *d, struct rp_task *t)
{
	struct rp_arena *a = rp_dump_alloc(d, sizeof(*a));
	int ret;

	if (!a)
		return -ENOMEM;
	ret = rp_tracee_read(t->pid, RP_ARENA_BASE, a, sizeof(*a));
	if (ret < 0)
		return rp_error(&d->err, -ENOTSUP, "pid %d does not run under Reprise: it has no lower half", t->pid);
	if (a->magic != RP_ARENA_MAGIC || a->version != RP_ARENA_VERSION)
		return rp_error(&d->err, -ENOTSUP, "pid %d: its lower half is of another version of Reprise", t->pid);
	t->arena = a;
	return 0;
}

bool rp_rank_fd_is_lower(const struct rp_task *t, int fd)
{
	if (!t->arena || fd < 0 || fd >= RP_FD_BITS)
		return false;
	return t->arena->fd_bitmap[fd / 64] >> (fd % 64) & 1;
}

static bool is_arena(uint64_t addr)
{
	return addr >= RP_ARENA_BASE && addr - RP_ARENA_BASE < RP_ARENA_SIZE;
}

/* Is this thread of the application at a place where it may be frozen? Depth 0 and no lower address in RIP. */
static bool is_outside(const struct rp_task *t, const struct rp_tracee_thread *th, const struct rp_thread *self)
{
	if (self && self->depth != 0)
		return false;
	return !rp_addr_is_lower(th->regs.rip);
}

int rp_rank_threads(struct rp_dump *d, struct rp_task *t, const struct rp_tracee *tracee)
{
	struct rp_arena *fresh = rp_dump_alloc(d, sizeof(*fresh));
	int ret;

	/* Again, now that it stands still. */
	ret = fresh ? rp_tracee_read(t->pid, RP_ARENA_BASE, fresh, sizeof(*fresh)) : -ENOMEM;
	if (ret < 0)
		return rp_error(&d->err, ret, "cannot read the head of the lower half: %s", strerror(-ret));
	t->arena = fresh;
	if (fresh->fd_low) {
		rp_error(&d->err, -EAGAIN, "the lower half is making a descriptor");
		return 1;
	}
	for (size_t i = 0; i < tracee->nthreads; i++) {
		struct rp_tracee_thread *th = tracee->threads[i];
		struct rp_thread self;
		/* An application thread that stands in the lower half has an arena FS too, but it is registered: its GS
		 * base leads to its own block, in the application's memory. */
		bool registered = th->regs.gs_base != 0 && !is_arena(th->regs.gs_base) &&
				  rp_tracee_read(t->pid, th->regs.gs_base, &self, sizeof(self)) == 0 &&
				  self.self == th->regs.gs_base;

		/* A helper thread of the lower half may have inherited the GS base of its creator. */
		if (is_arena(th->regs.fs_base) && (!registered || self.lower_fs != th->regs.fs_base))
			continue;
		if (!is_outside(t, th, registered ? &self : NULL) || is_arena(th->regs.fs_base)) {
			rp_error(&d->err, -EAGAIN, "thread %d is inside the lower half (depth %u, rip %#lx)", th->tid,
				 registered ? self.depth : 0, (unsigned long)th->regs.rip);
			return 1;
		}
		t->threads[t->nthreads++].tracee = th;
	}
	if (t->nthreads == 0 || t->threads[0].tracee->tid != t->pid)
		return rp_error(&d->err, -ENOTSUP, "the first thread of the rank is not one of the application");
	return 0;
}
