/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Entry of the bootstrap, and the jump into a program.
 */
#include "standin_stamp.h"

	.text
	.globl _start
	.hidden _start
_start:
	xorl	%ebp, %ebp
	movq	%rsp, %rbx
	andq	$-16, %rsp
	call	rp_self_anonymous	/* replaces the memory of the stack below */
	movq	%rbx, %rdi
	leaq	rp_boot_stack_end(%rip), %rsp
	andq	$-16, %rsp
	call	rp_boot_main
	hlt

	.globl rp_jump
	.hidden rp_jump
rp_jump:
	movq	%rdi, %rsp
	movq	%rsi, %rcx
	xorl	%eax, %eax
	xorl	%ebx, %ebx
	xorl	%edx, %edx
	xorl	%ebp, %ebp
	xorl	%esi, %esi
	xorl	%edi, %edi
	xorl	%r8d, %r8d
	xorl	%r9d, %r9d
	xorl	%r10d, %r10d
	xorl	%r11d, %r11d
	xorl	%r12d, %r12d
	xorl	%r13d, %r13d
	xorl	%r14d, %r14d
	xorl	%r15d, %r15d
	jmp	*%rcx

	.section .rodata
	.globl rp_standin_image, rp_standin_image_end
	.hidden rp_standin_image, rp_standin_image_end
	.balign 16
rp_standin_image:
	.incbin RP_STANDIN_FILE
rp_standin_image_end:

	.bss
	.balign 4096
rp_boot_stack:
	.skip 65536
rp_boot_stack_end:

	.section .note.GNU-stack, "", @progbits
