/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes an image directory. Metadata streams are buffered; files are 0600. They have names of their own (.NAME.new)
 * until all are written: a dump that fails leaves the image that the directory held before. Then the old inventory.img is
 * removed, the files are renamed, inventory.img last, so a directory without it is no image. All calls but those
 * marked come from one thread.
 */
#ifndef RP_IMAGE_WRITER_H
#define RP_IMAGE_WRITER_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "image/type.h"
#include "util/error.h"

struct rp_writer;

/* A writer into an existing directory. dir_fd is borrowed until rp_writer_free(). */
int rp_writer_new(struct rp_writer **out, int dir_fd, struct rp_error *err);

/* Closes; files of a dump that was not finished are removed. Accepts NULL. */
void rp_writer_free(struct rp_writer *w);

/* Creates the file (with its magic) if it is not there yet; for types whose empty file has to exist. */
int rp_writer_touch(struct rp_writer *w, enum rp_img type, uint64_t id, struct rp_error *err);

/* Appends one record. msg must be of the type's message (head first where the type has one): -EINVAL otherwise. */
int rp_writer_put(struct rp_writer *w, enum rp_img type, uint64_t id, const void *msg, struct rp_error *err);

/* Appends raw bytes behind the last record of the file, as its message announced. */
int rp_writer_extra(struct rp_writer *w, enum rp_img type, uint64_t id, const void *data, size_t len,
		    struct rp_error *err);

/* The same, len bytes read from fd at offset off (ghost files). A shorter file is -ENODATA. */
int rp_writer_extra_from(struct rp_writer *w, enum rp_img type, uint64_t id, int fd, uint64_t off, uint64_t len,
			 struct rp_error *err);

/* Creates pages-ID.img with room for `bytes` bytes reserved (0: none) and gives its descriptor (O_RDWR, borrowed until
 * the writer ends): several threads may pwrite() or map it. A full disk is -ENOSPC here, not later. */
int rp_writer_pages(struct rp_writer *w, uint32_t pages_id, uint64_t bytes, int *out_fd, struct rp_error *err);

/* Cuts pages-ID.img to what was used. */
int rp_writer_pages_end(struct rp_writer *w, uint32_t pages_id, uint64_t bytes, struct rp_error *err);

/* Flushes everything and, with sync, makes files and directory durable; then writes inventory.img (an InventoryEntry) and
 * makes that durable too. Files of stats may be written after it. */
int rp_writer_finish(struct rp_writer *w, const void *inventory, bool sync, struct rp_error *err);

/* Bytes written or reserved so far. */
uint64_t rp_writer_bytes(const struct rp_writer *w);

#endif
