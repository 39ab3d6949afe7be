/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The vDSO that the application sees (vdso(7)): same names, same versions, but at an address that stays over a restart,
 * and with clocks that never go backwards. The real one is in the arena. Programs that make the clock_gettime system call
 * themselves see the kernel's clock without the offset. Waits until an absolute time: upper/deadline.c.
 */
#include "split/standin/table.h"

#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "arch/x86_64/syscall.h"

extern const volatile struct rp_standin_table rp_table __attribute__((visibility("hidden")));

#define ALIAS(name) __attribute__((weak, alias(#name)))

int __vdso_clock_gettime(clockid_t clock, struct timespec *ts);
int __vdso_gettimeofday(struct timeval *tv, void *tz);
time_t __vdso_time(time_t *t);
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);
int __vdso_clock_getres(clockid_t clock, struct timespec *ts);
int clock_gettime(clockid_t clock, struct timespec *ts) ALIAS(__vdso_clock_gettime);
int gettimeofday(struct timeval *restrict tv, void *restrict tz) ALIAS(__vdso_gettimeofday);
time_t time(time_t *t) ALIAS(__vdso_time);
long getcpu(unsigned *cpu, unsigned *node, void *unused) ALIAS(__vdso_getcpu);
int clock_getres(clockid_t clock, struct timespec *ts) ALIAS(__vdso_clock_getres);

static void shift(struct timespec *ts, int64_t ns)
{
	ts->tv_sec += ns / 1000000000;
	ts->tv_nsec += ns % 1000000000;
	if (ts->tv_nsec >= 1000000000) {
		ts->tv_nsec -= 1000000000;
		ts->tv_sec++;
	}
	if (ts->tv_nsec < 0) {
		ts->tv_nsec += 1000000000;
		ts->tv_sec--;
	}
}

static int64_t offset_of(clockid_t clock)
{
	if (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE)
		return rp_table.mono_offset_ns;
	if (clock == CLOCK_MONOTONIC_RAW)
		return rp_table.raw_offset_ns;
	return clock == CLOCK_BOOTTIME ? rp_table.boot_offset_ns : 0;
}

int __vdso_clock_gettime(clockid_t clock, struct timespec *ts)
{
	int (*fn)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))rp_table.clock_gettime;
	int r = fn ? fn(clock, ts) : (int)rp_syscall2(SYS_clock_gettime, clock, (long)ts);
	int64_t ns = offset_of(clock);

	if (__builtin_expect(ns != 0, 0) && !r)
		shift(ts, ns);
	return r;
}

int __vdso_gettimeofday(struct timeval *tv, void *tz)
{
	int (*fn)(struct timeval *, void *) = (int (*)(struct timeval *, void *))rp_table.gettimeofday;

	return fn ? fn(tv, tz) : (int)rp_syscall2(SYS_gettimeofday, (long)tv, (long)tz);
}

time_t __vdso_time(time_t *t)
{
	time_t (*fn)(time_t *) = (time_t(*)(time_t *))rp_table.time;

	return fn ? fn(t) : rp_syscall1(SYS_time, (long)t);
}

long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
	long (*fn)(unsigned *, unsigned *, void *) = (long (*)(unsigned *, unsigned *, void *))rp_table.getcpu;

	return fn ? fn(cpu, node, unused) : rp_syscall3(SYS_getcpu, (long)cpu, (long)node, (long)unused);
}

int __vdso_clock_getres(clockid_t clock, struct timespec *ts)
{
	int (*fn)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))rp_table.clock_getres;

	return fn ? fn(clock, ts) : (int)rp_syscall2(SYS_clock_getres, clock, (long)ts);
}
