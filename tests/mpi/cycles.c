/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Plays the agent for a job of one host, without taking an image: request, agreement, drain, resume, again and again at
 * random moments, until the job ends. What the job computes is checked by the job itself.
 *
 * usage: cycles [-n CYCLES] [-i MEAN_MS] [-t ATTEMPT_TIMEOUT_S] [-s SEED] [-r RANKS] [-d DELAY_MS] [-R] [-O] -- LAUNCHER...
 * -R: a refusal is wanted. -O: obligations alone have to do: no slices for all when nothing moves. The launcher's ranks run through test-rank. Exit code: the launcher's; 99 when an attempt hangs, a rank refuses, or
 * messages are counted wrongly.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "abi/ctl.h"
#include "job/agreement.h"

#define MAX_RANKS 64

static struct {
	struct rp_ctl *ctl;
	struct rp_slot *copy; /* MAX_RANKS */
	int ranks, cycles, mean_ms, delay_ms, want_refusal, no_slices;
	double timeout;
	uint32_t seq[MAX_RANKS];
	pid_t job;
	int status, ended;
} s = { .ranks = 2, .cycles = 10, .mean_ms = 50, .timeout = 30 };

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static void wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static int job_ended(void)
{
	if (!s.ended && waitpid(s.job, &s.status, WNOHANG) == s.job)
		s.ended = 1;
	return s.ended;
}

static void command(int i, uint32_t what)
{
	struct rp_slot *slot = rp_ctl_slot(s.ctl, (uint32_t)i);

	slot->command = what;
	s.seq[i] = __atomic_add_fetch(&slot->command_seq, 1, __ATOMIC_SEQ_CST);
	wake(&slot->command_seq);
}

/* A consistent copy. */
static void look(int i)
{
	struct rp_slot *slot = rp_ctl_slot(s.ctl, (uint32_t)i);
	uint32_t v;

	do {
		v = __atomic_load_n(&slot->version, __ATOMIC_ACQUIRE);
		memcpy(&s.copy[i], slot, sizeof(*slot));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (v & 1 || v != __atomic_load_n(&slot->version, __ATOMIC_ACQUIRE));
}

static void show(const char *why)
{
	static const char *const names[] = { "EMPTY",  "RUNNING", "PREINIT", "IN_INIT",	 "IN_COLL",
					     "PARKED", "DRAINED", "REFUSED", "FINALIZE", "GONE" };

	fprintf(stderr, "cycles: %s\n", why);
	for (int i = 0; i < s.ranks; i++) {
		struct rp_slot *c = &s.copy[i];

		look(i);
		fprintf(stderr, "  rank %d: %s echo %u of %u, sent %lu received %lu, coll %lx, any %u, waits", i,
			names[c->state], c->echo, c->command_seq, (unsigned long)c->sent, (unsigned long)c->received,
			(unsigned long)c->coll_key, c->wait_any);
		for (uint32_t w = 0; w < c->nwaits; w++)
			fprintf(stderr, " %u", c->waits[w]);
		fprintf(stderr, "; clocks");
		for (uint32_t k = 0; k < c->nclocks && k < 8; k++)
			fprintf(stderr, " %lx:%lu", (unsigned long)c->clocks[k].key, (unsigned long)c->clocks[k].seq);
		fprintf(stderr, " %s\n", c->text);
	}
}

/* ---- one attempt ---- */

enum { DONE, TRY_LATER, FAILED, REFUSED };

static int judge(bool *release, struct rp_agreement *verdict)
{
	static struct rp_agree_rank ranks[MAX_RANKS];

	for (int i = 0; i < s.ranks; i++) {
		struct rp_slot *c = &s.copy[i];

		look(i);
		ranks[i] = (struct rp_agree_rank){ .state = c->state,
						   .settled = !s.seq[i] || c->echo == s.seq[i],
						   .wait_any = c->wait_any,
						   .coll_key = c->coll_key,
						   .coll_awaits = c->coll_awaits,
						   .threads = c->threads,
						   .clocks = c->clocks,
						   .nclocks = c->nclocks,
						   .waits = c->waits,
						   .nwaits = c->nwaits,
						   .text = c->text };
		if (c->state == RP_RANK_FINALIZE)
			return TRY_LATER;
	}
	return rp_agree(ranks, (size_t)s.ranks, release, verdict) ? FAILED : DONE;
}

static void bell(uint32_t seen)
{
	struct timespec ts = { 0, 2000000 };

	syscall(SYS_futex, &s.ctl->bell, FUTEX_WAIT, seen, &ts, NULL, 0);
}

static int check_totals(void)
{
	uint64_t sent = 0, received = 0;

	for (int i = 0; i < s.ranks; i++) {
		sent += s.copy[i].sent;
		received += s.copy[i].received;
	}
	return sent == received ? DONE : FAILED;
}

/* Grows with what the job gets done during an attempt. */
static uint64_t progress(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < s.ranks; i++) {
		sum += s.copy[i].progress;
		for (uint32_t k = 0; k < s.copy[i].nclocks; k++)
			sum += s.copy[i].clocks[k].seq;
	}
	return sum;
}

static void release_some(const bool *release, int *releases)
{
	for (int i = 0; i < s.ranks; i++)
		if (release[i]) {
			command(i, RP_CMD_RELEASE);
			++*releases;
		}
}

/* Waits that no clock shows: when nothing moves, everything that is held runs for a while. */
static void release_parked(int *releases)
{
	bool all[MAX_RANKS] = { 0 };

	for (int i = 0; i < s.ranks; i++)
		all[i] = rp_agree_has_parked(
			&(struct rp_agree_rank){ .state = s.copy[i].state, .threads = s.copy[i].threads });
	release_some(all, releases);
}

/* Until all are parked and nobody is behind, then until all are drained. */
static int attempt(int *releases)
{
	double end = now() + s.timeout, moved = now();
	bool release[MAX_RANKS], draining = false;
	struct rp_agreement v;
	uint64_t last = 0;

	while (!job_ended()) {
		uint32_t seen = __atomic_load_n(&s.ctl->bell, __ATOMIC_ACQUIRE);
		int rc = judge(release, &v);

		if (rc != DONE)
			return rc;
		if (progress() != last)
			moved = now();
		last = progress();
		if (v.verdict == RP_VERDICT_REFUSE)
			return REFUSED;
		if (v.verdict == RP_VERDICT_TAKE)
			return check_totals();
		if (v.verdict == RP_VERDICT_RELEASE && (now() - moved <= 0.05 || s.no_slices))
			release_some(release, releases);
		else if (v.verdict == RP_VERDICT_DRAIN && !draining) {
			for (int i = 0; i < s.ranks; i++)
				command(i, RP_CMD_DRAIN);
			draining = true;
		} else if (!draining && !s.no_slices && now() - moved > 0.05)
			release_parked(releases);
		if (now() > end)
			return FAILED;
		bell(seen);
	}
	return TRY_LATER;
}

static int run_cycles(void)
{
	double worst = 0, sum = 0;
	int done = 0, rc = 0, releases = 0, refused = 0, r = DONE;

	usleep((useconds_t)s.delay_ms * 1000);
	while (done < s.cycles && !job_ended()) {
		double t0;

		usleep((useconds_t)(rand() % (2000 * s.mean_ms + 1)));
		__atomic_add_fetch(&s.ctl->request, 1, __ATOMIC_SEQ_CST);
		wake(&s.ctl->request);
		t0 = now();
		r = attempt(&releases);
		if (r == FAILED || (r == REFUSED && !s.want_refusal)) {
			show(r == FAILED ? "this attempt hangs or counts wrongly" : "refused");
			rc = 99;
			break;
		}
		refused += r == REFUSED;
		__atomic_add_fetch(&s.ctl->request, 1, __ATOMIC_SEQ_CST);
		for (int i = 0; i < s.ranks; i++)
			command(i, RP_CMD_RESUME);
		wake(&s.ctl->request);
		if (r == DONE) {
			t0 = now() - t0;
			sum += t0;
			worst = t0 > worst ? t0 : worst;
			done++;
		} else {
			usleep(20000);
		}
	}
	fprintf(stderr, "cycles: %d done, %d releases, %d refused, mean %.2f ms, worst %.2f ms\n", done, releases,
		refused, done ? 1e3 * sum / done : 0, 1e3 * worst);
	if (s.want_refusal && !refused)
		rc = 99;
	return rc;
}

static int make_ctl(void)
{
	size_t size = 4096 + (size_t)s.ranks * RP_SLOT_STRIDE;
	char path[64];
	int fd = memfd_create("cycles", 0);

	if (fd < 0 || ftruncate(fd, (off_t)size))
		return -1;
	s.ctl = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	s.copy = calloc(MAX_RANKS, sizeof(*s.copy));
	if (s.ctl == MAP_FAILED || !s.copy)
		return -1;
	s.ctl->magic = RP_CTL_MAGIC;
	s.ctl->version = RP_CTL_VERSION;
	s.ctl->nslots = (uint32_t)s.ranks;
	s.ctl->agent_pid = (uint32_t)getpid();
	for (int i = 0; i < s.ranks; i++)
		rp_ctl_slot(s.ctl, (uint32_t)i)->world_rank = i;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), fd);
	return setenv("REPRISE_TEST_CTL", path, 1);
}

static int end_job(int rc)
{
	double end = now() + (rc ? 0 : 300);

	while (!job_ended()) {
		if (now() > end) {
			kill(s.job, SIGTERM);
			usleep(500000);
			if (!job_ended())
				kill(s.job, SIGKILL);
			waitpid(s.job, &s.status, 0);
			return rc ? rc : 98;
		}
		usleep(2000);
	}
	return rc ? rc : WIFEXITED(s.status) ? WEXITSTATUS(s.status) : 128 + WTERMSIG(s.status);
}

int main(int argc, char **argv)
{
	unsigned seed = (unsigned)time(NULL);
	int c;

	while ((c = getopt(argc, argv, "+n:i:t:s:r:d:RO")) != -1) {
		switch (c) {
		case 'n':
			s.cycles = atoi(optarg);
			break;
		case 'i':
			s.mean_ms = atoi(optarg);
			break;
		case 't':
			s.timeout = atof(optarg);
			break;
		case 's':
			seed = (unsigned)atoi(optarg);
			break;
		case 'r':
			s.ranks = atoi(optarg);
			break;
		case 'd':
			s.delay_ms = atoi(optarg);
			break;
		case 'O':
			s.no_slices = 1;
			break;
		case 'R':
			s.want_refusal = 1;
			break;
		default:
			return 2;
		}
	}
	if (optind >= argc || s.ranks < 1 || s.ranks > MAX_RANKS || make_ctl())
		return 2;
	srand(seed);
	fprintf(stderr, "cycles: seed %u\n", seed);
	s.job = fork();
	if (s.job == 0) {
		execvp(argv[optind], argv + optind);
		_exit(127);
	}
	return end_job(run_cycles());
}
