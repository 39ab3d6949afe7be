/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Address space and descriptor numbers of the lower half. Addresses are handed out upwards and are not given again,
 * except ranges of a size asked for again: 1 TiB lasts. Lock-free: every thread that runs lower code comes here, and a
 * signal handler may stand on top of any of them.
 */
#include "split/boot/boot.h"

#define NSPARE 64
#define HUGE_ALIGN 0x200000UL

#define RLIMIT_NOFILE_NR 7
#define F_DUPFD_NR 0
#define F_GETFD_NR 1
#define F_DUPFD_CLOEXEC_NR 1030

static uint64_t next_code = RP_ARENA_CODE, next_data = RP_ARENA_DATA;
static uint64_t spare[NSPARE]; /* page number << 28 | pages; page number counts from the arena's base */

static uint64_t pack(uint64_t addr, uint64_t len)
{
	return (addr - RP_ARENA_BASE) / RP_PAGE_SIZE << 28 | len / RP_PAGE_SIZE;
}

static uint64_t take_spare(uint64_t len)
{
	for (int i = 0; i < NSPARE; i++) {
		uint64_t v = __atomic_load_n(&spare[i], __ATOMIC_RELAXED);

		if (!v || (v & 0xfffffffUL) != len / RP_PAGE_SIZE)
			continue;
		if (__atomic_compare_exchange_n(&spare[i], &v, 0, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return RP_ARENA_BASE + (v >> 28) * RP_PAGE_SIZE;
	}
	return 0;
}

uint64_t rp_arena_place(uint64_t len, int code)
{
	uint64_t end = code ? RP_ARENA_BASE + RP_ARENA_CODE_SIZE : RP_ARENA_BASE + RP_ARENA_SIZE;
	uint64_t *next = code ? &next_code : &next_data;
	uint64_t at, now, align = len >= HUGE_ALIGN && !code ? HUGE_ALIGN : RP_PAGE_SIZE;

	len = RP_PAGE_UP(len);
	if (!code && (at = take_spare(len)))
		return at;
	now = __atomic_load_n(next, __ATOMIC_RELAXED);
	do {
		at = (now + align - 1) & ~(align - 1);
		if (len > RP_ARENA_SIZE || at + len > end)
			return 0;
	} while (!__atomic_compare_exchange_n(next, &now, at + len, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	return at;
}

void rp_arena_unplace(uint64_t addr, uint64_t len)
{
	uint64_t v;

	len = RP_PAGE_UP(len);
	if (addr < RP_ARENA_DATA || addr + len > RP_ARENA_BASE + RP_ARENA_SIZE || !len)
		return;
	v = addr + len;
	if (__atomic_compare_exchange_n(&next_data, &v, addr, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return;
	for (int i = 0; i < NSPARE; i++) {
		uint64_t none = 0;

		if (__atomic_compare_exchange_n(&spare[i], &none, pack(addr, len), 0, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED))
			return;
	}
}

/* MAP_FIXED is honoured inside the arena only: what the lower half would put over the application's memory fails. */
long rp_arena_mmap(uint64_t addr, uint64_t len, int prot, int flags, int fd, uint64_t off)
{
	int code = fd >= 0 && (flags & 2);
	long r = -22;

	if (flags & 0x100010) {
		if (addr < RP_ARENA_BASE || addr + len > RP_ARENA_BASE + RP_ARENA_SIZE)
			return -12;
		return rp_mmap(addr, len, prot, flags, fd, off);
	}
	if (!len)
		return -22;
	flags &= ~0x40; /* MAP_32BIT */
	for (int i = 0; i < 1000; i++) {
		addr = rp_arena_place(len, code);
		if (!addr)
			return -12;
		r = rp_mmap(addr, len, prot, flags | 0x100000, fd, off);
		if (r != -17)
			break;
	}
	return r;
}

void rp_fd_mark(long fd, int held)
{
	struct rp_arena *a = rp_arena();

	if (fd < 0 || fd >= RP_FD_BITS)
		return;
	if (held)
		__atomic_or_fetch(&a->fd_bitmap[fd / 64], 1UL << fd % 64, __ATOMIC_RELAXED);
	else
		__atomic_and_fetch(&a->fd_bitmap[fd / 64], ~(1UL << fd % 64), __ATOMIC_RELAXED);
}

/* No number left up there: it keeps the low one, and the bitmap says whose it is. */
long rp_fd_own(long fd)
{
	long up, cloexec;

	if (fd < 0)
		return fd;
	rp_fd_mark(fd, 1);
	if ((uint64_t)fd < rp_arena()->fd_min) {
		cloexec = rp_sys(SYS_fcntl, fd, F_GETFD_NR, 0, 0) & 1;
		up = rp_sys(SYS_fcntl, fd, cloexec ? F_DUPFD_CLOEXEC_NR : F_DUPFD_NR, rp_arena()->fd_min, 0);
		if (up >= 0) {
			rp_fd_mark(up, 1);
			rp_fd_mark(fd, 0); /* before the number can be given to somebody else */
			rp_sys(SYS_close, fd, 0, 0, 0);
			fd = up;
		}
	}
	return fd;
}

void rp_arena_init(void)
{
	struct rp_arena *a = rp_arena();
	uint64_t limit[2] = { 0, 0 };
	long r;

	r = rp_mmap(RP_ARENA_BASE, RP_PAGE_UP(sizeof(*a)), 3, 0x100022, -1, 0);
	if (rp_is_error(r))
		rp_die_with(125, "cannot map the arena", NULL, r);
	a->magic = RP_ARENA_MAGIC;
	a->version = RP_ARENA_VERSION;
	a->size = sizeof(*a);
	a->generation = a->saved.generation = 1;
	a->world_rank = -1;
	a->agent_fd = -1;
	a->boot_ops = (uint64_t)&rp_boot_table;
	a->launch = RP_ARENA_LAUNCH;
	a->pid = rp_sys(SYS_getpid, 0, 0, 0, 0);
	rp_sys(SYS_prlimit64, 0, RLIMIT_NOFILE_NR, 0, limit);
	a->fd_min = limit[0] >= 2 * RP_LOWER_FD_MIN ? RP_LOWER_FD_MIN : limit[0] / 2;
}
