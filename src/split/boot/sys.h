/* SPDX-License-Identifier: BSD-3-Clause
 *
 * System calls of the bootstrap and the few string functions that it needs. No libc, no TLS: every function may run on
 * any FS. Results are those of the kernel: negative is -errno.
 */
#ifndef RP_SPLIT_SYS_H
#define RP_SPLIT_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "arch/x86_64/syscall.h"

#define rp_sys(n, a, b, c, d) rp_syscall4(n, (long)(a), (long)(b), (long)(c), (long)(d))

static inline long rp_mmap(uint64_t addr, uint64_t len, int prot, int flags, int fd, uint64_t off)
{
	return rp_syscall6(SYS_mmap, (long)addr, (long)len, prot, flags, fd, (long)off);
}

static inline long rp_munmap(uint64_t addr, uint64_t len)
{
	return rp_sys(SYS_munmap, addr, len, 0, 0);
}

static inline long rp_mprotect(uint64_t addr, uint64_t len, int prot)
{
	return rp_sys(SYS_mprotect, addr, len, prot, 0);
}

static inline long rp_mremap_to(uint64_t from, uint64_t len, uint64_t to)
{
	return rp_syscall6(SYS_mremap, (long)from, (long)len, (long)len, 3 /* MAYMOVE|FIXED */, (long)to, 0);
}

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);

#endif
