/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The image directory: CRIU's image format, version 1.1 (docs/format.md), and files of our own (reprise-*.img). Knows
 * no processes. This header is the umbrella: types of files, messages, the reader and the writer.
 *
 * A metadata file is magic, then records: a 32-bit length, a protobuf message and, for some types, raw bytes that the
 * message announces. pages-N.img is raw pages.
 */
#ifndef RP_IMAGE_IMAGE_H
#define RP_IMAGE_IMAGE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "files.pb-c.h"
#include "memory.pb-c.h"
#include "misc.pb-c.h"
#include "process.pb-c.h"
#include "reprise.pb-c.h"
#include "socket.pb-c.h"

#include "image/reader.h"
#include "image/type.h"
#include "image/writer.h"

/* InventoryEntry.img_version. CRIU refuses a version above its own; crit prints it. */
#define RP_IMG_VERSION 2		/* version 1.1: what CRIU writes and restores */
#define RP_IMG_VERSION_RANK 0x52500001u /* the upper half of a rank: only Reprise can restore it */

/* VmaEntry.status */
enum rp_vma_status {
	RP_VMA_REGULAR = 1 << 0, /* belongs to the process's address space: set on all but the vsyscall page */
	RP_VMA_STACK_GROWS = 1 << 1,
	RP_VMA_STATUS_VSYSCALL = 1 << 2,
	RP_VMA_STATUS_VDSO = 1 << 3,
	RP_VMA_HEAP = 1 << 5,
	RP_VMA_FILE_PRIVATE = 1 << 6,
	RP_VMA_FILE_SHARED = 1 << 7,
	RP_VMA_ANON_SHARED = 1 << 8,
	RP_VMA_ANON_PRIVATE = 1 << 9,
	RP_VMA_SYSVIPC = 1 << 10,
	RP_VMA_SOCKET = 1 << 11,
	RP_VMA_STATUS_VVAR = 1 << 12,
	RP_VMA_AIORING = 1 << 13,
	RP_VMA_MEMFD = 1 << 14,
};

/* PagemapEntry.flags */
enum rp_pagemap_flag {
	RP_PE_PARENT = 1 << 0,	/* in the parent image: refused (no incremental chains yet) */
	RP_PE_LAZY = 1 << 1,	/* may be fetched later */
	RP_PE_PRESENT = 1 << 2, /* in the pages file */
};

/* TaskCoreEntry.task_state */
enum rp_task_state {
	RP_TASK_ALIVE = 1,
	RP_TASK_DEAD = 2,
	RP_TASK_STOPPED = 3,
	RP_TASK_ZOMBIE = 6,
};

/* Number of pages of an entry, whichever of the two fields holds it. */
static inline uint64_t rp_pagemap_pages(const PagemapEntry *e)
{
	return e->has_nr_pages ? e->nr_pages : e->compat_nr_pages;
}

/* Fills e (initialised by it): what both old and new readers understand. */
static inline void rp_pagemap_entry_init(PagemapEntry *e, uint64_t vaddr, uint64_t npages, uint32_t flags)
{
	PagemapEntry fresh = PAGEMAP_ENTRY__INIT;

	*e = fresh;
	e->vaddr = vaddr;
	e->compat_nr_pages = npages <= UINT32_MAX ? (uint32_t)npages : 0;
	e->has_nr_pages = true;
	e->nr_pages = npages;
	e->has_flags = true;
	e->flags = flags;
}

#endif
