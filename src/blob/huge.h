/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Private to the blob: huge pages under memory that is filled whole, with no trace on its mapping. Where transparent huge
 * pages want a madvise (the usual setting), MADV_HUGEPAGE would stay on the mapping for good, and MADV_COLLAPSE waits for
 * every CPU at each call. So pages are read into a range of our own that has the advice, and moved by page table entry:
 * userfaultfd(2), UFFDIO_MOVE (Linux 6.8). Without it pages are small.
 */
#ifndef RP_BLOB_HUGE_H
#define RP_BLOB_HUGE_H

#include <stdint.h>

/* A descriptor for rp_huge_move(), or -errno when the kernel cannot. */
int rp_huge_open(void);

/* Maps len bytes (multiple of 2 MiB, as aligned) for huge pages somewhere free. 0: no memory. */
uint64_t rp_huge_stage(uint64_t len);

/* Moves len bytes of pages, all multiples of 2 MiB, to private anonymous memory at dst that has none yet and is readable
 * and writable, not executable. On failure (-errno) dst is as it was or partly filled; it may be written in any case. */
int rp_huge_move(int fd, uint64_t dst, uint64_t src, uint64_t len);

#endif
