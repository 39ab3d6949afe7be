/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The address space's own fields: code, data, heap, stack, arguments, environment, auxiliary vector, exe link, dumpable,
 * transparent huge pages, memory-deny-write-execute, merging of equal pages, personality. /proc/PID/stat, /proc/PID/auxv,
 * brk(2), prctl(2) PR_SET_MM_MAP.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/proc.h"
#include "kind/taskcommon.h"
#include "util/fd.h"
#include "util/str.h"

#ifndef PR_GET_THP_DISABLE
#define PR_GET_THP_DISABLE 42
#endif

#ifndef PR_GET_MDWE
#define PR_GET_MDWE 66
#endif
#ifndef PR_GET_MEMORY_MERGE
#define PR_GET_MEMORY_MERGE 68
#endif

#define AUXV_MAX 4096
#define TASK_SIZE 0x7ffffffff000UL

static int mm_collect(struct rp_dump *d, struct rp_task *t)
{
	RP_AUTOCLOSE int fd = openat(t->proc_fd, "exe", O_RDONLY | O_CLOEXEC);
	struct rp_proc_stat st;
	char name[PATH_MAX];
	int ret;

	if (fd < 0 && errno == ENOENT)
		return rp_error(&d->err, -ENOTSUP,
				"it has no program: its first thread has ended, or it is one of the kernel's");
	if (fd < 0)
		return rp_error(&d->err, -errno, "cannot open its program: %s", strerror(errno));
	ret = rp_readlink_at(t->proc_fd, "exe", name, sizeof(name));
	if (ret < 0)
		return rp_error(&d->err, ret, "cannot read the name of its program: %s", strerror(-ret));
	ret = rp_proc_stat_read(t->pid, t->pid, &st, &d->err);
	if (ret < 0)
		return ret;
	if (st.start_code == 0 && st.start_stack == 0)
		return rp_error(&d->err, -EPERM, "its address space may not be looked at");
	/* These are set once, at the execve (or by a restore). */
	t->mm->mm_start_code = st.start_code;
	t->mm->mm_end_code = st.end_code;
	t->mm->mm_start_data = st.start_data;
	t->mm->mm_end_data = st.end_data;
	t->mm->mm_start_stack = st.start_stack;
	t->mm->mm_start_brk = st.start_brk;
	t->mm->mm_arg_start = st.arg_start;
	t->mm->mm_arg_end = st.arg_end;
	t->mm->mm_env_start = st.env_start;
	t->mm->mm_env_end = st.env_end;
	return rp_dump_file(d, t, fd, name, O_RDONLY, &t->mm->exe_file_id);
}

static int dump_auxv(struct rp_dump *d, struct rp_task *t)
{
	RP_AUTOFREE char *auxv = NULL;
	size_t len;
	int ret = rp_read_file_at(t->proc_fd, "auxv", AUXV_MAX, &auxv, &len);

	if (ret < 0)
		return rp_error(&d->err, ret, "cannot read its auxiliary vector: %s", strerror(-ret));
	t->mm->n_mm_saved_auxv = len / sizeof(uint64_t);
	t->mm->mm_saved_auxv = rp_dump_memdup(d, auxv, len);
	return t->mm->mm_saved_auxv ? 0 : -ENOMEM;
}

/* personality(2), and what newer kernels know and older ones refuse. */
static int dump_protection(struct rp_dump *d, struct rp_task *t)
{
	RP_AUTOFREE char *text = NULL;
	int64_t mdwe = 0, merge = 0;
	int ret = rp_read_file_at(t->proc_fd, "personality", 64, &text, NULL);

	if (ret < 0)
		return rp_error(&d->err, ret, "cannot read its personality: %s", strerror(-ret));
	t->core->tc->personality = (uint32_t)strtoul(text, NULL, 16);
	ret = rp_tracee_call(t->tracee, t->threads[0].tracee, SYS_prctl, (const uint64_t[6]){ PR_GET_MDWE }, &mdwe,
			     &d->err);
	if (ret == 0)
		ret = rp_tracee_call(t->tracee, t->threads[0].tracee, SYS_prctl,
				     (const uint64_t[6]){ PR_GET_MEMORY_MERGE }, &merge, &d->err);
	t->extra->has_mdwe = mdwe > 0;
	t->extra->mdwe = (uint32_t)mdwe;
	t->extra->has_memory_merge = t->extra->memory_merge = merge > 0;
	return ret;
}

static int mm_freeze(struct rp_dump *d, struct rp_task *t)
{
	const struct rp_dthread *th = &t->threads[0];
	int64_t brk = 0, dumpable = 0, thp = 0, subreaper_ret;
	int32_t subreaper = 0;
	int ret = dump_auxv(d, t);

	if (ret == 0)
		ret = rp_remote_call(d, t, th, &(struct rp_remote){ .what = "brk", .nr = SYS_brk }, &brk);
	if (ret == 0)
		ret = rp_remote_call(d, t, th,
				     &(struct rp_remote){
					     .what = "PR_GET_DUMPABLE", .nr = SYS_prctl, .args = { PR_GET_DUMPABLE } },
				     &dumpable);
	if (ret == 0)
		ret = rp_remote_call(d, t, th,
				     &(struct rp_remote){ .what = "PR_GET_THP_DISABLE",
							  .nr = SYS_prctl,
							  .args = { PR_GET_THP_DISABLE } },
				     &thp);
	if (ret == 0)
		ret = rp_remote_call(d, t, th,
				     &(struct rp_remote){ .what = "PR_GET_CHILD_SUBREAPER",
							  .nr = SYS_prctl,
							  .args = { PR_GET_CHILD_SUBREAPER, RP_SCRATCH(0) },
							  .out = &subreaper,
							  .out_len = sizeof(subreaper) },
				     &subreaper_ret);
	if (ret < 0)
		return ret;
	t->mm->mm_brk = (uint64_t)brk;
	t->mm->has_dumpable = true;
	t->mm->dumpable = (int32_t)dumpable;
	t->mm->has_thp_disabled = true;
	t->mm->thp_disabled = thp != 0;
	t->core->tc->has_child_subreaper = true;
	t->core->tc->child_subreaper = subreaper != 0;
	return dump_protection(d, t);
}

static int mm_check(struct rp_restore *r, struct rp_rtask *t)
{
	const MmEntry *m = t->mm;
	const uint64_t addrs[] = { m->mm_start_code,  m->mm_end_code,  m->mm_start_data, m->mm_end_data,
				   m->mm_start_stack, m->mm_start_brk, m->mm_brk,	 m->mm_arg_start,
				   m->mm_arg_end,     m->mm_env_start, m->mm_env_end };

	for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++)
		if (addrs[i] >= TASK_SIZE)
			return rp_bad_image(r, "mm-%d.img has an address outside the address space", t->pid);
	if (m->n_mm_saved_auxv * sizeof(uint64_t) > AUXV_MAX)
		return rp_bad_image(r, "auxiliary vector of %zu words", m->n_mm_saved_auxv);
	if (!rp_restore_file(r, m->exe_file_id))
		return rp_bad_image(r, "the program, file %u, is not there", m->exe_file_id);
	return 0;
}

static int mm_prepare(struct rp_restore *r, struct rp_rtask *t)
{
	int fd = rp_restore_open_file(r, t->mm->exe_file_id, O_RDONLY);

	return fd < 0 ? fd : 0;
}

static int mm_plan(struct rp_restore *r, struct rp_rtask *t)
{
	const MmEntry *m = t->mm;
	struct rp_plan *head = rp_planner_head(t->plan);
	struct rp_plan_mm *p = &head->mm;
	int64_t off;
	int fd = rp_restore_open_file(r, m->exe_file_id, O_RDONLY);

	if (fd < 0)
		return fd;
	off = rp_planner_bytes(t->plan, m->mm_saved_auxv, m->n_mm_saved_auxv * sizeof(uint64_t), 8);
	if (off < 0)
		return rp_error(&r->err, (int)off, "out of memory");
	head->personality = t->core->tc->personality;
	head->mdwe = t->extra && t->extra->has_mdwe ? t->extra->mdwe : 0;
	head->memory_merge = t->extra && t->extra->has_memory_merge && t->extra->memory_merge;
	*p = (struct rp_plan_mm){
		.start_code = m->mm_start_code,
		.end_code = m->mm_end_code,
		.start_data = m->mm_start_data,
		.end_data = m->mm_end_data,
		.start_brk = m->mm_start_brk,
		.brk = m->mm_brk,
		.start_stack = m->mm_start_stack,
		.arg_start = m->mm_arg_start,
		.arg_end = m->mm_arg_end,
		.env_start = m->mm_env_start,
		.env_end = m->mm_env_end,
		.auxv_off = (uint64_t)off,
		.auxv_len = m->n_mm_saved_auxv * sizeof(uint64_t),
		.exe_fd = fd,
		.dumpable = m->has_dumpable ? (uint32_t)m->dumpable : 1,
		.thp_disabled = m->has_thp_disabled && m->thp_disabled,
	};
	return 0;
}

const struct rp_kind rp_kind_mm = {
	.name = "mm",
	.collect = mm_collect,
	.freeze = mm_freeze,
	.check = mm_check,
	.prepare = mm_prepare,
	.plan = mm_plan,
};
