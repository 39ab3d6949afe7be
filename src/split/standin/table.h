/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The second page of the stand-in vDSO: where its functions jump to. Filled by the bootstrap in each incarnation; part of
 * the upper half's memory, so an image carries it, and it is stale until it was filled again.
 */
#ifndef RP_SPLIT_STANDIN_TABLE_H
#define RP_SPLIT_STANDIN_TABLE_H

#include <stdint.h>

struct rp_standin_table {
	uint64_t clock_gettime, gettimeofday, time, getcpu, clock_getres; /* real functions, 0: use the system call */
	int64_t mono_offset_ns, raw_offset_ns, boot_offset_ns;
};

#endif
