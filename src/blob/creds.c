/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Credentials of the calling thread (credentials(7), capabilities(7)): the raw calls work on one thread. Ids first, with
 * capabilities kept over the change; then ambient set, bounding set and securebits, which need CAP_SETPCAP; then the
 * final sets. Nothing here can raise what the restorer has: the kernel refuses.
 */
#include <asm/errno.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>

#include "arch/x86_64/syscall.h"
#include "blob/internal.h"

struct caps {
	uint64_t eff, prm, inh;
};

static long prctl(int op, uint64_t a, uint64_t b)
{
	return rp_syscall5(__NR_prctl, op, (long)a, (long)b, 0, 0);
}

static long caps_get(struct caps *c)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];
	long ret = rp_syscall2(__NR_capget, (long)&h, (long)d);

	c->eff = (uint64_t)d[1].effective << 32 | d[0].effective;
	c->prm = (uint64_t)d[1].permitted << 32 | d[0].permitted;
	c->inh = (uint64_t)d[1].inheritable << 32 | d[0].inheritable;
	return ret;
}

static long caps_set(const struct caps *c)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = {
		{ (uint32_t)c->eff, (uint32_t)c->prm, (uint32_t)c->inh },
		{ (uint32_t)(c->eff >> 32), (uint32_t)(c->prm >> 32), (uint32_t)(c->inh >> 32) },
	};

	return rp_syscall2(__NR_capset, (long)&h, (long)d);
}

static int fail(struct rp_blob_thread *t, long ret, const char *text)
{
	return rp_blob_error(&t->blob->err, RP_STAGE_CREDS, (int)ret, text, (uint64_t)t->plan->tid);
}

static int set_ids(struct rp_blob_thread *t, const struct rp_plan_creds *k)
{
	const uint32_t *groups = (const uint32_t *)((const char *)t->blob->plan + k->groups_off);
	long ret = prctl(PR_SET_KEEPCAPS, 1, 0);

	if (ret)
		return fail(t, ret, "keeping capabilities of thread");
	ret = rp_syscall2(__NR_setgroups, k->groups_count, (long)groups);
	if (ret)
		return fail(t, ret, "supplementary groups of thread");
	ret = rp_syscall3(__NR_setresgid, k->gid, k->egid, k->sgid);
	if (!ret)
		ret = rp_syscall3(__NR_setresuid, k->uid, k->euid, k->suid);
	if (ret)
		return fail(t, ret, "user and group ids of thread");
	/* These return the id that was, whatever happens: a second call shows. */
	rp_syscall1(__NR_setfsgid, k->fsgid);
	rp_syscall1(__NR_setfsuid, k->fsuid);
	if (rp_syscall1(__NR_setfsgid, k->fsgid) != (long)k->fsgid ||
	    rp_syscall1(__NR_setfsuid, k->fsuid) != (long)k->fsuid)
		return fail(t, -EPERM, "file system ids of thread");
	return 0;
}

static int drop_bounding(struct rp_blob_thread *t, uint64_t keep)
{
	for (unsigned cap = 0; cap < 64; cap++) {
		long held = prctl(PR_CAPBSET_READ, cap, 0), ret;

		if (held < 0)
			break; /* past the last capability of this kernel */
		if (!held || keep >> cap & 1)
			continue;
		ret = prctl(PR_CAPBSET_DROP, cap, 0);
		if (ret ==
		    -EPERM) /* an ordinary user's bounding set is beyond reach, and its own sets are what count */
			return 0;
		if (ret)
			return fail(t, ret, "bounding set of thread");
	}
	return 0;
}

/* With ambient set raised while it is still allowed: needs inheritable and permitted bits and no NO_CAP_AMBIENT_RAISE. */
static int set_caps(struct rp_blob_thread *t, const struct rp_plan_creds *k, int exact)
{
	struct caps now, want = { k->cap_eff, k->cap_prm, k->cap_inh };
	long ret = caps_get(&now);

	if (ret)
		return fail(t, ret, "capabilities of thread");
	if (!exact) {
		want.prm &= now.prm;
		want.eff &= now.prm;
		want.inh &= now.prm | now.inh;
	}
	now.eff = now.prm;
	now.inh = want.inh;
	ret = caps_set(&now);
	if (ret)
		return fail(t, ret, "inheritable capabilities of thread");
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0);
	for (unsigned cap = 0; cap < 64; cap++)
		if (k->cap_amb >> cap & want.prm >> cap & want.inh >> cap & 1)
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap);
	if (drop_bounding(t, k->cap_bnd))
		return t->blob->err.code;
	if (prctl(PR_GET_SECUREBITS, 0, 0) != (long)k->securebits) {
		ret = prctl(PR_SET_SECUREBITS, k->securebits, 0);
		/* Without CAP_SETPCAP the flag for keeping capabilities is the one that can be changed. */
		if (ret == -EPERM && !exact)
			ret = 0;
		if (ret)
			return fail(t, ret, "securebits of thread");
	}
	ret = caps_set(&want);
	return ret ? fail(t, ret, "capabilities of thread") : 0;
}

/* What the file of this program has is for its own work; whoever made the plan had nothing of it. */
static int drop_borrowed(struct rp_blob_thread *t)
{
	const struct caps none = { 0 };
	long ret;

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0);
	ret = caps_set(&none);
	return ret ? fail(t, ret, "capabilities of thread") : 0;
}

int rp_thread_creds(struct rp_blob_thread *t)
{
	const struct rp_plan *p = t->blob->plan;
	const struct rp_plan_creds *k = rp_plan_creds(p) + t->plan->creds;
	int rc = 0;

	if (t->blob->borrowed && p->creds.count && k->change)
		return fail(t, -EPERM, "user and group ids of thread");
	if (t->blob->borrowed)
		return drop_borrowed(t);
	if (!p->creds.count || (!k->change && !(p->flags & RP_PLAN_CAPS_DROP)))
		return 0;
	if (k->change)
		rc = set_ids(t, k);
	return rc ? rc : set_caps(t, k, k->change != 0);
}
