/* SPDX-License-Identifier: BSD-3-Clause */
#include "job/agreement.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/str.h"

/* One communicator in one rank. seq counts what that rank has begun: standing at the entry is not begun. */
struct entry {
	uint64_t key, seq, mark;
	uint32_t rank;
};

struct table {
	struct entry *entries; /* sorted by key */
	size_t n;
};

static int by_key(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static int table_make(struct table *t, const struct rp_agree_rank *ranks, size_t n)
{
	size_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += ranks[i].nclocks;
	t->entries = calloc(total + 1, sizeof(*t->entries));
	t->n = 0;
	if (!t->entries)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		for (uint32_t j = 0; j < ranks[i].nclocks; j++) {
			const struct rp_clock *c = &ranks[i].clocks[j];
			bool at_entry = ranks[i].state == RP_RANK_PARKED && ranks[i].coll_key == c->key && c->seq > 0;

			t->entries[t->n++] = (struct entry){ c->key, c->seq - at_entry, c->mark, (uint32_t)i };
		}
	}
	qsort(t->entries, t->n, sizeof(*t->entries), by_key);
	return 0;
}

/* The run of entries with the key of entry i: returns its end. */
static size_t run_end(const struct table *t, size_t i)
{
	size_t end = i;

	while (end < t->n && t->entries[end].key == t->entries[i].key)
		end++;
	return end;
}

/* Those who have counted most, but not the same ones, are behind each other. */
static void mark_behind(const struct table *t, bool *obliged)
{
	for (size_t i = 0, end; i < t->n; i = end) {
		const struct entry *first = &t->entries[i];
		bool differ = false;

		end = run_end(t, i);
		for (size_t j = i; j < end; j++)
			if (t->entries[j].seq > first->seq)
				first = &t->entries[j];
		for (size_t j = i; j < end; j++)
			differ |= t->entries[j].seq == first->seq && t->entries[j].mark != first->mark;
		for (size_t j = i; j < end; j++)
			if (differ || t->entries[j].seq < first->seq)
				obliged[t->entries[j].rank] = true;
	}
}

/* Everybody who shares a communicator with an obliged rank that may be waiting for any of them. */
static bool mark_members(const struct table *t, const struct rp_agree_rank *ranks, bool *obliged)
{
	bool grown = false;

	for (size_t i = 0, end; i < t->n; i = end) {
		bool any = false;

		end = run_end(t, i);
		for (size_t j = i; j < end; j++)
			any |= obliged[t->entries[j].rank] && ranks[t->entries[j].rank].wait_any;
		for (size_t j = i; any && j < end; j++) {
			grown |= !obliged[t->entries[j].rank];
			obliged[t->entries[j].rank] = true;
		}
	}
	return grown;
}

static void close_over(const struct table *t, const struct rp_agree_rank *ranks, size_t n, bool *obliged)
{
	bool grown = true;

	while (grown) {
		grown = mark_members(t, ranks, obliged);
		for (size_t i = 0; i < n; i++) {
			for (uint32_t j = 0; obliged[i] && j < ranks[i].nwaits; j++) {
				uint32_t w = ranks[i].waits[j];

				if (w < n && !obliged[w])
					obliged[w] = grown = true;
			}
		}
	}
}

int rp_agree_closure(const struct rp_agree_rank *ranks, size_t n, bool *obliged)
{
	struct table t;
	int rc = table_make(&t, ranks, n);

	if (!rc)
		close_over(&t, ranks, n, obliged);
	free(t.entries);
	return rc;
}

static void refuse(struct rp_agreement *out, size_t rank, const char *text)
{
	out->verdict = RP_VERDICT_REFUSE;
	out->rank = (int)rank;
	snprintf(out->text, sizeof(out->text), "rank %zu: %s", rank, text);
}

struct census {
	size_t unsettled, preinit, in_init, in_coll, parked, drained;
};

/* Counts the states. Returns true when one of them ends the attempt. "another rank refused" is not the reason that the
 * user needs: the rank that knows is preferred. */
static bool count(const struct rp_agree_rank *ranks, size_t n, struct census *c, struct rp_agreement *out)
{
	bool refused = false;

	for (size_t i = 0; i < n; i++) {
		const struct rp_agree_rank *r = &ranks[i];

		c->unsettled += !r->settled || r->state == RP_RANK_RUNNING || r->state == RP_RANK_EMPTY;
		c->preinit += r->state == RP_RANK_PREINIT;
		c->in_init += r->state == RP_RANK_IN_INIT;
		c->in_coll += r->state == RP_RANK_IN_COLL;
		c->parked += r->state == RP_RANK_PARKED;
		c->drained += r->state == RP_RANK_DRAINED;
		if (r->state == RP_RANK_GONE)
			refuse(out, i, "has ended: the job is ending");
		else if (r->state == RP_RANK_FINALIZE)
			refuse(out, i, "is in or after MPI_Finalize: the job is ending");
		else if (r->state == RP_RANK_REFUSED && (!refused || !strstr(r->text ? r->text : "", "another rank")))
			refuse(out, i, r->text && *r->text ? r->text : "cannot be carried");
		else
			continue;
		refused = true;
	}
	return refused;
}

bool rp_agree_has_parked(const struct rp_agree_rank *r)
{
	return r->state == RP_RANK_PARKED || r->state == RP_RANK_PREINIT ||
	       (r->state == RP_RANK_IN_COLL && r->threads > 1);
}

int rp_agree(const struct rp_agree_rank *ranks, size_t n, bool *release, struct rp_agreement *out)
{
	struct census c = { 0 };
	struct table t;
	int rc;

	memset(out, 0, sizeof(*out));
	memset(release, 0, n * sizeof(*release));
	out->rank = -1;
	if (count(ranks, n, &c, out))
		return 0;
	out->verdict = RP_VERDICT_WAIT;
	if (c.unsettled)
		return 0;
	if (c.drained) {
		out->verdict = c.drained == n ? RP_VERDICT_TAKE : RP_VERDICT_WAIT;
		return 0;
	}
	rc = table_make(&t, ranks, n);
	if (rc)
		return rc;
	mark_behind(&t, release);
	for (size_t i = 0; i < n; i++)
		if (ranks[i].state == RP_RANK_IN_COLL && ranks[i].coll_awaits && ranks[i].coll_awaits <= n)
			release[ranks[i].coll_awaits - 1] = true;
	/* MPI_Init is a collective of everybody: who has not entered it is behind those who have. */
	if (c.preinit && c.preinit < n)
		for (size_t i = 0; i < n; i++)
			release[i] |= ranks[i].state == RP_RANK_PREINIT;
	close_over(&t, ranks, n, release);
	free(t.entries);
	for (size_t i = 0; i < n; i++) {
		release[i] = release[i] && rp_agree_has_parked(&ranks[i]);
		out->nrelease += release[i];
	}
	if (out->nrelease)
		out->verdict = RP_VERDICT_RELEASE;
	else if (!c.in_coll && !c.in_init)
		out->verdict = RP_VERDICT_DRAIN;
	return 0;
}
