/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dlopen(3) in front of the C library's, by a jump: that one takes its caller's search path from the return address.
 */
	.text
	.globl dlopen
	.type dlopen, @function
dlopen:
	pushq	%rsi
	subq	$16, %rsp
	leaq	8(%rsp), %rsi		/* where the real function's address goes */
	call	rp_dlopen_path
	movq	%rax, %rdi
	movq	8(%rsp), %rax
	addq	$16, %rsp
	popq	%rsi
	jmp	*%rax
	.size dlopen, . - dlopen

	.section .note.GNU-stack, "", @progbits
