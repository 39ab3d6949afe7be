/* SPDX-License-Identifier: BSD-3-Clause */
#include "split/upper/next.h"

#include <dlfcn.h>
#include <stddef.h>

#include "split/upper/upper.h"

struct rp_next rp_next_now;

static const struct {
	const char *name;
	size_t at;
	int is_optional;
} functions[] = {
	{ "close", offsetof(struct rp_next, close), 1 },
	{ "dup2", offsetof(struct rp_next, dup2), 1 },
	{ "dup3", offsetof(struct rp_next, dup3), 1 },
	{ "close_range", offsetof(struct rp_next, close_range), 1 },
	{ "readlink", offsetof(struct rp_next, readlink), 1 },
	{ "readlinkat", offsetof(struct rp_next, readlinkat), 1 },
	{ "open64", offsetof(struct rp_next, open), 0 },
	{ "openat64", offsetof(struct rp_next, openat), 0 },
	{ "__open_2", offsetof(struct rp_next, open_2), 0 },
	{ "__openat_2", offsetof(struct rp_next, openat_2), 0 },
	{ "fopen64", offsetof(struct rp_next, fopen), 0 },
	{ "realpath", offsetof(struct rp_next, realpath), 0 },
	{ "posix_spawn", offsetof(struct rp_next, posix_spawn), 0 },
	{ "posix_spawnp", offsetof(struct rp_next, posix_spawnp), 0 },
	{ "system", offsetof(struct rp_next, system), 0 },
	{ "popen", offsetof(struct rp_next, popen), 0 },
	{ "dlopen", offsetof(struct rp_next, dlopen), 0 },
	{ "clock_nanosleep", offsetof(struct rp_next, clock_nanosleep), 0 },
	{ "pthread_cond_clockwait", offsetof(struct rp_next, pthread_cond_clockwait), 0 },
	{ "pthread_cond_timedwait", offsetof(struct rp_next, pthread_cond_timedwait), 0 },
	{ "sem_clockwait", offsetof(struct rp_next, sem_clockwait), 0 },
	{ "pthread_mutex_clocklock", offsetof(struct rp_next, pthread_mutex_clocklock), 0 },
	{ "pthread_rwlock_clockrdlock", offsetof(struct rp_next, pthread_rwlock_clockrdlock), 0 },
	{ "pthread_rwlock_clockwrlock", offsetof(struct rp_next, pthread_rwlock_clockwrlock), 0 },
};

static void missing(void)
{
	rp_upper_die("the C library lacks a function that the program calls");
}

/* Two threads may do it at once: they find the same. */
void rp_next_init(void)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *fn = dlsym(RTLD_NEXT, functions[i].name);

		if (!fn && !functions[i].is_optional)
			fn = (void *)missing;
		__atomic_store_n((void **)((char *)&rp_next_now + functions[i].at), fn, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&rp_next_now.found, 1, __ATOMIC_RELEASE);
}
