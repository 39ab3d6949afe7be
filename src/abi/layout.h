/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where the two halves of a rank live. One word decides ownership: an address inside the bootstrap or the
 * arena belongs to the lower half and is never saved; every other address belongs to the application.
 */
#ifndef RP_ABI_LAYOUT_H
#define RP_ABI_LAYOUT_H

#define RP_PAGE_SIZE 4096UL

#define RP_BOOT_BASE 0x00002ffff0000000UL /* bootstrap: static, linked here, an anonymous copy of itself */
#define RP_BOOT_SIZE 0x0000000000200000UL
#define RP_ARENA_BASE 0x0000300000000000UL /* lower half: 1 TiB, begins with struct rp_arena */
#define RP_ARENA_SIZE 0x0000010000000000UL
#define RP_ARENA_CODE_SIZE 0x80000000UL		   /* thunks and text that they patch stay within 2 GiB of each other */
#define RP_ARENA_VDSO (RP_ARENA_BASE + 0x100000UL) /* vvar pages then vdso, same place in every incarnation */
#define RP_ARENA_CTL (RP_ARENA_BASE + 0x200000UL)  /* struct rp_ctl of this host, shared with the agent */

/* Is [addr] memory of the lower half (bootstrap or arena)? */
static inline int rp_addr_is_lower(unsigned long addr)
{
	return (addr >= RP_BOOT_BASE && addr < RP_BOOT_BASE + RP_BOOT_SIZE) ||
	       (addr >= RP_ARENA_BASE && addr < RP_ARENA_BASE + RP_ARENA_SIZE);
}

#define RP_LOWER_FD_MIN 512 /* first descriptor number that the lower half takes, when the limit allows it */

#endif
