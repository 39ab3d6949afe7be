/* SPDX-License-Identifier: BSD-3-Clause
 *
 * reprise-restorer PLANFD: becomes the process of a plan, replacing everything. Execed by the host side; has nothing but
 * its own pages, a stack and the vdso. Copies itself to where the image has nothing, unmaps all the rest and goes through
 * the steps of blob.h.
 */
#include <elf.h>
#include <stddef.h>

#include <asm/errno.h>
#include <asm/mman.h>
#include <asm/signal.h>
#include <linux/fs.h>
#include <linux/mman.h>

#include "abi/layout.h"
#include "arch/x86_64/syscall.h"
#include "blob/internal.h"

#define STACK_SIZE 65536UL
#define PLAN_SIZE_MAX (1UL << 30)
#define STACK_GAP (1UL << 20) /* below memory that grows down */
#define STEP (1UL << 40)
#define UNMAP_END 0x7ffffffff000UL /* what execve(2) maps lies below, whatever the plan's address space */

extern const char __ehdr_start[] __attribute__((visibility("hidden")));

void rp_jump_to(void (*run)(void *), void *arg, void *stack_top) __attribute__((noreturn));
/* Bytes of this program in memory. Not by _end: without data the linker may put that beyond the last page. */
static uint64_t own_size(void)
{
	const Elf64_Ehdr *e = (const void *)__ehdr_start;
	const Elf64_Phdr *ph = (const void *)(__ehdr_start + e->e_phoff);
	uint64_t end = 0;

	for (unsigned i = 0; i < e->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && ph[i].p_vaddr + ph[i].p_memsz > end)
			end = ph[i].p_vaddr + ph[i].p_memsz;
	return end - (uint64_t)__ehdr_start;
}

void rp_restorer_main(const uint64_t *stack) __attribute__((noreturn));

/* What the copy is told; at the low end of its stack. */
struct move {
	const struct rp_plan *plan;
	uint64_t start, len, mem;
	uint32_t borrowed;
	struct rp_blob blob;
};

static void fail(const struct rp_plan *plan, uint32_t stage, long code, const char *text, uint64_t arg)
	__attribute__((noreturn));
static void fail(const struct rp_plan *plan, uint32_t stage, long code, const char *text, uint64_t arg)
{
	struct rp_blob_error err = { (int32_t)code, stage, arg, text };

	rp_blob_fail(plan, &err);
}

static int parse_number(const char *s)
{
	int value = 0;

	if (!*s)
		return -1;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || value > 100000000)
			return -1;
		value = 10 * value + (*s - '0');
	}
	return value;
}

/* A private copy: what is checked is what is used. */
static struct rp_plan *read_plan(int fd, uint64_t *size)
{
	struct rp_blob_error err = { 0 };
	long len = rp_syscall3(__NR_lseek, fd, 0, SEEK_END), at;

	if (len < (long)sizeof(struct rp_plan) || len > (long)PLAN_SIZE_MAX)
		fail(NULL, RP_STAGE_CHECK, len < 0 ? len : -EINVAL, "size of the plan on descriptor", (uint64_t)fd);
	at = rp_syscall6(__NR_mmap, 0, (long)RP_PAGE_UP((uint64_t)len), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (rp_is_error(at))
		fail(NULL, RP_STAGE_CHECK, at, "memory for the plan", (uint64_t)len);
	for (long done = 0; done < len;) {
		long n = rp_syscall4(__NR_pread64, fd, at + done, len - done, done);

		if (n <= 0 && n != -EINTR)
			fail(NULL, RP_STAGE_CHECK, n ? n : -ENODATA, "reading the plan", (uint64_t)done);
		done += n > 0 ? n : 0;
	}
	rp_syscall1(__NR_close, fd);
	if (rp_blob_check((struct rp_plan *)at, (uint64_t)len, &err))
		rp_blob_fail(NULL, &err);
	*size = (uint64_t)len;
	return (struct rp_plan *)at;
}

static int is_free(const struct rp_plan *p, uint64_t start, uint64_t len)
{
	const struct rp_plan_vma *v = rp_plan_vmas(p);

	if (start % RP_PAGE_SIZE || start < 16 * RP_PAGE_SIZE || len > p->task_size || start > p->task_size - len)
		return 0;
	for (uint64_t i = 0; i < p->vmas.count; i++) {
		uint64_t below = v[i].flags & MAP_GROWSDOWN ? STACK_GAP : 0;

		if (v[i].type != RP_VMA_VSYSCALL && start < v[i].end && start + len + below > v[i].start)
			return 0;
	}
	return 1;
}

static uint64_t try_at(const struct rp_plan *p, uint64_t start, uint64_t len)
{
	long ret;

	if (!is_free(p, start, len))
		return 0;
	ret = rp_syscall6(__NR_mmap, (long)start, (long)len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if ((uint64_t)ret == start)
		return start;
	if (!rp_is_error(ret))
		rp_syscall2(__NR_munmap, ret, (long)len);
	return 0;
}

/* Memory that is free here and in the image: the plan's hole, or any other. */
static uint64_t take_hole(const struct rp_plan *p, uint64_t len)
{
	const struct rp_plan_vma *v = rp_plan_vmas(p);
	uint64_t at = p->hole_len >= len ? try_at(p, p->hole_start, len) : 0;

	for (uint64_t try = 16 * STEP; !at && try < p->task_size; try += STEP)
		at = try_at(p, try, len);
	for (uint64_t i = 0; !at && i < p->vmas.count; i++)
		at = v[i].type == RP_VMA_VSYSCALL ? 0 : try_at(p, v[i].end, len);
	return at;
}

static void check(struct rp_blob *b, int rc)
{
	if (rc)
		rp_blob_fail(b->plan, &b->err);
}

/* On the new stack, in the copy. */
static void go_on(void *arg)
{
	struct move *m = arg;
	struct rp_blob *b = &m->blob;
	uint64_t end = m->start + m->len;
	long ret = rp_syscall2(__NR_munmap, 0, (long)m->start);

	if (!ret && end < UNMAP_END)
		ret = rp_syscall2(__NR_munmap, (long)end, (long)(UNMAP_END - end));
	if (ret)
		fail(m->plan, RP_STAGE_MOVE, ret, "unmapping what is not the image", m->start);
	rp_blob_init(b, m->plan, m->mem, m->start, m->len);
	b->borrowed = m->borrowed;
	check(b, rp_blob_reserve(b));
	check(b, rp_blob_threads(b));
	check(b, rp_blob_fill(b));
	rp_blob_finish(b);
	rp_blob_fail(b->plan, &b->err);
}

void rp_restorer_main(const uint64_t *stack)
{
	uint64_t own = own_size(), code = RP_PAGE_UP(own), all = RP_ALL_SIGNALS, size, at, len;
	const char *const *argv = (const char *const *)(stack + 1);
	const uint64_t *auxv = stack + stack[0] + 2; /* behind the environment */
	int fd = stack[0] == 2 ? parse_number(argv[1]) : -1;
	struct rp_plan *plan;
	struct move *m;

	rp_syscall4(__NR_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, 8);
	if (fd < 0)
		fail(NULL, RP_STAGE_CHECK, -EINVAL, "usage: reprise-restorer PLANFD", 0);
	plan = read_plan(fd, &size);
	if (plan->flags & RP_PLAN_RANK)
		fail(plan, RP_STAGE_CHECK, -EINVAL, "this plan is for the bootstrap of a rank", 0);
	len = code + RP_PAGE_UP(size) + STACK_SIZE + rp_blob_mem_size(plan);
	at = take_hole(plan, len);
	if (!at)
		fail(plan, RP_STAGE_MOVE, -ENOMEM, "no place for the restorer beside the image", len);
	__builtin_memcpy((void *)at, __ehdr_start, own);
	__builtin_memcpy((void *)(at + code), plan, size);
	m = (struct move *)(at + code + RP_PAGE_UP(size));
	while (*auxv++)
		;
	m->borrowed = (uint32_t)rp_blob_is_borrowed(auxv);
	m->plan = (struct rp_plan *)(at + code);
	m->start = at;
	m->len = len;
	m->mem = (uint64_t)m + STACK_SIZE;
	rp_syscall3(__NR_mprotect, (long)at, (long)code, PROT_READ | PROT_EXEC);
	rp_jump_to((void (*)(void *))((uint64_t)go_on - (uint64_t)__ehdr_start + at), m, (void *)m->mem);
}
