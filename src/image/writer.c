/* SPDX-License-Identifier: BSD-3-Clause */
#include "image/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/image.h"
#include "util/array.h"
#include "util/fd.h"
#include "util/str.h"

#define BUFFER_SIZE 65536
#define PAGES_TYPE RP_IMG_COUNT /* of a pages file in the list */

struct stream {
	unsigned type;
	uint64_t id;
	char name[RP_IMG_NAME_MAX];
	char path[RP_IMG_NAME_MAX + 8]; /* what it is called at present: ".NAME.new" until the image is complete */
	int fd;
	bool has_record;
	char *buf;
	size_t used;
};

struct rp_writer {
	int dir_fd;
	bool finished;
	uint64_t bytes;
	struct stream **items; /* open files; few, found by walking */
	size_t count, room;
};

int rp_writer_new(struct rp_writer **out, int dir_fd, struct rp_error *err)
{
	struct rp_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return rp_error(err, -ENOMEM, "out of memory");
	w->dir_fd = dir_fd;
	*out = w;
	return 0;
}

void rp_writer_free(struct rp_writer *w)
{
	size_t i;

	if (!w)
		return;
	for (i = 0; i < w->count; i++) {
		struct stream *s = w->items[i];

		if (!w->finished)
			unlinkat(w->dir_fd, s->path, 0);
		if (s->fd >= 0)
			close(s->fd);
		free(s->buf);
		free(s);
	}
	free(w->items);
	free(w);
}

static int io_error(struct rp_error *err, const struct stream *s, int code)
{
	return rp_error(err, code, "%s: %s", s->name, strerror(-code));
}

static int flush(struct stream *s, struct rp_error *err)
{
	int r = s->used ? rp_write_all(s->fd, s->buf, s->used) : 0;

	s->used = 0;
	return r < 0 ? io_error(err, s, r) : 0;
}

static int append(struct rp_writer *w, struct stream *s, const void *data, size_t len, struct rp_error *err)
{
	int r = 0;

	w->bytes += len;
	if (len > BUFFER_SIZE - s->used) {
		r = flush(s, err);
		if (r == 0 && len > BUFFER_SIZE) {
			r = rp_write_all(s->fd, data, len);
			return r < 0 ? io_error(err, s, r) : 0;
		}
	}
	if (r == 0 && len) {
		memcpy(s->buf + s->used, data, len);
		s->used += len;
	}
	return r;
}

/* A new file in the list. It takes the place of an old one only when the image is complete, and never rewrites it: a
 * process may still map its pages. */
static int stream_new(struct rp_writer *w, unsigned type, uint64_t id, struct stream **out, struct rp_error *err)
{
	struct stream *s = calloc(1, sizeof(*s)), **slot;

	if (!s)
		return rp_error(err, -ENOMEM, "out of memory");
	s->type = type;
	s->id = id;
	s->fd = -1;
	if (type == PAGES_TYPE)
		snprintf(s->name, sizeof(s->name), "pages-%u.img", (unsigned)id);
	else
		rp_img_name(type, id, s->name);
	snprintf(s->path, sizeof(s->path), w->finished ? "%s" : ".%s.new", s->name);
	s->buf = type == PAGES_TYPE ? NULL : malloc(BUFFER_SIZE);
	slot = (s->buf || type == PAGES_TYPE) ? RP_ARRAY_PUSH(w) : NULL;
	if (!slot) {
		free(s->buf);
		free(s);
		return rp_error(err, -ENOMEM, "out of memory");
	}
	*slot = s;
	if (unlinkat(w->dir_fd, s->path, 0) < 0 && errno != ENOENT)
		return io_error(err, s, -errno);
	s->fd = openat(w->dir_fd, s->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->fd < 0)
		return io_error(err, s, -errno);
	*out = s;
	return 0;
}

static struct stream *stream_find(struct rp_writer *w, unsigned type, uint64_t id)
{
	size_t i;

	for (i = w->count; i-- > 0;)
		if (w->items[i]->type == type && w->items[i]->id == id)
			return w->items[i];
	return NULL;
}

/* The stream of a file; a new one begins with its magic. */
static int stream_get(struct rp_writer *w, enum rp_img type, uint64_t id, struct stream **out, struct rp_error *err)
{
	const struct rp_img_type *t = &rp_img_types[type];
	uint32_t magic[2] = { t->frame == RP_IMG_SERVICE ? RP_IMG_SERVICE_MAGIC : RP_IMG_COMMON_MAGIC, t->magic };
	struct stream *s = stream_find(w, type, id);
	int r;

	if (s) {
		*out = s;
		return s->fd < 0 ? rp_error(err, -EBADF, "%s: could not be opened", s->name) : 0;
	}
	r = stream_new(w, type, id, &s, err);
	if (r == 0)
		r = t->frame == RP_IMG_BARE ? append(w, s, &magic[1], 4, err) : append(w, s, magic, 8, err);
	if (r == 0)
		*out = s;
	return r;
}

int rp_writer_touch(struct rp_writer *w, enum rp_img type, uint64_t id, struct rp_error *err)
{
	struct stream *s;

	return stream_get(w, type, id, &s, err);
}

int rp_writer_put(struct rp_writer *w, enum rp_img type, uint64_t id, const void *msg, struct rp_error *err)
{
	const struct rp_img_type *t = &rp_img_types[type];
	const ProtobufCMessage *m = msg;
	const ProtobufCMessageDescriptor *want;
	uint8_t *packed RP_AUTOFREE = NULL;
	struct stream *s;
	uint32_t size;
	size_t len;
	int r = stream_get(w, type, id, &s, err);

	if (r < 0)
		return r;
	want = t->head && !s->has_record ? t->head : t->entry;
	if (m->descriptor != want)
		return rp_error(err, -EINVAL, "%s: a record of type %s where %s belongs", s->name, m->descriptor->name,
				want->name);
	if (t->one && s->has_record)
		return rp_error(err, -EINVAL, "%s: holds one record only", s->name);
	len = protobuf_c_message_get_packed_size(m);
	packed = malloc(len + 1);
	if (!packed || len > INT32_MAX)
		return rp_error(err, packed ? -EFBIG : -ENOMEM, "%s: a record of %zu bytes", s->name, len);
	size = protobuf_c_message_pack(m, packed);
	s->has_record = true;
	r = append(w, s, &size, 4, err);
	return r < 0 ? r : append(w, s, packed, size, err);
}

int rp_writer_extra(struct rp_writer *w, enum rp_img type, uint64_t id, const void *data, size_t len,
		    struct rp_error *err)
{
	struct stream *s;
	int r = stream_get(w, type, id, &s, err);

	return r < 0 ? r : append(w, s, data, len, err);
}

int rp_writer_extra_from(struct rp_writer *w, enum rp_img type, uint64_t id, int fd, uint64_t off, uint64_t len,
			 struct rp_error *err)
{
	char *buf RP_AUTOFREE = malloc(BUFFER_SIZE);
	struct stream *s;
	int r = stream_get(w, type, id, &s, err);

	if (r == 0 && !buf)
		return rp_error(err, -ENOMEM, "out of memory");
	while (r == 0 && len) {
		size_t n = len < BUFFER_SIZE ? len : BUFFER_SIZE;

		r = rp_pread_all(fd, buf, n, off);
		if (r < 0)
			return rp_error(err, r, "%s: reading what belongs into it: %s", s->name, strerror(-r));
		r = append(w, s, buf, n, err);
		off += n;
		len -= n;
	}
	return r;
}

int rp_writer_pages(struct rp_writer *w, uint32_t pages_id, uint64_t bytes, int *out_fd, struct rp_error *err)
{
	struct stream *s;
	int r;

	if (stream_find(w, PAGES_TYPE, pages_id))
		return rp_error(err, -EEXIST, "pages-%u.img: written twice", pages_id);
	r = stream_new(w, PAGES_TYPE, pages_id, &s, err);
	if (r < 0)
		return r;
	if (bytes && fallocate(s->fd, 0, 0, bytes) < 0) {
		if (errno != EOPNOTSUPP)
			return io_error(err, s, -errno);
		if (ftruncate(s->fd, bytes) < 0)
			return io_error(err, s, -errno);
	}
	w->bytes += bytes;
	*out_fd = s->fd;
	return 0;
}

int rp_writer_pages_end(struct rp_writer *w, uint32_t pages_id, uint64_t bytes, struct rp_error *err)
{
	struct stream *s = stream_find(w, PAGES_TYPE, pages_id);

	if (!s || s->fd < 0)
		return rp_error(err, -EBADF, "pages-%u.img: is not being written", pages_id);
	return ftruncate(s->fd, bytes) < 0 ? io_error(err, s, -errno) : 0;
}

static int settle(struct stream *s, bool sync, struct rp_error *err)
{
	int r = s->type == PAGES_TYPE ? 0 : flush(s, err);

	if (r == 0 && sync && fsync(s->fd) < 0)
		r = io_error(err, s, -errno);
	return r;
}

static int sync_dir(struct rp_writer *w, struct rp_error *err)
{
	if (fsync(w->dir_fd) < 0 && errno != EINVAL)
		return rp_error(err, -errno, "images directory: %s", strerror(errno));
	return 0;
}

static int publish(struct rp_writer *w, struct stream *s, struct rp_error *err)
{
	if (renameat(w->dir_fd, s->path, w->dir_fd, s->name) < 0)
		return io_error(err, s, -errno);
	memcpy(s->path, s->name, sizeof(s->name));
	return 0;
}

/* Everything is written: the old image ends, the new one takes its names, and is one with its inventory. */
static int replace(struct rp_writer *w, bool sync, struct rp_error *err)
{
	struct stream *inventory = w->items[w->count - 1];
	int r = 0;

	if (unlinkat(w->dir_fd, inventory->name, 0) == 0)
		r = sync ? sync_dir(w, err) : 0;
	else if (errno != ENOENT)
		r = io_error(err, inventory, -errno);
	for (size_t i = 0; i + 1 < w->count && r == 0; i++)
		r = publish(w, w->items[i], err);
	if (r == 0 && sync)
		r = sync_dir(w, err);
	if (r == 0)
		r = publish(w, inventory, err);
	return r == 0 && sync ? sync_dir(w, err) : r;
}

int rp_writer_finish(struct rp_writer *w, const void *inventory, bool sync, struct rp_error *err)
{
	size_t i;
	int r = 0;

	for (i = 0; i < w->count && r == 0; i++)
		r = settle(w->items[i], sync, err);
	if (r == 0)
		r = rp_writer_put(w, RP_IMG_INVENTORY, 0, inventory, err);
	if (r == 0)
		r = settle(w->items[w->count - 1], sync, err);
	if (r == 0)
		r = replace(w, sync, err);
	if (r == 0)
		w->finished = true;
	return r;
}

uint64_t rp_writer_bytes(const struct rp_writer *w)
{
	return w->bytes;
}
