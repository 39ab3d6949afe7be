/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Programs that close what they did not open (closefrom(3), close_range(2), a loop over all numbers) or put a descriptor
 * at a number of their choice (dup2(2)) do not hit the lower half: its descriptors are not open as far as they can tell,
 * and its numbers are taken. What the application does by system calls of its own, without libc, is not seen. Forked
 * children have a table of their own, without the lower half's descriptors.
 */
#include "split/upper/upper.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/x86_64/syscall.h"
#include "split/upper/next.h"

/* glibc's other names of these, until the next ones are known. */
int __close(int fd);
int __dup2(int from, int to);

static int is_held(uint64_t fd)
{
	return fd < RP_FD_BITS && (rp_arena()->fd_bitmap[fd / 64] >> fd % 64 & 1);
}

static int is_lower(int fd)
{
	return !rp_outside && fd >= 0 && is_held((uint64_t)fd) && rp_is_rank();
}

static int result(long r)
{
	if (r >= 0)
		return (int)r;
	errno = (int)-r;
	return -1;
}

RP_PUBLIC int close(int fd)
{
	if (is_lower(fd))
		return result(-EBADF);
	return rp_next_now.close ? rp_next_now.close(fd) : __close(fd);
}

/* The library that holds the number knows it by heart: it cannot make room. */
static int refuse(void)
{
	static const char text[] =
		"reprise: a descriptor cannot be put where the MPI library has one of its own; use a "
		"number below 512 and below half of the limit (ulimit -n)\n";
	static uint32_t said;

	if (!__atomic_exchange_n(&said, 1, __ATOMIC_RELAXED))
		rp_syscall3(SYS_write, 2, (long)text, sizeof(text) - 1);
	return result(-EBUSY);
}

RP_PUBLIC int dup2(int from, int to)
{
	if (is_lower(to))
		return refuse();
	return rp_next_now.dup2 ? rp_next_now.dup2(from, to) : __dup2(from, to);
}

RP_PUBLIC int dup3(int from, int to, int flags)
{
	if (is_lower(to))
		return refuse();
	return rp_next_now.dup3 ? rp_next_now.dup3(from, to, flags) : result(rp_syscall3(SYS_dup3, from, to, flags));
}

static int close_all(uint64_t first, uint64_t last, int flags)
{
	if (rp_next_now.close_range)
		return rp_next_now.close_range((unsigned)first, (unsigned)last, flags);
	return result(rp_syscall3(SYS_close_range, (long)first, (long)last, flags));
}

/* The ranges between what the lower half holds. */
RP_PUBLIC int close_range(unsigned first, unsigned last, int flags)
{
	uint64_t at = first, end;
	int r = 0;

	if (rp_outside || !rp_is_rank() || first > last)
		return close_all(first, last, flags);
	while (at <= last && !r) {
		for (end = at; end <= last && end < RP_FD_BITS && !is_held(end);)
			end++;
		if (end >= RP_FD_BITS)
			end = (uint64_t)last + 1;
		if (end > at)
			r = close_all(at, end - 1, flags);
		at = end + 1;
	}
	return r;
}

RP_PUBLIC void closefrom(int first)
{
	(void)close_range(first < 0 ? 0 : (unsigned)first, ~0U, 0);
}
