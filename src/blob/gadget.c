/* SPDX-License-Identifier: BSD-3-Clause */
#include "blob/gadget.h"

#include <asm/mman.h>
#include <linux/uio.h>

#include "arch/x86_64/syscall.h"
#include "blob/internal.h"

#define SCAN_BUFFER 65536UL
#define SCAN_MAX (32UL << 20)
#define LONGEST 9

static const uint8_t syscall_ret[] = { RP_GADGET_SYSCALL_BYTES };
static const uint8_t mov_eax_return[] = { RP_GADGET_RETURN_BYTES };
static const uint8_t mov_rax_return[] = { 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05 };

/* Copies memory of this process; short or 0 where there is none behind the addresses. */
static uint64_t read_memory(uint64_t at, void *to, uint64_t len)
{
	struct iovec local = { to, len }, remote = { (void *)at, len };
	long n = rp_syscall6(__NR_process_vm_readv, rp_syscall0(__NR_getpid), (long)&local, 1, (long)&remote, 1, 0);

	return n > 0 ? (uint64_t)n : 0;
}

static int is_same(const uint8_t *a, const uint8_t *b, uint64_t len)
{
	while (len && *a == *b) {
		a++;
		b++;
		len--;
	}
	return !len;
}

static int is_return(const uint8_t *p, uint64_t len)
{
	return (len >= sizeof(mov_eax_return) && is_same(p, mov_eax_return, sizeof(mov_eax_return))) ||
	       (len >= sizeof(mov_rax_return) && is_same(p, mov_rax_return, sizeof(mov_rax_return)));
}

static int is_text(const struct rp_plan_vma *v)
{
	return v && v->prot & PROT_EXEC && v->prot & PROT_READ && !v->pkey &&
	       (v->type == RP_VMA_ANON || v->type == RP_VMA_FILE || v->type == RP_VMA_VDSO);
}

static int is_gadget(struct rp_blob *b, uint64_t at, int want_return)
{
	const struct rp_plan_vma *v = at ? rp_plan_vma_at(b->plan, at) : 0;
	uint8_t bytes[LONGEST];
	uint64_t len;

	if (!is_text(v))
		return 0;
	len = read_memory(at, bytes, v->end - at < LONGEST ? v->end - at : LONGEST);
	if (want_return)
		return is_return(bytes, len);
	return len >= sizeof(syscall_ret) && is_same(bytes, syscall_ret, sizeof(syscall_ret));
}

static void scan_buffer(struct rp_blob *b, const uint8_t *p, uint64_t len, uint64_t addr)
{
	for (uint64_t i = 0; i + sizeof(syscall_ret) <= len; i++) {
		if (p[i] == 0x0f && !b->gadget_syscall && is_same(p + i, syscall_ret, sizeof(syscall_ret)))
			b->gadget_syscall = addr + i;
		else if ((p[i] == 0xb8 || p[i] == 0x48) && !b->gadget_return && is_return(p + i, len - i))
			b->gadget_return = addr + i;
		if (b->gadget_syscall && b->gadget_return)
			return;
	}
}

static int is_found(struct rp_blob *b)
{
	return b->gadget_syscall && b->gadget_return;
}

static uint64_t scan_vma(struct rp_blob *b, const struct rp_plan_vma *v, uint8_t *buffer, uint64_t limit)
{
	uint64_t at = v->start;

	while (at < v->end && at - v->start < limit && !is_found(b)) {
		uint64_t want = v->end - at < SCAN_BUFFER ? v->end - at : SCAN_BUFFER;
		uint64_t got = read_memory(at, buffer, want);

		scan_buffer(b, buffer, got, at);
		if (got < want || at + got == v->end)
			break;
		at += got - LONGEST; /* one that lies across the border */
	}
	return at - v->start;
}

void rp_blob_find_gadgets(struct rp_blob *b)
{
	const struct rp_plan_sigaction *a = rp_plan_sigactions(b->plan);
	const struct rp_plan_vma *v = rp_plan_vmas(b->plan);
	uint64_t seen = 0;
	uint8_t *buffer;

	if (is_gadget(b, b->plan->gadgets[0], 0))
		b->gadget_syscall = b->plan->gadgets[0];
	if (is_gadget(b, b->plan->gadgets[1], 1))
		b->gadget_return = b->plan->gadgets[1];
	for (uint64_t i = 0; i < b->plan->sigactions.count && !b->gadget_return; i++)
		if (is_gadget(b, a[i].restorer, 1))
			b->gadget_return = a[i].restorer;
	if (is_found(b))
		return;
	buffer = rp_blob_alloc(b, SCAN_BUFFER);
	for (uint64_t i = 0; i < b->plan->vmas.count; i++)
		if (v[i].type == RP_VMA_VDSO && !b->gadget_syscall)
			scan_vma(b, &v[i], buffer, SCAN_MAX);
	for (uint64_t i = 0; i < b->plan->vmas.count && !is_found(b) && seen < SCAN_MAX; i++)
		if (is_text(&v[i]))
			seen += scan_vma(b, &v[i], buffer, SCAN_MAX - seen);
}
