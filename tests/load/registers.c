/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Registers that no C code would miss: the vector registers in full width, mask registers, x87 stack and control words,
 * MXCSR, the direction flag, FS and GS base. A loop without a call holds them over the checkpoint.
 */
#include "load.h"

#include <asm/prctl.h>
#include <pthread.h>

static volatile int go;

static void *watch(void *arg)
{
	(void)arg;
	load_ready();
	go = 1;
	return NULL;
}

static void hold_wide(void)
{
	uint64_t in[2][8], out[2][8] = { 0 };
	uint64_t mask = 0x5a5a, mask_out = 0;

	for (int i = 0; i < 16; i++)
		((uint64_t *)in)[i] = 0x9e3779b97f4a7c15UL * (unsigned)(i + 1);
	__asm__ volatile("vmovdqu64 (%1), %%zmm5\n\tvmovdqu64 64(%1), %%zmm31\n\tkmovw %k4, %%k3\n"
			 "1: pause\n\tcmpl $0, (%3)\n\tje 1b\n\t"
			 "vmovdqu64 %%zmm5, (%2)\n\tvmovdqu64 %%zmm31, 64(%2)\n\tkmovw %%k3, %k0"
			 : "=&r"(mask_out)
			 : "r"(in), "r"(out), "r"(&go), "r"(mask)
			 : "memory", "cc", "xmm5");
	CHECK(!memcmp(in, out, sizeof(in)));
	CHECK_EQ(mask_out & 0xffff, mask);
}

static void hold_avx(void)
{
	uint64_t in[2][4], out[2][4] = { 0 };

	for (int i = 0; i < 8; i++)
		((uint64_t *)in)[i] = 0x9e3779b97f4a7c15UL * (unsigned)(i + 1);
	__asm__ volatile("vmovdqu (%0), %%ymm5\n\tvmovdqu 32(%0), %%ymm14\n"
			 "1: pause\n\tcmpl $0, (%2)\n\tje 1b\n\t"
			 "vmovdqu %%ymm5, (%1)\n\tvmovdqu %%ymm14, 32(%1)"
			 :
			 : "r"(in), "r"(out), "r"(&go)
			 : "memory", "cc", "xmm5", "xmm14");
	CHECK(!memcmp(in, out, sizeof(in)));
}

static void hold_x87(void)
{
	double a = 0, b = 0;
	uint16_t cw = 0x0a7f, cw_out = 0, cw_old;
	uint32_t mxcsr = 0x3f80 | 0x8000, mxcsr_out = 0, mxcsr_old;

	__asm__ volatile("fnstcw %4\n\tstmxcsr %5\n\tfldcw %6\n\tldmxcsr %7\n\tfldpi\n\tfld1\n"
			 "1: pause\n\tcmpl $0, (%8)\n\tje 1b\n\t"
			 "fstpl %0\n\tfstpl %1\n\tfnstcw %2\n\tstmxcsr %3\n\tfldcw %4\n\tldmxcsr %5"
			 : "=m"(a), "=m"(b), "=m"(cw_out), "=m"(mxcsr_out), "=m"(cw_old), "=m"(mxcsr_old)
			 : "m"(cw), "m"(mxcsr), "r"(&go)
			 : "memory", "cc", "st");
	CHECK(a == 1.0);
	CHECK(b > 3.14159 && b < 3.1416);
	CHECK_EQ(cw_out, cw);
	CHECK_EQ(mxcsr_out, mxcsr);
}

static void hold_general(void)
{
	uint64_t flags, sum;

	__asm__ volatile(
		"push %%rbp\n\tmov $0x1111, %%rbp\n\tmov $0x2222, %%r8\n\tmov $0x3333, %%r9\n\tmov $0x4444, %%r10\n\t"
		"mov $0x5555, %%r11\n\tmov $0x6666, %%r12\n\tmov $0x7777, %%r13\n\tmov $0x8888, %%r14\n\t"
		"mov $0x9999, %%r15\n\tstd\n"
		"1: pause\n\tcmpl $0, (%%rdx)\n\tje 1b\n\t"
		"pushfq\n\tpop %%rcx\n\tcld\n\t"
		"lea (%%rbp, %%r8, 2), %%rax\n\tlea (%%rax, %%r9, 4), %%rax\n\tlea (%%rax, %%r10, 8), %%rax\n\t"
		"xor %%r11, %%rax\n\tlea (%%rax, %%r12, 2), %%rax\n\txor %%r13, %%rax\n\t"
		"lea (%%rax, %%r14, 4), %%rax\n\txor %%r15, %%rax\n\tpop %%rbp"
		: "=&a"(sum), "=&c"(flags)
		: "d"(&go)
		: "memory", "cc", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15");
	CHECK_EQ(sum,
		 (((((0x1111 + 2 * 0x2222 + 4 * 0x3333 + 8 * 0x4444) ^ 0x5555) + 2 * 0x6666) ^ 0x7777) + 4 * 0x8888) ^
			 0x9999);
	CHECK(flags & 0x400);
}

static void *general(void *arg)
{
	hold_general();
	return arg;
}

static void *avx(void *arg)
{
	if (__builtin_cpu_supports("avx"))
		hold_avx();
	return arg;
}

static void *x87(void *arg)
{
	hold_x87();
	return arg;
}

static void *wide(void *arg)
{
	if (__builtin_cpu_supports("avx512f"))
		hold_wide();
	return arg;
}

static void *bases(void *arg)
{
	uint64_t fs = 0, gs = 0, fs_before;

	syscall(SYS_arch_prctl, ARCH_GET_FS, &fs_before);
	syscall(SYS_arch_prctl, ARCH_SET_GS, 0x123456789000);
	while (!go)
		;
	syscall(SYS_arch_prctl, ARCH_GET_FS, &fs);
	syscall(SYS_arch_prctl, ARCH_GET_GS, &gs);
	CHECK_EQ(fs, fs_before);
	CHECK_EQ(gs, 0x123456789000);
	return arg;
}

int main(int argc, char **argv)
{
	void *(*const holders[])(void *) = { watch, general, avx, x87, wide, bases };
	pthread_t t[6];

	load_begin(argc, argv);
	for (int i = 5; i >= 0; i--) {
		if (!i)
			load_sleep_ms(20); /* the others are in their loops */
		CHECK(!pthread_create(&t[i], NULL, holders[i], NULL));
	}
	for (int i = 0; i < 6; i++)
		pthread_join(t[i], NULL);
	return load_end();
}
