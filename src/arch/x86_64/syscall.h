/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Raw system calls for code without a libc (System V ABI, AMD64 supplement, A.2): result as the kernel gives it, so
 * -4095..-1 is -errno. No errno, no TLS, no cancellation point. Numbers are __NR_* of <asm/unistd.h>.
 */
#ifndef RP_ARCH_SYSCALL_H
#define RP_ARCH_SYSCALL_H

#include <asm/unistd.h>

static inline long rp_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long rp_syscall5(long nr, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long rp_syscall4(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return ret;
}

static inline long rp_syscall3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}

static inline long rp_syscall2(long nr, long a, long b)
{
	return rp_syscall3(nr, a, b, 0);
}

static inline long rp_syscall1(long nr, long a)
{
	return rp_syscall3(nr, a, 0, 0);
}

static inline long rp_syscall0(long nr)
{
	return rp_syscall3(nr, 0, 0, 0);
}

/* Is ret an error? Addresses of mmap and mremap are told from -errno by this as well. */
static inline int rp_is_error(long ret)
{
	return (unsigned long)ret >= -4095UL;
}

#endif
