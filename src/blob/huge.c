/* SPDX-License-Identifier: BSD-3-Clause */
#include "blob/huge.h"

#include <asm/errno.h>
#include <asm/fcntl.h>
#include <linux/ioctl.h>
#include <linux/mman.h>
#include <linux/userfaultfd.h>

#include "arch/x86_64/syscall.h"

#define HUGE_SIZE (2UL << 20)

/* Newer than the headers of the distribution. */
#define FEATURE_MOVE (1UL << 16)
struct move_args {
	uint64_t dst, src, len, mode;
	int64_t moved;
};
#define IOCTL_MOVE _IOWR(UFFDIO, 0x05, struct move_args)

int rp_huge_open(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = FEATURE_MOVE };
	long fd = rp_syscall1(__NR_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY), ret;

	if (rp_is_error(fd))
		return (int)fd;
	ret = rp_syscall3(__NR_ioctl, fd, (long)UFFDIO_API, (long)&api);
	if (ret) {
		rp_syscall1(__NR_close, fd);
		return (int)ret;
	}
	return (int)fd;
}

uint64_t rp_huge_stage(uint64_t len)
{
	uint64_t room = len + HUGE_SIZE, at;
	long ret = rp_syscall6(__NR_mmap, 0, (long)room, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (rp_is_error(ret))
		return 0;
	at = ((uint64_t)ret + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);
	if (at > (uint64_t)ret)
		rp_syscall2(__NR_munmap, ret, (long)(at - (uint64_t)ret));
	if (at + len < (uint64_t)ret + room)
		rp_syscall2(__NR_munmap, (long)(at + len), (long)((uint64_t)ret + room - at - len));
	rp_syscall3(__NR_madvise, (long)at, (long)len, MADV_HUGEPAGE);
	return at;
}

int rp_huge_move(int fd, uint64_t dst, uint64_t src, uint64_t len)
{
	struct uffdio_register reg = { .range = { dst, len }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	long ret = rp_syscall3(__NR_ioctl, fd, (long)UFFDIO_REGISTER, (long)&reg);
	uint64_t done = 0;

	if (ret)
		return (int)ret;
	while (done < len) {
		struct move_args move = { .dst = dst + done, .src = src + done, .len = len - done };

		ret = rp_syscall3(__NR_ioctl, fd, (long)IOCTL_MOVE, (long)&move);
		if (move.moved > 0)
			done += (uint64_t)move.moved;
		if (ret && ret != -EAGAIN)
			break;
	}
	/* The pieces of the mapping become one again. */
	rp_syscall3(__NR_ioctl, fd, (long)UFFDIO_UNREGISTER, (long)&reg.range);
	return done < len ? (int)ret : 0;
}
