/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Parses /proc/PID/smaps (and maps, which has the same header lines): proc(5), Documentation/filesystems/proc.rst.
 */
#ifndef RP_HOST_SMAPS_H
#define RP_HOST_SMAPS_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

/* Bits of rp_smap.vmflags: the two-letter codes of the VmFlags line. */
enum rp_vmflag {
	RP_VMF_SH, /* shared */
	RP_VMF_GD, /* grows down */
	RP_VMF_PF, /* page frames without struct page */
	RP_VMF_IO, /* memory-mapped I/O */
	RP_VMF_LO, /* locked */
	RP_VMF_LF, /* locked on fault */
	RP_VMF_SR, /* MADV_SEQUENTIAL */
	RP_VMF_RR, /* MADV_RANDOM */
	RP_VMF_DC, /* MADV_DONTFORK */
	RP_VMF_NR, /* no swap space reserved */
	RP_VMF_HT, /* hugetlb */
	RP_VMF_WF, /* MADV_WIPEONFORK */
	RP_VMF_DD, /* MADV_DONTDUMP */
	RP_VMF_HG, /* MADV_HUGEPAGE */
	RP_VMF_NH, /* MADV_NOHUGEPAGE */
	RP_VMF_MG, /* MADV_MERGEABLE */
	RP_VMF_UM, /* userfaultfd, missing pages */
	RP_VMF_UW, /* userfaultfd, write-protect */
	RP_VMF_UI, /* userfaultfd, minor faults */
	RP_VMF_SS, /* shadow stack */
	RP_VMF_SL, /* sealed */
	RP_VMF_DP, /* droppable */
	RP_VMF_MW, /* may be made writable */
	RP_VMF_COUNT,
};

#define RP_VMF(name) (1UL << RP_VMF_##name)

struct rp_smap {
	uint64_t start, end, pgoff; /* bytes */
	uint32_t prot;		    /* PROT_* */
	uint32_t shared;
	uint32_t dev_major, dev_minor;
	uint64_t ino;
	uint64_t rss, anonymous, swap; /* bytes */
	uint64_t page_size;	       /* KernelPageSize, bytes */
	uint64_t vmflags;
	uint32_t pkey;
	const char *path; /* as shown, escapes decoded; "" for none; points into the text */
};

/* Parses text in place (it is changed and must live as long as the result). *out is the caller's (free). */
int rp_smaps_parse(char *text, struct rp_smap **out, size_t *out_count, struct rp_error *err);

#endif
