/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Finds system calls in the text of lower-half libraries and turns those that make maps or descriptors into jumps to
 * thunks. Two shapes of a site are known:
 *
 *   0f 05 + cmp $-4095 or $-4096, %rax or %eax     (8 or 7 bytes: what a libc's error check looks like)
 *   b8 NUMBER 0f 05                                (7 bytes)
 *
 * The first is preferred: the number is looked up when the call is made, so it does not matter how %eax was loaded. A
 * site of the first shape whose number stands right in front of it and is none of ours is left alone. Sites of neither
 * shape are left alone too; the lower program's self-test finds out if one mattered.
 */
#include "split/boot/boot.h"

static uint8_t *thunk_next;

uint64_t rp_thunk_set[8];

/* clang-format off */
static const uint16_t wanted[] = {
	SYS_mmap, SYS_mremap, SYS_munmap, SYS_brk, SYS_shmat, SYS_rt_sigaction,
	SYS_open, SYS_openat, SYS_openat2, SYS_creat, SYS_open_by_handle_at,
	SYS_socket, SYS_socketpair, SYS_accept, SYS_accept4, SYS_recvmsg, SYS_recvmmsg,
	SYS_pipe, SYS_pipe2, SYS_dup, SYS_dup2, SYS_dup3, SYS_fcntl, SYS_close, SYS_close_range,
	SYS_eventfd, SYS_eventfd2, SYS_epoll_create, SYS_epoll_create1, SYS_timerfd_create,
	SYS_signalfd, SYS_signalfd4, SYS_inotify_init, SYS_inotify_init1, SYS_memfd_create,
	SYS_userfaultfd, SYS_perf_event_open, SYS_pidfd_open, SYS_pidfd_getfd, SYS_io_uring_setup,
	SYS_bpf, SYS_fanotify_init, SYS_mq_open, SYS_memfd_secret,
};
/* clang-format on */

int rp_thunk_wants(long nr)
{
	return nr >= 0 && nr < 512 && rp_thunk_set[nr / 64] >> nr % 64 & 1;
}

/* The pool begins with a far jump to the common part; thunks and sites need only reach the pool. */
void rp_patch_init(void)
{
	static const uint8_t to_common[] = { 0xff, 0x25, 0, 0, 0, 0 }; /* jmp *0(%rip) */
	uint64_t common = (uint64_t)rp_thunk_common;
	long r;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		rp_thunk_set[wanted[i] / 64] |= 1UL << wanted[i] % 64;
	r = rp_mmap(RP_ARENA_THUNKS, RP_ARENA_THUNKS_SIZE, 7, 0x104022, -1, 0);
	if (rp_is_error(r))
		rp_die_with(125, "cannot map the thunks", NULL, r);
	thunk_next = (uint8_t *)RP_ARENA_THUNKS;
	memcpy(thunk_next, to_common, sizeof(to_common));
	memcpy(thunk_next + sizeof(to_common), &common, sizeof(common));
	thunk_next += 16;
}

static uint8_t *emit_jump(uint8_t *p, const void *to)
{
	int32_t rel = (int32_t)((const uint8_t *)to - (p + 5));

	*p++ = 0xe9;
	memcpy(p, &rel, 4);
	return p + 4;
}

/* site..site + len becomes a jump; the thunk does `before`, the call, `after`, and goes on behind the site. */
static void patch_site(uint8_t *site, unsigned len, unsigned before, unsigned after)
{
	uint8_t *p = __atomic_fetch_add(&thunk_next, 48, __ATOMIC_RELAXED), *start = p;

	if (p + 48 > (uint8_t *)RP_ARENA_THUNKS + RP_ARENA_THUNKS_SIZE)
		rp_die("too many system calls in the lower half's libraries");
	memcpy(p, site, before);
	p += before;
	*p++ = 0x48, *p++ = 0x8d, *p++ = 0x0d; /* lea 7(%rip), %rcx: behind the syscall below */
	*p++ = 7, *p++ = 0, *p++ = 0, *p++ = 0;
	p = emit_jump(p, (const void *)RP_ARENA_THUNKS);
	*p++ = 0x0f, *p++ = 0x05;
	memcpy(p, site + len - after, after);
	p += after;
	emit_jump(p, site + len);
	emit_jump(site, start);
	for (unsigned i = 5; i < len; i++)
		site[i] = 0x90;
}

static unsigned cmp_length(const uint8_t *p, const uint8_t *end)
{
	if (p + 6 <= end && p[0] == 0x48 && p[1] == 0x3d && p[2] <= 1 && p[3] == 0xf0 && p[4] == 0xff && p[5] == 0xff)
		return 6;
	if (p + 5 <= end && p[0] == 0x3d && p[1] <= 1 && p[2] == 0xf0 && p[3] == 0xff && p[4] == 0xff)
		return 5;
	return 0;
}

static void patch_one(uint8_t *at, uint8_t *start, uint8_t *end)
{
	unsigned after = cmp_length(at + 2, end);
	int32_t nr = -1;

	if (at - start >= 5 && at[-5] == 0xb8)
		memcpy(&nr, at - 4, 4);
	if (nr < 0 || nr >= 1024)
		nr = -1;
	if (nr >= 0 && !rp_thunk_wants(nr))
		return;
	if (after)
		patch_site(at, 2 + after, 0, after);
	else if (nr >= 0)
		patch_site(at - 5, 7, 5, 0);
}

void rp_patch_text(uint64_t start, uint64_t len, int prot)
{
	uint8_t *p = (uint8_t *)start, *end = p + len;
	int writable = 0;

	if (len < 2)
		return;
	for (uint8_t *s = p; s + 1 < end; s++) {
		if (s[0] != 0x0f || s[1] != 0x05)
			continue;
		if (!writable) {
			long r = rp_mprotect(RP_PAGE_DOWN(start), RP_PAGE_UP(start + len) - RP_PAGE_DOWN(start), 7);

			if (rp_is_error(r))
				rp_die_with(125, "cannot change the lower half's text", NULL, r);
			writable = 1;
		}
		patch_one(s, p, end);
	}
	if (writable)
		rp_mprotect(RP_PAGE_DOWN(start), RP_PAGE_UP(start + len) - RP_PAGE_DOWN(start), prot);
}
