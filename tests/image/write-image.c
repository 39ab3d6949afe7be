/* SPDX-License-Identifier: BSD-3-Clause
 *
 * write-image DIR: an image with one file of every kind that the writer can make, for readers that are not ours.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/image.h"

static struct rp_error err;

#define CHECK(call) \
	do { \
		if ((call) < 0) { \
			fprintf(stderr, "write-image: %s: %s\n", #call, err.text); \
			exit(1); \
		} \
	} while (0)

static void write_files(struct rp_writer *w)
{
	FownEntry fown = FOWN_ENTRY__INIT;
	RegFileEntry reg = REG_FILE_ENTRY__INIT;
	EventfdFileEntry efd = EVENTFD_FILE_ENTRY__INIT;
	PipeEntry pipe = PIPE_ENTRY__INIT;
	TimerfdEntry tfd = TIMERFD_ENTRY__INIT;
	FileEntry file = FILE_ENTRY__INIT;

	reg.id = file.id = 1;
	reg.flags = O_RDWR | O_APPEND;
	reg.pos = 1ULL << 40;
	reg.fown = efd.fown = pipe.fown = tfd.fown = &fown;
	reg.name = "/tmp/a file";
	reg.has_size = true;
	reg.size = 77;
	file.type = FD_TYPES__REG;
	file.reg = &reg;
	CHECK(rp_writer_put(w, RP_IMG_FILES, 0, &file, &err));
	file.reg = NULL;
	file.id = efd.id = 2;
	efd.counter = UINT64_MAX - 1;
	file.type = FD_TYPES__EVENTFD;
	file.efd = &efd;
	CHECK(rp_writer_put(w, RP_IMG_FILES, 0, &file, &err));
	file.efd = NULL;
	file.id = pipe.id = 3;
	pipe.pipe_id = 99;
	file.type = FD_TYPES__PIPE;
	file.pipe = &pipe;
	CHECK(rp_writer_put(w, RP_IMG_FILES, 0, &file, &err));
	file.pipe = NULL;
	file.id = tfd.id = 4;
	tfd.vsec = 3;
	file.type = FD_TYPES__TIMERFD;
	file.tfd = &tfd;
	CHECK(rp_writer_put(w, RP_IMG_FILES, 0, &file, &err));
}

static void write_extras(struct rp_writer *w)
{
	PipeDataEntry data = PIPE_DATA_ENTRY__INIT;
	GhostFileEntry ghost = GHOST_FILE_ENTRY__INIT;
	GhostChunkEntry chunk = GHOST_CHUNK_ENTRY__INIT;
	char bytes[100000];
	int fd;

	memset(bytes, 'x', sizeof(bytes));
	data.pipe_id = 99;
	data.bytes = sizeof(bytes);
	CHECK(rp_writer_put(w, RP_IMG_PIPES_DATA, 0, &data, &err));
	CHECK(rp_writer_extra(w, RP_IMG_PIPES_DATA, 0, bytes, sizeof(bytes), &err));
	data.pipe_id = 100;
	data.bytes = 3;
	CHECK(rp_writer_put(w, RP_IMG_PIPES_DATA, 0, &data, &err));
	CHECK(rp_writer_extra(w, RP_IMG_PIPES_DATA, 0, "abc", 3, &err));
	CHECK(rp_writer_touch(w, RP_IMG_FIFO_DATA, 0, &err));

	ghost.mode = S_IFREG | 0600;
	CHECK(rp_writer_put(w, RP_IMG_GHOST_FILE, 1, &ghost, &err));
	fd = open("/proc/self/exe", O_RDONLY);
	CHECK(rp_writer_extra_from(w, RP_IMG_GHOST_FILE, 1, fd, 1, 5000, &err));
	close(fd);
	ghost.has_chunks = ghost.chunks = true;
	ghost.has_size = true;
	ghost.size = 1 << 20;
	CHECK(rp_writer_put(w, RP_IMG_GHOST_FILE, 31, &ghost, &err));
	chunk.off = 4096;
	chunk.len = 5;
	CHECK(rp_writer_put(w, RP_IMG_GHOST_FILE, 31, &chunk, &err));
	CHECK(rp_writer_extra(w, RP_IMG_GHOST_FILE, 31, "hello", 5, &err));
}

static void write_memory(struct rp_writer *w)
{
	PagemapHead head = PAGEMAP_HEAD__INIT;
	PagemapEntry run;
	VmaEntry vma = VMA_ENTRY__INIT, *vmas[] = { &vma };
	MmEntry mm = MM_ENTRY__INIT;
	int fd;

	head.pages_id = 1;
	CHECK(rp_writer_put(w, RP_IMG_PAGEMAP, 10, &head, &err));
	rp_pagemap_entry_init(&run, 0x10000, 2, RP_PE_PRESENT);
	CHECK(rp_writer_put(w, RP_IMG_PAGEMAP, 10, &run, &err));
	CHECK(rp_writer_pages(w, 1, 4 * 4096, &fd, &err));
	CHECK(pwrite(fd, "page", 4, 4096));
	CHECK(rp_writer_pages_end(w, 1, 2 * 4096, &err));
	vma.start = 0x10000;
	vma.end = 0x12000;
	vma.fd = -1;
	vma.status = RP_VMA_REGULAR | RP_VMA_ANON_PRIVATE;
	mm.n_vmas = 1;
	mm.vmas = vmas;
	CHECK(rp_writer_put(w, RP_IMG_MM, 10, &mm, &err));
}

static void write_task(struct rp_writer *w)
{
	CoreEntry core = CORE_ENTRY__INIT;
	TaskCoreEntry tc = TASK_CORE_ENTRY__INIT;
	ThreadCoreEntry thread = THREAD_CORE_ENTRY__INIT;
	CredsEntry creds = CREDS_ENTRY__INIT;
	PstreeEntry tree = PSTREE_ENTRY__INIT;
	FsEntry fs = FS_ENTRY__INIT;
	uint32_t tids[] = { 10, 11 }, caps[] = { 0xffffffff, 0x1ff };

	tc.comm = "a (name)";
	tc.task_state = RP_TASK_ALIVE;
	creds.n_cap_eff = 2;
	creds.cap_eff = caps;
	thread.creds = &creds;
	core.mtype = CORE_ENTRY__MARCH__X86_64;
	core.tc = &tc;
	core.thread_core = &thread;
	CHECK(rp_writer_put(w, RP_IMG_CORE, 10, &core, &err));
	core.tc = NULL;
	CHECK(rp_writer_put(w, RP_IMG_CORE, 11, &core, &err));
	tree.pid = tree.pgid = tree.sid = 10;
	tree.n_threads = 2;
	tree.threads = tids;
	CHECK(rp_writer_put(w, RP_IMG_PSTREE, 0, &tree, &err));
	fs.cwd_id = fs.root_id = 1;
	CHECK(rp_writer_put(w, RP_IMG_FS, 10, &fs, &err));
}

static void write_rest(struct rp_writer *w)
{
	TaskKobjIdsEntry ids = TASK_KOBJ_IDS_ENTRY__INIT;
	FdinfoEntry fd = FDINFO_ENTRY__INIT;
	SeccompEntry seccomp = SECCOMP_ENTRY__INIT;
	Timespec t = TIMESPEC__INIT;
	TimensEntry timens = TIMENS_ENTRY__INIT;
	RemapFilePathEntry remap = REMAP_FILE_PATH_ENTRY__INIT;
	MemfdInodeEntry memfd = MEMFD_INODE_ENTRY__INIT;
	RpRankEntry rank = RP_RANK_ENTRY__INIT;

	CHECK(rp_writer_put(w, RP_IMG_IDS, 10, &ids, &err));
	fd.type = FD_TYPES__REG;
	CHECK(rp_writer_put(w, RP_IMG_FDINFO, 1, &fd, &err));
	CHECK(rp_writer_put(w, RP_IMG_SECCOMP, 0, &seccomp, &err));
	timens.monotonic = timens.boottime = &t;
	CHECK(rp_writer_put(w, RP_IMG_TIMENS, 0, &timens, &err));
	remap.has_remap_type = true;
	remap.remap_type = REMAP_TYPE__GHOST;
	CHECK(rp_writer_put(w, RP_IMG_REMAP_FPATH, 0, &remap, &err));
	memfd.name = "m";
	CHECK(rp_writer_put(w, RP_IMG_MEMFD_INODE, 0, &memfd, &err));
	rank.version = 1;
	CHECK(rp_writer_put(w, RP_IMG_RANK, 10, &rank, &err));
}

int main(int argc, char **argv)
{
	InventoryEntry inventory = INVENTORY_ENTRY__INIT;
	struct rp_writer *w;
	int dir = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;

	if (dir < 0) {
		fputs("usage: write-image DIR\n", stderr);
		return 2;
	}
	CHECK(rp_writer_new(&w, dir, &err));
	write_files(w);
	write_extras(w);
	write_memory(w);
	write_task(w);
	write_rest(w);
	inventory.img_version = RP_IMG_VERSION_RANK;
	CHECK(rp_writer_finish(w, &inventory, true, &err));
	rp_writer_free(w);
	return 0;
}
