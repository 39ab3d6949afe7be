/* SPDX-License-Identifier: BSD-3-Clause */
#include <asm/errno.h>
#include <linux/prctl.h>

#include "arch/x86_64/syscall.h"
#include "blob/internal.h"

static long set_map(struct rp_blob *b, int exe_fd)
{
	const struct rp_plan_mm *m = &b->plan->mm;
	struct prctl_mm_map map = {
		.start_code = m->start_code,
		.end_code = m->end_code,
		.start_data = m->start_data,
		.end_data = m->end_data,
		.start_brk = m->start_brk,
		.brk = m->brk,
		.start_stack = m->start_stack,
		.arg_start = m->arg_start,
		.arg_end = m->arg_end,
		.env_start = m->env_start,
		.env_end = m->env_end,
		.auxv = m->auxv_len ? (__u64 *)((char *)b->plan + m->auxv_off) : 0,
		.auxv_size = (uint32_t)m->auxv_len,
		.exe_fd = (uint32_t)exe_fd,
	};

	return rp_syscall5(__NR_prctl, PR_SET_MM, PR_SET_MM_MAP, (long)&map, sizeof(map), 0);
}

int rp_blob_mm(struct rp_blob *b)
{
	long ret = set_map(b, b->plan->mm.exe_fd);

	/* The exe link wants a right that everything else does not: without it the link stays the restorer's. */
	if (ret == -EPERM && b->plan->mm.exe_fd >= 0)
		ret = set_map(b, -1);
	if (ret)
		return rp_blob_error(&b->err, RP_STAGE_MM, (int)ret, "PR_SET_MM_MAP with start of code",
				     b->plan->mm.start_code);
	b->done |= RP_DONE_MM;
	return 0;
}
