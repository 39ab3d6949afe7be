/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of file types: name, magic, messages, raw bytes behind a message. One row per type.
 */
#ifndef RP_IMAGE_TYPE_H
#define RP_IMAGE_TYPE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* First word of a version 1.1 file, the type's own magic follows; inventory.img has only its own. */
#define RP_IMG_COMMON_MAGIC 0x54564319u
#define RP_IMG_SERVICE_MAGIC 0x55105940u

enum rp_img {
	RP_IMG_INVENTORY,
	RP_IMG_PSTREE,
	RP_IMG_CORE,	      /* id: tid */
	RP_IMG_IDS,	      /* id: pid */
	RP_IMG_MM,	      /* id: pid */
	RP_IMG_PAGEMAP,	      /* id: pid */
	RP_IMG_PAGEMAP_SHMEM, /* id: shmid */
	RP_IMG_FDINFO,	      /* id: files_id of ids */
	RP_IMG_FILES,
	RP_IMG_FS, /* id: pid */
	RP_IMG_REMAP_FPATH,
	RP_IMG_GHOST_FILE, /* id: remap_id */
	RP_IMG_PIPES_DATA,
	RP_IMG_FIFO_DATA,
	RP_IMG_MEMFD_INODE,
	RP_IMG_SECCOMP,
	RP_IMG_TIMENS, /* id: 0 */
	RP_IMG_SK_QUEUES,
	RP_IMG_TCP_STREAM, /* id: inode */
	RP_IMG_TTY_INFO,
	RP_IMG_TTY_DATA,
	RP_IMG_FILE_LOCKS,
	RP_IMG_CGROUP,
	RP_IMG_CPUINFO,
	RP_IMG_UTSNS, /* id: namespace */
	RP_IMG_STATS_DUMP,
	RP_IMG_STATS_RESTORE,
	RP_IMG_IRMAP_CACHE,
	RP_IMG_RANK, /* ours; id: pid */
	RP_IMG_TASK, /* ours; id: pid */
	RP_IMG_COUNT,
};

struct rp_img_type {
	const char *name;   /* "CORE": as crit calls it */
	const char *prefix; /* file name: prefix, id when it has one, suffix */
	const char *suffix;
	enum { RP_IMG_NO_ID, RP_IMG_DEC_ID, RP_IMG_HEX_ID } id;
	uint32_t magic;
	enum { RP_IMG_COMMON, RP_IMG_SERVICE, RP_IMG_BARE } frame; /* which word stands in front of the magic */
	const ProtobufCMessageDescriptor *head; /* first record when it has another type, NULL: as all others */
	const ProtobufCMessageDescriptor *entry;
	bool one; /* exactly one record */
	/* Raw bytes behind a record with this message, UINT64_MAX: all up to the end of the file; NULL: none. */
	uint64_t (*extra)(const ProtobufCMessage *msg);
};

extern const struct rp_img_type rp_img_types[RP_IMG_COUNT];

#define RP_IMG_NAME_MAX 64

/* File name of a type and id into buf. */
void rp_img_name(enum rp_img type, uint64_t id, char buf[RP_IMG_NAME_MAX]);

/* The type that a file name stands for. Returns 0 with *type and *id set, -ENOENT when it is no metadata file's name. */
int rp_img_parse_name(const char *name, enum rp_img *type, uint64_t *id);

/* The first type with a magic; RP_IMG_COUNT: none. Names tell apart types that share one. */
enum rp_img rp_img_by_magic(uint32_t magic);

#endif
