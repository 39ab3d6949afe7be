/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/maps.h"
#include "host/mountinfo.h"

static void test_maps_lines(void **state)
{
	char text[] = "00400000-00401000 r--p 00000000 fd:01 42                         /bin/with blank\n"
		      "7ffc00000000-7ffc00021000 rw-s 00003000 00:05 7  /a\\012b (deleted)\n"
		      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0          [vsyscall]\n"
		      "10000-11000 ---p 00000000 00:00 0 \n";
	struct rp_maps_line *m;
	size_t n;

	assert_int_equal(rp_maps_parse(text, &m, &n, NULL), 0);
	assert_int_equal(n, 4);
	assert_string_equal(m[0].path, "/bin/with blank");
	assert_int_equal(m[0].prot, PROT_READ);
	assert_int_equal(m[0].dev_major, 0xfd);
	assert_int_equal(m[0].ino, 42);
	assert_true(m[1].shared);
	assert_int_equal(m[1].pgoff, 0x3000);
	assert_string_equal(m[1].path, "/a\nb (deleted)");
	assert_true(m[2].start == 0xffffffffff600000ULL);
	assert_string_equal(m[3].path, "");
	assert_int_equal(m[3].prot, 0);
	free(m);
}

static void test_smaps_attributes(void **state)
{
	char text[] = "10000-11000 rw-p 00000000 00:00 0 \n"
		      "Size:                  4 kB\n"
		      "KernelPageSize:        4 kB\n"
		      "Rss:                   4 kB\n"
		      "Locked:                4 kB\n"
		      "ProtectionKey:         3\n"
		      "VmFlags: rd wr mr mw me gd lo dc ac hg \n"
		      "11000-12000 rw-p 00000000 00:00 0 \n"
		      "KernelPageSize:     2048 kB\n"
		      "VmFlags: ht\n";
	struct rp_maps_line *m;
	size_t n;

	assert_int_equal(rp_maps_parse(text, &m, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(m[0].kernel_page_size, 4096);
	assert_int_equal(m[0].locked, 4096);
	assert_int_equal(m[0].pkey, 3);
	assert_true(m[0].vmflags & RP_VMF_BIT(RP_VMF_GD));
	assert_true(m[0].vmflags & RP_VMF_BIT(RP_VMF_LO));
	assert_true(m[0].vmflags & RP_VMF_BIT(RP_VMF_DC));
	assert_true(m[0].vmflags & RP_VMF_BIT(RP_VMF_HG));
	assert_false(m[0].vmflags & RP_VMF_BIT(RP_VMF_EX));
	assert_int_equal(m[1].kernel_page_size, 2 << 20);
	assert_true(m[1].vmflags == RP_VMF_BIT(RP_VMF_HT));
	free(m);
}

static void test_maps_bad(void **state)
{
	char *texts[] = { strdup("hello\n"), strdup("2000-1000 rw-p 0 00:00 0\n"), strdup("1000-2000 rw 0 00:00 0\n") };
	struct rp_maps_line *m;
	struct rp_error err;
	size_t i, n;

	for (i = 0; i < 3; i++) {
		err.text[0] = 0;
		assert_int_equal(rp_maps_parse(texts[i], &m, &n, &err), -EINVAL);
		assert_non_null(strstr(err.text, "not understood"));
		free(texts[i]);
	}
}

static void test_maps_self(void **state)
{
	struct rp_maps_line *m;
	size_t i, n;
	char *text;
	int here = 0;

	assert_int_equal(rp_maps_read(getpid(), true, &text, &m, &n, NULL), 0);
	for (i = 0; i < n; i++)
		if (m[i].start <= (uintptr_t)&here && (uintptr_t)&here < m[i].end)
			here = m[i].vmflags & RP_VMF_BIT(RP_VMF_GD) && rp_maps_read(0x7fffffff, false, NULL, NULL, NULL, NULL) == -ESRCH;
	assert_true(here);
	free(m);
	free(text);
}

static void test_mountinfo(void **state)
{
	char text[] = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n"
		      "37 36 0:5 / /proc rw - proc proc rw\n";
	char bad[] = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1\n";
	const struct rp_mount *one;
	struct rp_mount *m;
	size_t n;

	assert_int_equal(rp_mountinfo_parse(text, &m, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_string_equal(m[0].mountpoint, "/mnt 2");
	assert_string_equal(m[0].fstype, "ext3");
	assert_int_equal(m[0].dev_major, 98);
	one = rp_mount_find(m, n, 37);
	assert_string_equal(one->mountpoint, "/proc");
	assert_null(rp_mount_find(m, n, 38));
	free(m);
	assert_int_equal(rp_mountinfo_parse(bad, &m, &n, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_maps_lines), cmocka_unit_test(test_smaps_attributes),
		cmocka_unit_test(test_maps_bad),   cmocka_unit_test(test_maps_self),
		cmocka_unit_test(test_mountinfo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
