/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Entry of the restorer: what execve(2) left on the stack goes to rp_restorer_main(stack), and rp_jump_to() is how it
 * goes on in the copy of itself, on another stack.
 */
	.text
	.globl _start
	.type _start, @function
_start:
	xor %ebp, %ebp
	mov %rsp, %rdi
	and $-16, %rsp
	call rp_restorer_main
	ud2
	.size _start, . - _start

/* void rp_jump_to(void (*run)(void *), void *arg, void *stack_top) */
	.globl rp_jump_to
	.hidden rp_jump_to
	.type rp_jump_to, @function
rp_jump_to:
	mov %rdi, %rax
	mov %rsi, %rdi
	mov %rdx, %rsp
	and $-16, %rsp
	xor %ebp, %ebp
	call *%rax
	ud2
	.size rp_jump_to, . - rp_jump_to

	.section .note.GNU-stack, "", @progbits
