/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "job/agreement.h"

#define N 4
#define WORLD 10UL
#define PAIR 20UL /* ranks 2 and 3 */

/* A small job: ranks 0 to 3 on WORLD, 2 and 3 also on PAIR, all parked with equal clocks. */
struct job {
	struct rp_agree_rank r[N];
	struct rp_clock clocks[N][2];
	uint32_t waits[N][2];
	bool release[N];
	struct rp_agreement out;
};

static void job_init(struct job *j)
{
	memset(j, 0, sizeof(*j));
	for (int i = 0; i < N; i++) {
		j->clocks[i][0] = (struct rp_clock){ WORLD, 5 };
		j->clocks[i][1] = (struct rp_clock){ PAIR, 7 };
		j->r[i] = (struct rp_agree_rank){ .state = RP_RANK_PARKED,
						  .settled = true,
						  .clocks = j->clocks[i],
						  .nclocks = i >= 2 ? 2 : 1,
						  .waits = j->waits[i] };
	}
}

static void waits_for(struct job *j, int rank, uint32_t whom)
{
	j->waits[rank][j->r[rank].nwaits++] = whom;
}

static enum rp_verdict judge(struct job *j)
{
	assert_int_equal(rp_agree(j->r, N, j->release, &j->out), 0);
	return j->out.verdict;
}

static void assert_released(const struct job *j, int r0, int r1, int r2, int r3)
{
	assert_int_equal(j->out.verdict, RP_VERDICT_RELEASE);
	assert_int_equal(j->release[0], r0);
	assert_int_equal(j->release[1], r1);
	assert_int_equal(j->release[2], r2);
	assert_int_equal(j->release[3], r3);
	assert_int_equal(j->out.nrelease, r0 + r1 + r2 + r3);
}

static void test_quiet(void **state)
{
	struct job j;

	job_init(&j);
	assert_int_equal(judge(&j), RP_VERDICT_DRAIN);
	waits_for(&j, 0, 1); /* an open receive alone obliges nobody */
	assert_int_equal(judge(&j), RP_VERDICT_DRAIN);
	for (int i = 0; i < N; i++)
		j.r[i].state = RP_RANK_DRAINED;
	assert_int_equal(judge(&j), RP_VERDICT_TAKE);
	j.r[1].state = RP_RANK_PARKED;
	assert_int_equal(judge(&j), RP_VERDICT_WAIT);
}

static void test_running_is_waited_for(void **state)
{
	struct job j;

	job_init(&j);
	j.r[2].state = RP_RANK_RUNNING;
	assert_int_equal(judge(&j), RP_VERDICT_WAIT);
	j.r[2].state = RP_RANK_PARKED;
	j.r[2].settled = false;
	assert_int_equal(judge(&j), RP_VERDICT_WAIT);
}

static void test_standing_at_the_entry(void **state)
{
	struct job j;

	job_init(&j);
	j.clocks[0][0].seq = 6;
	j.r[0].coll_key = WORLD; /* counted, not begun: nobody is behind */
	assert_int_equal(judge(&j), RP_VERDICT_DRAIN);
	j.r[0].coll_key = 0; /* begun, and left already (the root of a broadcast) */
	judge(&j);
	assert_released(&j, 0, 1, 1, 1);
	j.r[0].coll_key = WORLD;
	j.r[0].state = RP_RANK_IN_COLL;
	judge(&j);
	assert_released(&j, 0, 1, 1, 1);
	j.clocks[1][0].seq = j.clocks[2][0].seq = j.clocks[3][0].seq = 6;
	j.r[1].coll_key = WORLD; /* counted but still outside: behind */
	judge(&j);
	assert_released(&j, 0, 1, 0, 0);
	j.r[1].coll_key = 0; /* all have begun it: rank 0 comes out by itself */
	assert_int_equal(judge(&j), RP_VERDICT_WAIT);
}

/* B (1) is inside an Allreduce of the world; A (0) has not reached it and waits for C (2), which stands at the entry of
 * a collective that nobody has begun. Three of the forms differ only in why A waits: an open receive, a large send, or
 * a poll that found nothing; all are published as a wait. */
static void hole(struct job *j)
{
	job_init(j);
	j->r[1].state = RP_RANK_IN_COLL;
	j->r[1].coll_key = WORLD;
	j->clocks[1][0].seq = 6;
	j->clocks[2][0].seq = j->clocks[3][0].seq = 6; /* 2 and 3 have left it or are in it */
	j->r[2].coll_key = PAIR;
	j->clocks[2][1].seq = 8;
}

static void test_hole_by_wait(void **state)
{
	struct job j;

	hole(&j);
	judge(&j);
	assert_released(&j, 1, 0, 0, 0); /* without the wait only A: the plain clock, which hangs */
	waits_for(&j, 0, 2);
	judge(&j);
	assert_released(&j, 1, 0, 1, 0);
	/* C went into its collective: its partner is behind now. */
	j.r[2].state = RP_RANK_IN_COLL;
	judge(&j);
	assert_released(&j, 1, 0, 0, 1);
}

static void test_hole_by_any(void **state)
{
	struct job j;

	hole(&j);
	j.r[0].wait_any = true; /* ANY_SOURCE, or an Iprobe of any source */
	judge(&j);
	assert_released(&j, 1, 0, 1, 1);
}

static void test_hole_transitive(void **state)
{
	struct job j;

	hole(&j);
	waits_for(&j, 0, 3);
	waits_for(&j, 3, 2); /* the one A waits for waits itself */
	judge(&j);
	assert_released(&j, 1, 0, 1, 1);
}

/* 0 leads its group into MPI_Intercomm_create; 2 leads the other one, with which no clock is common. */
static void test_other_leader(void **state)
{
	struct job j;

	job_init(&j);
	j.clocks[0][0] = j.clocks[1][0] = (struct rp_clock){ PAIR + 1, 3 };
	j.r[0].state = j.r[1].state = RP_RANK_IN_COLL;
	j.r[0].coll_key = j.r[1].coll_key = PAIR + 1;
	assert_int_equal(judge(&j), RP_VERDICT_WAIT);
	j.r[0].coll_awaits = 2 + 1;
	waits_for(&j, 2, 3);
	judge(&j);
	assert_released(&j, 0, 0, 1, 1);
	j.r[0].coll_awaits = N + 1; /* nobody */
	assert_int_equal(judge(&j), RP_VERDICT_WAIT);
}

/* 0 and 1 are inside two collectives, each with another thread that owes the other one its part. */
static void test_threads_cross(void **state)
{
	struct job j;

	job_init(&j);
	for (int i = 0; i < 2; i++) {
		j.clocks[i][1] = (struct rp_clock){ PAIR + 1, 1 };
		j.r[i].nclocks = 2;
		j.r[i].state = RP_RANK_IN_COLL;
		j.clocks[i][i].seq++;
	}
	j.r[0].coll_key = WORLD;
	j.r[1].coll_key = PAIR + 1;
	judge(&j);
	assert_released(&j, 0, 0, 1, 1); /* one thread each: nothing of them is parked */
	j.r[0].threads = j.r[1].threads = 2;
	judge(&j);
	assert_released(&j, 1, 1, 1, 1);
}

/* 2 has freed one communicator of the two, 3 the other one. */
static void test_as_many_and_not_the_same(void **state)
{
	struct job j;

	job_init(&j);
	j.clocks[2][1].mark = 100;
	j.clocks[3][1].mark = 200;
	judge(&j);
	assert_released(&j, 0, 0, 1, 1);
	j.clocks[2][1].seq++; /* 3 is behind; what 2 lacks shows when it is not */
	judge(&j);
	assert_released(&j, 0, 0, 0, 1);
	j.clocks[3][1].seq++;
	j.clocks[2][1].mark = j.clocks[3][1].mark = 300;
	assert_int_equal(judge(&j), RP_VERDICT_DRAIN);
}

static void test_any_is_bounded_by_communicators(void **state)
{
	struct job j;

	job_init(&j);
	for (int i = 0; i < N; i++)
		j.r[i].nclocks = i < 2 ? 0 : 1;
	j.clocks[2][0] = j.clocks[3][0] = (struct rp_clock){ PAIR, 1 };
	j.clocks[3][0].seq = 2;
	j.r[2].wait_any = true;
	judge(&j);
	assert_released(&j, 0, 0, 1, 1);
}

static void test_two_communicators_of_one_group(void **state)
{
	struct job j;

	job_init(&j);
	j.clocks[2][1] = (struct rp_clock){ PAIR, 9 };
	j.clocks[3][1] = (struct rp_clock){ PAIR + 1, 9 }; /* another communicator: not comparable */
	assert_int_equal(judge(&j), RP_VERDICT_DRAIN);
}

static void test_init(void **state)
{
	struct job j;

	job_init(&j);
	for (int i = 0; i < N; i++) {
		j.r[i].state = RP_RANK_PREINIT;
		j.r[i].nclocks = 0;
	}
	assert_int_equal(judge(&j), RP_VERDICT_DRAIN);
	j.r[3].state = RP_RANK_IN_INIT;
	judge(&j);
	assert_released(&j, 1, 1, 1, 0);
	for (int i = 0; i < 3; i++)
		j.r[i].state = RP_RANK_IN_INIT;
	assert_int_equal(judge(&j), RP_VERDICT_WAIT);
}

static void test_refusals(void **state)
{
	struct job j;

	job_init(&j);
	j.r[1].state = RP_RANK_FINALIZE;
	assert_int_equal(judge(&j), RP_VERDICT_REFUSE);
	assert_non_null(strstr(j.out.text, "rank 1: is in or after MPI_Finalize"));
	job_init(&j);
	j.r[0].state = j.r[2].state = j.r[3].state = RP_RANK_REFUSED;
	j.r[0].text = j.r[3].text = "another rank refused";
	j.r[2].text = "a window is alive; free it";
	assert_int_equal(judge(&j), RP_VERDICT_REFUSE);
	assert_string_equal(j.out.text, "rank 2: a window is alive; free it");
	j.r[3].settled = false;
	assert_int_equal(judge(&j), RP_VERDICT_REFUSE);
	job_init(&j);
	j.r[3].state = RP_RANK_GONE;
	assert_int_equal(judge(&j), RP_VERDICT_REFUSE);
}

/* Ranks are not trusted to be right: a wait for nobody and an empty slot do no harm. */
static void test_nonsense(void **state)
{
	struct job j;

	job_init(&j);
	j.clocks[0][0].seq = 4;
	waits_for(&j, 0, 0xffffffff);
	waits_for(&j, 0, N);
	judge(&j);
	assert_released(&j, 1, 0, 0, 0);
	j.r[2].state = RP_RANK_EMPTY;
	assert_int_equal(judge(&j), RP_VERDICT_WAIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_running_is_waited_for),
		cmocka_unit_test(test_standing_at_the_entry),
		cmocka_unit_test(test_hole_by_wait),
		cmocka_unit_test(test_hole_by_any),
		cmocka_unit_test(test_hole_transitive),
		cmocka_unit_test(test_other_leader),
		cmocka_unit_test(test_threads_cross),
		cmocka_unit_test(test_as_many_and_not_the_same),
		cmocka_unit_test(test_any_is_bounded_by_communicators),
		cmocka_unit_test(test_two_communicators_of_one_group),
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
