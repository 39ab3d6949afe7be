/* SPDX-License-Identifier: BSD-3-Clause
 *
 * FS and GS base of the calling thread by the FSGSBASE instructions (Intel SDM vol. 2; Documentation/arch/x86/x86_64/
 * fsgs.rst). The bootstrap refuses to start a rank on a machine that lacks them (AT_HWCAP2 bit 1), so nobody else asks.
 * FS names the thread's libc, and so the half that the thread is in; GS names its struct rp_thread.
 */
#ifndef RP_ARCH_TLS_H
#define RP_ARCH_TLS_H

#include <stdint.h>

#define RP_HWCAP2_FSGSBASE 2UL

static inline uint64_t rp_rdfsbase(void)
{
	uint64_t v;

	__asm__ volatile("rdfsbase %0" : "=r"(v) : : "memory");
	return v;
}

static inline void rp_wrfsbase(uint64_t v)
{
	__asm__ volatile("wrfsbase %0" : : "r"(v) : "memory");
}

static inline uint64_t rp_rdgsbase(void)
{
	uint64_t v;

	__asm__ volatile("rdgsbase %0" : "=r"(v) : : "memory");
	return v;
}

static inline void rp_wrgsbase(uint64_t v)
{
	__asm__ volatile("wrgsbase %0" : : "r"(v) : "memory");
}

#endif
