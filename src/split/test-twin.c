/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Unit test of lower/twin.c: threads that ask at the same time, while pthread_create() returns late in the spawner.
 * rp_lower_thread() is replaced by one that starts the thread and then dawdles.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "split/lower/lower.h"

#define ASKING 4
#define EACH 8
#define LATE_US 5000

static int refuse; /* errno for the next thread but the spawner */

int rp_lower_thread(void *(*fn)(void *), void *arg, size_t stack)
{
	pthread_t thread;
	int err = refuse;

	(void)stack;
	if (!err)
		err = pthread_create(&thread, NULL, fn, arg);
	if (!err)
		pthread_detach(thread);
	usleep(LATE_US);
	return -err;
}

static void *ask(void *arg)
{
	uint64_t *fs = arg;

	for (int i = 0; i < EACH; i++)
		if (rp_twin_get(0, &fs[i]))
			fs[i] = 0;
	return NULL;
}

/* Every request is answered, with a twin that nobody else has. A lost one ends the test by the alarm. */
static void test_many_ask(void **state)
{
	uint64_t fs[ASKING * EACH] = { 0 };
	pthread_t threads[ASKING];

	(void)state;
	alarm(20);
	for (int i = 0; i < ASKING; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask, fs + (long)i * EACH), 0);
	for (int i = 0; i < ASKING; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < ASKING * EACH; i++) {
		assert_int_not_equal(fs[i], 0);
		for (int k = 0; k < i; k++)
			assert_int_not_equal(fs[i], fs[k]);
	}
	rp_twin_put(fs[0]);
	assert_int_equal(rp_twin_get(0, &fs[1]), 0);
	assert_int_equal(fs[1], fs[0]); /* lent again */
	alarm(0);
}

static void test_no_thread(void **state)
{
	uint64_t fs = 0;

	(void)state;
	alarm(20);
	refuse = EAGAIN;
	assert_int_equal(rp_twin_get(0, &fs), -EAGAIN);
	assert_int_equal(fs, 0);
	refuse = 0;
	assert_int_equal(rp_twin_get(0, &fs), 0);
	assert_int_not_equal(fs, 0);
	alarm(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_many_ask), cmocka_unit_test(test_no_thread) };

	if (rp_twin_start())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
