/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stddef.h>

#include <asm/errno.h>
#include <asm/signal.h>
#include <linux/auxvec.h>
#include <linux/futex.h>

#include "abi/layout.h"
#include "arch/x86_64/sigframe.h"
#include "arch/x86_64/syscall.h"
#include "blob/internal.h"

#define EXIT_FAILED 125
#define FIXED_MEM (512UL << 10) /* helpers' stacks, scan buffer, alignment */
#define ALIGN_UP(x, a) (((x) + (a)-1) & ~((uint64_t)(a)-1))

uint64_t rp_blob_frame_room(void)
{
	return ALIGN_UP(RP_SIGFRAME_MAX(rp_sigframe_xsave_size()), 64);
}

uint64_t rp_blob_keep_size(const struct rp_plan *plan)
{
	if (plan->flags & RP_PLAN_RANK)
		return 0;
	return RP_PAGE_SIZE + RP_PAGE_UP(plan->threads.count * rp_blob_frame_room());
}

uint64_t rp_blob_mem_size(const struct rp_plan *plan)
{
	uint64_t thread = ALIGN_UP(sizeof(struct rp_blob_thread), 64) + RP_STACK_SIZE + 2 * rp_blob_frame_room() + 128;

	return RP_PAGE_UP(FIXED_MEM + plan->threads.count * thread + plan->shms.count * sizeof(uint64_t)) +
	       rp_blob_keep_size(plan);
}

void rp_blob_init(struct rp_blob *b, const struct rp_plan *plan, uint64_t mem, uint64_t unmap_start, uint64_t unmap_len)
{
	uint64_t all = RP_ALL_SIGNALS;
	struct rp_blob empty = { 0 };

	*b = empty;
	b->plan = plan;
	b->mem = mem;
	b->mem_len = rp_blob_mem_size(plan) - rp_blob_keep_size(plan);
	b->unmap_start = unmap_start;
	b->unmap_len = unmap_len;
	rp_syscall4(__NR_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, 8);
}

int rp_blob_is_borrowed(const uint64_t *auxv)
{
	for (; auxv[0] != AT_NULL; auxv += 2)
		if (auxv[0] == AT_SECURE)
			return auxv[1] && rp_syscall0(__NR_getuid);
	return 0;
}

void *rp_blob_alloc(struct rp_blob *b, uint64_t size)
{
	uint64_t at = ALIGN_UP(b->mem_used, 64);

	if (at + size > b->mem_len)
		__builtin_trap(); /* rp_blob_mem_size() is wrong */
	b->mem_used = at + size;
	return (void *)(b->mem + at);
}

void rp_blob_wait(uint32_t *word, uint32_t while_value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == while_value)
		rp_syscall6(__NR_futex, (long)word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, while_value, 0, 0, 0);
}

void rp_blob_wake(uint32_t *word)
{
	rp_syscall6(__NR_futex, (long)word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT32_MAX, 0, 0, 0);
}

void rp_blob_wait_gone(uint32_t *word)
{
	uint32_t value;

	/* The kernel's wake is not a private one. */
	while ((value = __atomic_load_n(word, __ATOMIC_ACQUIRE)))
		rp_syscall6(__NR_futex, (long)word, FUTEX_WAIT, value, 0, 0, 0);
}

const struct rp_plan_vma *rp_plan_vma_at(const struct rp_plan *p, uint64_t addr)
{
	const struct rp_plan_vma *v = rp_plan_vmas(p);
	uint64_t lo = 0, hi = p->vmas.count;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (v[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->vmas.count && v[lo].start <= addr && v[lo].type != RP_VMA_VSYSCALL ? &v[lo] : NULL;
}

/* ---- the one line of a failure ---- */

struct line {
	char *text;
	unsigned len, room;
};

static void put(struct line *l, const char *s)
{
	while (*s && l->len + 1 < l->room)
		l->text[l->len++] = *s++;
	l->text[l->len] = 0;
}

static void put_number(struct line *l, uint64_t value, unsigned base)
{
	char digits[24];
	unsigned i = sizeof(digits);

	digits[--i] = 0;
	do {
		digits[--i] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	if (base == 16)
		put(l, "0x");
	put(l, digits + i);
}

/* clang-format off */
static const char *stage_name(uint32_t stage)
{
	switch (stage) {
	case RP_STAGE_CHECK: return "plan";
	case RP_STAGE_MOVE: return "moving the restorer";
	case RP_STAGE_RESERVE: return "reserving memory";
	case RP_STAGE_THREADS: return "threads";
	case RP_STAGE_DROP: return "dropping rights";
	case RP_STAGE_MAP: return "mapping memory";
	case RP_STAGE_PAGES: return "pages";
	case RP_STAGE_PROTECT: return "memory attributes";
	case RP_STAGE_MM: return "exe link and memory layout";
	case RP_STAGE_SIGNALS: return "signals";
	case RP_STAGE_TIMERS: return "timers";
	case RP_STAGE_THREAD_STATE: return "thread state";
	case RP_STAGE_CREDS: return "credentials";
	case RP_STAGE_SECCOMP: return "seccomp";
	case RP_STAGE_FDS: return "descriptors";
	default: return "jump";
	}
}
/* clang-format on */

/* clang-format off */
static const char *errno_name(int code)
{
	switch (-code) {
	case EPERM: return "EPERM";
	case ENOENT: return "ENOENT";
	case ESRCH: return "ESRCH";
	case EIO: return "EIO";
	case EBADF: return "EBADF";
	case EAGAIN: return "EAGAIN";
	case ENOMEM: return "ENOMEM";
	case EACCES: return "EACCES";
	case EFAULT: return "EFAULT";
	case EBUSY: return "EBUSY";
	case EEXIST: return "EEXIST";
	case EINVAL: return "EINVAL";
	case ENOSPC: return "ENOSPC";
	case ENOSYS: return "ENOSYS";
	case EOPNOTSUPP: return "EOPNOTSUPP";
	case ENODATA: return "ENODATA";
	default: return NULL;
	}
}
/* clang-format on */

static void describe(struct line *l, const struct rp_blob_error *err)
{
	const char *name = errno_name(err->code);

	put(l, stage_name(err->stage));
	put(l, ": ");
	put(l, err->text ? err->text : "failed");
	if (err->arg) {
		put(l, " ");
		put_number(l, err->arg, err->arg >= 1UL << 24 ? 16 : 10);
	}
	put(l, ": ");
	if (name) {
		put(l, name);
	} else {
		put(l, "errno ");
		put_number(l, (uint64_t)-err->code, 10);
	}
}

int rp_blob_status_fd(const struct rp_plan *plan)
{
	const struct rp_plan_fdop *op = rp_plan_fdops(plan);

	for (uint64_t i = 0; i < plan->fdops.count; i++)
		if (op[i].op == RP_FDOP_STATUS)
			return op[i].fd;
	return -1;
}

void rp_blob_status(const struct rp_plan *plan, const struct rp_blob_error *err)
{
	struct rp_plan_status st = { .code = err->code, .stage = err->stage, .arg = err->arg };
	struct line l = { st.text, 0, sizeof(st.text) };
	int fd = plan ? rp_blob_status_fd(plan) : -1;

	if (err->code)
		describe(&l, err);
	if (fd >= 0 && rp_syscall3(__NR_write, fd, (long)&st, sizeof(st)) == (long)sizeof(st))
		return;
	if (err->code) {
		char text[600];
		struct line e = { text, 0, sizeof(text) };

		put(&e, "reprise: restore: ");
		put(&e, st.text);
		put(&e, "\n");
		rp_syscall3(__NR_write, 2, (long)text, e.len);
	}
}

void rp_blob_fail(const struct rp_plan *plan, const struct rp_blob_error *err)
{
	rp_blob_status(plan, err);
	for (;;)
		rp_syscall1(__NR_exit_group, EXIT_FAILED);
}
