/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Loads ELF files as execve would (elf(5); fs/binfmt_elf.c for where things go).
 */
#include "split/boot/boot.h"

#define PF_TO_PROT(f) (((f)&PF_R ? 1 : 0) | ((f)&PF_W ? 2 : 0) | ((f)&PF_X ? 4 : 0))

#define PIE_BASE 0x555555554000UL
#define PIE_RANDOM_PAGES (1UL << 28)

static uint64_t random_below(uint64_t n)
{
	uint64_t v = 0;

	rp_sys(SYS_getrandom, &v, sizeof(v), 0, 0);
	return v % n;
}

static void read_at(int fd, const char *path, void *buf, uint64_t len, uint64_t off)
{
	if (rp_sys(SYS_pread64, fd, buf, len, off) != (long)len)
		rp_die_with(126, "not a program", path, 0);
}

/* Where the whole image goes: reserved without access, so that nothing comes in between. Returns the load bias. */
static uint64_t reserve(const char *path, const Elf64_Ehdr *eh, uint64_t lo, uint64_t hi, enum rp_place place)
{
	uint64_t len = hi - lo, addr = 0;
	long r = -1;

	if (eh->e_type == ET_EXEC) {
		r = rp_mmap(lo, len, 0, 0x104022, -1, 0);
		if (r != (long)lo)
			rp_die_with(126, "the program's fixed addresses are not free", path, r);
		return 0;
	}
	for (int i = 0; i < 64 && rp_is_error(r); i++) {
		int flags = 0x104022;

		if (place == RP_PLACE_LOWER)
			addr = rp_arena_place(len, 1);
		else if (place == RP_PLACE_PIE)
			addr = PIE_BASE + random_below(PIE_RANDOM_PAGES) * RP_PAGE_SIZE;
		else
			flags = 0x4022;
		r = rp_mmap(addr, len, 0, flags, -1, 0);
	}
	if (rp_is_error(r))
		rp_die_with(126, "no room for the program", path, r);
	return (uint64_t)r - lo;
}

static void map_segment(const char *path, int fd, const Elf64_Phdr *ph, struct rp_elf *e, enum rp_place place)
{
	uint64_t vaddr = e->base + ph->p_vaddr, start = RP_PAGE_DOWN(vaddr);
	uint64_t file_end = vaddr + ph->p_filesz, end = vaddr + ph->p_memsz;
	int prot = PF_TO_PROT(ph->p_flags);
	long r = 0;

	if (ph->p_filesz)
		r = rp_mmap(start, RP_PAGE_UP(file_end) - start, prot, 0x12, fd, RP_PAGE_DOWN(ph->p_offset));
	if (!rp_is_error(r) && RP_PAGE_UP(end) > (ph->p_filesz ? RP_PAGE_UP(file_end) : start)) {
		uint64_t from = ph->p_filesz ? RP_PAGE_UP(file_end) : start;

		r = rp_mmap(from, RP_PAGE_UP(end) - from, prot, 0x32, -1, 0);
	}
	if (rp_is_error(r))
		rp_die_with(126, "cannot map", path, r);
	if (ph->p_filesz && end > file_end && (prot & 2)) /* to the page's end: ld.so allocates behind its bss */
		memset((void *)file_end, 0, RP_PAGE_UP(file_end) - file_end);
	if (place == RP_PLACE_LOWER && (prot & 4))
		rp_patch_text(vaddr, ph->p_filesz, prot);
	if ((prot & 4) && (!e->start_code || vaddr < e->start_code))
		e->start_code = vaddr;
	if ((prot & 4) && file_end > e->end_code)
		e->end_code = file_end;
	if (vaddr > e->start_data)
		e->start_data = vaddr;
	if (file_end > e->end_data)
		e->end_data = file_end;
	if (end > e->brk)
		e->brk = end;
}

/* Span of the loadable segments, the interpreter's name and the wish for an executable stack. */
static void survey(int fd, const char *path, const Elf64_Phdr *ph, int n, struct rp_elf *e, uint64_t *lo, uint64_t *hi)
{
	*lo = -1UL;
	*hi = 0;
	for (int i = 0; i < n; i++) {
		if (ph[i].p_type == PT_INTERP) {
			if (ph[i].p_filesz >= sizeof(e->interp))
				rp_die_with(126, "the name of the program's interpreter is too long", path, 0);
			read_at(fd, path, e->interp, ph[i].p_filesz, ph[i].p_offset);
		}
		if (ph[i].p_type == PT_GNU_STACK)
			e->exec_stack = !!(ph[i].p_flags & PF_X);
		if (ph[i].p_type != PT_LOAD)
			continue;
		if (ph[i].p_memsz < ph[i].p_filesz || ph[i].p_vaddr + ph[i].p_memsz < ph[i].p_vaddr)
			rp_die_with(126, "damaged program", path, 0);
		if (RP_PAGE_DOWN(ph[i].p_vaddr) < *lo)
			*lo = RP_PAGE_DOWN(ph[i].p_vaddr);
		if (RP_PAGE_UP(ph[i].p_vaddr + ph[i].p_memsz) > *hi)
			*hi = RP_PAGE_UP(ph[i].p_vaddr + ph[i].p_memsz);
	}
	if (*lo >= *hi)
		rp_die_with(126, "not a program", path, 0);
}

void rp_elf_load(const char *path, enum rp_place place, int keep_fd, struct rp_elf *e)
{
	Elf64_Phdr ph[64];
	Elf64_Ehdr eh;
	uint64_t lo, hi;
	long fd;

	memset(e, 0, sizeof(*e));
	fd = rp_sys(SYS_open, path, 0x80000, 0, 0);
	if (fd < 0)
		rp_die_with(fd == -2 ? 127 : 126, "cannot open", path, fd);
	read_at(fd, path, &eh, sizeof(eh), 0);
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_machine != EM_X86_64 ||
	    (eh.e_type != ET_EXEC && eh.e_type != ET_DYN) || eh.e_phentsize != sizeof(ph[0]) || eh.e_phnum > 64)
		rp_die_with(126, "not a 64-bit program", path, 0);
	read_at(fd, path, ph, eh.e_phnum * sizeof(ph[0]), eh.e_phoff);
	survey(fd, path, ph, eh.e_phnum, e, &lo, &hi);
	if (place == RP_PLACE_PIE && !e->interp[0] && eh.e_type == ET_DYN)
		place = RP_PLACE_UPPER; /* static-pie and ld.so run as a program: where the kernel puts them */
	e->base = reserve(path, &eh, lo, hi, place);
	e->entry = e->base + eh.e_entry;
	e->phnum = eh.e_phnum;
	hi = e->base + lo;
	for (int i = 0; i < eh.e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		if (RP_PAGE_DOWN(e->base + ph[i].p_vaddr) > hi) /* the kernel leaves no map in a hole */
			rp_munmap(hi, RP_PAGE_DOWN(e->base + ph[i].p_vaddr) - hi);
		hi = RP_PAGE_UP(e->base + ph[i].p_vaddr + ph[i].p_memsz);
		if (eh.e_phoff >= ph[i].p_offset && eh.e_phoff < ph[i].p_offset + ph[i].p_filesz)
			e->phdr = e->base + ph[i].p_vaddr + eh.e_phoff - ph[i].p_offset;
		map_segment(path, fd, &ph[i], e, place);
	}
	e->fd = fd;
	if (!keep_fd) {
		rp_sys(SYS_close, fd, 0, 0, 0);
		e->fd = -1;
	}
}
