/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The stub's own memory and lock: blocks of all sizes, zeroed, apart from each other, reused; several threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>

#include <cmocka.h>

#include "mpi/object.h"

struct rp_stub rp_stub;

static void sizes(void **state)
{
	unsigned char *blocks[200];
	size_t size;

	for (size_t i = 0; i < 200; i++) {
		size = 1 + i * i * 7;
		blocks[i] = rp_heap_alloc(size);
		assert_non_null(blocks[i]);
		assert_int_equal((uintptr_t)blocks[i] % 16, 0);
		for (size_t k = 0; k < size; k++)
			assert_int_equal(blocks[i][k], 0);
		memset(blocks[i], (int)i, size);
	}
	for (size_t i = 0; i < 200; i++) {
		size = 1 + i * i * 7;
		assert_int_equal(blocks[i][0], (unsigned char)i);
		assert_int_equal(blocks[i][size - 1], (unsigned char)i);
		rp_heap_free(blocks[i]);
	}
	rp_heap_free(NULL);
	assert_null(rp_heap_alloc((size_t)-8));
}

static void reuse(void **state)
{
	char *a = rp_heap_alloc(100), *b;

	memset(a, 'x', 100);
	rp_heap_free(a);
	b = rp_heap_alloc(90);
	assert_ptr_equal(a, b);
	assert_int_equal(b[50], 0);
	rp_heap_free(b);
	a = rp_heap_strdup("twelve chars");
	assert_string_equal(a, "twelve chars");
	rp_heap_free(a);
	assert_null(rp_heap_dup("x", 0));
}

static int counter;

static void *count(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		char *p = rp_heap_alloc(40);

		rp_lock();
		rp_lock(); /* recursive */
		counter++;
		rp_unlock();
		rp_unlock();
		memset(p, 1, 40);
		rp_heap_free(p);
	}
	return NULL;
}

static void threads(void **state)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, count, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(counter, 80000);
	assert_int_equal(rp_stub.lock, 0);
}

/* As after a restart: whoever held the lock is gone. */
static void *hold(void *arg)
{
	rp_lock();
	return NULL;
}

static void inherit(void **state)
{
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, hold, NULL), 0);
	pthread_join(t, NULL);
	assert_int_not_equal(rp_stub.lock, 0);
	rp_lock_inherit();
	rp_lock();
	rp_unlock();
	rp_unlock();
	assert_int_equal(rp_stub.lock, 0);
	rp_lock_inherit();
	rp_unlock();
	assert_int_equal(rp_stub.lock, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sizes), cmocka_unit_test(reuse), cmocka_unit_test(threads),
					    cmocka_unit_test(inherit) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
