/* SPDX-License-Identifier: BSD-3-Clause */
#include "image/type.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "image/image.h"
#include "util/str.h"

static uint64_t pipe_extra(const ProtobufCMessage *msg)
{
	return ((const PipeDataEntry *)msg)->bytes;
}

static uint64_t queue_extra(const ProtobufCMessage *msg)
{
	return ((const SkPacketEntry *)msg)->length;
}

static uint64_t stream_extra(const ProtobufCMessage *msg)
{
	const TcpStreamEntry *e = (const TcpStreamEntry *)msg;

	return (uint64_t)e->inq_len + e->outq_len;
}

static uint64_t ghost_extra(const ProtobufCMessage *msg)
{
	if (msg->descriptor == &ghost_chunk_entry__descriptor)
		return ((const GhostChunkEntry *)msg)->len;
	return ((const GhostFileEntry *)msg)->chunks ? 0 : UINT64_MAX;
}

#define IMG ".img"

/* clang-format off */
const struct rp_img_type rp_img_types[RP_IMG_COUNT] = {
	[RP_IMG_INVENTORY] = { .name = "INVENTORY", .prefix = "inventory", .suffix = IMG, .magic = 0x58313116,
			       .frame = RP_IMG_BARE, .entry = &inventory_entry__descriptor, .one = true },
	[RP_IMG_PSTREE] = { .name = "PSTREE", .prefix = "pstree", .suffix = IMG, .magic = 0x50273030,
			    .entry = &pstree_entry__descriptor },
	[RP_IMG_CORE] = { .name = "CORE", .prefix = "core-", .suffix = IMG, .id = RP_IMG_DEC_ID, .magic = 0x55053847,
			  .entry = &core_entry__descriptor, .one = true },
	[RP_IMG_IDS] = { .name = "IDS", .prefix = "ids-", .suffix = IMG, .id = RP_IMG_DEC_ID, .magic = 0x54432030,
			 .entry = &task_kobj_ids_entry__descriptor, .one = true },
	[RP_IMG_MM] = { .name = "MM", .prefix = "mm-", .suffix = IMG, .id = RP_IMG_DEC_ID, .magic = 0x57492820,
			.entry = &mm_entry__descriptor, .one = true },
	[RP_IMG_PAGEMAP] = { .name = "PAGEMAP", .prefix = "pagemap-", .suffix = IMG, .id = RP_IMG_DEC_ID,
			     .magic = 0x56084025, .head = &pagemap_head__descriptor,
			     .entry = &pagemap_entry__descriptor },
	[RP_IMG_PAGEMAP_SHMEM] = { .name = "PAGEMAP", .prefix = "pagemap-shmem-", .suffix = IMG, .id = RP_IMG_DEC_ID,
				   .magic = 0x56084025, .head = &pagemap_head__descriptor,
				   .entry = &pagemap_entry__descriptor },
	[RP_IMG_FDINFO] = { .name = "FDINFO", .prefix = "fdinfo-", .suffix = IMG, .id = RP_IMG_DEC_ID,
			    .magic = 0x56213732, .entry = &fdinfo_entry__descriptor },
	[RP_IMG_FILES] = { .name = "FILES", .prefix = "files", .suffix = IMG, .magic = 0x56303138,
			   .entry = &file_entry__descriptor },
	[RP_IMG_FS] = { .name = "FS", .prefix = "fs-", .suffix = IMG, .id = RP_IMG_DEC_ID, .magic = 0x51403912,
			.entry = &fs_entry__descriptor, .one = true },
	[RP_IMG_REMAP_FPATH] = { .name = "REMAP_FPATH", .prefix = "remap-fpath", .suffix = IMG, .magic = 0x59133954,
				 .entry = &remap_file_path_entry__descriptor },
	[RP_IMG_GHOST_FILE] = { .name = "GHOST_FILE", .prefix = "ghost-file-", .suffix = IMG, .id = RP_IMG_HEX_ID,
				.magic = 0x52583605, .head = &ghost_file_entry__descriptor,
				.entry = &ghost_chunk_entry__descriptor, .extra = ghost_extra },
	[RP_IMG_PIPES_DATA] = { .name = "PIPES_DATA", .prefix = "pipes-data", .suffix = IMG, .magic = 0x56453709,
				.entry = &pipe_data_entry__descriptor, .extra = pipe_extra },
	[RP_IMG_FIFO_DATA] = { .name = "FIFO_DATA", .prefix = "fifo-data", .suffix = IMG, .magic = 0x59333054,
			       .entry = &pipe_data_entry__descriptor, .extra = pipe_extra },
	[RP_IMG_MEMFD_INODE] = { .name = "MEMFD_INODE", .prefix = "memfd", .suffix = IMG, .magic = 0x48453499,
				 .entry = &memfd_inode_entry__descriptor },
	[RP_IMG_SECCOMP] = { .name = "SECCOMP", .prefix = "seccomp", .suffix = IMG, .magic = 0x64413049,
			     .entry = &seccomp_entry__descriptor },
	[RP_IMG_TIMENS] = { .name = "TIMENS", .prefix = "timens-", .suffix = IMG, .id = RP_IMG_DEC_ID,
			    .magic = 0x43114433, .entry = &timens_entry__descriptor, .one = true },
	[RP_IMG_SK_QUEUES] = { .name = "SK_QUEUES", .prefix = "sk-queues", .suffix = IMG, .magic = 0x56264026,
			       .entry = &sk_packet_entry__descriptor, .extra = queue_extra },
	[RP_IMG_TCP_STREAM] = { .name = "TCP_STREAM", .prefix = "tcp-stream-", .suffix = IMG, .id = RP_IMG_HEX_ID,
				.magic = 0x51465506, .entry = &tcp_stream_entry__descriptor, .one = true,
				.extra = stream_extra },
	[RP_IMG_TTY_INFO] = { .name = "TTY_INFO", .prefix = "tty-info", .suffix = IMG, .magic = 0x59453036,
			      .entry = &tty_info_entry__descriptor },
	[RP_IMG_TTY_DATA] = { .name = "TTY_DATA", .prefix = "tty-data", .suffix = IMG, .magic = 0x59413026,
			      .entry = &tty_data_entry__descriptor },
	[RP_IMG_FILE_LOCKS] = { .name = "FILE_LOCKS", .prefix = "filelocks", .suffix = IMG, .magic = 0x54323616,
				.entry = &file_lock_entry__descriptor },
	[RP_IMG_CGROUP] = { .name = "CGROUP", .prefix = "cgroup", .suffix = IMG, .magic = 0x59383330,
			    .entry = &cgroup_entry__descriptor, .one = true },
	[RP_IMG_CPUINFO] = { .name = "CPUINFO", .prefix = "cpuinfo", .suffix = IMG, .magic = 0x61404013,
			     .entry = &cpuinfo_entry__descriptor, .one = true },
	[RP_IMG_UTSNS] = { .name = "UTSNS", .prefix = "utsns-", .suffix = IMG, .id = RP_IMG_DEC_ID,
			   .magic = 0x54473203, .entry = &utsns_entry__descriptor, .one = true },
	[RP_IMG_STATS_DUMP] = { .name = "STATS", .prefix = "stats-dump", .suffix = "", .magic = 0x57093306,
				.frame = RP_IMG_SERVICE, .entry = &stats_entry__descriptor, .one = true },
	[RP_IMG_STATS_RESTORE] = { .name = "STATS", .prefix = "stats-restore", .suffix = "", .magic = 0x57093306,
				   .frame = RP_IMG_SERVICE, .entry = &stats_entry__descriptor, .one = true },
	[RP_IMG_IRMAP_CACHE] = { .name = "IRMAP_CACHE", .prefix = "irmap-cache", .suffix = "", .magic = 0x57004059,
				 .frame = RP_IMG_SERVICE, .entry = &irmap_cache_entry__descriptor },
	[RP_IMG_RANK] = { .name = "REPRISE_RANK", .prefix = "reprise-rank-", .suffix = IMG, .id = RP_IMG_DEC_ID,
			  .magic = 0x52506b31, .frame = RP_IMG_SERVICE, .entry = &rp_rank_entry__descriptor,
			  .one = true },
	[RP_IMG_TASK] = { .name = "REPRISE_TASK", .prefix = "reprise-task-", .suffix = IMG, .id = RP_IMG_DEC_ID,
			  .magic = 0x52507431, .frame = RP_IMG_SERVICE, .entry = &rp_task_entry__descriptor,
			  .one = true },
};
/* clang-format on */

void rp_img_name(enum rp_img type, uint64_t id, char buf[RP_IMG_NAME_MAX])
{
	const struct rp_img_type *t = &rp_img_types[type];

	if (t->id == RP_IMG_NO_ID)
		snprintf(buf, RP_IMG_NAME_MAX, "%s%s", t->prefix, t->suffix);
	else
		snprintf(buf, RP_IMG_NAME_MAX, t->id == RP_IMG_HEX_ID ? "%s%" PRIx64 "%s" : "%s%" PRIu64 "%s",
			 t->prefix, id, t->suffix);
}

int rp_img_parse_name(const char *name, enum rp_img *type, uint64_t *id)
{
	char again[RP_IMG_NAME_MAX], number[RP_IMG_NAME_MAX];
	size_t i, len = strlen(name);

	for (i = 0; i < RP_IMG_COUNT; i++) {
		const struct rp_img_type *t = &rp_img_types[i];
		size_t front = strlen(t->prefix), back = strlen(t->suffix);
		uint64_t value = 0;

		if (len < front + back || len >= sizeof(number) || !rp_str_has_prefix(name, t->prefix) ||
		    !rp_str_has_suffix(name, t->suffix))
			continue;
		snprintf(number, sizeof(number), "%.*s", (int)(len - front - back), name + front);
		if (t->id != RP_IMG_NO_ID &&
		    rp_parse_u64(number, t->id == RP_IMG_HEX_ID ? 16 : 10, UINT64_MAX, &value) < 0)
			continue;
		rp_img_name(i, value, again);
		if (strcmp(again, name))
			continue;
		*type = i;
		*id = value;
		return 0;
	}
	return -ENOENT;
}

enum rp_img rp_img_by_magic(uint32_t magic)
{
	size_t i;

	for (i = 0; i < RP_IMG_COUNT; i++)
		if (rp_img_types[i].magic == magic)
			break;
	return i;
}
