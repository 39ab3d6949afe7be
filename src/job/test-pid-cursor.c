/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "job/pid-cursor.h"

static void test_stays(void **state)
{
	const struct rp_id_range r[] = { { 5000, 5010 }, { 5011, 5011 } };

	assert_int_equal(rp_pid_cursor(r, 2, 6000, 32768), -1);
	assert_int_equal(rp_pid_cursor(r, 2, 2000, 32768), -1);
	assert_int_equal(rp_pid_cursor(r, 0, 400, 32768), -1);
}

static void test_goes_above(void **state)
{
	const struct rp_id_range r[] = { { 40, 44 }, { 45, 46 } }, apart[] = { { 5000, 5000 }, { 5100, 5200 } };

	assert_int_equal(rp_pid_cursor(r, 2, 30, 4194304), 46); /* a fresh namespace */
	assert_int_equal(rp_pid_cursor(apart, 2, 4990, 32768), 5200);
	assert_int_equal(rp_pid_cursor(apart, 2, 5150, 32768), 5200);
	assert_int_equal(rp_pid_cursor(apart, 2, 5050, 32768), 5200);
}

/* The ids of the image end where ids end: the launcher must not run on into those that wrapped. */
static void test_wrap(void **state)
{
	const struct rp_id_range r[] = { { 32766, 32767 }, { 301, 303 } }, low = { 300, 400 };

	assert_int_equal(rp_pid_cursor(r, 2, 32765, 32768), 303);
	assert_int_equal(rp_pid_cursor(&low, 1, 32700, 32768), 400);
	assert_int_equal(rp_pid_cursor(r, 1, 32767, 32768), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stays),
		cmocka_unit_test(test_goes_above),
		cmocka_unit_test(test_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
