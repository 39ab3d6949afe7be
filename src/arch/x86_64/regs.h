/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Order of the general registers in struct user_regs_struct (<sys/user.h>, PTRACE_GETREGSET with NT_PRSTATUS) and so in
 * rp_plan_thread.regs, without a libc header.
 */
#ifndef RP_ARCH_REGS_H
#define RP_ARCH_REGS_H

enum rp_reg {
	RP_REG_R15,
	RP_REG_R14,
	RP_REG_R13,
	RP_REG_R12,
	RP_REG_RBP,
	RP_REG_RBX,
	RP_REG_R11,
	RP_REG_R10,
	RP_REG_R9,
	RP_REG_R8,
	RP_REG_RAX,
	RP_REG_RCX,
	RP_REG_RDX,
	RP_REG_RSI,
	RP_REG_RDI,
	RP_REG_ORIG_RAX,
	RP_REG_RIP,
	RP_REG_CS,
	RP_REG_EFLAGS,
	RP_REG_RSP,
	RP_REG_SS,
	RP_REG_FS_BASE,
	RP_REG_GS_BASE,
	RP_REG_DS,
	RP_REG_ES,
	RP_REG_FS,
	RP_REG_GS,
	RP_REG_MAX
};

#define RP_CS_USER64 0x33 /* selectors of a 64-bit task; a 32-bit one has 0x23 */
#define RP_SS_USER 0x2b
#define RP_RED_ZONE 128 /* bytes below rsp that belong to the running function (System V ABI 3.2.2) */

#endif
