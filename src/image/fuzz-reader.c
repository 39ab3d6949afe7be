/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzz target of the reader, with its round-trip twin: whatever can be read is written again and must read the same.
 * The first byte of the input chooses the type of file, the rest is its contents behind the magic. With libFuzzer
 * (-Dfuzz=true, clang) it is driven by LLVM; otherwise main() mutates the files given, from a printed seed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/image.h"
#include "image/json.h"
#include "util/array.h"
#include "util/fd.h"
#include "util/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir_path[64];
static int dir_fd = -1;
static unsigned long accepted, refused;

static void die(const char *what, const struct rp_error *err)
{
	fprintf(stderr, "fuzz-reader: %s: %s\n", what, err ? err->text : "");
	abort();
}

static void remove_dir(void)
{
	rmdir(dir_path);
}

static void make_dir(void)
{
	strcpy(dir_path, access("/dev/shm", W_OK) == 0 ? "/dev/shm/reprise-fuzz-XXXXXX" : "/tmp/reprise-fuzz-XXXXXX");
	if (!mkdtemp(dir_path))
		die("mkdtemp", NULL);
	dir_fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	atexit(remove_dir);
}

static void write_input(enum rp_img type, const uint8_t *data, size_t size)
{
	const struct rp_img_type *t = &rp_img_types[type];
	uint32_t magic[2] = { t->frame == RP_IMG_SERVICE ? RP_IMG_SERVICE_MAGIC : RP_IMG_COMMON_MAGIC, t->magic };
	char name[RP_IMG_NAME_MAX];
	int fd;

	rp_img_name(type, 1, name);
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || (t->frame == RP_IMG_BARE ? rp_write_all(fd, &magic[1], 4) : rp_write_all(fd, magic, 8)) < 0 ||
	    rp_write_all(fd, data, size) < 0)
		die(name, NULL);
	close(fd);
}

/* All records of f through the writer into another id. */
static void write_again(const struct rp_img_file *f, uint64_t id)
{
	struct rp_error err = { "" };
	struct rp_writer *w;
	InventoryEntry inv = INVENTORY_ENTRY__INIT;
	size_t i;

	if (rp_writer_new(&w, dir_fd, &err) < 0)
		die("writer", &err);
	if (f->count == 0 && rp_writer_touch(w, f->type, id, &err) < 0)
		die("touch", &err);
	for (i = 0; i < f->count; i++) {
		const struct rp_img_entry *e = &f->entries[i];
		char *extra RP_AUTOFREE = malloc(e->extra_len + 1);

		if (rp_writer_put(w, f->type, id, e->msg, &err) < 0)
			die("what was read cannot be written", &err);
		if (e->extra_len && (rp_img_extra(f, i, 0, extra, e->extra_len, &err) < 0 ||
				     rp_writer_extra(w, f->type, id, extra, e->extra_len, &err) < 0))
			die("raw bytes", &err);
	}
	if (rp_writer_finish(w, &inv, false, &err) < 0)
		die("finish", &err);
	rp_writer_free(w);
}

static void compare(const struct rp_img_file *a, const struct rp_img_file *b)
{
	struct json_object *ja = NULL, *jb = NULL;
	struct rp_error err;

	if (rp_img_json(a, &ja, &err) < 0 || rp_img_json(b, &jb, &err) < 0)
		die("json", &err);
	json_object_object_del(ja, "file");
	json_object_object_del(jb, "file");
	if (strcmp(json_object_to_json_string(ja), json_object_to_json_string(jb)))
		die("the copy reads differently", NULL);
	json_object_put(ja);
	json_object_put(jb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rp_img_file *f, *copy;
	struct rp_image *im;
	struct rp_error err = { "" };
	char name[RP_IMG_NAME_MAX];
	enum rp_img type;

	if (dir_fd < 0)
		make_dir();
	if (size < 1)
		return 0;
	type = data[0] % RP_IMG_COUNT;
	write_input(type, data + 1, size - 1);
	if (rp_image_open_at(&im, dir_fd, &err) < 0)
		die("open", &err);
	if (rp_image_load(im, type, 1, &f, &err) == 0) {
		accepted++;
		if (rp_img_types[type].id != RP_IMG_NO_ID) {
			write_again(f, 2);
			if (rp_image_load(im, type, 2, &copy, &err) < 0)
				die("the copy cannot be read", &err);
			compare(f, copy);
			rp_img_name(type, 2, name);
			unlinkat(dir_fd, name, 0);
			unlinkat(dir_fd, "inventory.img", 0);
		} else {
			struct json_object *o;

			if (rp_img_json(f, &o, &err) < 0)
				die("json", &err);
			json_object_put(o);
		}
	} else {
		refused++;
		if (!err.text[0])
			die("refused without a word", NULL);
	}
	rp_image_close(im);
	rp_img_name(type, 1, name);
	unlinkat(dir_fd, name, 0);
	return 0;
}

#ifndef RP_LIBFUZZER
static uint64_t rng;

static uint32_t next(uint32_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng >> 11) % below;
}

/* A few edits of the kinds that break parsers: bits, interesting numbers, cuts, repeats. */
static size_t mutate(uint8_t *data, size_t size, size_t room)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
	uint32_t edits = 1 + next(6);

	while (edits-- && size > 2) {
		size_t at = 1 + next(size - 1), n = 1 + next(16);

		switch (next(5)) {
		case 0:
			data[at] ^= 1 << next(8);
			break;
		case 1:
			data[at] = values[next(sizeof(values))];
			break;
		case 2:
			size = at;
			break;
		case 3:
			if (at + n < size) {
				memmove(data + at, data + at + n, size - at - n);
				size -= n;
			}
			break;
		case 4:
			if (at + n < size && size + n < room) {
				memmove(data + at + n, data + at, size - at);
				size += n;
			}
			break;
		}
	}
	return size;
}

/* An image file as input of the target: type, then what follows the magic. Returns 0 for a file that is no image. */
static size_t load_seed(const char *path, uint8_t *data, size_t room)
{
	const char *name = strrchr(path, '/');
	char *text RP_AUTOFREE = NULL;
	enum rp_img type;
	uint64_t id;
	size_t len, skip;

	if (rp_img_parse_name(name ? name + 1 : path, &type, &id) < 0 ||
	    rp_read_file_at(AT_FDCWD, path, room - 1, &text, &len) < 0)
		return 0;
	skip = rp_img_types[type].frame == RP_IMG_BARE ? 4 : 8;
	if (len < skip)
		return 0;
	data[0] = type;
	memcpy(data + 1, text + skip, len - skip);
	return len - skip + 1;
}

int main(int argc, char **argv)
{
	static uint8_t seed[1 << 16], data[1 << 16];
	const char *env = getenv("RP_FUZZ_SEED");
	int rounds = argc > 2 ? atoi(argv[1]) : 0, i, used = 0;

	if (rounds <= 0) {
		fputs("usage: fuzz-reader ROUNDS FILE...\n", stderr);
		return 2;
	}
	rng = env ? strtoull(env, NULL, 0) : 0x9e3779b97f4a7c15ULL;
	printf("RP_FUZZ_SEED=%#llx\n", (unsigned long long)rng);
	for (i = 2; i < argc; i++) {
		size_t size = load_seed(argv[i], seed, sizeof(seed));
		int n;

		if (!size)
			continue;
		used++;
		LLVMFuzzerTestOneInput(seed, size);
		for (n = 0; n < rounds; n++) {
			memcpy(data, seed, size);
			LLVMFuzzerTestOneInput(data, mutate(data, size, sizeof(data)));
		}
	}
	printf("%d files, %d mutations of each: %lu accepted, %lu refused\n", used, rounds, accepted, refused);
	return accepted && refused ? 0 : 1;
}
#endif
