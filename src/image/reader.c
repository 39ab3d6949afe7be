/* SPDX-License-Identifier: BSD-3-Clause */
#include "image/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/image.h"
#include "image/pool.h"
#include "util/array.h"
#include "util/fd.h"

#define FILE_MAX ((uint64_t)256 << 20)	 /* of metadata, without the raw bytes behind records */
#define HEAD_SIZE 4096			 /* loaded at first of a file with raw bytes */
#define BUDGET_MAX ((uint64_t)512 << 20) /* memory for all messages of an image */
#define RECORD_MAX ((uint32_t)128 << 20) /* one message */

struct rp_image {
	int dir_fd;
	struct rp_pool pool;
	struct rp_img_file **items; /* files that were read */
	size_t count, room;
};

int rp_image_open_at(struct rp_image **out, int dir_fd, struct rp_error *err)
{
	struct rp_image *im = calloc(1, sizeof(*im));
	struct stat st;

	if (!im)
		return rp_error(err, -ENOMEM, "out of memory");
	im->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	if (im->dir_fd < 0 || fstat(im->dir_fd, &st) < 0 || !S_ISDIR(st.st_mode)) {
		if (im->dir_fd >= 0)
			close(im->dir_fd);
		free(im);
		return rp_error(err, -ENOTDIR, "images: not a directory");
	}
	rp_pool_init(&im->pool, BUDGET_MAX);
	*out = im;
	return 0;
}

int rp_image_open(struct rp_image **out, const char *dir, struct rp_error *err)
{
	int fd RP_AUTOCLOSE = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		int error = errno;

		return rp_error(err, -error, "%s: %s", dir, strerror(error));
	}
	return rp_image_open_at(out, fd, err);
}

void rp_image_close(struct rp_image *im)
{
	size_t i;

	if (!im)
		return;
	for (i = 0; i < im->count; i++)
		if (im->items[i]->fd >= 0)
			close(im->items[i]->fd);
	free(im->items);
	rp_pool_done(&im->pool);
	close(im->dir_fd);
	free(im);
}

int rp_image_dirfd(const struct rp_image *im)
{
	return im->dir_fd;
}

int rp_image_move_above(struct rp_image *im, int min)
{
	int r = rp_fd_move_above(&im->dir_fd, min);

	for (size_t i = 0; !r && i < im->count; i++)
		if (im->items[i]->fd >= 0)
			r = rp_fd_move_above(&im->items[i]->fd, min);
	return r;
}

void *rp_image_alloc(struct rp_image *im, size_t size)
{
	return rp_pool_alloc(&im->pool, size);
}

bool rp_image_has(struct rp_image *im, enum rp_img type, uint64_t id)
{
	char name[RP_IMG_NAME_MAX];

	rp_img_name(type, id, name);
	return faccessat(im->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Opens a regular file of the directory: no link, no FIFO that would block. */
static int open_file(struct rp_image *im, const char *name, int *out, uint64_t *size, struct rp_error *err)
{
	int fd RP_AUTOCLOSE = openat(im->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		int error = errno;

		return rp_error(err, -error, "%s: %s", name, strerror(error));
	}
	if (!S_ISREG(st.st_mode))
		return rp_error(err, -EBADMSG, "%s: not a regular file", name);
	*size = st.st_size;
	*out = rp_fd_take(&fd);
	return 0;
}

static int bad(struct rp_error *err, const struct rp_img_file *f, uint64_t off, const char *what)
{
	return rp_error(err, -EBADMSG, "%s: at byte %" PRIu64 ": %s", f->name, off, what);
}

static uint32_t word(const void *p)
{
	uint32_t value;

	memcpy(&value, p, 4);
	return value;
}

/* len bytes of the file at off, which the caller has found to be inside the file; NULL with err set. */
static const uint8_t *bytes_at(struct rp_image *im, const struct rp_img_file *f, uint64_t off, size_t len,
			       struct rp_error *err)
{
	uint8_t *data;
	int r;

	if (off + len <= f->loaded)
		return f->data + off;
	data = rp_pool_alloc(&im->pool, len);
	r = data ? rp_pread_all(f->fd, data, len, off) : -ENOMEM;
	if (r < 0) {
		rp_error(err, r, "%s: at byte %" PRIu64 ": %s", f->name, off, strerror(-r));
		return NULL;
	}
	return data;
}

/* Checks the magic and returns the offset of the first record, or -errno. */
static int check_magic(const struct rp_img_file *f, struct rp_error *err)
{
	const struct rp_img_type *t = &rp_img_types[f->type];
	uint32_t frame = t->frame == RP_IMG_SERVICE ? RP_IMG_SERVICE_MAGIC : RP_IMG_COMMON_MAGIC;

	if (t->frame == RP_IMG_BARE) {
		if (f->loaded < 4 || word(f->data) != t->magic)
			return bad(err, f, 0, "this is not an image of that name (magic)");
		return 4;
	}
	if (f->loaded < 8 || word(f->data) != frame || word(f->data + 4) != t->magic)
		return bad(err, f, 0, "this is not an image of that name (magic)");
	return 8;
}

/* One record at off; *next is the offset behind it. */
static int read_record(struct rp_image *im, struct rp_img_file *f, uint64_t off, struct rp_img_entry *e, uint64_t *next,
		       struct rp_error *err)
{
	const struct rp_img_type *t = &rp_img_types[f->type];
	const ProtobufCMessageDescriptor *desc = t->head && f->count == 1 ? t->head : t->entry;
	ProtobufCAllocator pool = rp_pool_allocator(&im->pool);
	const uint8_t *data;
	uint32_t size;

	if (f->size - off < 4)
		return bad(err, f, off, "the file ends inside a length");
	data = bytes_at(im, f, off, 4, err);
	if (!data)
		return -EIO;
	size = word(data);
	if (size > RECORD_MAX)
		return bad(err, f, off, "a record of impossible length");
	if (size > f->size - off - 4)
		return bad(err, f, off, "the file ends inside a record");
	data = bytes_at(im, f, off + 4, size, err);
	if (!data)
		return -EIO;
	e->off = off;
	e->msg = protobuf_c_message_unpack(desc, &pool, size, data);
	if (!e->msg)
		return im->pool.exhausted ? rp_error(err, -ENOMEM, "%s: needs more memory than an image may", f->name)
					  : bad(err, f, off, "not a valid message");
	/* Repeated single fields, overlong numbers: no writer makes them, and what they mean depends on the reader. */
	if (protobuf_c_message_get_packed_size(e->msg) != size)
		return bad(err, f, off, "a message that is not in its shortest form");
	e->extra_off = off + 4 + size;
	e->extra_len = t->extra ? t->extra(e->msg) : 0;
	if (e->extra_len == UINT64_MAX)
		e->extra_len = f->size - e->extra_off;
	if (e->extra_len > f->size - e->extra_off)
		return bad(err, f, off, "the file ends inside the data behind a record");
	*next = e->extra_off + e->extra_len;
	return 0;
}

static int read_records(struct rp_image *im, struct rp_img_file *f, struct rp_error *err)
{
	const struct rp_img_type *t = &rp_img_types[f->type];
	struct {
		struct rp_img_entry *items;
		size_t count, room;
	} list = { 0 };
	int r = check_magic(f, err);
	uint64_t off = r;

	while (r >= 0 && off < f->size) {
		struct rp_img_entry *e = RP_ARRAY_PUSH(&list);

		f->count = list.count;
		r = e ? read_record(im, f, off, e, &off, err) : rp_error(err, -ENOMEM, "out of memory");
	}
	if (r >= 0 && t->one && list.count != 1)
		r = rp_error(err, -EBADMSG, "%s: holds %zu records, not one", f->name, list.count);
	if (r >= 0 && t->head && list.count == 0)
		r = bad(err, f, f->size, "the first record is missing");
	if (r >= 0 && list.count) {
		f->entries = rp_pool_alloc(&im->pool, list.count * sizeof(*f->entries));
		if (f->entries)
			memcpy(f->entries, list.items, list.count * sizeof(*f->entries));
		else
			r = rp_error(err, -ENOMEM, "%s: needs more memory than an image may", f->name);
	}
	f->count = list.count;
	free(list.items);
	return r < 0 ? r : 0;
}

static int load(struct rp_image *im, struct rp_img_file *f, struct rp_error *err)
{
	bool raw = rp_img_types[f->type].extra;
	uint8_t *data;
	int r = open_file(im, f->name, &f->fd, &f->size, err);

	if (r < 0)
		return r;
	if (f->size > FILE_MAX && !raw)
		return rp_error(err, -EFBIG, "%s: %" PRIu64 " bytes is more than metadata may have", f->name, f->size);
	f->loaded = raw && f->size > HEAD_SIZE ? HEAD_SIZE : f->size;
	data = rp_pool_alloc(&im->pool, f->loaded + 1);
	if (!data)
		return rp_error(err, -ENOMEM, "%s: needs more memory than an image may", f->name);
	f->data = data;
	r = rp_pread_all(f->fd, data, f->loaded, 0);
	if (r < 0)
		return rp_error(err, r, "%s: %s", f->name, strerror(-r));
	return read_records(im, f, err);
}

static int load_new(struct rp_image *im, const char *name, enum rp_img type, uint64_t id,
		    const struct rp_img_file **out, struct rp_error *err)
{
	struct rp_img_file *f = rp_pool_alloc(&im->pool, sizeof(*f)), **slot;
	int r;

	if (!f)
		return rp_error(err, -ENOMEM, "out of memory");
	f->type = type;
	f->id = id;
	f->fd = -1;
	snprintf(f->name, sizeof(f->name), "%s", name);
	r = load(im, f, err);
	slot = r < 0 ? NULL : RP_ARRAY_PUSH(im);
	if (!slot) {
		if (f->fd >= 0)
			close(f->fd);
		return r < 0 ? r : rp_error(err, -ENOMEM, "out of memory");
	}
	/* Only files with raw bytes are needed open. */
	if (!rp_img_types[type].extra) {
		close(f->fd);
		f->fd = -1;
	}
	*slot = f;
	*out = f;
	return 0;
}

static int load_once(struct rp_image *im, const char *name, enum rp_img type, uint64_t id,
		     const struct rp_img_file **out, struct rp_error *err)
{
	size_t i;

	for (i = 0; i < im->count; i++) {
		if (im->items[i]->type != type || strcmp(im->items[i]->name, name))
			continue;
		*out = im->items[i];
		return 0;
	}
	return load_new(im, name, type, id, out, err);
}

int rp_image_load(struct rp_image *im, enum rp_img type, uint64_t id, const struct rp_img_file **out,
		  struct rp_error *err)
{
	char name[RP_IMG_NAME_MAX];

	rp_img_name(type, id, name);
	return load_once(im, name, type, id, out, err);
}

int rp_image_load_as(struct rp_image *im, const char *name, enum rp_img type, const struct rp_img_file **out,
		     struct rp_error *err)
{
	if (strchr(name, '/') || strlen(name) >= RP_IMG_NAME_MAX)
		return rp_error(err, -EINVAL, "%.100s: not the name of an image", name);
	return load_once(im, name, type, 0, out, err);
}

int rp_image_one(struct rp_image *im, enum rp_img type, uint64_t id, void *out, struct rp_error *err)
{
	const struct rp_img_file *f;
	int r = rp_image_load(im, type, id, &f, err);

	if (r < 0)
		return r;
	if (f->count != 1)
		return rp_error(err, -EBADMSG, "%s: holds %zu records, not one", f->name, f->count);
	*(ProtobufCMessage **)out = f->entries[0].msg;
	return 0;
}

int rp_image_all(struct rp_image *im, enum rp_img type, uint64_t id, void *out_array, size_t *out_count,
		 struct rp_error *err)
{
	size_t i, skip = rp_img_types[type].head ? 1 : 0;
	const struct rp_img_file *found;
	struct rp_img_file *f;
	int r = rp_image_load(im, type, id, &found, err);

	if (r < 0)
		return r;
	f = (struct rp_img_file *)found; /* ours */
	if (!f->all) {
		f->all = rp_pool_alloc(&im->pool, (f->count + 1) * sizeof(*f->all));
		if (!f->all)
			return rp_error(err, -ENOMEM, "out of memory");
		for (i = skip; i < f->count; i++)
			f->all[i - skip] = f->entries[i].msg;
	}
	*(ProtobufCMessage ***)out_array = f->all;
	*out_count = f->count - skip;
	return 0;
}

int rp_img_extra(const struct rp_img_file *f, size_t i, uint64_t off, void *buf, size_t len, struct rp_error *err)
{
	const struct rp_img_entry *e = &f->entries[i];
	int r;

	if (i >= f->count || f->fd < 0 || off > e->extra_len || len > e->extra_len - off)
		return rp_error(err, -EINVAL, "%s: record %zu has no such data", f->name, i);
	r = rp_pread_all(f->fd, buf, len, e->extra_off + off);
	return r < 0 ? rp_error(err, r, "%s: %s", f->name, strerror(-r)) : 0;
}

int rp_image_inventory(struct rp_image *im, void *out, struct rp_error *err)
{
	InventoryEntry *inv;
	int r = rp_image_one(im, RP_IMG_INVENTORY, 0, &inv, err);

	if (r == -ENOENT)
		return rp_error(err, r, "inventory.img is missing: no image, or a dump that was not completed");
	if (r < 0)
		return r;
	if (inv->img_version != RP_IMG_VERSION && inv->img_version != RP_IMG_VERSION_RANK)
		return rp_error(err, -EPROTONOSUPPORT, "inventory.img: image version %u is not known to this program",
				inv->img_version);
	*(InventoryEntry **)out = inv;
	return 0;
}

int rp_image_pages(struct rp_image *im, uint32_t pages_id, int *fd, uint64_t *size, struct rp_error *err)
{
	char name[RP_IMG_NAME_MAX];

	snprintf(name, sizeof(name), "pages-%u.img", pages_id);
	return open_file(im, name, fd, size, err);
}
