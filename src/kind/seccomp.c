/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Seccomp: strict mode and filters of each thread. ptrace(2) PTRACE_SECCOMP_GET_FILTER and _GET_METADATA (both need
 * CAP_SYS_ADMIN: refused at the dump without). Cannot carry filters with a listener (user notification).
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ptrace.h>

#include "host/proc.h"
#include "kind/taskcommon.h"

#ifndef PTRACE_SECCOMP_GET_METADATA
#define PTRACE_SECCOMP_GET_METADATA 0x420d
#endif

#define FILTERS_MAX 4096
#define INSNS_MAX 4096

/* Filters of the dump so far. A chain is known by the index of its newest filter; `prev` leads to the older ones. */
struct chains {
	SeccompEntry entry;
	SeccompFilter *filters[FILTERS_MAX];
};

/* Does a filter hand calls to a listener? Such a listener cannot be made again. */
static bool is_notifying(const struct sock_filter *insns, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (insns[i].code == (BPF_RET | BPF_K) &&
		    (insns[i].k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF)
			return true;
	return false;
}

static int read_filter(struct rp_dump *d, int tid, unsigned index, SeccompFilter **out)
{
	SeccompFilter *f = RP_TASK_MSG(d, SeccompFilter, seccomp_filter__init);
	struct {
		uint64_t off, flags;
	} meta = { .off = index };
	long n = ptrace((enum __ptrace_request)PTRACE_SECCOMP_GET_FILTER, tid, (void *)(unsigned long)index, NULL);

	if (n < 0)
		return rp_error(&d->err, -errno, "thread %d: cannot read seccomp filter %u: %s", tid, index,
				errno == EACCES ? "CAP_SYS_ADMIN is needed" : strerror(errno));
	if (!f)
		return -ENOMEM;
	f->filter.len = (size_t)n * sizeof(struct sock_filter);
	f->filter.data = rp_dump_alloc(d, f->filter.len);
	if (!f->filter.data)
		return -ENOMEM;
	if (ptrace((enum __ptrace_request)PTRACE_SECCOMP_GET_FILTER, tid, (void *)(unsigned long)index,
		   f->filter.data) < 0)
		return rp_error(&d->err, -errno, "thread %d: cannot read seccomp filter %u: %s", tid, index,
				strerror(errno));
	if (is_notifying((const struct sock_filter *)f->filter.data, (size_t)n))
		return rp_error(&d->err, -ENOTSUP,
				"thread %d: a seccomp filter asks another process (SECCOMP_RET_USER_NOTIF), which "
				"cannot be "
				"carried",
				tid);
	if (ptrace((enum __ptrace_request)PTRACE_SECCOMP_GET_METADATA, tid, (void *)sizeof(meta), &meta) >= 0 &&
	    meta.flags) {
		f->has_flags = true;
		f->flags = (uint32_t)meta.flags;
	}
	*out = f;
	return 0;
}

static bool is_same(const SeccompFilter *a, const SeccompFilter *b)
{
	return a->filter.len == b->filter.len && a->has_prev == b->has_prev && a->prev == b->prev &&
	       a->flags == b->flags && memcmp(a->filter.data, b->filter.data, a->filter.len) == 0;
}

/* The filters of one thread, oldest first, joined to what other threads have. */
static int dump_filters(struct rp_dump *d, struct chains *c, struct rp_dthread *th, unsigned count)
{
	ThreadCoreEntry *tc = th->core->thread_core;
	bool has_prev = false;
	uint32_t prev = 0;

	for (unsigned i = 0; i < count; i++) { /* number 0 is the oldest, whatever ptrace(2) says */
		SeccompFilter *f = NULL;
		size_t at;
		int ret = read_filter(d, th->tid, i, &f);

		if (ret < 0)
			return ret;
		f->has_prev = has_prev;
		f->prev = prev;
		for (at = 0; at < c->entry.n_seccomp_filters && !is_same(c->filters[at], f); at++)
			;
		if (at == FILTERS_MAX)
			return rp_error(&d->err, -ENOTSUP, "more than %d seccomp filters", FILTERS_MAX);
		if (at == c->entry.n_seccomp_filters)
			c->filters[c->entry.n_seccomp_filters++] = f;
		has_prev = true;
		prev = (uint32_t)at;
	}
	tc->has_seccomp_filter = count > 0;
	tc->seccomp_filter = prev;
	return 0;
}

static int seccomp_freeze(struct rp_dump *d, struct rp_task *t)
{
	struct chains *c = rp_dump_alloc(d, sizeof(*c));

	if (!c)
		return -ENOMEM;
	seccomp_entry__init(&c->entry);
	c->entry.seccomp_filters = c->filters;
	for (size_t i = 0; i < t->nthreads; i++) {
		ThreadCoreEntry *tc = t->threads[i].core->thread_core;
		struct rp_proc_status st;
		unsigned mode, count;
		int ret = rp_proc_status_read(t->pid, t->threads[i].tid, &st, &d->err);

		if (ret < 0)
			return ret;
		mode = st.seccomp;
		count = st.seccomp_filters;
		rp_proc_status_done(&st);
		if (mode == SECCOMP_MODE_DISABLED)
			continue;
		tc->has_seccomp_mode = true;
		tc->seccomp_mode = (SeccompMode)mode;
		ret = mode == SECCOMP_MODE_FILTER ? dump_filters(d, c, &t->threads[i], count) : 0;
		if (ret < 0)
			return ret;
	}
	return rp_writer_put(d->writer, RP_IMG_SECCOMP, 0, &c->entry, &d->err);
}

/* ---- restore ---- */

static int read_entry(struct rp_restore *r, SeccompEntry **out)
{
	*out = NULL;
	if (!rp_image_has(r->image, RP_IMG_SECCOMP, 0))
		return 0;
	return rp_image_one(r->image, RP_IMG_SECCOMP, 0, out, &r->err);
}

/* Length of the chain that ends in filter `last`; -EINVAL for one that does not lead back to its beginning. */
static int chain_length(struct rp_restore *r, const SeccompEntry *e, uint32_t last)
{
	int n = 0;

	for (uint32_t at = last;; at = e->seccomp_filters[at]->prev) {
		if (!e || at >= e->n_seccomp_filters || ++n > FILTERS_MAX)
			return rp_bad_image(r, "seccomp filter %u is not there", at);
		if (e->seccomp_filters[at]->filter.len == 0 ||
		    e->seccomp_filters[at]->filter.len % sizeof(struct sock_filter) ||
		    e->seccomp_filters[at]->filter.len / sizeof(struct sock_filter) > INSNS_MAX)
			return rp_bad_image(r, "seccomp filter %u has %zu bytes", at,
					    e->seccomp_filters[at]->filter.len);
		if (!e->seccomp_filters[at]->has_prev)
			return n;
	}
}

static int seccomp_check(struct rp_restore *r, struct rp_rtask *t)
{
	SeccompEntry *e;
	int ret = read_entry(r, &e);

	for (size_t i = 0; ret >= 0 && i < t->nthreads; i++) {
		const ThreadCoreEntry *tc = t->threads[i].core->thread_core;

		if (tc->has_seccomp_mode && tc->seccomp_mode == SECCOMP_MODE__filter)
			ret = chain_length(r, e, tc->has_seccomp_filter ? tc->seccomp_filter : UINT32_MAX);
	}
	return ret < 0 ? ret : 0;
}

static int plan_chain(struct rp_restore *r, struct rp_rtask *t, const SeccompEntry *e, uint32_t last, size_t index)
{
	int n = chain_length(r, e, last);
	uint32_t order[FILTERS_MAX];

	if (n < 0)
		return n;
	for (int i = n; i-- > 0; last = e->seccomp_filters[last]->prev)
		order[i] = last;
	rp_plan_thread_of(t, index)->seccomp_first = (uint32_t)rp_planner_count(t->plan, RP_PART_SECCOMPS);
	rp_plan_thread_of(t, index)->seccomp_count = (uint32_t)n;
	for (int i = 0; i < n; i++) {
		const SeccompFilter *f = e->seccomp_filters[order[i]];
		int64_t off = rp_planner_bytes(t->plan, f->filter.data, f->filter.len, 8);
		struct rp_plan_seccomp row = { .off = (uint64_t)off,
					       .count = (uint32_t)(f->filter.len / sizeof(struct sock_filter)),
					       .flags = f->has_flags ? f->flags : 0 };

		if (off < 0 || rp_planner_add(t->plan, RP_PART_SECCOMPS, &row) < 0)
			return rp_error(&r->err, -ENOMEM, "out of memory");
	}
	return 0;
}

static int seccomp_plan(struct rp_restore *r, struct rp_rtask *t)
{
	SeccompEntry *e;
	int ret = read_entry(r, &e);

	for (size_t i = 0; ret == 0 && i < t->nthreads; i++) {
		const ThreadCoreEntry *tc = t->threads[i].core->thread_core;

		if (!tc->has_seccomp_mode)
			continue;
		if (tc->seccomp_mode == SECCOMP_MODE__strict)
			rp_plan_thread_of(t, i)->seccomp_strict = 1;
		else if (tc->seccomp_mode == SECCOMP_MODE__filter)
			ret = plan_chain(r, t, e, tc->seccomp_filter, i);
	}
	return ret;
}

const struct rp_kind rp_kind_seccomp = {
	.name = "seccomp",
	.freeze = seccomp_freeze,
	.check = seccomp_check,
	.plan = seccomp_plan,
};
