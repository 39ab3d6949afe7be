/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Entry of the bootstrap, the jump into a program, and the common part of all thunks.
 */
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

/* rax: number; rdi rsi rdx r10 r8 r9: arguments; rcx: where to go on, two bytes behind a syscall instruction. Like the
 * instruction it stands for it keeps all registers but rax, rcx, r11, and the red zone. Calls that are not ours are
 * made by that instruction, on the caller's own stack (clone, vfork). */
	.globl rp_thunk_common
	.hidden rp_thunk_common
rp_thunk_common:
	cmpq	$511, %rax
	ja	1f
	leaq	rp_thunk_set(%rip), %r11
	btq	%rax, (%r11)
	jnc	1f
	movq	%rsp, %r11
	leaq	-128(%rsp), %rsp
	andq	$-16, %rsp
	pushq	%r11
	pushq	%rcx
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%r10
	pushq	%r8
	pushq	%r9
	pushq	%rax
	pushq	%rax
	movq	%r10, %rcx
	cld
	call	rp_thunk
	addq	$16, %rsp
	popq	%r9
	popq	%r8
	popq	%r10
	popq	%rdx
	popq	%rsi
	popq	%rdi
	popq	%rcx
	popq	%rsp
	jmp	*%rcx
1:	subq	$2, %rcx
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
