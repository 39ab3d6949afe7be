/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The functions that this directory stands in front of, as the next library has them: the C library's, or a profiler's that
 * is linked with the program. dlsym(3) waits for ld.so's lock and is nothing for a signal handler or a child of vfork(2),
 * so all are looked up once, when the stub is loaded; only what other libraries' constructors call before that is looked
 * up on the way.
 */
#ifndef RP_SPLIT_NEXT_H
#define RP_SPLIT_NEXT_H

#include <pthread.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#include "split/switch.h"

typedef int rp_spawn_fn(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
			char *const[], char *const[]);
typedef int rp_rwlock_wait_fn(pthread_rwlock_t *, clockid_t, const struct timespec *);

struct rp_next {
	int found; /* all that can be */
	/* For signal handlers too, so nobody waits for these: where there is none yet, the caller does without. */
	int (*close)(int);
	int (*dup2)(int, int);
	int (*dup3)(int, int, int);
	int (*close_range)(unsigned, unsigned, int);
	ssize_t (*readlink)(const char *, char *, size_t);
	ssize_t (*readlinkat)(int, const char *, char *, size_t);
	/* What is missing here ends the program when it is called. */
	int (*open)(const char *, int, ...);
	int (*openat)(int, const char *, int, ...);
	int (*open_2)(const char *, int);
	int (*openat_2)(int, const char *, int);
	FILE *(*fopen)(const char *, const char *);
	char *(*realpath)(const char *, char *);
	rp_spawn_fn *posix_spawn, *posix_spawnp;
	int (*system)(const char *);
	FILE *(*popen)(const char *, const char *);
	void *(*dlopen)(const char *, int);
	int (*clock_nanosleep)(clockid_t, int, const struct timespec *, struct timespec *);
	int (*pthread_cond_clockwait)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
	int (*pthread_cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
	int (*sem_clockwait)(sem_t *, clockid_t, const struct timespec *);
	int (*pthread_mutex_clocklock)(pthread_mutex_t *, clockid_t, const struct timespec *);
	rp_rwlock_wait_fn *pthread_rwlock_clockrdlock, *pthread_rwlock_clockwrlock;
};

/* As it is now: before the stub's constructor everything is NULL. Async-signal-safe. */
extern RP_HIDDEN struct rp_next rp_next_now;

RP_HIDDEN void rp_next_init(void);

static inline const struct rp_next *rp_next(void)
{
	if (!__atomic_load_n(&rp_next_now.found, __ATOMIC_ACQUIRE))
		rp_next_init();
	return &rp_next_now;
}

#endif
