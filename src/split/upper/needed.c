/* SPDX-License-Identifier: BSD-3-Clause */
#include "split/upper/needed.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "arch/x86_64/syscall.h"
#include "split/upper/upper.h"

#define MAX_PHDRS 32
#define MAX_DYN 96

static long read_at(int fd, void *buf, size_t len, uint64_t off)
{
	return rp_syscall4(SYS_pread64, fd, (long)buf, len, (long)off);
}

static int needs_mpi(int fd)
{
	Elf64_Phdr ph[MAX_PHDRS];
	Elf64_Dyn dyn[MAX_DYN];
	uint64_t strtab = 0, off = 0;
	Elf64_Ehdr eh;
	long n = 0;

	if (read_at(fd, &eh, sizeof(eh), 0) != sizeof(eh) || memcmp(eh.e_ident, ELFMAG, SELFMAG) ||
	    eh.e_phentsize != sizeof(ph[0]) || eh.e_phnum > MAX_PHDRS ||
	    read_at(fd, ph, eh.e_phnum * sizeof(ph[0]), eh.e_phoff) != (long)(eh.e_phnum * sizeof(ph[0])))
		return 0;
	for (int i = 0; i < eh.e_phnum; i++)
		if (ph[i].p_type == PT_DYNAMIC)
			n = read_at(fd, dyn, ph[i].p_filesz < sizeof(dyn) ? ph[i].p_filesz : sizeof(dyn),
				    ph[i].p_offset);
	n = n > 0 ? n / (long)sizeof(dyn[0]) : 0;
	for (long i = 0; i < n; i++)
		if (dyn[i].d_tag == DT_STRTAB)
			strtab = dyn[i].d_un.d_ptr;
	for (int i = 0; i < eh.e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && strtab >= ph[i].p_vaddr && strtab < ph[i].p_vaddr + ph[i].p_filesz)
			off = strtab - ph[i].p_vaddr + ph[i].p_offset;
	for (long i = 0; i < n && off && dyn[i].d_tag != DT_NULL; i++) {
		char name[8] = "";

		if (dyn[i].d_tag == DT_NEEDED && read_at(fd, name, 6, off + dyn[i].d_un.d_val) == 6 &&
		    !memcmp(name, "libmpi", 6)) /* .so.40, _mpifh.so.40, ... */
			return 1;
	}
	return 0;
}

/* To open anything else may do something: a pipe waits for its writer, a terminal is taken, a tape winds back. */
static long open_file(const char *path)
{
	struct stat st; /* the kernel's own layout on x86-64 */
	long r = rp_syscall4(SYS_newfstatat, AT_FDCWD, (long)path, (long)&st, 0);

	if (r < 0 || !S_ISREG(st.st_mode))
		return r < 0 ? r : -EACCES;
	return rp_syscall4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
}

int rp_needed_warn(const char *path)
{
	long fd = open_file(path);
	int yes;

	if (fd < 0)
		return 0;
	yes = needs_mpi((int)fd);
	rp_syscall1(SYS_close, fd);
	if (yes && rp_upper_tells(RP_TOLD_CHILD))
		rp_upper_say(path, " is an MPI program started as a child of a rank: it runs, but cannot be "
				   "checkpointed; let "
				   "the script exec it");
	return 1;
}
