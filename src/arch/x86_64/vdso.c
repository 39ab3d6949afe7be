/* SPDX-License-Identifier: BSD-3-Clause */
#include "arch/x86_64/vdso.h"

#include <elf.h>

static struct {
	uint64_t base, bias;
	const Elf64_Sym *sym;
	const char *str;
	uint32_t count;
} vdso;

/* The number of symbols: from the classic hash table, or by walking the GNU one. */
static uint32_t gnu_count(const uint32_t *h)
{
	uint32_t nbuckets = h[0], first = h[1], bloom = h[2], last = 0;
	const uint32_t *buckets = h + 4 + bloom * 2;
	const uint32_t *chain = buckets + nbuckets;

	for (uint32_t i = 0; i < nbuckets; i++)
		if (buckets[i] > last)
			last = buckets[i];
	if (last < first)
		return first;
	while (!(chain[last - first] & 1))
		last++;
	return last + 1;
}

void rp_vdso_init(uint64_t base)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)base;
	const Elf64_Dyn *dyn = 0;
	const Elf64_Phdr *ph;

	vdso.base = base;
	vdso.count = 0;
	if (!base)
		return;
	ph = (const Elf64_Phdr *)(base + eh->e_phoff);
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD)
			vdso.bias = base + ph[i].p_offset - ph[i].p_vaddr;
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const Elf64_Dyn *)(base + ph[i].p_offset);
	}
	for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
		uint64_t at = vdso.bias + dyn->d_un.d_ptr;

		if (dyn->d_tag == DT_SYMTAB)
			vdso.sym = (const Elf64_Sym *)at;
		if (dyn->d_tag == DT_STRTAB)
			vdso.str = (const char *)at;
		if (dyn->d_tag == DT_HASH)
			vdso.count = ((const uint32_t *)at)[1];
		if (dyn->d_tag == DT_GNU_HASH && !vdso.count)
			vdso.count = gnu_count((const uint32_t *)at);
	}
}

uint64_t rp_vdso_base(void)
{
	return vdso.base;
}

uint64_t rp_vdso_find(const char *name)
{
	for (uint32_t i = 0; i < vdso.count; i++) {
		const char *a = vdso.str + vdso.sym[i].st_name, *b = name;

		while (*a && *a == *b)
			a++, b++;
		if (*a == *b && vdso.sym[i].st_shndx != SHN_UNDEF)
			return vdso.bias + vdso.sym[i].st_value;
	}
	return 0;
}
