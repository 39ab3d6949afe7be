/* SPDX-License-Identifier: BSD-3-Clause */
#include "blob/blob.h"

#include <asm/errno.h>
#include <asm/mman.h>
#include <asm/signal.h>
#include <linux/mman.h>

#include "abi/layout.h"
#include "arch/x86_64/regs.h"
#include "blob/internal.h"

#define PLAN_SIZE_MAX (1UL << 30)
#define TASK_SIZE_MIN (1UL << 32)
#define TASK_SIZE_LIMIT (1UL << 56)
#define XSAVE_LEN_MIN 576U
#define XSAVE_LEN_MAX 65536U
#define MXCSR_OFF 24
#define MXCSR_RESERVED 0xffff0000U
#define CPUSET_MAX 8192U
#define GROUPS_MAX 65536U
#define AUXV_MAX 4096U
#define INSNS_MAX 4096U
#define THREADS_MAX (1U << 22)
#define SS_FLAG_ONSTACK 1U
#define SS_FLAG_DISABLE 2U
#define SS_FLAG_AUTODISARM (1U << 31)
#define SIGNALS 64

#define VMA_FLAGS \
	(MAP_SHARED | MAP_PRIVATE | MAP_GROWSDOWN | MAP_HUGETLB | MAP_NORESERVE | MAP_STACK | MAP_ANONYMOUS | \
	 MAP_DENYWRITE | MAP_EXECUTABLE | MAP_LOCKED | ((unsigned)MAP_HUGE_MASK << MAP_HUGE_SHIFT))

struct check {
	const struct rp_plan *plan;
	uint64_t size;
	struct rp_blob_error *err;
};

static int bad(const struct check *c, const char *text, uint64_t arg)
{
	return rp_blob_error(c->err, RP_STAGE_CHECK, -EINVAL, text, arg);
}

/* Do len bytes at off lie in the plan? */
static int is_inside(const struct check *c, uint64_t off, uint64_t len)
{
	return off >= sizeof(struct rp_plan) && off <= c->size && len <= c->size - off;
}

static int is_table(const struct check *c, const struct rp_plan_table *t, uint64_t row)
{
	if (!t->count)
		return t->off <= c->size;
	return !(t->off & 7) && is_inside(c, t->off, 0) && t->count <= (c->size - t->off) / row;
}

static int is_span(uint64_t first, uint64_t count, uint64_t total)
{
	return count <= total && first <= total - count;
}

static int check_header(const struct check *c)
{
	const struct rp_plan *p = c->plan;

	if (c->size < sizeof(*p) || c->size > PLAN_SIZE_MAX || p->magic != RP_PLAN_MAGIC)
		return bad(c, "not a plan", c->size);
	if (p->version != RP_PLAN_VERSION || p->header_size != sizeof(*p))
		return rp_blob_error(c->err, RP_STAGE_CHECK, -EOPNOTSUPP, "plan of another version", p->version);
	if (p->total_size != c->size)
		return bad(c, "plan is cut off", c->size);
	if (p->flags & ~(uint32_t)(RP_PLAN_RANK | RP_PLAN_PID_ANY | RP_PLAN_CAPS_DROP | RP_PLAN_STOPPED))
		return bad(c, "unknown flag in the plan", p->flags);
	if (p->task_size < TASK_SIZE_MIN || p->task_size > TASK_SIZE_LIMIT || p->task_size % RP_PAGE_SIZE)
		return bad(c, "size of the address space", p->task_size);
	if (!is_table(c, &p->vmas, sizeof(struct rp_plan_vma)) || !is_table(c, &p->runs, sizeof(struct rp_plan_run)) ||
	    !is_table(c, &p->shms, sizeof(struct rp_plan_shm)) ||
	    !is_table(c, &p->threads, sizeof(struct rp_plan_thread)) ||
	    !is_table(c, &p->sigactions, sizeof(struct rp_plan_sigaction)) ||
	    !is_table(c, &p->siginfos, RP_SIGINFO_SIZE) ||
	    !is_table(c, &p->posix_timers, sizeof(struct rp_plan_posix_timer)) ||
	    !is_table(c, &p->creds, sizeof(struct rp_plan_creds)) ||
	    !is_table(c, &p->seccomps, sizeof(struct rp_plan_seccomp)) ||
	    !is_table(c, &p->fdops, sizeof(struct rp_plan_fdop)) ||
	    !is_table(c, &p->limits, sizeof(struct rp_plan_limit)))
		return bad(c, "a table lies outside the plan", 0);
	if (p->mm.auxv_len > AUXV_MAX || p->mm.auxv_len % 8 || p->mm.auxv_off % 8 ||
	    (p->mm.auxv_len && !is_inside(c, p->mm.auxv_off, p->mm.auxv_len)))
		return bad(c, "auxiliary vector", p->mm.auxv_len);
	if (!is_span(p->shared_siginfo_first, p->shared_siginfo_count, p->siginfos.count))
		return bad(c, "pending signals", p->shared_siginfo_first);
	return 0;
}

static int is_overlap(uint64_t start, uint64_t end, uint64_t with, uint64_t len)
{
	return start < with + len && end > with;
}

static int check_vma_type(const struct check *c, const struct rp_plan_vma *v)
{
	uint32_t sharing = v->flags & (MAP_SHARED | MAP_PRIVATE);

	if (sharing != MAP_SHARED && sharing != MAP_PRIVATE)
		return bad(c, "mapping neither private nor shared", v->start);
	if (v->type != RP_VMA_ANON && v->flags & MAP_GROWSDOWN)
		return bad(c, "only private anonymous memory grows down", v->start);
	switch (v->type) {
	case RP_VMA_ANON:
		return sharing == MAP_PRIVATE ? 0 : bad(c, "shared anonymous mapping without an object", v->start);
	case RP_VMA_FILE:
		if (v->fd < 0 || v->pgoff % RP_PAGE_SIZE || v->pgoff > INT64_MAX - (v->end - v->start))
			return bad(c, "file mapping", v->start);
		return 0;
	case RP_VMA_SHM:
		if (sharing != MAP_SHARED || v->shm >= c->plan->shms.count || v->pgoff % RP_PAGE_SIZE ||
		    v->pgoff >= rp_plan_shms(c->plan)[v->shm].size)
			return bad(c, "mapping of a shared object", v->start);
		return 0;
	case RP_VMA_VVAR:
	case RP_VMA_VDSO:
		return c->plan->flags & RP_PLAN_RANK ? bad(c, "vdso in the image of a rank", v->start) : 0;
	default:
		return bad(c, "unknown type of mapping", v->start);
	}
}

static int check_vmas(const struct check *c)
{
	const struct rp_plan_vma *v = rp_plan_vmas(c->plan);
	uint64_t last = RP_PAGE_SIZE;
	int rc;

	for (uint64_t i = 0; i < c->plan->vmas.count; i++, v++) {
		if (v->type == RP_VMA_VSYSCALL)
			continue;
		if (v->start % RP_PAGE_SIZE || v->end % RP_PAGE_SIZE || v->start >= v->end ||
		    v->end > c->plan->task_size)
			return bad(c, "range of a mapping", v->start);
		if (v->start < last)
			return bad(c, "mappings overlap or are not sorted", v->start);
		last = v->end;
		if (c->plan->flags & RP_PLAN_RANK && (is_overlap(v->start, v->end, RP_BOOT_BASE, RP_BOOT_SIZE) ||
						      is_overlap(v->start, v->end, RP_ARENA_BASE, RP_ARENA_SIZE)))
			return bad(c, "mapping inside the lower half", v->start);
		if (v->prot & ~(uint32_t)(PROT_READ | PROT_WRITE | PROT_EXEC) || v->flags & ~VMA_FLAGS ||
		    v->madv & ~RP_MADV_ALLOWED || v->mlock > 2 || v->pkey > 15)
			return bad(c, "attribute of a mapping", v->start);
		rc = check_vma_type(c, v);
		if (rc)
			return rc;
	}
	return 0;
}

static int check_shms(const struct check *c)
{
	const struct rp_plan_shm *s = rp_plan_shms(c->plan);

	for (uint64_t i = 0; i < c->plan->shms.count; i++)
		if (!s[i].size || s[i].size > c->plan->task_size)
			return bad(c, "size of a shared object", i);
	return 0;
}

/* Runs are sorted as the mappings are, so one pass over both finds the mapping of each. */
static int check_runs(const struct check *c)
{
	const struct rp_plan_run *r = rp_plan_runs(c->plan);
	const struct rp_plan_vma *v = rp_plan_vmas(c->plan), *end = v + c->plan->vmas.count;
	const struct rp_plan_run *before = 0;

	for (uint64_t i = 0; i < c->plan->runs.count; before = r, i++, r++) {
		if (r->vaddr % RP_PAGE_SIZE || r->len % RP_PAGE_SIZE || !r->len || r->fd < 0 ||
		    r->file_off > INT64_MAX || r->len > INT64_MAX - r->file_off || r->len > TASK_SIZE_LIMIT ||
		    r->vaddr > TASK_SIZE_LIMIT)
			return bad(c, "run of pages", r->vaddr);
		if (before &&
		    (r->shm < before->shm || (r->shm == before->shm && r->vaddr < before->vaddr + before->len)))
			return bad(c, "runs of pages overlap or are not sorted", r->vaddr);
		if (r->shm != UINT32_MAX) {
			if (r->shm >= c->plan->shms.count ||
			    r->vaddr + r->len > RP_PAGE_UP(rp_plan_shms(c->plan)[r->shm].size))
				return bad(c, "run of pages outside its object", r->vaddr);
			continue;
		}
		while (v < end && (v->type == RP_VMA_VSYSCALL || v->end <= r->vaddr))
			v++;
		if (v == end || r->vaddr < v->start || r->vaddr + r->len > v->end)
			return bad(c, "run of pages outside one mapping", r->vaddr);
		if (v->type != RP_VMA_ANON && !(v->type == RP_VMA_FILE && v->flags & MAP_PRIVATE))
			return bad(c, "pages for a mapping that holds none of its own", r->vaddr);
	}
	return 0;
}

static int is_xsave(const struct check *c, const struct rp_plan_thread *t)
{
	if (!t->xsave_len)
		return 1;
	if (t->xsave_len < XSAVE_LEN_MIN || t->xsave_len > XSAVE_LEN_MAX || t->xsave_len % 8 || t->xsave_off % 8 ||
	    !is_inside(c, t->xsave_off, t->xsave_len))
		return 0;
	return !(*(const uint32_t *)((const char *)c->plan + t->xsave_off + MXCSR_OFF) & MXCSR_RESERVED);
}

static int check_thread(const struct check *c, const struct rp_plan_thread *t)
{
	const struct rp_plan *p = c->plan;
	uint64_t top = p->task_size;

	if (t->tid <= 0)
		return bad(c, "thread id", (uint64_t)t->tid);
	if (t->regs[RP_REG_CS] != RP_CS_USER64)
		return bad(c, "not a 64-bit thread", (uint64_t)t->tid);
	if (t->regs[RP_REG_RIP] >= top || t->regs[RP_REG_RSP] >= top || t->regs[RP_REG_FS_BASE] >= top ||
	    t->regs[RP_REG_GS_BASE] >= top)
		return bad(c, "registers of thread", (uint64_t)t->tid);
	if (!is_xsave(c, t))
		return bad(c, "extended registers of thread", (uint64_t)t->tid);
	if (t->sas_flags & ~(SS_FLAG_ONSTACK | SS_FLAG_DISABLE | SS_FLAG_AUTODISARM) || t->sas_sp > top ||
	    t->sas_size > top || t->sas_sp + t->sas_size > top)
		return bad(c, "alternate stack of thread", (uint64_t)t->tid);
	if (t->rseq_addr >= top || t->robust_addr >= top || t->clear_tid_addr >= top || t->rseq_len > RP_PAGE_SIZE)
		return bad(c, "rseq, robust list or tid address of thread", (uint64_t)t->tid);
	if (t->cpuset_len > CPUSET_MAX || (t->cpuset_len && !is_inside(c, t->cpuset_off, t->cpuset_len)))
		return bad(c, "affinity of thread", (uint64_t)t->tid);
	if (!is_span(t->siginfo_first, t->siginfo_count, p->siginfos.count))
		return bad(c, "pending signals of thread", (uint64_t)t->tid);
	if (p->creds.count && t->creds >= p->creds.count)
		return bad(c, "credentials of thread", (uint64_t)t->tid);
	if (!is_span(t->seccomp_first, t->seccomp_count, p->seccomps.count))
		return bad(c, "seccomp filters of thread", (uint64_t)t->tid);
	return 0;
}

static int check_threads(const struct check *c)
{
	const struct rp_plan_thread *t = rp_plan_threads(c->plan);
	int rc;

	if (!c->plan->threads.count || c->plan->threads.count > THREADS_MAX)
		return bad(c, "number of threads", c->plan->threads.count);
	if (t[0].tid != c->plan->pid)
		return bad(c, "the first thread is not the leader", (uint64_t)t[0].tid);
	for (uint64_t i = 0; i < c->plan->threads.count; i++) {
		rc = check_thread(c, &t[i]);
		if (rc)
			return rc;
	}
	return 0;
}

static int check_signals(const struct check *c)
{
	const struct rp_plan_posix_timer *t = rp_plan_posix_timers(c->plan);

	if (c->plan->sigactions.count && c->plan->sigactions.count != SIGNALS)
		return bad(c, "number of signal actions", c->plan->sigactions.count);
	for (uint64_t i = 0; i < c->plan->siginfos.count; i++) {
		int32_t signo = *(const int32_t *)rp_plan_siginfo(c->plan, i);

		if (signo < 1 || signo > SIGNALS)
			return bad(c, "pending signal", (uint64_t)signo);
	}
	for (uint64_t i = 0; i < c->plan->posix_timers.count; i++)
		if (t[i].id < 0 || t[i].signo < 0 || t[i].signo > SIGNALS || t[i].value_ns < 0 || t[i].interval_ns < 0)
			return bad(c, "timer", (uint64_t)t[i].id);
	for (int i = 0; i < 3; i++)
		if (c->plan->itimers[i].value_us < 0 || c->plan->itimers[i].interval_us < 0)
			return bad(c, "interval timer", (uint64_t)i);
	return 0;
}

static int check_rights(const struct check *c)
{
	const struct rp_plan_creds *k = rp_plan_creds(c->plan);
	const struct rp_plan_seccomp *s = rp_plan_seccomps(c->plan);

	for (uint64_t i = 0; i < c->plan->creds.count; i++)
		if (k[i].groups_count > GROUPS_MAX || k[i].groups_off % 4 ||
		    (k[i].groups_count && !is_inside(c, k[i].groups_off, 4UL * k[i].groups_count)))
			return bad(c, "supplementary groups", i);
	for (uint64_t i = 0; i < c->plan->seccomps.count; i++)
		if (!s[i].count || s[i].count > INSNS_MAX || s[i].off % 8 || !is_inside(c, s[i].off, 8UL * s[i].count))
			return bad(c, "seccomp filter", i);
	return 0;
}

static int check_fdops(const struct check *c)
{
	const struct rp_plan_fdop *op = rp_plan_fdops(c->plan);

	for (uint64_t i = 0; i < c->plan->fdops.count; i++)
		if (op[i].fd < 0 || op[i].op > RP_FDOP_LOCK)
			return bad(c, "descriptor operation", i);
	return 0;
}

int rp_blob_check(const struct rp_plan *plan, uint64_t size, struct rp_blob_error *err)
{
	const struct check c = { plan, size, err };
	int rc = size < sizeof(*plan) ? bad(&c, "not a plan", size) : check_header(&c);

	if (!rc)
		rc = check_shms(&c);
	if (!rc)
		rc = check_vmas(&c);
	if (!rc)
		rc = check_runs(&c);
	if (!rc)
		rc = check_threads(&c);
	if (!rc)
		rc = check_signals(&c);
	if (!rc)
		rc = check_rights(&c);
	if (!rc)
		rc = check_fdops(&c);
	return rc;
}
