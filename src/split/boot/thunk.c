/* SPDX-License-Identifier: BSD-3-Clause
 *
 * System calls of the lower half that must not have their usual effect on the process that it shares with the
 * application: maps stay in the arena, descriptors get numbers of the lower half, there is no heap by brk, and signal
 * dispositions are kept to itself (a handler of the lower half would run on the application's FS, and the dispositions
 * belong to the application). Called from text that the lower half's libraries hold (patch.c), on any stack and FS.
 */
#include <sys/socket.h>

#include "split/boot/boot.h"

struct kernel_sigaction {
	uint64_t handler, flags, restorer, mask;
};
static struct kernel_sigaction lower_actions[64];

static long do_sigaction(long sig, const struct kernel_sigaction *act, struct kernel_sigaction *old)
{
	struct kernel_sigaction *mine, was;

	if (sig < 1 || sig > 64)
		return -22;
	mine = &lower_actions[sig - 1];
	was = *mine;
	if (act)
		*mine = *act;
	if (old)
		*old = was;
	return 0;
}

static long do_mmap(uint64_t addr, uint64_t len, int prot, int flags, int fd, uint64_t off)
{
	struct {
		uint64_t dev, ino, nlink;
		uint32_t mode, uid, gid, pad;
		uint64_t rdev, size, rest[16];
	} st;
	long r = rp_arena_mmap(addr, len, prot, flags, fd, off);

	if (rp_is_error(r) || !(prot & 4) || fd < 0)
		return r;
	/* ld.so maps a library whole at first: beyond the file's end there is nothing to read */
	if (rp_sys(SYS_fstat, fd, &st, 0, 0) || st.size <= off)
		return r;
	rp_patch_text(r, len < st.size - off ? len : st.size - off, prot);
	return r;
}

static long do_mremap(uint64_t addr, uint64_t old, uint64_t size, long flags, uint64_t to)
{
	long r;

	if (flags & 2) {
		if (to < RP_ARENA_BASE || to + size > RP_ARENA_BASE + RP_ARENA_SIZE)
			return -12;
		return rp_syscall6(SYS_mremap, addr, old, size, flags, to, 0);
	}
	r = rp_syscall6(SYS_mremap, addr, old, size, flags & ~1L, 0, 0);
	if (r != -12 || !(flags & 1))
		return r;
	to = rp_arena_place(size, 0);
	if (!to)
		return -12;
	r = rp_syscall6(SYS_mremap, addr, old, size, flags | 3, to, 0);
	if (!rp_is_error(r))
		rp_arena_unplace(addr, old);
	return r;
}

static long do_shmat(long id, uint64_t addr, long flags)
{
	struct {
		uint64_t perm[6], size, rest[16];
	} ds;
	long r;

	if (!addr) {
		r = rp_sys(SYS_shmctl, id, 2 /* IPC_STAT */, &ds, 0);
		if (rp_is_error(r))
			return r;
		addr = rp_arena_place(ds.size, 0);
		if (!addr)
			return -12;
	}
	return rp_sys(SYS_shmat, id, addr, flags, 0);
}

static long do_fcntl(long fd, long cmd, long arg)
{
	long min = rp_arena()->fd_min, r;

	if (cmd != 0 && cmd != 1030)
		return rp_sys(SYS_fcntl, fd, cmd, arg, 0);
	r = rp_sys(SYS_fcntl, fd, cmd, arg > min ? arg : min, 0);
	if (r == -22 || r == -24)
		r = rp_sys(SYS_fcntl, fd, cmd, arg, 0);
	rp_fd_mark(r, 1);
	return r;
}

static long do_dup_to(long nr, long from, long to, long flags)
{
	long r = rp_sys(nr, from, to, flags, 0);

	if (r >= 0 && (uint64_t)r >= rp_arena()->fd_min)
		rp_fd_mark(r, 1);
	return r;
}

static long do_close(long fd)
{
	rp_fd_mark(fd, 0); /* before the number can be given to somebody else */
	return rp_sys(SYS_close, fd, 0, 0, 0);
}

/* Only its own, whatever range it names. */
static long do_close_range(uint64_t first, uint64_t last, long flags)
{
	struct rp_arena *a = rp_arena();

	if (flags)
		return rp_sys(SYS_close_range, first, last, flags, 0);
	for (uint64_t fd = first; fd <= last && fd < RP_FD_BITS; fd++)
		if (a->fd_bitmap[fd / 64] >> fd % 64 & 1)
			do_close(fd);
	return 0;
}

/* fd_low covers the call itself, except where it may block for long: no checkpoint would come about meanwhile. */
static long one_descriptor(long nr, long a, long b, long c, long d, long e, long f)
{
	int blocks = nr == SYS_accept || nr == SYS_accept4;
	struct rp_arena *ar = rp_arena();
	long r;

	if (!blocks)
		__atomic_add_fetch(&ar->fd_low, 1, __ATOMIC_SEQ_CST);
	r = rp_syscall6(nr, a, b, c, d, e, f);
	if (blocks)
		__atomic_add_fetch(&ar->fd_low, 1, __ATOMIC_SEQ_CST);
	r = rp_fd_own(r);
	__atomic_sub_fetch(&ar->fd_low, 1, __ATOMIC_SEQ_CST);
	return r;
}

static long two_descriptors(long nr, long a, long b, long c, long d)
{
	int *fds = (int *)(nr == SYS_socketpair ? d : a);
	struct rp_arena *ar = rp_arena();
	long r;

	__atomic_add_fetch(&ar->fd_low, 1, __ATOMIC_SEQ_CST);
	r = rp_sys(nr, a, b, c, d);
	if (!r) {
		fds[0] = rp_fd_own(fds[0]);
		fds[1] = rp_fd_own(fds[1]);
	}
	__atomic_sub_fetch(&ar->fd_low, 1, __ATOMIC_SEQ_CST);
	return r;
}

/* Descriptors that came with a message (unix(7), SCM_RIGHTS). */
static void own_received(const struct msghdr *h)
{
	char *p = h->msg_control, *end = p + h->msg_controllen;

	while (p && end - p >= (long)CMSG_LEN(0)) {
		struct cmsghdr *c = (struct cmsghdr *)p;

		if (c->cmsg_len < CMSG_LEN(0) || c->cmsg_len > (size_t)(end - p))
			break;
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			for (int *fd = (int *)CMSG_DATA(c); (char *)(fd + 1) <= p + c->cmsg_len; fd++)
				*fd = (int)rp_fd_own(*fd);
		p += CMSG_ALIGN(c->cmsg_len);
	}
}

/* These may block: as with accept, fd_low is raised behind the call. */
static long receive(long nr, long a, long b, long c, long d, long e)
{
	struct rp_arena *ar = rp_arena();
	long r = rp_syscall6(nr, a, b, c, d, e, 0);

	if (r < 0)
		return r;
	__atomic_add_fetch(&ar->fd_low, 1, __ATOMIC_SEQ_CST);
	if (nr == SYS_recvmsg)
		own_received((const struct msghdr *)b);
	for (long i = 0; nr == SYS_recvmmsg && i < r; i++)
		own_received(&((const struct mmsghdr *)b)[i].msg_hdr);
	__atomic_sub_fetch(&ar->fd_low, 1, __ATOMIC_SEQ_CST);
	return r;
}

long rp_thunk(long a, long b, long c, long d, long e, long f, long nr)
{
	long r;

	switch (nr) {
	case SYS_mmap:
		return do_mmap(a, b, c, d, e, f);
	case SYS_munmap:
		r = rp_munmap(a, b);
		if (!r)
			rp_arena_unplace(a, b);
		return r;
	case SYS_mremap:
		return do_mremap(a, b, c, d, e);
	case SYS_brk:
		return 0;
	case SYS_shmat:
		return do_shmat(a, b, c);
	case SYS_rt_sigaction:
		return do_sigaction(a, (const void *)b, (void *)c);
	case SYS_pipe:
	case SYS_pipe2:
		return two_descriptors(nr, a, b, 0, 0);
	case SYS_socketpair:
		return two_descriptors(nr, a, b, c, d);
	case SYS_recvmsg:
	case SYS_recvmmsg:
		return receive(nr, a, b, c, d, e);
	case SYS_dup:
		return do_fcntl(a, 0, 0);
	case SYS_dup2:
	case SYS_dup3:
		return do_dup_to(nr, a, b, c);
	case SYS_fcntl:
		return do_fcntl(a, b, c);
	case SYS_close:
		return do_close(a);
	case SYS_close_range:
		return do_close_range(a, b, c);
	}
	return one_descriptor(nr, a, b, c, d, e, f);
}
