/* SPDX-License-Identifier: BSD-3-Clause */
#include "rank_program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/str.h"

#define MAX_SCRIPTS 5 /* the kernel's limit (exec_binprm) */

static int check_executable(const char *path, struct rp_error *err)
{
	struct stat st;

	if (stat(path, &st))
		return rp_error(err, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || access(path, X_OK))
		return rp_error(err, -EACCES, "%s: not executable", path);
	return 0;
}

static int search(const char *name, char *out, size_t size, struct rp_error *err)
{
	const char *path = getenv("PATH"), *end;
	bool found = false;

	if (strchr(name, '/')) {
		if (snprintf(out, size, "%s", name) >= (int)size)
			return rp_error(err, -ENAMETOOLONG, "%s: name too long", name);
		return check_executable(out, err);
	}
	if (!path)
		path = "/bin:/usr/bin";
	for (; *path; path = *end ? end + 1 : end) {
		struct stat st;

		end = strchrnul(path, ':');
		if (snprintf(out, size, "%.*s%s%s", (int)(end - path), path, end > path ? "/" : "", name) >=
			    (int)size ||
		    stat(out, &st) || !S_ISREG(st.st_mode))
			continue;
		if (!access(out, X_OK))
			return 0;
		found = true;
	}
	return rp_error(err, found ? -EACCES : -ENOENT, "%s: %s", name, found ? "not executable" : "command not found");
}

/* Puts what a script's first line says in front of argv, with argv[0] replaced by the script's own path. */
static int prepend_interpreter(struct rank_program *p, char *line, struct rp_error *err)
{
	char *interp = line + 2 + strspn(line + 2, " \t"), *arg, **new;
	size_t n = 0, i = 0;

	interp[strcspn(interp, "\n")] = 0;
	arg = interp + strcspn(interp, " \t");
	if (*arg)
		*arg++ = 0;
	arg += strspn(arg, " \t");
	for (char *e = arg + strlen(arg); e > arg && (e[-1] == ' ' || e[-1] == '\t');)
		*--e = 0;
	if (!*interp || strlen(interp) >= sizeof(p->path))
		return rp_error(err, -ENOEXEC, "%s: its first line names no interpreter", p->path);
	while (p->argv[n])
		n++;
	new = calloc(n + 4, sizeof(*new));
	if (!new)
		return rp_error(err, -ENOMEM, "out of memory");
	new[i++] = strdup(interp);
	if (*arg)
		new[i++] = strdup(arg);
	new[i++] = strdup(p->path);
	for (size_t k = 1; k < n; k++)
		new[i++] = p->argv[k];
	if (n)
		free(p->argv[0]);
	free(p->argv);
	p->argv = new;
	snprintf(p->path, sizeof(p->path), "%s", interp);
	return check_executable(p->path, err);
}

static bool has_mpi_symbol(const uint8_t *map, size_t size, const Elf64_Ehdr *eh)
{
	if (eh->e_shoff > size || eh->e_shnum * sizeof(Elf64_Shdr) > size - eh->e_shoff)
		return false;
	for (int i = 0; i < eh->e_shnum; i++) {
		const Elf64_Shdr *sh = (const Elf64_Shdr *)(map + eh->e_shoff) + i;

		if (sh->sh_type == SHT_STRTAB && sh->sh_offset < size && sh->sh_size <= size - sh->sh_offset &&
		    (memmem(map + sh->sh_offset, sh->sh_size, "\0MPI_Init", 10) ||
		     memmem(map + sh->sh_offset, sh->sh_size, "\0MPI_Init_thread", 17)))
			return true;
	}
	return false;
}

/* File offset of a virtual address, 0: in no segment. */
static uint64_t file_offset(const Elf64_Phdr *ph, int n, uint64_t vaddr)
{
	for (int i = 0; i < n; i++)
		if (ph[i].p_type == PT_LOAD && vaddr >= ph[i].p_vaddr && vaddr < ph[i].p_vaddr + ph[i].p_filesz)
			return vaddr - ph[i].p_vaddr + ph[i].p_offset;
	return 0;
}

static int check_needed(const struct rank_program *p, const char *needed, struct rp_error *err)
{
	const char *base = strrchr(needed, '/');

	base = base ? base + 1 : needed;
	if (strncmp(base, "libmpi.so", 9) && strncmp(base, "libmpich.so", 11))
		return 0;
	if (strcmp(base, "libmpi.so.40"))
		return rp_error(err, -ENOTSUP, "%s: needs %s; only programs of Open MPI 4 (libmpi.so.40) are carried",
				p->path, needed);
	return 0;
}

/* What ld.so makes of a run path that names $ORIGIN, the directory of the program (ld.so(8)). */
static char *expand_origin(const char *program, const char *path)
{
	static const char *const names[] = { "$ORIGIN", "${ORIGIN}" };
	struct rp_str out RP_AUTOSTR = RP_STR_INIT;
	char file[PATH_MAX];

	if (!strstr(path, "ORIGIN") || !realpath(program, file))
		return NULL;
	*strrchr(file, '/') = 0;
	while (*path) {
		size_t n = 0;

		for (int i = 0; i < 2 && !n; i++)
			n = rp_str_has_prefix(path, names[i]) ? strlen(names[i]) : 0;
		if (n)
			rp_str_addn(&out, file, strlen(file));
		else
			rp_str_addn(&out, path, n = 1);
		path += n;
	}
	return rp_str_take(&out);
}

static int check_dynamic(struct rank_program *p, const uint8_t *map, size_t size, const Elf64_Phdr *ph, int n,
			 const Elf64_Phdr *dyn, struct rp_error *err)
{
	const Elf64_Dyn *d = (const Elf64_Dyn *)(map + dyn->p_offset);
	size_t count = dyn->p_offset < size && dyn->p_filesz <= size - dyn->p_offset ? dyn->p_filesz / sizeof(*d) : 0;
	uint64_t strtab = 0;
	int r = 0;

	for (size_t i = 0; i < count && d[i].d_tag != DT_NULL; i++)
		if (d[i].d_tag == DT_STRTAB)
			strtab = file_offset(ph, n, d[i].d_un.d_ptr);
	for (size_t i = 0; i < count && d[i].d_tag != DT_NULL && strtab && !r; i++) {
		uint64_t at = strtab + d[i].d_un.d_val;

		if (d[i].d_tag == DT_NEEDED && at < size && memchr(map + at, 0, size - at))
			r = check_needed(p, (const char *)map + at, err);
		if ((d[i].d_tag == DT_RUNPATH || (d[i].d_tag == DT_RPATH && !p->is_path_last)) && at < size &&
		    memchr(map + at, 0, size - at)) {
			p->is_path_last = d[i].d_tag == DT_RUNPATH;
			free(p->run_path);
			p->run_path = expand_origin(p->path, (const char *)map + at);
		}
	}
	return r;
}

static int check_elf(struct rank_program *p, const uint8_t *map, size_t size, struct rp_error *err)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)map;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(map + (size > sizeof(*eh) ? eh->e_phoff : 0)), *dyn = NULL;

	if (size < sizeof(*eh) || eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_machine != EM_X86_64 ||
	    (eh->e_type != ET_EXEC && eh->e_type != ET_DYN) || eh->e_phentsize != sizeof(*ph) || eh->e_phoff > size ||
	    eh->e_phnum * sizeof(*ph) > size - eh->e_phoff)
		return rp_error(err, -ENOEXEC, "%s: not a 64-bit program of this machine", p->path);
	p->is_dynamic = false;
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_INTERP)
			p->is_dynamic = true;
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = ph + i;
	}
	if (!p->is_dynamic && has_mpi_symbol(map, size, eh))
		return rp_error(err, -ENOTSUP,
				"%s: the MPI library is linked statically; link it dynamically to carry it", p->path);
	return dyn && p->is_dynamic ? check_dynamic(p, map, size, ph, eh->e_phnum, dyn, err) : 0;
}

/* > 0: a script, go on with its interpreter. */
static int look_at(struct rank_program *p, struct rp_error *err)
{
	int fd RP_AUTOCLOSE = open(p->path, O_RDONLY | O_CLOEXEC);
	char line[PATH_MAX];
	struct stat st;
	uint8_t *map;
	ssize_t n;
	int r;

	if (fd < 0 || fstat(fd, &st))
		return rp_error(err, -errno, "%s: %s", p->path, strerror(errno));
	n = read(fd, line, sizeof(line) - 1);
	line[n > 0 ? n : 0] = 0;
	if (n >= 4 && !memcmp(line, ELFMAG, SELFMAG)) {
		map = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (map == MAP_FAILED)
			return rp_error(err, -errno, "%s: %s", p->path, strerror(errno));
		r = check_elf(p, map, st.st_size, err);
		munmap(map, st.st_size);
		return r;
	}
	if (n < 2 || line[0] != '#' || line[1] != '!')
		snprintf(line, sizeof(line), "#!/bin/sh"); /* as execvp() and the shells do */
	r = prepend_interpreter(p, line, err);
	return r ? r : 1;
}

int rank_program_find(struct rank_program *p, char **argv, const char *argv0, struct rp_error *err)
{
	size_t n = 0;
	int r;

	memset(p, 0, sizeof(*p));
	while (argv[n])
		n++;
	r = search(argv[0], p->path, sizeof(p->path), err);
	if (r)
		return r;
	memcpy(p->execfn, p->path, sizeof(p->execfn));
	p->argv = calloc(n + 1, sizeof(*p->argv));
	for (size_t i = 0; p->argv && i < n; i++)
		p->argv[i] = strdup(i == 0 && argv0 ? argv0 : argv[i]);
	if (!p->argv)
		return rp_error(err, -ENOMEM, "out of memory");
	for (int depth = 0; (r = look_at(p, err)) > 0;)
		if (++depth > MAX_SCRIPTS)
			return rp_error(err, -ELOOP, "%s: too many interpreters", p->execfn);
	return r;
}

void rank_program_done(struct rank_program *p)
{
	for (size_t i = 0; p->argv && p->argv[i]; i++)
		free(p->argv[i]);
	free(p->argv);
	free(p->run_path);
	p->argv = NULL;
	p->run_path = NULL;
}
