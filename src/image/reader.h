/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads an image directory. An image is untrusted: every length is bounded by the file, memory by a budget, names are
 * made here and never taken from a file, only regular files are opened. Error lines name the file and the offset.
 * Everything that is returned belongs to the image and lives until rp_image_close().
 */
#ifndef RP_IMAGE_READER_H
#define RP_IMAGE_READER_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/type.h"
#include "util/error.h"

struct rp_image;

struct rp_img_entry {
	ProtobufCMessage *msg;
	uint64_t off;	    /* of the record in the file */
	uint64_t extra_off; /* raw bytes behind it */
	uint64_t extra_len;
};

/* One metadata file, read and checked as a whole. */
struct rp_img_file {
	enum rp_img type;
	uint64_t id;
	char name[RP_IMG_NAME_MAX];
	uint64_t size;	     /* of the file */
	const uint8_t *data; /* the first `loaded` bytes: all, but for types with raw bytes */
	uint64_t loaded;
	struct rp_img_entry *entries;
	ProtobufCMessage **all; /* of rp_image_all(), made at its first call */
	size_t count;
	int fd;
};

/* Opens DIR. Returns 0, or -errno: not a directory, not there. */
int rp_image_open(struct rp_image **out, const char *dir, struct rp_error *err);

/* The same for an open directory; dir_fd is borrowed for this call only. */
int rp_image_open_at(struct rp_image **out, int dir_fd, struct rp_error *err);

void rp_image_close(struct rp_image *im);

int rp_image_dirfd(const struct rp_image *im);

/* Moves every descriptor that the reader holds to a number >= min: a restore needs the low ones. Returns 0 or -errno. */
int rp_image_move_above(struct rp_image *im, int min);

/* Is there such a file? */
bool rp_image_has(struct rp_image *im, enum rp_img type, uint64_t id);

/* Reads a file (once: later calls give the same object). -ENOENT with a text when it is missing; -EBADMSG when it is not
 * what its name says; -EFBIG, -ENOMEM beyond the limits. */
int rp_image_load(struct rp_image *im, enum rp_img type, uint64_t id, const struct rp_img_file **out,
		  struct rp_error *err);

/* The same for a file of any name in the directory, of a type that the caller knows (a copy under another name). */
int rp_image_load_as(struct rp_image *im, const char *name, enum rp_img type, const struct rp_img_file **out,
		     struct rp_error *err);

/* The message of a file that holds exactly one. *out is a pointer to the type's struct. */
int rp_image_one(struct rp_image *im, enum rp_img type, uint64_t id, void *out, struct rp_error *err);

/* All messages of a file as an array (of pointers to the type's struct); a head is left out. Always the same array, which the
 * caller may sort. */
int rp_image_all(struct rp_image *im, enum rp_img type, uint64_t id, void *out_array, size_t *out_count,
		 struct rp_error *err);

/* Raw bytes behind entry i: reads len bytes at offset off within them. */
int rp_img_extra(const struct rp_img_file *f, size_t i, uint64_t off, void *buf, size_t len, struct rp_error *err);

/* Inventory, checked: version RP_IMG_VERSION or RP_IMG_VERSION_RANK, else -EPROTONOSUPPORT. *out: InventoryEntry *. */
int rp_image_inventory(struct rp_image *im, void *out, struct rp_error *err);

/* Opens pages-ID.img; *fd (O_RDONLY, close-on-exec) is the caller's. */
int rp_image_pages(struct rp_image *im, uint32_t pages_id, int *fd, uint64_t *size, struct rp_error *err);

/* A run of pages as a pagemap says, with its place in the pages file. */
struct rp_img_run {
	uint64_t vaddr, npages;
	uint64_t file_off; /* bytes */
	uint32_t flags;
};

/* The pagemap of a process (RP_IMG_PAGEMAP) or of shared memory (RP_IMG_PAGEMAP_SHMEM): page-aligned, ascending, disjoint,
 * below the end of the address space, all inside the pages file; runs of zero pages or in a parent image are refused. */
int rp_image_pagemap(struct rp_image *im, enum rp_img type, uint64_t id, const struct rp_img_run **runs, size_t *count,
		     uint32_t *pages_id, struct rp_error *err);

/* Memory that lives as long as the image, NULL: none. Zeroed. */
void *rp_image_alloc(struct rp_image *im, size_t size);

#endif
