/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Waits until an absolute time of a clock that goes on where it was (the stand-in vDSO adds an offset after a restart on
 * another boot or host): the kernel is told the time by its own clock. clock_nanosleep(2), pthread_cond_clockwait(3) and its
 * kin. A sleep is made of short relative ones, so that one that was on at a checkpoint ends in time too; a wait for a lock or a
 * condition that was on then may end late by the offset, and so does a timer that is set to an absolute time after such a
 * restart.
 */
#include "split/upper/upper.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <time.h>

#include "split/upper/next.h"

#define BILLION 1000000000L
#define SLICE_NS BILLION
#define COND_MONOTONIC 2 /* in __wrefs: the clock of pthread_condattr_setclock(3) */

static int64_t offset_of(clockid_t clock)
{
	const struct rp_arena_saved *saved = &rp_arena()->saved;

	if (rp_outside)
		return 0;
	if (clock == CLOCK_MONOTONIC)
		return saved->mono_offset_ns;
	return clock == CLOCK_BOOTTIME ? saved->boot_offset_ns : 0;
}

/* t of the application in the kernel's terms, in *room when they differ. */
static const struct timespec *kernels(clockid_t clock, const struct timespec *t, struct timespec *room)
{
	int64_t ns = offset_of(clock);

	if (!ns || !t || t->tv_nsec < 0 || t->tv_nsec >= BILLION)
		return t;
	room->tv_sec = t->tv_sec - ns / BILLION;
	room->tv_nsec = t->tv_nsec - ns % BILLION;
	if (room->tv_nsec < 0) {
		room->tv_nsec += BILLION;
		room->tv_sec--;
	}
	if (room->tv_sec < 0)
		*room = (struct timespec){ 0, 0 };
	return room;
}

RP_PUBLIC int clock_nanosleep(clockid_t clock, int flags, const struct timespec *t, struct timespec *left)
{
	int (*sleep)(clockid_t, int, const struct timespec *, struct timespec *) = rp_next()->clock_nanosleep;
	int r = 0;

	if (rp_outside || !(flags & TIMER_ABSTIME) || (clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME) ||
	    t->tv_nsec < 0 || t->tv_nsec >= BILLION)
		return sleep(clock, flags, t, left);
	while (!r) {
		struct timespec now, slice = { 0, 0 };
		int64_t ns;

		clock_gettime(clock, &now);
		if (t->tv_sec < now.tv_sec || (t->tv_sec == now.tv_sec && t->tv_nsec <= now.tv_nsec))
			break;
		ns = t->tv_sec - now.tv_sec > 2 ? SLICE_NS
						: (t->tv_sec - now.tv_sec) * BILLION + t->tv_nsec - now.tv_nsec;
		if (ns >= SLICE_NS)
			slice.tv_sec = 1;
		else
			slice.tv_nsec = ns;
		r = sleep(clock, 0, &slice, NULL);
	}
	return r;
}

RP_PUBLIC int pthread_cond_clockwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex, clockid_t clock,
				     const struct timespec *restrict t)
{
	struct timespec room;

	return rp_next()->pthread_cond_clockwait(cond, mutex, clock, kernels(clock, t, &room));
}

RP_PUBLIC int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
				     const struct timespec *restrict t)
{
	clockid_t clock = cond->__data.__wrefs & COND_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME;
	struct timespec room;

	return rp_next()->pthread_cond_timedwait(cond, mutex, kernels(clock, t, &room));
}

RP_PUBLIC int sem_clockwait(sem_t *restrict sem, clockid_t clock, const struct timespec *restrict t)
{
	struct timespec room;

	return rp_next()->sem_clockwait(sem, clock, kernels(clock, t, &room));
}

RP_PUBLIC int pthread_mutex_clocklock(pthread_mutex_t *restrict mutex, clockid_t clock,
				      const struct timespec *restrict t)
{
	struct timespec room;

	return rp_next()->pthread_mutex_clocklock(mutex, clock, kernels(clock, t, &room));
}

RP_PUBLIC int pthread_rwlock_clockrdlock(pthread_rwlock_t *restrict lock, clockid_t clock,
					 const struct timespec *restrict t)
{
	struct timespec room;

	return rp_next()->pthread_rwlock_clockrdlock(lock, clock, kernels(clock, t, &room));
}

RP_PUBLIC int pthread_rwlock_clockwrlock(pthread_rwlock_t *restrict lock, clockid_t clock,
					 const struct timespec *restrict t)
{
	struct timespec room;

	return rp_next()->pthread_rwlock_clockwrlock(lock, clock, kernels(clock, t, &room));
}
