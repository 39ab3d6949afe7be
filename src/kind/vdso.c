/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The kernel's own code in a process (vdso(7)). A restore gives it what the kernel of now has, at the old address. Programs keep
 * addresses inside it, so it must be the same build: its build id is compared before anything has happened. A rank has
 * Reprise's stand-in instead, which is memory like any other.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kind/regfile.h"
#include "kind/taskcommon.h"
#include "util/fd.h"
#include "util/str.h"

#define SIZE_MAX_VDSO (1U << 20)

/* Build id of the ELF image at an address of a process, as words; 0: none, or it cannot be read. */
static size_t read_id(int pid, uint64_t start, uint64_t len, uint32_t words[static 16])
{
	RP_AUTOCLOSE int fd = memfd_create("vdso", MFD_CLOEXEC);
	RP_AUTOFREE char *image = len <= SIZE_MAX_VDSO ? malloc(len) : NULL;

	if (fd < 0 || !image || rp_tracee_read(pid, start, image, len) < 0 || rp_pwrite_all(fd, image, len, 0) < 0)
		return 0;
	return rp_regfile_build_id(fd, words);
}

static int vdso_collect(struct rp_dump *d, struct rp_task *t)
{
	uint32_t words[16];

	for (size_t i = 0; i < t->nmaps; i++) {
		const struct rp_map *m = &t->maps[i];
		size_t n =
			m->what == RP_MAP_VDSO && !m->lower ? read_id(t->pid, m->start, m->end - m->start, words) : 0;

		if (n == 0)
			continue;
		t->extra->has_vdso_build_id = true;
		t->extra->vdso_build_id.len = n * sizeof(words[0]);
		t->extra->vdso_build_id.data = rp_dump_memdup(d, words, n * sizeof(words[0]));
		return t->extra->vdso_build_id.data ? 0 : -ENOMEM;
	}
	return 0;
}

static int vdso_check(struct rp_restore *r, struct rp_rtask *t)
{
	uint32_t words[16];

	for (size_t i = 0; t->extra && t->extra->has_vdso_build_id && i < t->mm->n_vmas; i++) {
		const VmaEntry *e = t->mm->vmas[i];
		size_t n;

		if (!(e->status & RP_VMA_STATUS_VDSO) || e->end <= e->start)
			continue;
		n = read_id(getpid(), getauxval(AT_SYSINFO_EHDR), e->end - e->start, words);
		if (n * sizeof(words[0]) != t->extra->vdso_build_id.len ||
		    memcmp(words, t->extra->vdso_build_id.data, n * sizeof(words[0])) != 0)
			return rp_error(&r->err, -ESTALE,
					"the process keeps addresses inside the vdso of another kernel than this one: "
					"restore it under the kernel of the checkpoint");
	}
	return 0;
}

const struct rp_kind rp_kind_vdso = {
	.name = "vdso",
	.collect = vdso_collect,
	.check = vdso_check,
};
