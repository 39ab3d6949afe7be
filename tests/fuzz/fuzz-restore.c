/* SPDX-License-Identifier: BSD-3-Clause
 *
 * fuzz-restore ROUNDS DIR: hostile images that are well-formed. Fields of the messages of a good image are changed by
 * their descriptors (numbers to the values that break arithmetic, names, lists that grow and shrink, members that vanish)
 * and the stages read and check of a restore look at the result. They have to accept it or refuse it in one line, with
 * no crash, no descriptor and no byte left behind. RP_FUZZ_SEED chooses the sequence.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/restore.h"
#include "image/image.h"
#include "util/fd.h"
#include "util/str.h"

#define FILES_MAX 128

struct file {
	char name[RP_IMG_NAME_MAX];
	enum rp_img type;
	uint64_t id;
	char *text; /* the good contents */
	size_t len;
};

static struct file files[FILES_MAX];
static size_t nfiles;
static uint64_t rng;
static char work[64], scratch[80];
static int work_fd, scratch_fd;

static uint32_t next(uint32_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng >> 11) % below;
}

static void die(const char *what, const char *text)
{
	fprintf(stderr, "fuzz-restore: %s: %s\n", what, text);
	abort();
}

static uint64_t odd_number(uint64_t old)
{
	/* clang-format off */
	static const uint64_t values[] = { 0, 1, 2, 3, 7, 64, 65, 255, 4095, 4096, 65535, 65536, 0x7fffffff, 0x80000000,
					   0xffffffff, 0x100000000, 0x7fffffffe000, 0x7ffffffff000, 0x800000000000,
					   INT64_MAX, 1ULL << 63, UINT64_MAX, UINT64_MAX - 4095 };
	/* clang-format on */

	switch (next(5)) {
	case 0:
		return old + 1 + next(3);
	case 1:
		return old - 1 - next(3);
	case 2:
		return old ^ 1ULL << next(64);
	case 3:
		return old * 4096;
	default:
		return values[next(sizeof(values) / sizeof(values[0]))];
	}
}

static void mutate_message(ProtobufCMessage *msg, int depth);

static void mutate_value(const ProtobufCFieldDescriptor *f, char *at, int depth)
{
	static char long_name[5000];
	static char *const names[] = {
		"", "/", "..", "/proc/self/mem", "/dev/sda", "a\nb", "/tmp/../../etc/passwd", long_name
	};
	ProtobufCBinaryData *bytes = (ProtobufCBinaryData *)at;

	switch (f->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		mutate_message(*(ProtobufCMessage **)at, depth + 1);
		return;
	case PROTOBUF_C_TYPE_STRING:
		memset(long_name, 'n', sizeof(long_name) - 1);
		*(char **)at = names[next(sizeof(names) / sizeof(names[0]))];
		return;
	case PROTOBUF_C_TYPE_BYTES:
		if (bytes->len && next(2))
			bytes->data[next(bytes->len)] ^= 1 << next(8);
		else
			bytes->len = bytes->len ? next(bytes->len) : 0;
		return;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)at ^= 1;
		return;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		*(uint64_t *)at = odd_number(*(uint64_t *)at);
		return;
	default:
		*(uint32_t *)at = odd_number(*(uint32_t *)at);
	}
}

static size_t width(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_MESSAGE:
	case PROTOBUF_C_TYPE_STRING:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return 8;
	default:
		return 4;
	}
}

/* Lists lose their end, repeat an element or have one changed. */
static void mutate_list(const ProtobufCFieldDescriptor *f, char *msg, int depth)
{
	size_t *n = (size_t *)(msg + f->quantifier_offset), w = width(f->type);
	char *list = *(char **)(msg + f->offset);

	if (!*n)
		return;
	switch (next(4)) {
	case 0:
		*n = next(*n);
		return;
	case 1:
		memcpy(list + next(*n) * w, list + next(*n) * w, w);
		return;
	default:
		mutate_value(f, list + next(*n) * w, depth);
	}
}

static void mutate_message(ProtobufCMessage *msg, int depth)
{
	const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[next(msg->descriptor->n_fields)];
	char *m = (char *)msg, *at = m + f->offset;
	bool pointer = f->type == PROTOBUF_C_TYPE_MESSAGE || f->type == PROTOBUF_C_TYPE_STRING;

	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		mutate_list(f, m, depth);
		return;
	}
	if (f->label == PROTOBUF_C_LABEL_OPTIONAL) {
		bool there = pointer ? *(void **)at != NULL : *(protobuf_c_boolean *)(m + f->quantifier_offset);

		if (!there || next(4) == 0) {
			if (pointer)
				*(void **)at = NULL;
			else
				*(protobuf_c_boolean *)(m + f->quantifier_offset) = !there;
			return;
		}
	}
	mutate_value(f, at, depth);
}

/* A changed copy of one file takes its place in the work directory. Returns false when the image has nothing to change. */
static bool put_mutant(const struct file *file)
{
	struct rp_error err = { "" };
	InventoryEntry inv = INVENTORY_ENTRY__INIT;
	const struct rp_img_file *f = NULL;
	struct rp_image *im = NULL;
	struct rp_writer *w = NULL;
	size_t i, n, skip;

	if (rp_image_open_at(&im, work_fd, &err) < 0 || rp_image_load(im, file->type, file->id, &f, &err) < 0 ||
	    rp_writer_new(&w, scratch_fd, &err) < 0)
		die(file->name, err.text);
	n = f->count;
	for (i = 0; n && i <= next(4); i++)
		mutate_message(f->entries[next(n)].msg, 0);
	skip = n > 1 && next(8) == 0 ? next(n) : n;
	for (i = 0; i < n; i++) {
		const struct rp_img_entry *e = &f->entries[i];
		char *extra RP_AUTOFREE = malloc(e->extra_len + 1);

		if (i == skip && !(i == 0 && rp_img_types[file->type].head))
			continue;
		if (rp_writer_put(w, file->type, file->id, e->msg, &err) < 0 ||
		    (e->extra_len && (rp_img_extra(f, i, 0, extra, e->extra_len, &err) < 0 ||
				      rp_writer_extra(w, file->type, file->id, extra, e->extra_len, &err) < 0)))
			die(file->name, err.text);
	}
	if (rp_writer_finish(w, &inv, false, &err) < 0)
		die("finish", err.text);
	rp_writer_free(w);
	rp_image_close(im);
	return n && renameat(scratch_fd, file->name, work_fd, file->name) == 0;
}

static void put_good(const struct file *file)
{
	int fd = openat(work_fd, file->name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || rp_write_all(fd, file->text, file->len) < 0)
		die(file->name, strerror(errno));
	close(fd);
}

/* Metadata is kept in memory; pages are linked or copied once. */
static void load_good(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)) && nfiles < FILES_MAX) {
		struct file *f = &files[nfiles];
		bool pages = rp_str_has_prefix(e->d_name, "pages-");

		if (!pages && rp_img_parse_name(e->d_name, &f->type, &f->id) < 0)
			continue;
		snprintf(f->name, sizeof(f->name), "%.60s", e->d_name);
		if (rp_read_file_at(dirfd(d), e->d_name, 64 << 20, &f->text, &f->len) < 0)
			die(f->name, "cannot be read");
		put_good(f);
		if (pages || f->type == RP_IMG_INVENTORY || f->type == RP_IMG_STATS_DUMP)
			free(f->text);
		else
			nfiles++;
	}
	if (!d || !nfiles)
		die(dir, "no images");
	closedir(d);
}

static int check(char *text)
{
	struct rp_restore_opts opts = { .images_dir = work, .attach = RP_ATTACH_CHILD };
	struct rp_error err = { "" };
	struct rp_restore *r;
	int rc = rp_restore_new(&r, &opts, &err);

	if (rc == 0)
		rp_restore_free(r);
	else if (!err.text[0])
		die("refused without a word", strerror(-rc));
	snprintf(text, RP_ERROR_MAX, "%s", err.text);
	return rc;
}

static size_t count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void make_dirs(void)
{
	strcpy(work, access("/dev/shm", W_OK) == 0 ? "/dev/shm/reprise-fuzz-XXXXXX" : "/tmp/reprise-fuzz-XXXXXX");
	if (!mkdtemp(work))
		die("mkdtemp", strerror(errno));
	snprintf(scratch, sizeof(scratch), "%s/scratch", work);
	mkdir(scratch, 0700);
	work_fd = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scratch_fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void remove_dirs(void)
{
	DIR *d = opendir(work);
	struct dirent *e;

	unlinkat(scratch_fd, "inventory.img", 0);
	rmdir(scratch);
	while (d && (e = readdir(d)))
		unlinkat(work_fd, e->d_name, 0);
	closedir(d);
	rmdir(work);
}

int main(int argc, char **argv)
{
	const char *env = getenv("RP_FUZZ_SEED");
	unsigned long accepted = 0, refused = 0;
	char text[RP_ERROR_MAX];
	size_t fds;
	int i, rounds = argc == 3 ? atoi(argv[1]) : 0;

	if (rounds <= 0) {
		fputs("usage: fuzz-restore ROUNDS DIR\n", stderr);
		return 2;
	}
	rng = env ? strtoull(env, NULL, 0) : 0x2545f4914f6cdd1dULL;
	printf("RP_FUZZ_SEED=%#llx\n", (unsigned long long)rng);
	make_dirs();
	load_good(argv[2]);
	if (check(text) < 0)
		die("the image itself is refused", text);
	fds = count_fds();
	for (i = 0; i < rounds; i++) {
		const struct file *f = &files[next(nfiles)];

		if (!put_mutant(f))
			continue;
		if (check(text) < 0)
			refused++;
		else
			accepted++;
		if (getenv("RP_FUZZ_VERBOSE"))
			printf("%s: %s\n", f->name, text);
		put_good(f);
		if (count_fds() != fds)
			die(f->name, "a descriptor is left open");
	}
	remove_dirs();
	printf("%lu accepted, %lu refused\n", accepted, refused);
	return accepted && refused ? 0 : 1;
}
