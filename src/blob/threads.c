/* SPDX-License-Identifier: BSD-3-Clause */
#include <stddef.h>

#include <asm/errno.h>
#include <linux/sched.h>
#include <linux/time_types.h>

#include "arch/x86_64/syscall.h"
#include "blob/internal.h"

#define RETRY_MS 10
#define RETRIES 500 /* 5 s: how long a zombie may keep an id */

#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

long rp_clone_call(const struct clone_args *args, unsigned long size, void (*run)(void *), void *arg);

long rp_blob_helper(void *stack_top, void (*run)(void *), void *arg, uint32_t *ctid)
{
	struct clone_args a = {
		.flags = THREAD_FLAGS | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
		.child_tid = (uint64_t)ctid,
		.stack = (uint64_t)stack_top - RP_STACK_SIZE,
		.stack_size = RP_STACK_SIZE,
	};

	return rp_clone_call(&a, sizeof(a), run, arg);
}

static void do_command(struct rp_blob_thread *t, uint32_t command)
{
	switch (command) {
	case RP_COMMAND_CREDS:
		rp_thread_creds(t);
		break;
	case RP_COMMAND_STATE:
		rp_thread_state(t);
		break;
	case RP_COMMAND_GO:
		rp_thread_go(t);
	}
}

/* A thread of the image until it jumps. Commands carry a number in their upper bits, so that none is taken twice. */
static void thread_main(void *arg)
{
	struct rp_blob_thread *t = arg;
	struct rp_blob *b = t->blob;
	uint32_t seen = 0;

	for (;;) {
		__atomic_add_fetch(&b->acks, 1, __ATOMIC_SEQ_CST);
		rp_blob_wake(&b->acks);
		rp_blob_wait(&b->command, seen);
		seen = __atomic_load_n(&b->command, __ATOMIC_SEQ_CST);
		do_command(t, seen & 0xff);
	}
}

static void wait_acks(struct rp_blob *b)
{
	uint32_t others = (uint32_t)b->plan->threads.count - 1, acks;

	while ((acks = __atomic_load_n(&b->acks, __ATOMIC_SEQ_CST)) != others)
		rp_blob_wait(&b->acks, acks);
}

int rp_blob_command(struct rp_blob *b, uint32_t command)
{
	uint32_t turn = (b->command >> 8) + 1;

	__atomic_store_n(&b->acks, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&b->command, turn << 8 | command, __ATOMIC_SEQ_CST);
	rp_blob_wake(&b->command);
	if (command == RP_COMMAND_GO)
		return 0;
	wait_acks(b);
	return b->err.code;
}

/* Takes the id, waiting for a zombie to give it up. */
static long create(struct rp_blob *b, struct rp_blob_thread *t, void *stack)
{
	struct __kernel_timespec pause = { .tv_nsec = RETRY_MS * 1000000L };
	int32_t tid = t->plan->tid;
	struct clone_args a = {
		.flags = THREAD_FLAGS,
		.stack = (uint64_t)stack,
		.stack_size = RP_STACK_SIZE,
	};
	long ret;

	if (!(b->plan->flags & RP_PLAN_PID_ANY)) {
		a.set_tid = (uint64_t)&tid;
		a.set_tid_size = 1;
	}
	for (int i = 0;; i++) {
		ret = rp_clone_call(&a, sizeof(a), thread_main, t);
		if ((ret != -EEXIST && ret != -EAGAIN) || i == RETRIES)
			return ret;
		rp_syscall2(__NR_nanosleep, (long)&pause, 0);
	}
}

int rp_blob_threads(struct rp_blob *b)
{
	const struct rp_plan_thread *plan = rp_plan_threads(b->plan);
	uint64_t count = b->plan->threads.count;
	long pid = rp_syscall0(__NR_getpid);

	if (pid != b->plan->pid && !(b->plan->flags & RP_PLAN_PID_ANY))
		return rp_blob_error(&b->err, RP_STAGE_THREADS, -EINVAL, "this process does not have the wanted pid",
				     (uint64_t)b->plan->pid);
	b->threads = rp_blob_alloc(b, count * sizeof(*b->threads));
	for (uint64_t i = 0; i < count; i++) {
		struct rp_blob_thread *t = &b->threads[i];
		long ret = pid;

		t->blob = b;
		t->plan = &plan[i];
		t->index = i;
		if (i)
			ret = create(b, t, rp_blob_alloc(b, RP_STACK_SIZE));
		if (ret == -EEXIST)
			return rp_blob_error(&b->err, RP_STAGE_THREADS, (int)ret, "another process holds the thread id",
					     (uint64_t)plan[i].tid);
		if (rp_is_error(ret))
			return rp_blob_error(&b->err, RP_STAGE_THREADS, (int)ret, "clone3 of thread",
					     (uint64_t)plan[i].tid);
		t->tid = (int32_t)ret;
	}
	wait_acks(b);
	return 0;
}
