/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The common part of all thunks (patch.c).
 */
	.text
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

	.section .note.GNU-stack, "", @progbits
