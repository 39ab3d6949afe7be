/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The stub without the split, for tests of the wrappers: the lower library is loaded into a namespace of its own
 * (dlmopen) in the same process, lower and upper FS are the same, the arena is a page that this file makes.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mpi/gate.h"
#include "mpi/object.h"

__thread struct rp_thread rp_thread_tls;
static void *library;

static void *native_dlsym(const char *name)
{
	return dlsym(library, name);
}

int rp_is_rank(void)
{
	return 1;
}

struct rp_thread *rp_threads_lock(void)
{
	return NULL;
}

void rp_threads_unlock(void)
{
}

/* One environment for both. */
void rp_env_take(void)
{
}

void rp_env_give(struct rp_arena *arena)
{
	(void)arena;
}

void rp_thread_attach(struct rp_thread *t)
{
	t->self = (uint64_t)t;
	t->upper_fs = t->lower_fs = rp_rdfsbase();
	t->tid = (int32_t)syscall(SYS_gettid);
	t->generation = rp_arena()->generation;
	rp_wrgsbase((uint64_t)t);
}

static __attribute__((constructor(101))) void native_init(void)
{
	const char *path = getenv("RP_NATIVE_LIBMPI");
	struct rp_arena *a;

	a = mmap((void *)RP_ARENA_BASE, (sizeof(*a) + 4095) & ~4095UL, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (a == MAP_FAILED || !path)
		return;
	library = dlmopen(LM_ID_NEWLM, path, RTLD_NOW);
	if (!library) {
		fprintf(stderr, "reprise: %s\n", dlerror());
		_exit(125);
	}
	a->magic = RP_ARENA_MAGIC;
	a->generation = 1;
	a->lower_dlsym = native_dlsym;
}
