/* SPDX-License-Identifier: BSD-3-Clause
 *
 * long rp_clone_call(const struct clone_args *args, unsigned long size, void (*run)(void *), void *arg)
 *
 * clone3(2) for a thread on a stack of its own: the new thread calls run(arg) and ends when that returns. Returns the
 * thread's id or -errno to the caller. Nothing is done in between that touches FS or a stack that is not there.
 */
#include <asm/unistd.h>

	.text
	.globl rp_clone_call
	.hidden rp_clone_call
	.type rp_clone_call, @function
rp_clone_call:
	mov %rdx, %r8
	mov %rcx, %r9
	mov $__NR_clone3, %eax
	syscall
	test %rax, %rax
	jz 1f
	ret
1:	xor %ebp, %ebp
	mov %r9, %rdi
	call *%r8
	xor %edi, %edi
	mov $__NR_exit, %eax
	syscall
	ud2
	.size rp_clone_call, . - rp_clone_call

	.section .note.GNU-stack, "", @progbits
