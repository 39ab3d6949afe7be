/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The initial stack of a program (System V ABI AMD64, 3.4.1; fs/binfmt_elf.c): file name and strings at the top, then
 * the auxiliary vector, environment and arguments.
 */
#include "split/boot/boot.h"

static uint64_t put(uint64_t sp, const char *s)
{
	size_t n = strlen(s) + 1;

	memcpy((void *)(sp - n), s, n);
	return sp - n;
}

static const char *string_at(const struct rp_stack *s, uint64_t array, uint64_t i)
{
	const uint64_t *offs = (const uint64_t *)((const char *)s->strings + array);

	return rp_launch_str(s->strings, offs[i]);
}

static uint64_t aux_value(const struct rp_stack *s, const Elf64_auxv_t *a, uint64_t random, uint64_t platform)
{
	switch (a->a_type) {
	case AT_SYSINFO_EHDR:
		return s->vdso;
	case AT_PHDR:
		return s->prog->phdr;
	case AT_PHNUM:
		return s->prog->phnum;
	case AT_PHENT:
		return sizeof(Elf64_Phdr);
	case AT_BASE:
		return s->interp ? s->interp->base : 0;
	case AT_ENTRY:
		return s->prog->entry;
	case AT_RANDOM:
		return random;
	case AT_PLATFORM:
	case AT_BASE_PLATFORM:
		return platform;
	case AT_SECURE: /* capabilities of the bootstrap's file are gone by now */
		return 0;
	}
	return a->a_un.a_val;
}

void rp_stack_build(struct rp_stack *s)
{
	uint64_t argc = s->argc ? s->argc : 1, n = 0, sp = s->top - 8, platform, random, execfn, *w;
	const char *plat = (const char *)rp_auxval(AT_PLATFORM);

	*(uint64_t *)sp = 0;
	execfn = sp = put(sp, s->execfn);
	s->env_end = sp;
	for (uint64_t i = s->envc; i-- > 0;)
		sp = put(sp, string_at(s, s->envp, i));
	s->env_start = s->arg_end = sp;
	for (uint64_t i = argc; i-- > 0;)
		sp = put(sp, s->argc ? string_at(s, s->argv, i) : s->argv0);
	s->arg_start = sp;
	platform = sp = put(sp, plat ? plat : "x86_64");
	random = sp = (sp - 16) & ~15UL;
	rp_sys(SYS_getrandom, random, 16, 0, 0);
	while (rp_boot.auxv[n].a_type != AT_NULL)
		n++;
	n++;
	sp -= n * 16 + (s->envc + 1 + argc + 1 + 1) * 8;
	sp &= ~15UL;
	s->sp = sp;
	w = (uint64_t *)sp;
	*w++ = argc;
	for (uint64_t i = 0, at = s->arg_start; i < argc; i++, at += strlen((char *)at) + 1)
		*w++ = at;
	*w++ = 0;
	for (uint64_t i = 0, at = s->env_start; i < s->envc; i++, at += strlen((char *)at) + 1)
		*w++ = at;
	*w++ = 0;
	s->auxv = (uint64_t)w;
	s->auxv_size = n * 16;
	for (uint64_t i = 0; i < n; i++) {
		const Elf64_auxv_t *a = &rp_boot.auxv[i];

		*w++ = a->a_type;
		*w++ = a->a_type == AT_EXECFN ? execfn : aux_value(s, a, random, platform);
	}
}
