/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Twins: one parked pthread of the lower half for each application thread (but the main one) that calls MPI. It lends its
 * FS base, and with it the whole thread-local state that the lower libraries expect; it never runs again. Made by a
 * spawner thread, because an application thread cannot call pthread_create() of a libc that does not know it.
 * Twins of ended threads are lent again.
 */
#include "split/lower/lower.h"

#include <limits.h>
#include <linux/futex.h>

#include "arch/x86_64/tls.h"

#define TWIN_STACK 131072
#define NFREE 1024

/* IDLE: nobody asks. ASKED: somebody waits. MAKING: the spawner has heard it. MADE: fs or error is there. Only the spawner
 * leaves ASKED, so that a new request is never taken for the one that it has just served. */
enum { IDLE, ASKED, MAKING, MADE };

static struct {
	uint32_t lock;
	uint32_t state; /* futex */
	int32_t error;
	uint64_t fs;
	uint32_t nfree;
	uint64_t free[NFREE];
} box;

static void lock_box(void)
{
	uint32_t free = 0;

	while (!__atomic_compare_exchange_n(&box.lock, &free, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		rp_futex(&box.lock, FUTEX_WAIT_PRIVATE, 1);
		free = 0;
	}
}

static void unlock_box(void)
{
	__atomic_store_n(&box.lock, 0, __ATOMIC_RELEASE);
	rp_futex(&box.lock, FUTEX_WAKE_PRIVATE, 1);
}

static void *twin(void *arg)
{
	static uint32_t never;

	box.fs = rp_rdfsbase();
	__atomic_store_n(&box.state, MADE, __ATOMIC_RELEASE);
	rp_futex(&box.state, FUTEX_WAKE_PRIVATE, INT_MAX);
	for (;;)
		rp_futex(&never, FUTEX_WAIT_PRIVATE, 0);
	return arg;
}

static void *spawner(void *arg)
{
	for (;;) {
		uint32_t s = __atomic_load_n(&box.state, __ATOMIC_ACQUIRE);
		int err;

		if (s != ASKED) {
			rp_futex(&box.state, FUTEX_WAIT_PRIVATE, s);
			continue;
		}
		__atomic_store_n(&box.state, MAKING, __ATOMIC_RELEASE);
		err = rp_lower_thread(twin, NULL, TWIN_STACK);
		if (!err) /* the twin answers, perhaps already: the next request may be there */
			continue;
		box.error = err;
		__atomic_store_n(&box.state, MADE, __ATOMIC_RELEASE);
		rp_futex(&box.state, FUTEX_WAKE_PRIVATE, INT_MAX);
	}
	return arg;
}

int rp_twin_start(void)
{
	return rp_lower_thread(spawner, NULL, TWIN_STACK);
}

int rp_twin_get(int32_t tid, uint64_t *lower_fs)
{
	uint64_t fs = 0;
	uint32_t s;
	int err = 0;

	(void)tid;
	lock_box();
	if (box.nfree) {
		fs = box.free[--box.nfree];
	} else {
		box.error = 0;
		__atomic_store_n(&box.state, ASKED, __ATOMIC_RELEASE);
		rp_futex(&box.state, FUTEX_WAKE_PRIVATE, INT_MAX);
		while ((s = __atomic_load_n(&box.state, __ATOMIC_ACQUIRE)) != MADE)
			rp_futex(&box.state, FUTEX_WAIT_PRIVATE, s);
		fs = box.fs;
		err = box.error;
		__atomic_store_n(&box.state, IDLE, __ATOMIC_RELEASE);
	}
	unlock_box();
	if (!err)
		*lower_fs = fs;
	return err;
}

void rp_twin_put(uint64_t lower_fs)
{
	lock_box();
	if (box.nfree < NFREE)
		box.free[box.nfree++] = lower_fs;
	unlock_box();
}
