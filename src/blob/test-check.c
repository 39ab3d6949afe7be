/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The checker of plans against hostile ones: a plan that it accepts is changed at random, one to eight words at a time,
 * with values that overflow; the checker may say no or yes, but what it accepts must have every table, row and byte range
 * inside the plan (each is read here). Built with address and undefined-behaviour sanitizers on a buffer of exact size.
 * Arguments: number of rounds, seed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "arch/x86_64/regs.h"
#include "blob/internal.h"
#include "engine/plan.h"

static uint64_t state;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* A plan with a row in every table. */
static struct rp_plan *make(uint64_t *size)
{
	struct rp_planner *p;
	struct rp_error err = { "" };
	static char xsave[2688], bytes[4096];
	uint64_t at = 0x400000;
	int fd;

	if (rp_planner_new(&p))
		exit(1);
	for (int i = 0; i < 6; i++, at += 0x10000) {
		struct rp_plan_vma v = { .start = at,
					 .end = at + 0x8000,
					 .type = RP_VMA_ANON,
					 .prot = 3,
					 .flags = i == 5 ? MAP_SHARED : MAP_PRIVATE,
					 .fd = -1 };
		struct rp_plan_run r = { .vaddr = at + 0x1000, .len = 0x2000, .fd = 7, .shm = UINT32_MAX };

		if (i == 5)
			v.type = RP_VMA_SHM;
		else
			rp_planner_add(p, RP_PART_RUNS, &r);
		rp_planner_add(p, RP_PART_VMAS, &v);
	}
	for (int i = 0; i < 3; i++) {
		struct rp_plan_thread t = { .tid = 100 + i,
					    .siginfo_first = (uint32_t)i,
					    .siginfo_count = 1,
					    .seccomp_first = 0,
					    .seccomp_count = 1,
					    .cpuset_len = 16 };

		t.regs[RP_REG_CS] = RP_CS_USER64;
		t.xsave_len = sizeof(xsave);
		t.xsave_off = (uint64_t)rp_planner_bytes(p, xsave, sizeof(xsave), 64);
		t.cpuset_off = (uint64_t)rp_planner_bytes(p, bytes, 16, 8);
		rp_planner_add(p, RP_PART_THREADS, &t);
	}
	for (int i = 0; i < 4; i++) {
		int32_t info[32] = { 10 };

		rp_planner_add(p, RP_PART_SIGINFOS, info);
	}
	for (int i = 0; i < 64; i++)
		rp_planner_add(p, RP_PART_SIGACTIONS, &(struct rp_plan_sigaction){ 0 });
	rp_planner_add(p, RP_PART_SHMS, &(struct rp_plan_shm){ .size = 0x8000, .fd = -1 });
	rp_planner_add(p, RP_PART_POSIX_TIMERS, &(struct rp_plan_posix_timer){ .signo = 10 });
	rp_planner_add(p, RP_PART_CREDS,
		       &(struct rp_plan_creds){ .groups_count = 2,
						.groups_off = (uint64_t)rp_planner_bytes(p, bytes, 8, 8) });
	rp_planner_add(p, RP_PART_SECCOMPS,
		       &(struct rp_plan_seccomp){ .count = 4, .off = (uint64_t)rp_planner_bytes(p, bytes, 32, 8) });
	rp_planner_add(p, RP_PART_LIMITS, &(struct rp_plan_limit){ .which = 7, .cur = 64, .max = 64 });
	rp_planner_fdop(p, 9, RP_FDOP_CLOSE, 0, 0, 0);
	rp_planner_head(p)->pid = 100;
	rp_planner_head(p)->task_size = 0x7ffffffff000;
	rp_planner_head(p)->mm.auxv_len = 64;
	rp_planner_head(p)->mm.auxv_off = (uint64_t)rp_planner_bytes(p, bytes, 64, 8);
	if (rp_planner_memfd(&fd, &err) || rp_planner_seal(p, fd, &err))
		exit(1);
	*size = rp_planner_head(p)->total_size;
	rp_planner_free(p);
	return mmap(NULL, *size, PROT_READ, MAP_SHARED, fd, 0);
}

static uint64_t touched;

static void touch(const void *at, uint64_t len)
{
	for (uint64_t i = 0; i < len; i++)
		touched += ((const unsigned char *)at)[i];
}

#define TOUCH(plan, name) touch(rp_plan_##name(plan), (plan)->name.count * sizeof(*rp_plan_##name(plan)))

/* Everything that the blob would read. */
static void use(const struct rp_plan *p)
{
	const char *base = (const char *)p;

	TOUCH(p, vmas);
	TOUCH(p, runs);
	TOUCH(p, shms);
	TOUCH(p, sigactions);
	TOUCH(p, posix_timers);
	TOUCH(p, fdops);
	TOUCH(p, limits);
	touch(base + p->mm.auxv_off, p->mm.auxv_len);
	for (uint64_t i = 0; i < p->siginfos.count; i++)
		touch(rp_plan_siginfo(p, i), RP_SIGINFO_SIZE);
	for (uint64_t i = 0; i < p->creds.count; i++)
		touch(base + rp_plan_creds(p)[i].groups_off, 4UL * rp_plan_creds(p)[i].groups_count);
	for (uint64_t i = 0; i < p->seccomps.count; i++)
		touch(base + rp_plan_seccomps(p)[i].off, 8UL * rp_plan_seccomps(p)[i].count);
	for (uint64_t i = 0; i < p->threads.count; i++) {
		const struct rp_plan_thread *t = &rp_plan_threads(p)[i];

		if (t->xsave_len)
			touch(base + t->xsave_off, t->xsave_len);
		if (t->cpuset_len)
			touch(base + t->cpuset_off, t->cpuset_len);
		for (uint32_t k = 0; k < t->siginfo_count; k++)
			touch(rp_plan_siginfo(p, t->siginfo_first + k), RP_SIGINFO_SIZE);
	}
	for (uint64_t i = 0; i < p->runs.count; i++) {
		const struct rp_plan_run *r = &rp_plan_runs(p)[i];
		const struct rp_plan_vma *v = r->shm == UINT32_MAX ? rp_plan_vma_at(p, r->vaddr) : NULL;

		if (r->shm == UINT32_MAX && (!v || r->vaddr + r->len > v->end))
			abort();
		if (r->shm != UINT32_MAX && r->shm >= p->shms.count)
			abort();
	}
}

static uint64_t hostile(uint64_t old)
{
	static const uint64_t values[] = { 0,	       1,	  UINT64_MAX,	  UINT64_MAX - 7, 1UL << 63, INT64_MAX,
					   UINT32_MAX, 1UL << 32, 0x7ffffffff000, 4096,		  8 };

	switch (next() % 4) {
	case 0:
		return values[next() % (sizeof(values) / sizeof(values[0]))];
	case 1:
		return old + 8 * (next() % 64) - 256;
	case 2:
		return old ^ 1UL << next() % 64;
	default:
		return next();
	}
}

int main(int argc, char **argv)
{
	uint64_t size, rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 200000, accepted = 0;
	const struct rp_plan *good = make(&size);
	struct rp_blob_error err = { 0 };

	state = argc > 2 ? strtoul(argv[2], NULL, 0) : 88172645463325252UL;
	if (rp_blob_check(good, size, &err)) {
		fprintf(stderr, "a good plan is refused: %s %#lx\n", err.text, (unsigned long)err.arg);
		return 1;
	}
	for (uint64_t i = 0; i < rounds; i++) {
		uint64_t cut = next() % 16 ? size : next() % (size + 1), words = 1 + next() % 8;
		char *copy = malloc(cut ? cut : 1);

		memcpy(copy, good, cut);
		/* The header and the thread rows decide most, so they are hit most. */
		for (uint64_t k = 0; k < words && cut >= 8; k++) {
			uint64_t limit = next() % 2 && cut > sizeof(*good) ? sizeof(*good) : cut;
			uint64_t at = next() % (limit / 8) * 8, v;

			memcpy(&v, copy + at, 8);
			v = hostile(v);
			memcpy(copy + at, &v, 8);
		}
		memset(&err, 0, sizeof(err));
		if (!rp_blob_check((struct rp_plan *)copy, cut, &err)) {
			accepted++;
			use((struct rp_plan *)copy);
		} else if (!err.code || !err.text) {
			abort();
		}
		free(copy);
	}
	printf("PASS: %lu of %lu changed plans accepted, %lu\n", (unsigned long)accepted, (unsigned long)rounds,
	       (unsigned long)(touched & 1));
	return accepted && accepted < rounds ? 0 : 1;
}
