/* SPDX-License-Identifier: BSD-3-Clause
 *
 * /proc/PID/maps and smaps (proc_pid_maps(5), proc_pid_smaps(5)): both have the same line per mapping; smaps adds
 * lines with attributes.
 */
#ifndef RP_HOST_MAPS_H
#define RP_HOST_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/error.h"

/* VmFlags of smaps, as bits. */
enum rp_vmflag {
	RP_VMF_RD, RP_VMF_WR, RP_VMF_EX, RP_VMF_SH, RP_VMF_MR, RP_VMF_MW, RP_VMF_ME, RP_VMF_MS,
	RP_VMF_GD, /* stack that grows down */
	RP_VMF_PF, RP_VMF_DW,
	RP_VMF_LO, /* locked */
	RP_VMF_IO, /* device memory */
	RP_VMF_SR, RP_VMF_RR,
	RP_VMF_DC, /* MADV_DONTFORK */
	RP_VMF_DE, /* may not expand by mremap */
	RP_VMF_AC, RP_VMF_NR, RP_VMF_HT, /* hugetlb */
	RP_VMF_SF, RP_VMF_NL, RP_VMF_AR,
	RP_VMF_WF, /* MADV_WIPEONFORK */
	RP_VMF_DD, /* MADV_DONTDUMP */
	RP_VMF_SD, RP_VMF_MM,
	RP_VMF_HG, /* MADV_HUGEPAGE */
	RP_VMF_NH, /* MADV_NOHUGEPAGE */
	RP_VMF_MG, /* MADV_MERGEABLE */
	RP_VMF_BT, RP_VMF_MT, RP_VMF_UM, RP_VMF_UW, RP_VMF_UI, RP_VMF_SS,
	RP_VMF_SL, /* sealed by mseal(2) */
	RP_VMF_LF, /* lock on fault */
	RP_VMF_COUNT,
};

#define RP_VMF_BIT(flag) ((uint64_t)1 << (flag))

/* One mapping. Addresses, offsets and sizes in bytes. */
struct rp_maps_line {
	uint64_t start, end, pgoff;
	uint32_t prot; /* PROT_* */
	bool shared;
	uint32_t dev_major, dev_minor;
	uint64_t ino;
	const char *path; /* into the text, "" for none; "[heap]"; a removed file ends in " (deleted)" */
	/* smaps only */
	uint64_t kernel_page_size; /* 0: not known (maps) */
	uint64_t rss, anonymous, swap, locked;
	uint64_t vmflags; /* RP_VMF_BIT() */
	int pkey;
};

/* Splits the NUL-terminated text of maps or smaps, which is changed and must live as long as the lines. The escapes
 * that the kernel writes into names (\012) are undone. *lines is allocated: free it. -EINVAL with the line that was
 * not understood. */
int rp_maps_parse(char *text, struct rp_maps_line **lines, size_t *count, struct rp_error *err);

/* Reads and parses /proc/PID/maps, or smaps. *text and *lines are the caller's to free. -ESRCH: no such process. */
int rp_maps_read(pid_t pid, bool smaps, char **text, struct rp_maps_line **lines, size_t *count, struct rp_error *err);

#endif
