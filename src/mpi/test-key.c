/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Keys of communicators: the same from the same facts, different for all that a job makes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mpi/comm.h"

static int order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void deterministic(void **state)
{
	int32_t ranks[] = { 3, 1, 2 }, same[] = { 3, 1, 2 }, other[] = { 1, 3, 2 }, shorter[] = { 3, 1 };

	assert_int_equal(rp_key_child(17, 4, 2), rp_key_child(17, 4, 2));
	assert_int_equal(rp_key_ranks(ranks, 3), rp_key_ranks(same, 3));
	assert_int_not_equal(rp_key_ranks(ranks, 3), rp_key_ranks(other, 3));
	assert_int_not_equal(rp_key_ranks(ranks, 3), rp_key_ranks(shorter, 2));
	assert_int_not_equal(rp_key_ranks(ranks, 0), 0);
}

/* Two communicators of one group, made one after the other, are two; so are the colours of one split. */
static void distinct(void **state)
{
	enum { PARENTS = 40, CHILDREN = 60, FIRSTS = 8, N = PARENTS * CHILDREN * FIRSTS };
	uint64_t *keys = malloc(N * sizeof(*keys));
	size_t n = 0;

	assert_non_null(keys);
	for (uint64_t p = 0; p < PARENTS; p++)
		for (uint64_t c = 1; c <= CHILDREN; c++)
			for (int32_t f = 0; f < FIRSTS; f++)
				keys[n++] = rp_key_child(rp_key_child(0, p, 0), c, f);
	qsort(keys, N, sizeof(*keys), order);
	for (size_t i = 0; i < N; i++) {
		assert_int_not_equal(keys[i], 0);
		assert_false(i && keys[i] == keys[i - 1]);
	}
	free(keys);
}

/* A chain of duplicates, each of the last one. */
static void chain(void **state)
{
	uint64_t keys[1000], key = 1;

	for (int i = 0; i < 1000; i++)
		keys[i] = key = rp_key_child(key, 1, 0);
	qsort(keys, 1000, sizeof(keys[0]), order);
	for (int i = 1; i < 1000; i++)
		assert_true(keys[i] != keys[i - 1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(deterministic), cmocka_unit_test(distinct),
					    cmocka_unit_test(chain) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
