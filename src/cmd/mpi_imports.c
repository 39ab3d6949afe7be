/* SPDX-License-Identifier: BSD-3-Clause */
#include "mpi_imports.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "util/fd.h"
#include "util/log.h"

#define MAX_FILES 128

struct walk {
	struct mpi_imports *m;
	char *names[MAX_FILES]; /* libraries seen, owned */
	size_t n, at;
};

struct elf {
	const uint8_t *map;
	size_t size;
};

/* Is the symbol this function, in C (MPI_X, PMPI_X) or as a Fortran compiler writes it (mpi_x_, mpi_x_f08_)? */
static bool is_function(const char *symbol, const char *name)
{
	size_t n = strlen(name);

	if (symbol[0] == 'P' || symbol[0] == 'p')
		symbol++;
	if (strncasecmp(symbol, name, n))
		return false;
	symbol += n;
	if (!strncmp(symbol, "_f08", 4))
		symbol += 4;
	return symbol[strspn(symbol, "_")] == '\0';
}

static void use(struct mpi_imports *m, const char *symbol)
{
	if (strncasecmp(symbol, "MPI", 3) && strncasecmp(symbol, "PMPI", 4))
		return;
	for (size_t i = 0; rp_mpi_functions[i].name; i++) {
		if (m->is_used[i] || !is_function(symbol, rp_mpi_functions[i].name))
			continue;
		m->is_used[i] = true;
		m->used++;
		m->later += !rp_mpi_functions[i].carried;
		return;
	}
}

/* A library that the walk is to visit; the MPI library's own parts import everything and say nothing. */
static void visit_later(struct walk *w, const char *name)
{
	if (!strncmp(name, "libmpi", 6) || !strncmp(name, "libopen-", 8) || !strncmp(name, "libc.so", 7) ||
	    !strncmp(name, "ld-linux", 8) || w->n == MAX_FILES)
		return;
	for (size_t i = 0; i < w->n; i++)
		if (!strcmp(w->names[i], name))
			return;
	w->names[w->n] = strdup(name);
	w->n += w->names[w->n] != NULL;
}

/* The string at index `at` of a string table, NULL: not inside. */
static const char *string_at(const struct elf *e, const Elf64_Shdr *strings, uint64_t at)
{
	const char *s;

	if (strings->sh_offset > e->size || strings->sh_size > e->size - strings->sh_offset || at >= strings->sh_size)
		return NULL;
	s = (const char *)e->map + strings->sh_offset + at;
	return memchr(s, 0, strings->sh_size - at) ? s : NULL;
}

static void read_section(struct walk *w, const struct elf *e, const Elf64_Shdr *all, int n, const Elf64_Shdr *sh)
{
	const Elf64_Shdr *strings = sh->sh_link < (uint32_t)n ? &all[sh->sh_link] : NULL;
	const char *s;

	if (!strings || sh->sh_offset > e->size || sh->sh_size > e->size - sh->sh_offset || sh->sh_offset % 8)
		return;
	if (sh->sh_type == SHT_DYNSYM) {
		const Elf64_Sym *sym = (const Elf64_Sym *)(e->map + sh->sh_offset);

		for (uint64_t i = 0; i < sh->sh_size / sizeof(*sym); i++)
			if (sym[i].st_shndx == SHN_UNDEF && (s = string_at(e, strings, sym[i].st_name)))
				use(w->m, s);
	} else {
		const Elf64_Dyn *d = (const Elf64_Dyn *)(e->map + sh->sh_offset);

		for (uint64_t i = 0; i < sh->sh_size / sizeof(*d) && d[i].d_tag != DT_NULL; i++)
			if (d[i].d_tag == DT_NEEDED && (s = string_at(e, strings, d[i].d_un.d_val)))
				visit_later(w, s);
	}
}

static void read_elf(struct walk *w, const struct elf *e)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)e->map;
	const Elf64_Shdr *sh;

	if (e->size < sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG) || eh->e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh->e_shentsize != sizeof(*sh) || eh->e_shoff % 8 || eh->e_shoff > e->size ||
	    eh->e_shnum * sizeof(*sh) > e->size - eh->e_shoff)
		return;
	sh = (const Elf64_Shdr *)(e->map + eh->e_shoff);
	for (int i = 0; i < eh->e_shnum; i++)
		if (sh[i].sh_type == SHT_DYNSYM || sh[i].sh_type == SHT_DYNAMIC)
			read_section(w, e, sh, eh->e_shnum, &sh[i]);
}

static int read_file(struct walk *w, const char *path)
{
	int fd RP_AUTOCLOSE = open(path, O_RDONLY | O_CLOEXEC);
	struct elf e;
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		return -ENOEXEC;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	e = (struct elf){ map, (size_t)st.st_size };
	read_elf(w, &e);
	munmap(map, e.size);
	return 0;
}

static void read_library(struct walk *w, const char *name)
{
	static const char usual[] =
		"/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/usr/local/lib:/lib64:/usr/lib64:/usr/lib";
	const char *dirs[] = { getenv("LD_LIBRARY_PATH"), usual }, *end;
	char path[PATH_MAX];

	if (strchr(name, '/')) {
		read_file(w, name);
		return;
	}
	for (size_t k = 0; k < 2; k++)
		for (const char *dir = dirs[k]; dir && *dir; dir = *end ? end + 1 : end) {
			end = strchrnul(dir, ':');
			if (snprintf(path, sizeof(path), "%.*s/%s", (int)(end - dir), dir, name) < (int)sizeof(path) &&
			    !read_file(w, path))
				return;
		}
}

int mpi_imports_read(struct mpi_imports *m, const char *program, struct rp_error *err)
{
	struct walk w = { .m = m };
	size_t rows = 0;
	int r;

	while (rp_mpi_functions[rows].name)
		rows++;
	*m = (struct mpi_imports){ .is_used = calloc(rows, sizeof(bool)) };
	if (!m->is_used)
		return rp_error(err, -ENOMEM, "out of memory");
	r = read_file(&w, program);
	if (r < 0)
		mpi_imports_done(m);
	while (!r && w.at < w.n)
		read_library(&w, w.names[w.at++]);
	for (size_t i = 0; i < w.n; i++)
		free(w.names[i]);
	return r < 0 ? rp_error(err, r, "%s: %s", program, strerror(-r)) : 0;
}

void mpi_imports_done(struct mpi_imports *m)
{
	free(m->is_used);
	*m = (struct mpi_imports){ 0 };
}

const char *mpi_imports_list(const struct mpi_imports *m, char *text, size_t size, size_t max)
{
	size_t n = 0, at = 0;

	text[0] = '\0';
	for (size_t i = 0; rp_mpi_functions[i].name; i++) {
		if (!m->is_used[i] || rp_mpi_functions[i].carried)
			continue;
		if (max && n == max) {
			snprintf(text + at, size - at, ", ...");
			break;
		}
		at += (size_t)snprintf(text + at, size - at, "%s%s", n++ ? ", " : "", rp_mpi_functions[i].name);
		if (at >= size)
			break;
	}
	return text;
}

void mpi_imports_tell(const struct mpi_imports *m, const char *program)
{
	const char *base = strrchr(program, '/');
	char names[8192];

	rp_warn("%s uses %zu MPI functions that are not carried across a restart yet (%s); a checkpoint while their "
		"objects are alive is refused",
		base ? base + 1 : program, m->later,
		mpi_imports_list(m, names, sizeof(names), rp_log_wants(RP_LOG_INFO) ? 0 : 3));
}
