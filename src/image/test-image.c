/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
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

#include "image/image.h"
#include "image/json.h"
#include "image/pool.h"
#include "util/fd.h"
#include "util/str.h"

struct fixture {
	char path[64];
	int dir;
	struct rp_error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->path, "/tmp/reprise-image-XXXXXX");
	if (!mkdtemp(f->path))
		return -1;
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	DIR *d = fdopendir(f->dir);
	struct dirent *e;

	while ((e = readdir(d)))
		unlinkat(f->dir, e->d_name, 0);
	closedir(d);
	rmdir(f->path);
	free(f);
	return 0;
}

static struct rp_writer *writer(struct fixture *f)
{
	struct rp_writer *w = NULL;

	assert_int_equal(rp_writer_new(&w, f->dir, &f->err), 0);
	return w;
}

static struct rp_image *reader(struct fixture *f)
{
	struct rp_image *im = NULL;

	assert_int_equal(rp_image_open(&im, f->path, &f->err), 0);
	return im;
}

static void finish(struct fixture *f, struct rp_writer *w, uint32_t version)
{
	InventoryEntry inv = INVENTORY_ENTRY__INIT;

	inv.img_version = version;
	assert_int_equal(rp_writer_finish(w, &inv, true, &f->err), 0);
	rp_writer_free(w);
}

static void put_file(struct fixture *f, const char *name, const void *data, size_t len)
{
	int fd = openat(f->dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(rp_write_all(fd, data, len), 0);
	close(fd);
}

static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	struct rp_writer *w = writer(f);
	PstreeEntry e = PSTREE_ENTRY__INIT, **list;
	struct rp_image *im;
	uint32_t tids[3] = { 1, 2, 3 };
	InventoryEntry *inv;
	size_t i, n;

	e.n_threads = 3;
	e.threads = tids;
	for (i = 0; i < 20000; i++) {
		e.pid = i;
		assert_int_equal(rp_writer_put(w, RP_IMG_PSTREE, 0, &e, &f->err), 0);
	}
	finish(f, w, RP_IMG_VERSION);
	im = reader(f);
	assert_int_equal(rp_image_inventory(im, &inv, &f->err), 0);
	assert_int_equal(rp_image_all(im, RP_IMG_PSTREE, 0, &list, &n, &f->err), 0);
	assert_int_equal(n, 20000);
	for (i = 0; i < n; i++) {
		assert_int_equal(list[i]->pid, i);
		assert_int_equal(list[i]->threads[2], 3);
	}
	/* Asked for once per file of an image with many: memory for one array only. */
	for (i = 0; i < 20000; i++)
		assert_int_equal(rp_image_all(im, RP_IMG_PSTREE, 0, &list, &n, &f->err), 0);
	rp_image_close(im);
}

static void test_raw_bytes(void **state)
{
	struct fixture *f = *state;
	struct rp_writer *w = writer(f);
	PipeDataEntry e = PIPE_DATA_ENTRY__INIT;
	const struct rp_img_file *file;
	struct rp_image *im;
	char *data = malloc(200000), got[10];
	size_t i;

	for (i = 0; i < 200000; i++)
		data[i] = i * 7;
	for (i = 0; i < 5; i++) {
		e.pipe_id = i;
		e.bytes = i * 50000;
		assert_int_equal(rp_writer_put(w, RP_IMG_PIPES_DATA, 0, &e, &f->err), 0);
		assert_int_equal(rp_writer_extra(w, RP_IMG_PIPES_DATA, 0, data, e.bytes, &f->err), 0);
	}
	finish(f, w, RP_IMG_VERSION);
	im = reader(f);
	assert_int_equal(rp_image_load(im, RP_IMG_PIPES_DATA, 0, &file, &f->err), 0);
	assert_int_equal(file->count, 5);
	assert_int_equal(file->entries[4].extra_len, 200000);
	assert_int_equal(rp_img_extra(file, 4, 199990, got, 10, &f->err), 0);
	assert_memory_equal(got, data + 199990, 10);
	assert_int_equal(rp_img_extra(file, 4, 199991, got, 10, &f->err), -EINVAL);
	assert_int_equal(rp_img_extra(file, 9, 0, got, 1, &f->err), -EINVAL);
	rp_image_close(im);
	free(data);
}

static void test_writer_refuses(void **state)
{
	struct fixture *f = *state;
	struct rp_writer *w = writer(f);
	PagemapEntry run = PAGEMAP_ENTRY__INIT;
	CoreEntry core = CORE_ENTRY__INIT;
	int fd;

	/* the head has to be first, one record where one belongs, the right message */
	assert_int_equal(rp_writer_put(w, RP_IMG_PAGEMAP, 1, &run, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.text, "pagemap-1.img"));
	assert_int_equal(rp_writer_put(w, RP_IMG_CORE, 1, &core, &f->err), 0);
	assert_int_equal(rp_writer_put(w, RP_IMG_CORE, 1, &core, &f->err), -EINVAL);
	assert_int_equal(rp_writer_put(w, RP_IMG_MM, 1, &core, &f->err), -EINVAL);
	assert_int_equal(rp_writer_pages(w, 1, 4096, &fd, &f->err), 0);
	assert_int_equal(rp_writer_pages(w, 1, 4096, &fd, &f->err), -EEXIST);
	rp_writer_free(w);
	/* what was not finished is gone */
	assert_int_equal(faccessat(f->dir, "core-1.img", F_OK, 0), -1);
	assert_int_equal(faccessat(f->dir, "pages-1.img", F_OK, 0), -1);
}

/* Files in the directory, "." and ".." left out. */
static int count_files(struct fixture *f)
{
	DIR *d = fdopendir(openat(f->dir, ".", O_RDONLY | O_DIRECTORY));
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d)))
		n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	closedir(d);
	return n;
}

/* A dump into the directory of an older image: that one is whole until the new one is, and a pages file that a process still
 * maps is never changed. */
static void test_old_files_are_replaced(void **state)
{
	struct fixture *f = *state;
	struct rp_writer *w = writer(f);
	struct stat before, after;
	int fd;

	assert_int_equal(rp_writer_pages(w, 1, 8192, &fd, &f->err), 0);
	assert_int_equal(rp_writer_pages_end(w, 1, 4096, &f->err), 0);
	finish(f, w, RP_IMG_VERSION);
	assert_int_equal(fstatat(f->dir, "pages-1.img", &before, 0), 0);
	assert_int_equal(before.st_size, 4096);
	assert_int_equal(before.st_mode & 0777, 0600);
	w = writer(f);
	assert_int_equal(rp_writer_pages(w, 1, 0, &(int){ 0 }, &f->err), 0);
	assert_int_equal(rp_writer_touch(w, RP_IMG_FILES, 0, &f->err), 0);
	rp_writer_free(w); /* it failed */
	assert_int_equal(faccessat(f->dir, "inventory.img", F_OK, 0), 0);
	assert_int_equal(fstatat(f->dir, "pages-1.img", &after, 0), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(count_files(f), 2);
	fd = openat(f->dir, "pages-1.img", O_RDONLY);
	assert_true(fd >= 0);
	w = writer(f);
	assert_int_equal(rp_writer_pages(w, 1, 0, &(int){ 0 }, &f->err), 0);
	assert_int_equal(fstatat(f->dir, "pages-1.img", &after, 0), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	finish(f, w, RP_IMG_VERSION);
	assert_int_equal(fstatat(f->dir, "pages-1.img", &after, 0), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
	assert_int_equal(count_files(f), 2);
	close(fd);
}

static int run_error(struct fixture *f, uint64_t vaddr, uint64_t n, uint64_t vaddr2, uint64_t n2, uint32_t flags)
{
	struct rp_writer *w = writer(f);
	PagemapHead head = PAGEMAP_HEAD__INIT;
	const struct rp_img_run *runs;
	PagemapEntry e;
	struct rp_image *im;
	uint32_t pages_id;
	size_t count;
	int r, fd;

	head.pages_id = 7;
	assert_int_equal(rp_writer_put(w, RP_IMG_PAGEMAP, 1, &head, &f->err), 0);
	rp_pagemap_entry_init(&e, vaddr, n, flags);
	assert_int_equal(rp_writer_put(w, RP_IMG_PAGEMAP, 1, &e, &f->err), 0);
	rp_pagemap_entry_init(&e, vaddr2, n2, flags);
	assert_int_equal(rp_writer_put(w, RP_IMG_PAGEMAP, 1, &e, &f->err), 0);
	assert_int_equal(rp_writer_pages(w, 7, 10 * 4096, &fd, &f->err), 0);
	finish(f, w, RP_IMG_VERSION);
	im = reader(f);
	r = rp_image_pagemap(im, RP_IMG_PAGEMAP, 1, &runs, &count, &pages_id, &f->err);
	if (r == 0) {
		assert_int_equal(count, 2);
		assert_int_equal(pages_id, 7);
		assert_int_equal(runs[1].file_off, n * 4096);
	}
	rp_image_close(im);
	return r;
}

static void test_pagemap(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run_error(f, 0x1000, 4, 0x5000, 6, RP_PE_PRESENT), 0);
	assert_int_equal(run_error(f, 0x1000, 4, 0x5000, 7, RP_PE_PRESENT), -EBADMSG);
	assert_int_equal(run_error(f, 0x1000, 4, 0x4000, 1, RP_PE_PRESENT), -EBADMSG);
	assert_int_equal(run_error(f, 0x1000, 1, 0x5001, 1, RP_PE_PRESENT), -EBADMSG);
	assert_int_equal(run_error(f, 0x1000, 0, 0x5000, 1, RP_PE_PRESENT), -EBADMSG);
	assert_int_equal(run_error(f, 0x1000, 1, 0x5000, UINT64_MAX / 4096 + 1, RP_PE_PRESENT), -EBADMSG);
	assert_int_equal(run_error(f, 0x1000, 1, UINT64_MAX - 4095, 1, RP_PE_PRESENT), -EBADMSG);
	assert_int_equal(run_error(f, 0x1000, 1, 0x5000, 1, RP_PE_PARENT), -EBADMSG);
	assert_int_equal(run_error(f, 0x1000, 1, 0x5000, 1, 0), -EBADMSG);
}

static void test_inventory(void **state)
{
	struct fixture *f = *state;
	static const uint32_t versions[] = { 0, 1, 3, RP_IMG_VERSION_RANK + 1 };
	InventoryEntry *inv;
	struct rp_image *im;
	size_t i;

	im = reader(f);
	assert_int_equal(rp_image_inventory(im, &inv, &f->err), -ENOENT);
	assert_non_null(strstr(f->err.text, "not completed"));
	rp_image_close(im);
	for (i = 0; i < 4; i++) {
		finish(f, writer(f), versions[i]);
		im = reader(f);
		assert_int_equal(rp_image_inventory(im, &inv, &f->err), -EPROTONOSUPPORT);
		rp_image_close(im);
	}
	finish(f, writer(f), RP_IMG_VERSION_RANK);
	im = reader(f);
	assert_int_equal(rp_image_inventory(im, &inv, &f->err), 0);
	rp_image_close(im);
}

static void test_hostile_files(void **state)
{
	struct fixture *f = *state;
	const struct rp_img_file *file;
	struct rp_image *im = reader(f);

	assert_int_equal(symlinkat("/etc/passwd", f->dir, "core-1.img"), 0);
	assert_true(rp_image_load(im, RP_IMG_CORE, 1, &file, &f->err) < 0);
	assert_int_equal(mkfifoat(f->dir, "core-2.img", 0600), 0);
	assert_int_equal(rp_image_load(im, RP_IMG_CORE, 2, &file, &f->err), -EBADMSG);
	put_file(f, "core-3.img", "\x19\x43\x56\x54\x47\x38\x05\x55\xff\xff\xff\x7f", 12);
	assert_int_equal(rp_image_load(im, RP_IMG_CORE, 3, &file, &f->err), -EBADMSG);
	assert_string_equal(f->err.text, "core-3.img: at byte 8: a record of impossible length");
	assert_int_equal(rp_image_load(im, RP_IMG_CORE, 4, &file, &f->err), -ENOENT);
	assert_int_equal(rp_image_load_as(im, "../passwd", RP_IMG_CORE, &file, &f->err), -EINVAL);
	rp_image_close(im);
}

/* Two bytes of an empty message become a struct of hundreds: the budget has to end it. */
static void test_budget(void **state)
{
	struct fixture *f = *state;
	size_t len = 60u << 20, i;
	unsigned char *data = malloc(len);
	struct rp_error err;
	const struct rp_img_file *file;
	struct rp_image *im;
	uint32_t words[3] = { RP_IMG_COMMON_MAGIC, 0x64413049, (uint32_t)len - 12 };

	memcpy(data, words, 12);
	for (i = 12; i + 4 <= len; i += 4)
		memcpy(data + i, "\x0a\x02\x0a\x00", 4);
	put_file(f, "seccomp.img", data, len);
	free(data);
	im = reader(f);
	assert_int_equal(rp_image_load(im, RP_IMG_SECCOMP, 0, &file, &err), -ENOMEM);
	rp_image_close(im);
}

static void test_names(void **state)
{
	char name[RP_IMG_NAME_MAX];
	enum rp_img type;
	uint64_t id;
	int i;

	for (i = 0; i < RP_IMG_COUNT; i++) {
		uint64_t want = rp_img_types[i].id == RP_IMG_NO_ID ? 0 : 0xfedcba9876543210ULL;

		rp_img_name(i, want, name);
		assert_int_equal(rp_img_parse_name(name, &type, &id), 0);
		assert_int_equal(type, i);
		assert_true(id == want);
	}
	assert_int_equal(rp_img_parse_name("core-01.img", &type, &id), -ENOENT);
	assert_int_equal(rp_img_parse_name("core-.img", &type, &id), -ENOENT);
	assert_int_equal(rp_img_parse_name("core-1.imgx", &type, &id), -ENOENT);
	assert_int_equal(rp_img_parse_name("pages-1.img", &type, &id), -ENOENT);
	rp_img_name(RP_IMG_GHOST_FILE, 26, name);
	assert_string_equal(name, "ghost-file-1a.img");
}

static void test_json(void **state)
{
	static unsigned char bytes[] = { 0, 255, 16, 9 };
	RpRankEntry e = RP_RANK_ENTRY__INIT;
	struct json_object *o;
	char *argv[] = { "a\xff", "\xc3\xa9" };

	e.arena_saved.data = bytes;
	e.arena_saved.len = 4;
	e.n_argv = 2;
	e.argv = argv;
	e.has_dump_mono_ns = true;
	e.dump_mono_ns = INT64_MIN;
	o = rp_msg_json(&e.base);
	assert_string_equal(json_object_get_string(json_object_object_get(o, "arena_saved")), "AP8QCQ==");
	assert_true(json_object_get_int64(json_object_object_get(o, "dump_mono_ns")) == INT64_MIN);
	assert_string_equal(json_object_to_json_string_ext(json_object_object_get(o, "argv"), JSON_C_TO_STRING_PLAIN),
			    "[\"a\xef\xbf\xbd\",\"\xc3\xa9\"]");
	assert_null(json_object_object_get(o, "exe"));
	json_object_put(o);
}

static void test_pool(void **state)
{
	struct rp_pool p;
	char *small;
	int i;

	rp_pool_init(&p, 1 << 20);
	small = rp_pool_alloc(&p, 10);
	assert_non_null(rp_pool_alloc(&p, 500000));
	for (i = 0; i < 10000; i++) {
		char *next = rp_pool_alloc(&p, 17);

		assert_non_null(next);
		assert_int_equal((uintptr_t)next % 16, 0);
		assert_int_equal(next[16], 0);
		memset(next, 1, 17);
	}
	assert_int_equal(small[0], 0);
	assert_false(p.exhausted);
	assert_null(rp_pool_alloc(&p, 500000));
	assert_true(p.exhausted);
	assert_null(rp_pool_alloc(&p, SIZE_MAX));
	rp_pool_done(&p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),	     TEST(test_raw_bytes),	  TEST(test_writer_refuses),
		TEST(test_pagemap),	     TEST(test_inventory),	  TEST(test_old_files_are_replaced),
		TEST(test_hostile_files),    TEST(test_budget),		  cmocka_unit_test(test_names),
		cmocka_unit_test(test_json), cmocka_unit_test(test_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
