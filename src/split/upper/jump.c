/* SPDX-License-Identifier: BSD-3-Clause
 *
 * siglongjmp(3) out of a handler that stands on frames of the lower half: these frames are gone, so the depth is 0 again.
 * A jump inside a callback of the lower half keeps them. The target's stack pointer tells which it is; it is kept mangled
 * by glibc (rol 17, xor with the word at %fs:0x30).
 */
#include "split/upper/upper.h"

#include <dlfcn.h>
#include <setjmp.h>

#define JB_RSP 6

typedef void jump_fn(struct __jmp_buf_tag *env, int value);

static uint64_t target_sp(const struct __jmp_buf_tag *env)
{
	uint64_t v = (uint64_t)env->__jmpbuf[JB_RSP], guard;

	__asm__("movq %%fs:0x30, %0" : "=r"(guard));
	return (v >> 17 | v << 47) ^ guard;
}

static void before_jump(const struct __jmp_buf_tag *env)
{
	struct rp_thread *t = rp_thread_mine();

	if (t->depth && target_sp(env) > t->entry_sp)
		t->depth = 0;
}

static jump_fn *real; /* glibc's four names are one function */

void rp_jump_init(void)
{
	if (!real)
		real = (jump_fn *)dlsym(RTLD_NEXT, "siglongjmp");
	if (!real)
		rp_upper_die("the C library has no siglongjmp");
}

#define WRAP(name) \
	RP_PUBLIC __attribute__((noreturn)) void name(struct __jmp_buf_tag env[1], int value); \
	void name(struct __jmp_buf_tag env[1], int value) \
	{ \
		before_jump(env); \
		rp_jump_init(); \
		real(env, value); \
		__builtin_unreachable(); \
	}

WRAP(longjmp)
WRAP(_longjmp)
WRAP(siglongjmp)
WRAP(__longjmp_chk)
