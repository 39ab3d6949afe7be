/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The agreement against a model of ranks: random programs of collectives and messages that end when left alone, a request at a
 * random moment, and ranks that park, run on and stand inside as control.c lets them. Each time the protocol has to
 * come to DRAIN with no collective begun by some members only, by its obligations alone, and the program to its end.
 * $RP_MODEL_SEED and $RP_MODEL_RUNS choose others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "job/agreement.h"

#define RANKS 5
#define COMMS 4 /* 0: the world */
#define EVENTS 40
#define TURNS 5000

enum op_kind { COLL, ROOTED, SEND, SSEND, RECV, RECV_ANY };

struct op {
	enum op_kind kind;
	int what; /* communicator, or message */
	int peer; /* root, or the other rank */
};

struct rank {
	struct op ops[2 * EVENTS];
	int nops, pc;
	bool begun;    /* the operation at pc */
	bool at_entry; /* of a collective: counted, not begun */
	bool parked;
	uint64_t done[COMMS]; /* collectives begun */
	struct rp_clock clocks[COMMS];
	uint32_t wait;
};

static struct model {
	int n, nops, nmessages;
	bool member[COMMS][RANKS];
	struct rank rank[RANKS];
	bool sent[EVENTS], received[EVENTS];
	uint64_t random;
} m;

static int draw(int n)
{
	m.random = m.random * 6364136223846793005UL + 1442695040888963407UL;
	return (int)((m.random >> 33) % (uint64_t)n);
}

static void add(int rank, enum op_kind kind, int what, int peer)
{
	struct rank *r = &m.rank[rank];

	r->ops[r->nops++] = (struct op){ kind, what, peer };
}

/* Events in one order of the whole job, of which every rank does its part: such a program always ends. */
static void make_program(uint64_t seed)
{
	memset(&m, 0, sizeof(m));
	m.random = seed;
	draw(1);
	m.n = 2 + draw(RANKS - 1);
	for (int c = 0; c < COMMS; c++)
		for (int i = 0; i < m.n; i++)
			m.member[c][i] = c == 0 || draw(2);
	for (int e = 0; e < EVENTS; e++) {
		int c = draw(COMMS), from = draw(m.n), to = (from + 1 + draw(m.n - 1)) % m.n;

		if (draw(2)) {
			add(from, draw(2) ? SEND : SSEND, e, to);
			add(to, draw(3) ? RECV : RECV_ANY, e, from);
			continue;
		}
		for (int i = 0; i < m.n; i++)
			if (m.member[c][i])
				add(i, m.member[c][from] && e % 2 ? ROOTED : COLL, c, from);
	}
}

/* ---- what a rank can do ---- */

static bool ended(const struct rank *r)
{
	return r->pc == r->nops;
}

static bool in_collective(const struct rank *r)
{
	return !ended(r) && r->begun && r->ops[r->pc].kind <= ROOTED;
}

static bool can_leave(int i)
{
	const struct rank *r = &m.rank[i];
	const struct op *o = &r->ops[r->pc];

	if (o->kind == ROOTED)
		return o->peer == i || m.rank[o->peer].done[o->what] >= r->done[o->what];
	for (int k = 0; k < m.n; k++)
		if (m.member[o->what][k] && m.rank[k].done[o->what] < r->done[o->what])
			return false;
	return true;
}

static void next(struct rank *r)
{
	r->pc++;
	r->begun = r->at_entry = false;
}

/* One step; false: it has to wait. A collective is begun only where `pass` says so, else the rank stands at its entry. */
static bool step(int i, bool pass)
{
	struct rank *r = &m.rank[i];
	struct op *o = &r->ops[r->pc];

	if (ended(r))
		return false;
	if (o->kind <= ROOTED) {
		if (!r->begun && !pass) {
			r->at_entry = true;
			return false;
		}
		if (!r->begun) {
			r->done[o->what]++;
			r->begun = true;
			r->at_entry = false;
			return true;
		}
		if (!can_leave(i))
			return false;
	} else if (o->kind == SEND || o->kind == SSEND) {
		m.sent[o->what] = true;
		if (o->kind == SSEND && !m.received[o->what] && r->begun)
			return false;
		r->begun = true;
		if (o->kind == SSEND && !m.received[o->what])
			return true;
	} else {
		bool first = !r->begun;

		r->begun = true;
		if (!m.sent[o->what])
			return first;
		m.received[o->what] = true;
	}
	next(r);
	return true;
}

/* ---- the protocol ---- */

static void publish(int i, struct rp_agree_rank *out)
{
	struct rank *r = &m.rank[i];
	const struct op *o = &r->ops[r->pc];
	uint32_t n = 0;

	*out = (struct rp_agree_rank){ .settled = true, .clocks = r->clocks, .waits = &r->wait };
	out->state = in_collective(r) ? RP_RANK_IN_COLL : RP_RANK_PARKED;
	for (int c = 0; c < COMMS; c++)
		if (m.member[c][i])
			r->clocks[n++] = (struct rp_clock){ (uint64_t)c + 1,
							    r->done[c] + (r->at_entry && !ended(r) && o->what == c) };
	out->nclocks = n;
	if (ended(r))
		return;
	if (o->kind <= ROOTED)
		out->coll_key = r->begun || r->at_entry ? (uint64_t)o->what + 1 : 0;
	else if (r->begun && o->kind == RECV_ANY)
		out->wait_any = true;
	else if (r->begun) {
		r->wait = (uint32_t)o->peer;
		out->nwaits = 1;
	}
}

/* A released rank runs for a while; one collective at whose entry it stood passes. */
static void run_on(int i)
{
	struct rank *r = &m.rank[i];
	bool pass = r->at_entry;

	for (int budget = 1 + draw(4); budget > 0 && step(i, pass); budget--)
		pass = pass && !in_collective(r) && r->at_entry;
}

/* Those that are inside come out by themselves once their members have come. */
static bool come_out(void)
{
	bool moved = false;

	for (int i = 0; i < m.n; i++)
		while (in_collective(&m.rank[i]) && can_leave(i)) {
			next(&m.rank[i]);
			moved = true;
			/* on the way to its next park point, or computing */
			if (draw(2))
				step(i, false);
		}
	return moved;
}

static void assert_whole(void)
{
	for (int c = 0; c < COMMS; c++)
		for (int i = 0; i < m.n; i++)
			for (int k = 0; k < m.n; k++)
				if (m.member[c][i] && m.member[c][k])
					assert_int_equal(m.rank[i].done[c], m.rank[k].done[c]);
	for (int i = 0; i < m.n; i++)
		assert_false(in_collective(&m.rank[i]));
}

/* Until DRAIN. Returns 0, else the reason. */
static const char *attempt(void)
{
	struct rp_agree_rank view[RANKS];
	struct rp_agreement verdict;
	bool release[RANKS];

	for (int turn = 0; turn < TURNS; turn++) {
		for (int i = 0; i < m.n; i++)
			publish(i, &view[i]);
		if (rp_agree(view, (size_t)m.n, release, &verdict))
			return "no memory";
		if (verdict.verdict == RP_VERDICT_DRAIN)
			return NULL;
		for (int i = 0; i < m.n; i++)
			if (release[i])
				run_on(i);
		if (!come_out() && verdict.verdict == RP_VERDICT_WAIT)
			return "somebody is inside, and nobody is obliged";
	}
	return "it does not come to an end";
}

static bool run_to_end(int steps)
{
	for (int k = 0; k < steps; k++)
		step(draw(m.n), true);
	for (int i = 0; i < m.n; i++)
		if (!ended(&m.rank[i]))
			return false;
	return true;
}

static void test_model(void **state)
{
	const char *first = getenv("RP_MODEL_SEED"), *many = getenv("RP_MODEL_RUNS");
	uint64_t seed = first ? strtoul(first, NULL, 0) : 1, runs = many ? strtoul(many, NULL, 0) : 10000;

	for (uint64_t end = seed + runs; seed < end; seed++) {
		const char *why = NULL;

		make_program(seed);
		for (int requests = 0; requests < 4 && !why; requests++) {
			run_to_end(draw(6 * EVENTS));
			why = attempt();
			if (!why)
				assert_whole();
		}
		if (!why && !run_to_end(100000))
			why = "the program does not end any more";
		if (why) {
			print_error("seed %lu: %s\n", (unsigned long)seed, why);
			fail();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_model) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
