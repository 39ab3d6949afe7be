/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Credentials of each thread: ids, groups, capabilities, securebits, no_new_privs. /proc/PID/task/TID/status,
 * capabilities(7). A restore never gives more than the caller has. Cannot carry LSM labels (CRIU's are ignored).
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "host/proc.h"
#include "kind/taskcommon.h"

#define CAP_WORDS 2
#define GROUPS_MAX 65536
#define SECBITS_ALL 0xffU

static uint32_t *cap_words(struct rp_dump *d, uint64_t caps, size_t *n)
{
	uint32_t words[CAP_WORDS] = { (uint32_t)caps, (uint32_t)(caps >> 32) };

	*n = CAP_WORDS;
	return rp_dump_memdup(d, words, sizeof(words));
}

static int fill(struct rp_dump *d, CredsEntry *e, const struct rp_proc_status *s)
{
	e->uid = s->uid;
	e->euid = s->euid;
	e->suid = s->suid;
	e->fsuid = s->fsuid;
	e->gid = s->gid;
	e->egid = s->egid;
	e->sgid = s->sgid;
	e->fsgid = s->fsgid;
	e->cap_inh = cap_words(d, s->cap_inh, &e->n_cap_inh);
	e->cap_prm = cap_words(d, s->cap_prm, &e->n_cap_prm);
	e->cap_eff = cap_words(d, s->cap_eff, &e->n_cap_eff);
	e->cap_bnd = cap_words(d, s->cap_bnd, &e->n_cap_bnd);
	e->cap_amb = cap_words(d, s->cap_amb, &e->n_cap_amb);
	e->n_groups = s->ngroups;
	e->groups = rp_dump_memdup(d, s->groups, s->ngroups * sizeof(uint32_t));
	e->has_no_new_privs = true;
	e->no_new_privs = s->no_new_privs;
	if (!e->cap_inh || !e->cap_prm || !e->cap_eff || !e->cap_bnd || !e->cap_amb || !e->groups)
		return -ENOMEM;
	return 0;
}

static int dump_thread(struct rp_dump *d, struct rp_task *t, struct rp_dthread *th)
{
	CredsEntry *e = RP_TASK_MSG(d, CredsEntry, creds_entry__init);
	struct rp_proc_status st;
	int ret;

	if (!e)
		return -ENOMEM;
	ret = rp_proc_status_read(t->pid, th->tid, &st, &d->err);
	if (ret < 0)
		return ret;
	ret = fill(d, e, &st);
	rp_proc_status_done(&st);
	e->secbits = th->secbits;
	th->core->thread_core->creds = e;
	return ret;
}

static int creds_freeze(struct rp_dump *d, struct rp_task *t)
{
	for (size_t i = 0; i < t->nthreads; i++) {
		int ret = dump_thread(d, t, &t->threads[i]);

		if (ret < 0)
			return ret;
	}
	return 0;
}

static int creds_check(struct rp_restore *r, struct rp_rtask *t)
{
	for (size_t i = 0; i < t->nthreads; i++) {
		const CredsEntry *e = t->threads[i].core->thread_core->creds;

		if (!e)
			continue;
		if (e->n_cap_inh > CAP_WORDS || e->n_cap_prm > CAP_WORDS || e->n_cap_eff > CAP_WORDS ||
		    e->n_cap_bnd > CAP_WORDS || e->n_cap_amb > CAP_WORDS || e->n_groups > GROUPS_MAX ||
		    e->secbits & ~SECBITS_ALL)
			return rp_bad_image(r, "credentials of thread %d", t->threads[i].tid);
	}
	return 0;
}

static uint64_t cap_set(const uint32_t *words, size_t n)
{
	return (n > 0 ? words[0] : 0) | (n > 1 ? (uint64_t)words[1] << 32 : 0);
}

static bool is_ours(const CredsEntry *e)
{
	uid_t r, f, s;
	gid_t gr, gf, gs;

	getresuid(&r, &f, &s);
	getresgid(&gr, &gf, &gs);
	return e->uid == r && e->euid == f && e->suid == s && e->fsuid == f && e->gid == gr && e->egid == gf &&
	       e->sgid == gs && e->fsgid == gf;
}

static bool is_same_groups(const CredsEntry *e)
{
	gid_t now[NGROUPS_MAX];
	int n = getgroups(NGROUPS_MAX, now);

	return n >= 0 && (size_t)n == e->n_groups && (!n || !memcmp(now, e->groups, (size_t)n * sizeof(gid_t)));
}

static int plan_creds(struct rp_rtask *t, const CredsEntry *e)
{
	struct rp_plan_creds c = {
		.uid = e->uid,
		.euid = e->euid,
		.suid = e->suid,
		.fsuid = e->fsuid,
		.gid = e->gid,
		.egid = e->egid,
		.sgid = e->sgid,
		.fsgid = e->fsgid,
		.cap_inh = cap_set(e->cap_inh, e->n_cap_inh),
		.cap_prm = cap_set(e->cap_prm, e->n_cap_prm),
		.cap_eff = cap_set(e->cap_eff, e->n_cap_eff),
		.cap_bnd = cap_set(e->cap_bnd, e->n_cap_bnd),
		.cap_amb = cap_set(e->cap_amb, e->n_cap_amb),
		.securebits = e->secbits,
		.groups_count = (uint32_t)e->n_groups,
	};
	int64_t off = rp_planner_bytes(t->plan, e->groups, e->n_groups * sizeof(uint32_t), 8);

	if (off < 0)
		return (int)off;
	c.groups_off = (uint64_t)off;
	c.change = !is_ours(e) || !is_same_groups(e);
	return (int)rp_planner_add(t->plan, RP_PART_CREDS, &c);
}

static int creds_plan(struct rp_restore *r, struct rp_rtask *t)
{
	bool drop = false;

	for (size_t i = 0; i < t->nthreads; i++) {
		const CredsEntry *e = t->threads[i].core->thread_core->creds;
		struct rp_plan_thread *p;
		int index;

		if (!e)
			continue;
		index = plan_creds(t, e);
		if (index < 0)
			return rp_error(&r->err, index, "out of memory");
		p = rp_plan_thread_of(t, i);
		p->creds = (uint32_t)index;
		p->no_new_privs = e->has_no_new_privs ? e->no_new_privs : 0;
		drop = true;
	}
	if (drop)
		rp_planner_head(t->plan)->flags |= RP_PLAN_CAPS_DROP;
	return 0;
}

const struct rp_kind rp_kind_creds = {
	.name = "creds",
	.freeze = creds_freeze,
	.check = creds_check,
	.plan = creds_plan,
};
