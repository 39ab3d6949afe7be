/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/array.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/hash.h"
#include "util/json.h"
#include "util/log.h"
#include "util/pieces.h"
#include "util/str.h"

static void test_error(void **state)
{
	struct rp_error err = { "" };
	char *long_text = malloc(2000);

	assert_int_equal(rp_error(&err, -EINVAL, "fd %d: a\nb", 3), -EINVAL);
	assert_string_equal(err.text, "fd 3: a b");
	assert_int_equal(rp_error_prefix(&err, -EIO, "pid %d ", 7), -EIO);
	assert_string_equal(err.text, "pid 7 fd 3: a b");
	assert_int_equal(rp_error(NULL, -EPERM, "x"), -EPERM);
	memset(long_text, 'y', 1999);
	long_text[1999] = 0;
	rp_error_prefix(&err, 0, "%s", long_text);
	assert_int_equal(strlen(err.text), RP_ERROR_MAX - 1);
	free(long_text);
}

static void test_str(void **state)
{
	struct rp_str s RP_AUTOSTR = RP_STR_INIT;
	char *text;
	int i;

	text = rp_str_take(&s);
	assert_string_equal(text, "");
	free(text);
	for (i = 0; i < 1000; i++)
		assert_int_equal(rp_str_addf(&s, "%d,", i), 0);
	assert_int_equal(s.len, 3890);
	assert_int_equal(strlen(s.text), s.len);
	assert_true(rp_str_has_suffix(s.text, "998,999,"));
	rp_str_reset(&s);
	rp_str_addn(&s, "a\0b", 3);
	assert_int_equal(s.len, 3);
	assert_memory_equal(s.text, "a\0b", 4);
}

static void test_numbers(void **state)
{
	static const char *const bad[] = { "", " 1", "+1", "1 ", "1x", "-", "--1", "0x", "99999999999999999999" };
	int64_t i;
	uint64_t u;
	size_t n;

	for (n = 0; n < RP_COUNT(bad); n++) {
		assert_true(rp_parse_i64(bad[n], 10, INT64_MIN, INT64_MAX, &i) < 0);
		assert_true(rp_parse_u64(bad[n], 10, UINT64_MAX, &u) < 0);
	}
	assert_int_equal(rp_parse_i64("-5", 10, -5, 5, &i), 0);
	assert_int_equal(i, -5);
	assert_int_equal(rp_parse_i64("6", 10, -5, 5, &i), -ERANGE);
	assert_int_equal(rp_parse_u64("-1", 10, UINT64_MAX, &u), -EINVAL);
	assert_int_equal(rp_parse_u64("ffffffffffffffff", 16, UINT64_MAX, &u), 0);
	assert_true(u == UINT64_MAX);
}

static void test_array(void **state)
{
	struct {
		int *items;
		size_t count, room;
	} a = { 0 };
	int i;

	for (i = 0; i < 100; i++) {
		int *slot = RP_ARRAY_PUSH(&a);

		assert_int_equal(*slot, 0);
		*slot = i;
	}
	assert_int_equal(a.count, 100);
	assert_int_equal(a.items[77], 77);
	free(a.items);
}

static void test_fd(void **state)
{
	char name[] = "/tmp/reprise-util-XXXXXX", buf[16], path[64], *text;
	int fd = mkstemp(name), low;
	size_t len;

	assert_true(fd >= 0);
	assert_int_equal(rp_write_all(fd, "0123456789", 10), 0);
	assert_int_equal(rp_pread_all(fd, buf, 4, 6), 0);
	assert_memory_equal(buf, "6789", 4);
	assert_int_equal(rp_pread_all(fd, buf, 5, 6), -ENODATA);
	assert_int_equal(rp_read_file_at(AT_FDCWD, name, 10, &text, &len), 0);
	assert_int_equal(len, 10);
	assert_string_equal(text, "0123456789");
	free(text);
	assert_int_equal(rp_read_file_at(AT_FDCWD, name, 9, &text, &len), -EFBIG);
	assert_int_equal(rp_fd_path(fd, path, sizeof(path)), 0);
	assert_string_equal(path, name);
	assert_int_equal(rp_fd_path(fd, path, 5), -ENAMETOOLONG);
	low = fd;
	assert_int_equal(rp_fd_cloexec(fd, 1), 0);
	assert_int_equal(rp_fd_move_above(&fd, 200), 0);
	assert_true(fd >= 200);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(low, F_GETFD), -1);
	close(fd);
	unlink(name);
}

static void test_mkdir(void **state)
{
	char top[] = "/tmp/reprise-util-XXXXXX", path[64], file[64];
	struct stat st;

	assert_non_null(mkdtemp(top));
	snprintf(path, sizeof(path), "%s/a/b/c", top);
	snprintf(file, sizeof(file), "%s/a/f", top);
	assert_int_equal(rp_mkdir_all(path, 0700), 0);
	assert_int_equal(rp_mkdir_all(path, 0700), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	close(open(file, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(rp_mkdir_all(file, 0700), -ENOTDIR);
	unlink(file);
	while (strcmp(path, top)) {
		assert_int_equal(rmdir(path), 0);
		*strrchr(path, '/') = 0;
	}
	rmdir(top);
}

static void test_hash(void **state)
{
	char zeros[32] = { 0 }, text[] = "123456789";
	uint32_t parts;

	/* RFC 3720 B.4 and the usual check value */
	assert_true(rp_crc32c(0, zeros, 32) == 0x8a9136aau);
	assert_true(rp_crc32c(0, text, 9) == 0xe3069283u);
	parts = rp_crc32c(0, text, 4);
	assert_true(rp_crc32c(parts, text + 4, 5) == 0xe3069283u);
	assert_true(rp_hash("a", 1) != rp_hash("b", 1));
	assert_true(rp_hash_end(rp_hash_add(rp_hash_add(RP_HASH_INIT, "ab", 2), "c", 1)) == rp_hash("abc", 3));
}

#define U "\xef\xbf\xbd"

static void test_json_utf8(void **state)
{
	static const char bad[] = "a\xc3\xa9\xe9\xed\xa0\x80\xc0\x80\xf4\x90\x80\x80\xf0\x9f\x98\x80\xe2\x82";
	static const char good[] = "\"a\xc3\xa9" U U U U U U U U U U "\xf0\x9f\x98\x80" U U "\"\n";
	struct json_object *o = json_object_new_string(bad);
	char text[200] = "";
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(rp_json_print(ends[1], o), 0);
	assert_int_equal(read(ends[0], text, sizeof(text)), sizeof(good) - 1);
	assert_string_equal(text, good);
	close(ends[0]);
	close(ends[1]);
	json_object_put(o);
}

static void test_json(void **state)
{
	static const char text[] = "{\"a\": 5, \"s\": \"x\", \"l\": [1, 2]} \n";
	struct json_object *o, *l;
	struct rp_error err;
	char deep[200];
	const char *s;
	int64_t i;

	assert_int_equal(rp_json_parse(text, strlen(text), &o, &err), 0);
	assert_int_equal(rp_json_i64(o, "a", 0, 10, &i, &err), 0);
	assert_int_equal(i, 5);
	assert_int_equal(rp_json_i64(o, "a", 0, 4, &i, &err), -ERANGE);
	assert_int_equal(rp_json_i64(o, "s", 0, 4, &i, &err), -EINVAL);
	assert_int_equal(rp_json_str(o, "s", &s, &err), 0);
	assert_string_equal(s, "x");
	assert_int_equal(rp_json_str(o, "none", &s, &err), -EINVAL);
	assert_string_equal(err.text, "none: missing");
	assert_int_equal(rp_json_array(o, "l", &l, &err), 0);
	json_object_put(o);
	assert_int_equal(rp_json_parse("{} x", 4, &o, &err), -EINVAL);
	assert_int_equal(rp_json_parse("{\"a\":", 5, &o, &err), -EINVAL);
	memset(deep, '[', sizeof(deep));
	assert_int_equal(rp_json_parse(deep, sizeof(deep), &o, &err), -EINVAL);
}

static void keep_line(enum rp_log_level level, const char *line, void *arg)
{
	snprintf(arg, 64, "%d %s", level, line);
}

static int calls;
static int side_effect(void)
{
	return ++calls;
}

static void test_log(void **state)
{
	char line[64] = "";

	rp_debug("no sink %d", side_effect());
	rp_log_set(RP_LOG_INFO, keep_line, line);
	rp_debug("too fine %d", side_effect());
	assert_string_equal(line, "");
	assert_int_equal(calls, 0);
	rp_info("freeze 7 %s: text", "vma");
	assert_string_equal(line, "2 freeze 7 vma: text");
	rp_log_set(RP_LOG_QUIET, NULL, NULL);
}

static void test_pieces(void **state)
{
	char dir[] = "/tmp/reprise-util-XXXXXX", path[128], found[128];
	struct rp_error err = { "" };

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/piece", dir);
	setenv("REPRISE_LIBEXECDIR", dir, 1);
	assert_int_equal(rp_piece_find("piece", found, sizeof(found), &err), -ENOPKG);
	assert_non_null(strstr(err.text, path));
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(rp_piece_find("piece", found, sizeof(found), &err), 0);
	assert_string_equal(found, path);
	assert_int_equal(rp_piece_find("piece", found, 5, &err), -ENAMETOOLONG);
	unsetenv("REPRISE_LIBEXECDIR");
	assert_int_equal(rp_piece_find("no-such-piece", found, sizeof(found), &err), -ENOPKG);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error), cmocka_unit_test(test_str),    cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_array), cmocka_unit_test(test_fd),     cmocka_unit_test(test_mkdir),
		cmocka_unit_test(test_hash),  cmocka_unit_test(test_json),   cmocka_unit_test(test_json_utf8),
		cmocka_unit_test(test_log),   cmocka_unit_test(test_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
