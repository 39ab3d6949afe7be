/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Unit test of boot/patch.c: code with system calls of each known shape, before and after it was patched. rp_thunk() is
 * replaced by one that notes the call and adds 1000 to the result of the real one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "abi/arena.h"
#include "split/boot/boot.h"

static long noted_nr, noted_arg;
static int calls;

long rp_thunk(long a, long b, long c, long d, long e, long f, long nr)
{
	(void)b;
	(void)c;
	(void)d;
	(void)e;
	(void)f;
	noted_nr = nr;
	noted_arg = a;
	calls++;
	return 1234;
}

void rp_die_with(int status, const char *text, const char *name, long err)
{
	(void)status;
	(void)name;
	(void)err;
	fail_msg("%s", text);
	abort();
}

void rp_die(const char *text)
{
	rp_die_with(0, text, NULL, 0);
}

static const uint8_t shape_cmp[] = { 0xb8, SYS_close, 0,    0,	  0,	0x0f, 0x05, 0x48, 0x3d,
				     0x00, 0xf0,      0xff, 0xff, 0x77, 0x01, 0xc3, 0x0f, 0x0b };
static const uint8_t shape_cmp32[] = { 0xb8, SYS_close, 0, 0, 0, 0x0f, 0x05, 0x3d, 0x00, 0xf0, 0xff, 0xff, 0xc3 };
static const uint8_t shape_plain[] = { 0xb8, SYS_close, 0, 0, 0, 0x0f, 0x05, 0x85, 0xc0, 0xc3 };
/* The number comes in esi. */
static const uint8_t shape_late[] = { 0x89, 0xf0, 0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0xc3 };
static const uint8_t shape_other[] = {
	0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05, 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff, 0xc3
};

typedef long call_fn(long arg, long nr);

static call_fn *place(const uint8_t *code, size_t len)
{
	static int init, used;
	static uint8_t *page;

	if (!init) {
		rp_patch_init();
		page = mmap((void *)(RP_ARENA_THUNKS + (8UL << 20)), 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		assert_ptr_not_equal(page, MAP_FAILED);
		init = 1;
	}
	used += 64;
	mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
	memcpy(page + used, code, len);
	calls = 0;
	rp_patch_text((uint64_t)page + used, len, PROT_READ | PROT_WRITE | PROT_EXEC);
	return (call_fn *)(page + used);
}

static void check_wanted(const uint8_t *code, size_t len)
{
	call_fn *fn = place(code, len);

	assert_int_equal(fn(77, SYS_close), 1234);
	assert_int_equal(calls, 1);
	assert_int_equal(noted_nr, SYS_close);
	assert_int_equal(noted_arg, 77);
}

static void test_shapes(void **state)
{
	(void)state;
	check_wanted(shape_cmp, sizeof(shape_cmp));
	check_wanted(shape_cmp32, sizeof(shape_cmp32));
	check_wanted(shape_plain, sizeof(shape_plain));
	check_wanted(shape_late, sizeof(shape_late));
}

static void test_others_pass(void **state)
{
	call_fn *fn = place(shape_late, sizeof(shape_late));

	(void)state;
	assert_int_equal(fn(0, SYS_getpid), getpid());
	assert_int_equal(calls, 0);
	assert_int_equal(fn(-1, SYS_fsync), -9); /* the real call's error */
	fn = place(shape_other, sizeof(shape_other));
	assert_memory_equal(fn, shape_other, sizeof(shape_other));
	assert_int_equal(fn(0, 0), getpid());
}

static void test_end_of_text(void **state)
{
	uint8_t cut[sizeof(shape_cmp)];
	call_fn *fn;

	(void)state;
	/* The comparison lies beyond the end that was given: only the short form fits. */
	memcpy(cut, shape_cmp, sizeof(cut));
	fn = place(cut, 7);
	assert_int_equal(((uint8_t *)fn)[0], 0xe9);
	fn = place(cut, 6);
	assert_memory_equal(fn, cut, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_others_pass),
		cmocka_unit_test(test_end_of_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
