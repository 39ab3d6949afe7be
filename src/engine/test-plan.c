/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The planner: layout, sorting, merging of runs, the hole, seals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/layout.h"
#include "engine/plan.h"

#define TASK_SIZE 0x7ffffffff000UL

static void add_vma(struct rp_planner *p, uint64_t start, uint64_t end, uint32_t flags)
{
	struct rp_plan_vma v = { .start = start, .end = end, .type = RP_VMA_ANON, .flags = flags, .fd = -1 };

	assert_true(rp_planner_add(p, RP_PART_VMAS, &v) >= 0);
}

static void add_run(struct rp_planner *p, uint64_t vaddr, uint64_t len, uint64_t off, uint32_t shm)
{
	struct rp_plan_run r = { .vaddr = vaddr, .len = len, .file_off = off, .fd = 7, .shm = shm };

	assert_true(rp_planner_add(p, RP_PART_RUNS, &r) >= 0);
}

static const struct rp_plan *seal(struct rp_planner *p, int *fd)
{
	struct stat st;
	const struct rp_plan *plan;

	assert_int_equal(rp_planner_memfd(fd, NULL), 0);
	assert_int_equal(rp_planner_seal(p, *fd, NULL), 0);
	assert_int_equal(fstat(*fd, &st), 0);
	plan = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, *fd, 0);
	assert_ptr_not_equal(plan, MAP_FAILED);
	assert_int_equal(plan->magic, RP_PLAN_MAGIC);
	assert_int_equal(plan->header_size, sizeof(*plan));
	assert_int_equal(plan->total_size, st.st_size);
	return plan;
}

static const void *rows(const struct rp_plan *plan, struct rp_plan_table t)
{
	assert_true(t.off % 8 == 0 && t.off < plan->total_size + 1);
	return (const char *)plan + t.off;
}

static void test_layout(void **state)
{
	static const char text[] = "some bytes";
	struct rp_planner *p;
	struct rp_plan_thread t = { .tid = 5 };
	const struct rp_plan *plan;
	const struct rp_plan_fdop *ops;
	int64_t off, aligned;
	int fd;

	assert_int_equal(rp_planner_new(&p), 0);
	off = rp_planner_bytes(p, text, sizeof(text), 1);
	aligned = rp_planner_bytes(p, text, sizeof(text), 64);
	assert_true(aligned > off && aligned % 64 == 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(rp_planner_add(p, RP_PART_THREADS, &t), i);
	((struct rp_plan_thread *)rp_planner_row(p, RP_PART_THREADS, 99))->tid = 9;
	assert_null(rp_planner_row(p, RP_PART_THREADS, 100));
	assert_int_equal(rp_planner_fdop(p, 3, RP_FDOP_SETSIG, 1, 2, 3), 0);
	rp_planner_head(p)->pid = 77;
	plan = seal(p, &fd);
	assert_int_equal(plan->pid, 77);
	assert_string_equal((const char *)plan + off, text);
	assert_string_equal((const char *)plan + aligned, text);
	assert_int_equal(plan->threads.count, 100);
	assert_int_equal(((const struct rp_plan_thread *)rows(plan, plan->threads))[99].tid, 9);
	ops = rows(plan, plan->fdops);
	assert_true(plan->fdops.count == 1 && ops->fd == 3 && ops->op == RP_FDOP_SETSIG && ops->arg3 == 3);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	rp_planner_free(p);
	close(fd);
}

static void test_order(void **state)
{
	struct rp_planner *p;
	const struct rp_plan *plan;
	const struct rp_plan_vma *v;
	const struct rp_plan_run *r;
	int fd;

	assert_int_equal(rp_planner_new(&p), 0);
	add_vma(p, 0x500000, 0x600000, MAP_PRIVATE);
	add_vma(p, 0x400000, 0x500000, MAP_PRIVATE);
	add_run(p, 0x500000, 0x1000, 0x2000, UINT32_MAX); /* follows, but in the next mapping */
	add_run(p, 0x4fe000, 0x1000, 0x0000, UINT32_MAX);
	add_run(p, 0x4ff000, 0x1000, 0x1000, UINT32_MAX);
	add_run(p, 0x501000, 0x1000, 0x9000, UINT32_MAX); /* follows, but elsewhere in the file */
	add_run(p, 0x1000, 0x1000, 0x20000, 0);
	add_run(p, 0x0, 0x1000, 0x1f000, 0);
	plan = seal(p, &fd);
	v = rows(plan, plan->vmas);
	assert_true(v[0].start == 0x400000 && v[1].start == 0x500000);
	r = rows(plan, plan->runs);
	assert_int_equal(plan->runs.count, 4);
	assert_true(r[0].shm == 0 && r[0].vaddr == 0 && r[0].len == 0x2000);
	assert_true(r[1].vaddr == 0x4fe000 && r[1].len == 0x2000 && r[1].file_off == 0);
	assert_true(r[2].vaddr == 0x500000 && r[2].len == 0x1000);
	assert_true(r[3].vaddr == 0x501000);
	rp_planner_free(p);
	close(fd);
}

static void test_hole(void **state)
{
	struct rp_planner *p;
	struct rp_plan *h;

	assert_int_equal(rp_planner_new(&p), 0);
	h = rp_planner_head(p);
	h->task_size = TASK_SIZE;
	h->flags = RP_PLAN_RANK;
	add_vma(p, 0x400000, RP_BOOT_BASE - 0x10000000, MAP_PRIVATE);
	assert_int_equal(rp_planner_hole(p, 1 << 20, NULL), 0);
	assert_true(h->hole_start > 0x400000 && h->hole_start % RP_PAGE_SIZE == 0);
	assert_true(h->hole_start >= RP_ARENA_BASE + RP_ARENA_SIZE || h->hole_start + h->hole_len < RP_BOOT_BASE);
	/* Everything but one gap, which is just large enough. */
	rp_planner_free(p);
	assert_int_equal(rp_planner_new(&p), 0);
	h = rp_planner_head(p);
	h->task_size = TASK_SIZE;
	add_vma(p, 0x10000, 0x200000000000, MAP_PRIVATE);
	add_vma(p, 0x200000000000 + (1 << 20) + 2 * RP_PAGE_SIZE, TASK_SIZE, MAP_PRIVATE);
	assert_int_equal(rp_planner_hole(p, 1 << 20, NULL), 0);
	assert_true(h->hole_start == 0x200000000000 + RP_PAGE_SIZE);
	assert_int_equal(rp_planner_hole(p, (1 << 20) + 1, NULL), -ENOMEM);
	rp_planner_free(p);
	/* A stack grows into a hole right below it. */
	assert_int_equal(rp_planner_new(&p), 0);
	h = rp_planner_head(p);
	h->task_size = TASK_SIZE;
	add_vma(p, 0x10000, 0x200000000000, MAP_PRIVATE);
	add_vma(p, 0x200000000000 + (2 << 20), TASK_SIZE, MAP_PRIVATE | MAP_GROWSDOWN);
	assert_int_equal(rp_planner_hole(p, 1 << 20, NULL), -ENOMEM);
	rp_planner_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_hole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
