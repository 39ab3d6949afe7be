/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/mountinfo.h"
#include "host/smaps.h"
#include "util/fd.h"

static void test_maps_lines(void **state)
{
	char text[] = "00400000-00401000 r--p 00000000 fd:01 42                         /bin/with blank\n"
		      "7ffc00000000-7ffc00021000 rw-s 00003000 00:05 7  /a\\012b (deleted)\n"
		      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0          [vsyscall]\n"
		      "10000-11000 ---p 00000000 00:00 0 \n";
	struct rp_smap *m;
	size_t n;

	assert_int_equal(rp_smaps_parse(text, &m, &n, NULL), 0);
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
		      "ProtectionKey:         3\n"
		      "VmFlags: rd wr mr mw me gd lo dc ac hg \n"
		      "11000-12000 rw-p 00000000 00:00 0 \n"
		      "KernelPageSize:     2048 kB\n"
		      "VmFlags: ht\n";
	struct rp_smap *m;
	size_t n;

	assert_int_equal(rp_smaps_parse(text, &m, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(m[0].page_size, 4096);
	assert_int_equal(m[0].pkey, 3);
	assert_true(m[0].vmflags & RP_VMF(GD));
	assert_true(m[0].vmflags & RP_VMF(LO));
	assert_true(m[0].vmflags & RP_VMF(DC));
	assert_true(m[0].vmflags & RP_VMF(HG));
	assert_false(m[0].vmflags & RP_VMF(HT));
	assert_int_equal(m[1].page_size, 2 << 20);
	assert_true(m[1].vmflags == RP_VMF(HT));
	free(m);
}

static void test_maps_bad(void **state)
{
	char *texts[] = { strdup("hello\n"), strdup("2000-1000 rw-p 0 00:00 0\n"), strdup("1000-2000 rw 0 00:00 0\n") };
	struct rp_smap *m;
	struct rp_error err;
	size_t i, n;

	for (i = 0; i < 3; i++) {
		err.text[0] = 0;
		assert_int_equal(rp_smaps_parse(texts[i], &m, &n, &err), -EINVAL);
		assert_true(err.text[0]);
		free(texts[i]);
	}
}

static void test_maps_self(void **state)
{
	struct rp_smap *m;
	size_t i, n;
	char *text;
	bool found = false;

	assert_int_equal(rp_read_file_at(AT_FDCWD, "/proc/self/smaps", 1 << 24, &text, NULL), 0);
	assert_int_equal(rp_smaps_parse(text, &m, &n, NULL), 0);
	for (i = 0; i < n; i++)
		if (m[i].start <= (uintptr_t)&found && (uintptr_t)&found < m[i].end)
			found = (m[i].vmflags & RP_VMF(GD)) && m[i].rss >= 4096;
	assert_true(found);
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
