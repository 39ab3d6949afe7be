/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The bootstrap gets out of the kernel's way: an anonymous copy of itself (PR_SET_MM_MAP refuses a new exe link while
 * the old executable is mapped), and the real vvar and vdso in the arena, where the upper half never sees them.
 */
#include "arch/x86_64/vdso.h"
#include "split/boot/boot.h"

extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));

void rp_self_anonymous(void)
{
	const Elf64_Phdr *ph = (const Elf64_Phdr *)((const char *)&__ehdr_start + __ehdr_start.e_phoff);
	uint64_t spare = RP_ARENA_BASE;

	for (int i = 0; i < __ehdr_start.e_phnum; i++) {
		uint64_t start = RP_PAGE_DOWN(ph[i].p_vaddr);
		uint64_t len = RP_PAGE_UP(ph[i].p_vaddr + ph[i].p_memsz) - start;
		int prot = (ph[i].p_flags & PF_R ? 1 : 0) | (ph[i].p_flags & PF_W ? 2 : 0) |
			   (ph[i].p_flags & PF_X ? 4 : 0);
		long r;

		if (ph[i].p_type != PT_LOAD)
			continue;
		r = rp_mmap(spare, len, 3, 0x100022, -1, 0);
		if (rp_is_error(r))
			rp_die_with(125, "cannot copy the bootstrap", NULL, r);
		memcpy((void *)spare, (void *)start, len);
		r = rp_mprotect(spare, len, prot);
		if (!rp_is_error(r))
			r = rp_mremap_to(spare, len, start);
		if (rp_is_error(r))
			rp_die_with(125, "cannot move the bootstrap", NULL, r);
	}
}

struct vdso_maps {
	struct rp_map m[8];
	int n;
};

static int find_vdso(const struct rp_map *m, void *arg)
{
	struct vdso_maps *v = arg;

	if (v->n < 8 && (!memcmp(m->name, "[vvar", 5) || !strcmp(m->name, "[vdso]")))
		v->m[v->n++] = *m;
	return 0;
}

/* One map at a time: older kernels do not move a range of several maps at once. The kernel keeps them adjacent. */
void rp_vdso_move(void)
{
	struct rp_arena *a = rp_arena();
	struct vdso_maps v = { .n = 0 };

	if (rp_maps_walk(find_vdso, &v) < 0 || !v.n)
		rp_die("the kernel gives this process no vdso");
	for (int i = 0; i < v.n; i++) {
		uint64_t to = RP_ARENA_VDSO + (v.m[i].start - v.m[0].start);
		long r = rp_mremap_to(v.m[i].start, v.m[i].end - v.m[i].start, to);

		if (rp_is_error(r))
			rp_die_with(125, "cannot move the vdso", v.m[i].name, r);
		if (!strcmp(v.m[i].name, "[vdso]"))
			a->vdso_start = to; /* the ELF image alone; vvar lies below it */
	}
	a->vdso_end = RP_ARENA_VDSO + (v.m[v.n - 1].end - v.m[0].start);
	rp_vdso_init(a->vdso_start);
	a->vdso_start = RP_ARENA_VDSO;
}

uint64_t rp_vdso_symbol(const char *name)
{
	return rp_vdso_find(name);
}
