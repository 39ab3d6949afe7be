/* SPDX-License-Identifier: BSD-3-Clause */
#include "job/attempt.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <gnu/libc-version.h>

#include "abi/arena.h"
#include "job/agreement.h"
#include "job/world.h"
#include "tracee/tracee.h"
#include "util/str.h"

#define TURN_MS 2		/* longest sleep between two looks at sockets while ranks are on their way */
#define NOTHING_MOVES_US 300000 /* then all parked ranks run for a slice: somebody waits outside MPI */
#define END_MS 10000		/* --term: from polite to SIGKILL */

int64_t rp_attempt_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

void rp_attempt_progress(struct rp_attempt *t, enum rp_msg_type type, const char *fmt, ...)
{
	struct rp_msg *m = t->agent->client >= 0 ? calloc(1, sizeof(*m)) : NULL;
	va_list ap;

	if (!m)
		return;
	m->magic = RP_MSG_MAGIC;
	m->type = type;
	va_start(ap, fmt);
	vsnprintf(m->text, sizeof(m->text), fmt, ap);
	va_end(ap);
	(void)rp_msg_send(t->agent->client, m, -1);
	free(m);
}

int rp_attempt_turn(struct rp_attempt *t, int timeout_ms)
{
	rp_agent_turn(t->agent, timeout_ms);
	if (t->agent->cancel)
		return rp_error(&t->err, RP_CHECKPOINT_CANCELLED, "cancelled; the job goes on");
	if (t->deadline_us && rp_attempt_now_us() > t->deadline_us)
		return rp_error(&t->err, RP_CHECKPOINT_TIMEOUT, "timed out; the job goes on");
	return 0;
}

/* ---- words to and from the ranks ---- */

static void futex_wake(uint32_t *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void command(struct rp_slot *slot, uint32_t cmd)
{
	__atomic_store_n(&slot->command, cmd, __ATOMIC_RELEASE);
	__atomic_add_fetch(&slot->command_seq, 1, __ATOMIC_ACQ_REL);
	futex_wake(&slot->command_seq);
}

static struct rp_slot *slot_of(struct rp_attempt *t, int32_t rank)
{
	struct rp_member *m = rp_agent_rank(t->agent, rank);

	return m ? rp_ctl_slot(t->agent->ctl, (uint32_t)(m - t->agent->members)) : NULL;
}

static void command_all(struct rp_attempt *t, uint32_t cmd)
{
	for (int32_t r = 0; r < t->agent->world_size; r++) {
		struct rp_slot *s = slot_of(t, r);

		if (s)
			command(s, cmd);
	}
}

static void set_request(struct rp_attempt *t, bool on)
{
	uint32_t *request = &t->agent->ctl->request, now = __atomic_load_n(request, __ATOMIC_RELAXED);

	if ((now & 1) == on)
		return;
	__atomic_store_n(request, now + 1, __ATOMIC_RELEASE);
	futex_wake(request);
}

static void resume(struct rp_attempt *t)
{
	command_all(t, RP_CMD_RESUME);
	set_request(t, false);
}

/* ---- looking at the ranks ---- */

/* What the ranks publish, copied so that it holds still. */
struct view {
	struct rp_agree_rank *ranks;
	struct rp_clock **clocks;
	uint32_t **waits;
	char (*text)[256];
	bool *release;
	uint64_t fingerprint; /* of progress and clocks: nothing moves while it stays */
	int32_t n;
};

static void view_done(struct view *v)
{
	for (int32_t i = 0; i < v->n; i++) {
		free(v->clocks ? v->clocks[i] : NULL);
		free(v->waits ? v->waits[i] : NULL);
	}
	free(v->ranks);
	free(v->clocks);
	free(v->waits);
	free(v->text);
	free(v->release);
}

static int view_init(struct view *v, int32_t n)
{
	memset(v, 0, sizeof(*v));
	v->ranks = calloc((size_t)n, sizeof(*v->ranks));
	v->clocks = calloc((size_t)n, sizeof(*v->clocks));
	v->waits = calloc((size_t)n, sizeof(*v->waits));
	v->text = calloc((size_t)n, sizeof(*v->text));
	v->release = calloc((size_t)n, sizeof(*v->release));
	v->n = n;
	if (!v->ranks || !v->clocks || !v->waits || !v->text || !v->release)
		return -ENOMEM;
	for (int32_t i = 0; i < n; i++) {
		v->clocks[i] = malloc(sizeof(struct rp_clock) * RP_SLOT_CLOCKS);
		v->waits[i] = malloc(sizeof(uint32_t) * RP_SLOT_WAITS);
		if (!v->clocks[i] || !v->waits[i])
			return -ENOMEM;
	}
	return 0;
}

/* One slot, consistent by its version. What a rank writes is not trusted: counts are bounded. */
static void look_at(struct view *v, int32_t i, const struct rp_slot *s)
{
	struct rp_agree_rank *r = &v->ranks[i];

	*r = (struct rp_agree_rank){ .state = s ? RP_RANK_RUNNING : RP_RANK_GONE };
	for (int tries = 0; s && tries < 64; tries++) {
		uint32_t version = __atomic_load_n(&s->version, __ATOMIC_ACQUIRE);

		if (version & 1)
			continue;
		r->state = __atomic_load_n(&s->state, __ATOMIC_ACQUIRE);
		r->settled = s->echo == __atomic_load_n(&s->command_seq, __ATOMIC_ACQUIRE);
		r->wait_any = s->wait_any != 0;
		r->coll_key = s->coll_key;
		r->coll_awaits = s->coll_awaits;
		r->threads = s->threads;
		r->nclocks = s->nclocks < RP_SLOT_CLOCKS ? s->nclocks : RP_SLOT_CLOCKS;
		r->nwaits = s->nwaits < RP_SLOT_WAITS ? s->nwaits : RP_SLOT_WAITS;
		memcpy(v->clocks[i], s->clocks, r->nclocks * sizeof(*s->clocks));
		memcpy(v->waits[i], s->waits, r->nwaits * sizeof(*s->waits));
		snprintf(v->text[i], sizeof(v->text[i]), "%.255s", s->text);
		r->clocks = v->clocks[i];
		r->waits = v->waits[i];
		r->text = v->text[i];
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&s->version, __ATOMIC_ACQUIRE) == version) {
			/* Not the state: a rank that is released and parks again without a call has not moved. */
			v->fingerprint = v->fingerprint * 31 + s->progress;
			for (uint32_t k = 0; k < r->nclocks; k++)
				v->fingerprint = v->fingerprint * 31 + r->clocks[k].seq + r->clocks[k].mark;
			return;
		}
		r->state = RP_RANK_RUNNING; /* it writes just now: look again */
		r->settled = false;
	}
}

static int judge(struct rp_attempt *t, struct view *v, struct rp_agreement *out)
{
	v->fingerprint = 0;
	for (int32_t i = 0; i < v->n; i++)
		look_at(v, i, slot_of(t, i));
	return rp_agree(v->ranks, (size_t)v->n, v->release, out);
}

/* Sleeps until a rank rings, at most TURN_MS; then the agent's other business. */
static int wait_for_bell(struct rp_attempt *t, uint32_t bell)
{
	const struct timespec pause = { .tv_nsec = TURN_MS * 1000000L };

	(void)syscall(SYS_futex, &t->agent->ctl->bell, FUTEX_WAIT, bell, &pause, NULL, 0);
	return rp_attempt_turn(t, 0);
}

static const char *state_name(uint32_t state)
{
	static const char *const names[] = { "not there",	"running", "before MPI_Init", "in MPI_Init",
					     "in a collective", "parked",  "drained",	      "refused",
					     "in MPI_Finalize", "gone" };

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

/* A timed-out attempt says whom it waited for. */
static int name_the_slow(struct rp_attempt *t, const struct view *v, int rc)
{
	if (rc != RP_CHECKPOINT_TIMEOUT)
		return rc;
	for (int32_t i = 0; i < v->n; i++)
		if (v->ranks[i].state != RP_RANK_PARKED && v->ranks[i].state != RP_RANK_DRAINED &&
		    v->ranks[i].state != RP_RANK_PREINIT)
			return rp_error(&t->err, rc, "timed out waiting for rank %d (%s); the job goes on", i,
					state_name(v->ranks[i].state));
	return rc;
}

/* all: everybody who has something parked. */
static void release(struct rp_attempt *t, const struct view *v, bool all)
{
	for (int32_t i = 0; i < v->n; i++) {
		bool wanted = v->release[i] || (all && rp_agree_has_parked(&v->ranks[i]));
		struct rp_slot *s = wanted ? slot_of(t, i) : NULL;

		if (s)
			command(s, RP_CMD_RELEASE);
	}
}

/* Runs the protocol until every rank is DRAINED. 0, an outcome or -errno with text. */
static int agree_loop(struct rp_attempt *t, struct view *v)
{
	int64_t moved = rp_attempt_now_us();
	uint64_t last = 0;
	bool draining = false; /* a RELEASE would take the place of a DRAIN that a rank has not heard yet */
	int rc = 0;

	while (!rc) {
		uint32_t bell = __atomic_load_n(&t->agent->ctl->bell, __ATOMIC_ACQUIRE);
		struct rp_agreement verdict;
		bool stuck;

		rc = judge(t, v, &verdict);
		if (rc)
			return rp_error(&t->err, rc, "out of memory");
		if (v->fingerprint != last)
			moved = rp_attempt_now_us();
		last = v->fingerprint;
		stuck = rp_attempt_now_us() - moved > NOTHING_MOVES_US;
		switch (verdict.verdict) {
		case RP_VERDICT_TAKE:
			return 0;
		case RP_VERDICT_REFUSE:
			return rp_error(&t->err, RP_CHECKPOINT_REFUSED, "%s", verdict.text);
		case RP_VERDICT_DRAIN:
			command_all(t, RP_CMD_DRAIN);
			draining = true;
			continue;
		case RP_VERDICT_RELEASE:
			draining = false;
			release(t, v, stuck);
			break;
		case RP_VERDICT_WAIT:
			if (!draining && stuck)
				release(t, v, true);
			break;
		}
		/* Then all are given the time to park: released whenever one of them runs, they would take turns for ever. */
		if (stuck)
			moved = rp_attempt_now_us();
		rc = wait_for_bell(t, bell);
	}
	return name_the_slow(t, v, rc);
}

static int agree(struct rp_attempt *t)
{
	struct view v;
	int rc = view_init(&v, t->agent->world_size);

	set_request(t, true);
	rc = rc ? rp_error(&t->err, rc, "out of memory") : agree_loop(t, &v);
	view_done(&v);
	return rc;
}

/* Every rank of the world has joined: until then a request waits. */
static int wait_for_all(struct rp_attempt *t)
{
	struct rp_agent *a = t->agent;
	int rc = 0;

	if (a->local_size != a->world_size)
		return rp_error(&t->err, RP_CHECKPOINT_REFUSED,
				"%d of %d ranks run on this host: jobs on several hosts cannot "
				"be checkpointed yet",
				a->local_size, a->world_size);
	for (int32_t r = 0; !rc && r < a->world_size; r++) {
		while (!rc && !rp_agent_rank(a, r)) {
			for (uint32_t i = 0; i < a->nslots; i++)
				if (a->members[i].pid && a->members[i].pidfd < 0 && a->members[i].rank == r)
					return rp_error(&t->err, RP_CHECKPOINT_REFUSED,
							"rank %d has ended: the job is ending", r);
			rc = rp_attempt_turn(t, 20);
		}
	}
	if (rc == RP_CHECKPOINT_TIMEOUT)
		rp_error(&t->err, rc, "timed out: not every rank has started under Reprise");
	return rc;
}

/* ---- the whole ---- */

static int describe(struct rp_attempt *t, struct rp_gen *gen)
{
	struct rp_agent *a = t->agent;
	struct utsname u;
	struct rp_arena *arena RP_AUTOFREE = malloc(sizeof(*arena));
	struct rp_member *m = rp_agent_rank(a, 0);

	if (!arena || uname(&u))
		return -ENOMEM;
	memset(arena, 0, sizeof(*arena));
	if (m)
		(void)rp_tracee_read(m->pid, RP_ARENA_BASE, arena, sizeof(*arena));
	gen->np = a->world_size;
	gen->launcher = strdup(a->info.launcher);
	gen->launch_argv = rp_strv_dup(a->launch_argv);
	gen->launch_env = rp_strv_dup(a->launch_env);
	gen->cwd = strdup(a->launch_cwd);
	gen->mpi_library = strndup(arena->mpi_library, sizeof(arena->mpi_library));
	gen->kernel = rp_strf("%s %s", u.sysname, u.release);
	gen->libc = rp_strf("glibc %s", gnu_get_libc_version());
	gen->machine = strdup(u.machine);
	gen->cpu_features = rp_world_cpu_features();
	gen->ranks = calloc((size_t)gen->np, sizeof(*gen->ranks));
	if (!gen->launcher || !gen->launch_argv || !gen->launch_env || !gen->cwd || !gen->mpi_library || !gen->kernel ||
	    !gen->libc || !gen->machine || !gen->cpu_features || !gen->ranks)
		return -ENOMEM;
	gen->nranks = (size_t)gen->np;
	for (int r = 0; r < gen->np; r++) {
		gen->ranks[r].rank = r;
		gen->ranks[r].host = strdup(u.nodename);
		gen->ranks[r].exe = strdup("");
		if (!gen->ranks[r].host || !gen->ranks[r].exe)
			return -ENOMEM;
	}
	return 0;
}

/* Open MPI leaves its shared memory behind when ranks are killed; what it made for this job carries the job's number. */
static void end_job(struct rp_attempt *t, bool stop)
{
	struct rp_agent *a = t->agent;
	int64_t until = rp_attempt_now_us() + END_MS * 1000LL;

	for (uint32_t i = 0; i < a->nslots; i++)
		if (a->members[i].pid && a->members[i].pidfd >= 0)
			(void)syscall(SYS_pidfd_send_signal, a->members[i].pidfd, stop ? SIGSTOP : SIGKILL, NULL, 0);
	if (stop)
		return;
	a->cancel = false;
	for (uint32_t i = 0; i < a->nslots; i++)
		while (a->members[i].pid && a->members[i].pidfd >= 0 && rp_attempt_now_us() < until)
			rp_agent_turn(a, 10);
}

static void resume_unless_ending(struct rp_attempt *t)
{
	if (!t->kill_after && !t->stop_after)
		resume(t);
}

static int run(struct rp_attempt *t, struct rp_gen *gen)
{
	int rc = rp_store_open_write(&t->store, t->agent->info.store, &t->err);

	if (!rc)
		rc = wait_for_all(t);
	if (!rc)
		rc = rp_store_begin(t->store, &t->gen, &t->err);
	if (!rc)
		rc = agree(t);
	t->agree_us = (uint64_t)(rp_attempt_now_us() - t->start_us);
	if (!rc && describe(t, gen))
		rc = rp_error(&t->err, -ENOMEM, "out of memory");
	if (!rc)
		rc = rp_attempt_dump(t, gen, resume_unless_ending);
	if (!rc) {
		rp_attempt_progress(t, RP_MSG_COMMIT, "writing generation %u", t->gen.seq);
		rp_agent_go_first(false); /* all files are read once more for their checksums */
		rc = rp_store_commit(&t->gen, gen, RP_STORE_KEEP, &t->err);
		rp_agent_go_first(true);
	}
	if (!rc && (t->kill_after || t->stop_after))
		end_job(t, t->stop_after);
	resume(t);
	return rc;
}

void rp_attempt_run(struct rp_agent *a, enum rp_checkpoint_then then, unsigned timeout_ms, struct rp_msg *answer)
{
	struct rp_attempt t = { .agent = a,
				.start_us = rp_attempt_now_us(),
				.kill_after = then == RP_THEN_TERM,
				.stop_after = then == RP_THEN_STOP };
	struct rp_gen gen = { 0 };
	int rc;

	if (timeout_ms)
		t.deadline_us = t.start_us + timeout_ms * 1000LL;
	rc = run(&t, &gen);
	if (rc) {
		rp_store_abort(&t.gen);
		answer->code = rc == -ENOTSUP ? RP_CHECKPOINT_REFUSED : rc;
		snprintf(answer->text, sizeof(answer->text), "%s", t.err.text);
	} else {
		struct rp_checkpoint_result *res = &answer->u.result;

		a->info.generations++;
		res->seq = gen.seq;
		snprintf(res->reference, sizeof(res->reference), "%s/%u", t.store->path, gen.seq);
		for (size_t i = 0; i < gen.nranks; i++)
			res->bytes += gen.ranks[i].bytes;
		res->agree_us = t.agree_us;
		res->stop_us = t.stop_us;
		res->total_us = (uint64_t)(rp_attempt_now_us() - t.start_us);
	}
	rp_gen_done(&gen);
	rp_store_free(t.store);
}
