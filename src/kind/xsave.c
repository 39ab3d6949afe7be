/* SPDX-License-Identifier: BSD-3-Clause */
#include "kind/xsave.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>

#include "kind/taskcommon.h"

#define LEGACY 512
#define HEADER 64
#define XSAVE_MIN (LEGACY + HEADER)

/* Words of the message that belong to one component of the area. */
struct component {
	unsigned bit;
	const char *name;
	uint32_t size; /* bytes; the message's words are 4 or 8 bytes wide */
	unsigned width;
	size_t count_at, items_at; /* in UserX86XsaveEntry */
};

#define COMPONENT(b, label, bytes, w, field) \
	{ \
		.bit = (b), .name = (label), .size = (bytes), .width = (w), \
		.count_at = offsetof(UserX86XsaveEntry, n_##field), .items_at = offsetof(UserX86XsaveEntry, field) \
	}

static const struct component components[] = {
	COMPONENT(2, "AVX", 256, 4, ymmh_space),
	COMPONENT(3, "MPX bounds", 64, 8, bndreg_state),
	COMPONENT(4, "MPX configuration", 64, 8, bndcsr_state),
	COMPONENT(5, "AVX-512 masks", 64, 8, opmask_reg),
	COMPONENT(6, "AVX-512 upper halves", 512, 8, zmm_upper),
	COMPONENT(7, "AVX-512 upper registers", 1024, 8, hi16_zmm),
	COMPONENT(9, "protection keys", 8, 4, pkru),
};

#define CARRIED 0x2ffUL /* bits 0 to 7 and 9 */

static uint32_t component_offset(unsigned bit, uint32_t *size)
{
	uint32_t a = 0, b = 0, c = 0, unused = 0;

	__cpuid_count(0xd, bit, a, b, c, unused);
	*size = a;
	return b;
}

static uint64_t cpu_features(void)
{
	uint32_t a = 0, b = 0, c = 0, dx = 0;

	__cpuid_count(0xd, 0, a, b, c, dx);
	return (uint64_t)dx << 32 | a;
}

size_t rp_xsave_size(void)
{
	size_t end = XSAVE_MIN;
	uint64_t features = cpu_features();

	for (size_t i = 0; i < sizeof(components) / sizeof(components[0]); i++) {
		uint32_t size, off = component_offset(components[i].bit, &size);

		if (features >> components[i].bit & 1 && off + size > end)
			end = off + size;
	}
	return end;
}

static int dump_component(struct rp_dump *d, const uint8_t *area, size_t len, uint64_t bv, const struct component *c,
			  UserX86XsaveEntry *x)
{
	uint32_t size, off = component_offset(c->bit, &size);
	uint8_t *words;
	size_t n = c->size / c->width;

	if (size == 0 || off + c->size > len)
		return 0; /* not a feature of this CPU */
	words = rp_dump_alloc(d, c->size);
	if (!words)
		return -ENOMEM;
	/* A component in its initial state is left as it was by XSAVE: its bytes mean nothing. */
	if (bv >> c->bit & 1)
		memcpy(words, area + off, c->size);
	memcpy((char *)x + c->count_at, &n, sizeof(n));
	memcpy((char *)x + c->items_at, &words, sizeof(words));
	return 0;
}

int rp_xsave_dump(struct rp_dump *d, int tid, const uint8_t *area, size_t len, UserX86FpregsEntry *e)
{
	UserX86XsaveEntry *x = RP_TASK_MSG(d, UserX86XsaveEntry, user_x86_xsave_entry__init);
	uint16_t words[4];
	uint64_t bv = 3;

	if (!x)
		return -ENOMEM;
	if (len < LEGACY)
		return rp_error(&d->err, -EPROTO, "thread %d: extended registers of %zu bytes", tid, len);
	if (len >= XSAVE_MIN)
		memcpy(&bv, area + LEGACY, sizeof(bv));
	if (bv & ~CARRIED)
		return rp_error(&d->err, -ENOTSUP,
				"thread %d uses processor state (components %#lx, such as AMX tiles) "
				"that cannot be carried",
				tid, (unsigned long)(bv & ~CARRIED));
	memcpy(words, area, sizeof(words));
	e->cwd = words[0];
	e->swd = words[1];
	e->twd = words[2];
	e->fop = words[3];
	memcpy(&e->rip, area + 8, 8);
	memcpy(&e->rdp, area + 16, 8);
	memcpy(&e->mxcsr, area + 24, 4);
	memcpy(&e->mxcsr_mask, area + 28, 4);
	e->n_st_space = 32;
	e->st_space = rp_dump_memdup(d, area + 32, 128);
	e->n_xmm_space = 64;
	e->xmm_space = rp_dump_memdup(d, area + 160, 256);
	if (!e->st_space || !e->xmm_space)
		return -ENOMEM;
	x->xstate_bv = bv;
	for (size_t i = 0; len >= XSAVE_MIN && i < sizeof(components) / sizeof(components[0]); i++) {
		int ret = dump_component(d, area, len, bv, &components[i], x);

		if (ret < 0)
			return ret;
	}
	e->xsave = x;
	return 0;
}

int rp_xsave_check(struct rp_restore *r, uint32_t tid, const UserX86FpregsEntry *e)
{
	const UserX86XsaveEntry *x = e->xsave;

	if (e->n_st_space != 32 || e->n_xmm_space != 64)
		return rp_bad_image(r, "thread %u has %zu words of FPU registers", tid, e->n_st_space);
	if (e->mxcsr & ~(e->mxcsr_mask ? e->mxcsr_mask : 0xffbfu))
		return rp_bad_image(r, "thread %u has an impossible mxcsr %#x", tid, e->mxcsr);
	if (!x)
		return 0;
	if (x->xstate_bv & ~CARRIED)
		return rp_error(&r->err, -ENOTSUP, "thread %u: processor state %#lx cannot be restored", tid,
				(unsigned long)(x->xstate_bv & ~CARRIED));
	for (size_t i = 0; i < sizeof(components) / sizeof(components[0]); i++) {
		const struct component *c = &components[i];
		size_t n;

		memcpy(&n, (const char *)x + c->count_at, sizeof(n));
		if (!(x->xstate_bv >> c->bit & 1))
			continue;
		if (!(cpu_features() >> c->bit & 1))
			return rp_error(&r->err, -ENOTSUP, "thread %u uses %s, which this CPU does not have", tid,
					c->name);
		/* PKRU is one word in CRIU's images although the component has two. */
		if (n > c->size / c->width || n == 0)
			return rp_bad_image(r, "thread %u has %zu words of %s", tid, n, c->name);
	}
	return 0;
}

void rp_xsave_build(const UserX86FpregsEntry *e, uint8_t *buf)
{
	const UserX86XsaveEntry *x = e->xsave;
	uint16_t words[4] = { (uint16_t)e->cwd, (uint16_t)e->swd, (uint16_t)e->twd, (uint16_t)e->fop };
	uint64_t bv = x ? (x->xstate_bv & CARRIED) : 3;

	memset(buf, 0, rp_xsave_size());
	memcpy(buf, words, sizeof(words));
	memcpy(buf + 8, &e->rip, 8);
	memcpy(buf + 16, &e->rdp, 8);
	memcpy(buf + 24, &e->mxcsr, 4);
	memcpy(buf + 28, &e->mxcsr_mask, 4);
	memcpy(buf + 32, e->st_space, 128);
	memcpy(buf + 160, e->xmm_space, 256);
	memcpy(buf + LEGACY, &bv, sizeof(bv));
	for (size_t i = 0; x && i < sizeof(components) / sizeof(components[0]); i++) {
		const struct component *c = &components[i];
		uint32_t size, off = component_offset(c->bit, &size);
		const void *items;
		size_t n;

		memcpy(&n, (const char *)x + c->count_at, sizeof(n));
		memcpy(&items, (const char *)x + c->items_at, sizeof(items));
		if (bv >> c->bit & 1 && size >= n * c->width)
			memcpy(buf + off, items, n * c->width);
	}
}
