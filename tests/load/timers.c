/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Interval timers and POSIX timers: exact ids with gaps, every way to notify, remaining time and interval, running and
 * disarmed ones, and that they go on ticking.
 */
#include "load.h"

#include <pthread.h>
#include <sys/time.h>

#define HOUR 3600

static volatile int ticks[65], last_value, thread_ticks;

static void handler(int signo, siginfo_t *info, void *context)
{
	(void)context;
	ticks[signo]++;
	if (info->si_code == SI_TIMER)
		last_value = info->si_value.sival_int;
	if (signo == SIGRTMIN + 3)
		thread_ticks = (int)syscall(SYS_gettid);
}

static int id_of(timer_t t)
{
	return (int)(long)t;
}

static timer_t make(clockid_t clock, int notify, int signo, int value, int tid)
{
	struct sigevent ev = { .sigev_notify = notify, .sigev_signo = signo, .sigev_value.sival_int = value };
	int id = -1;

	ev._sigev_un._tid = tid;
	CHECK(!syscall(SYS_timer_create, clock, &ev, &id));
	return (timer_t)(long)id;
}

static void arm(timer_t t, long value_ms, long interval_ms)
{
	struct itimerspec spec = {
		.it_value = { value_ms / 1000, value_ms % 1000 * 1000000 },
		.it_interval = { interval_ms / 1000, interval_ms % 1000 * 1000000 },
	};

	CHECK(!syscall(SYS_timer_settime, id_of(t), 0, &spec, NULL));
}

static struct itimerspec left(timer_t t)
{
	struct itimerspec spec;

	CHECK(!syscall(SYS_timer_gettime, id_of(t), &spec));
	return spec;
}

/* Does a short timer tick on? However busy the machine is, it does within some seconds. */
static int goes_on(int signo)
{
	int seen = ticks[signo];

	for (int i = 0; i < 1000 && ticks[signo] <= seen + 3; i++)
		load_sleep_ms(10);
	return ticks[signo] > seen + 3;
}

static volatile int other_tid, stop;

static void *other(void *arg)
{
	other_tid = (int)syscall(SYS_gettid);
	while (!stop)
		load_sleep_ms(2);
	return arg;
}

static timer_t orphan;

/* Makes a timer that notifies this thread, and ends. */
static void *make_orphan(void *arg)
{
	orphan = make(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGRTMIN + 6, 3, (int)syscall(SYS_gettid));
	arm(orphan, HOUR * 1000, 5000);
	return arg;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct itimerval real = { { 0, 20000 }, { 0, 20000 } }, virtual = { { 0, 0 }, { HOUR, 0 } },
			 off = { { HOUR, 0 }, { 0, 0 } }, now;
	timer_t gap, slow, ticking, to_thread, silent, cpu, dead;
	struct itimerspec spec;
	pthread_t t, t_orphan;

	load_begin(argc, argv);
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGVTALRM, &sa, NULL);
	sigaction(SIGRTMIN + 1, &sa, NULL);
	sigaction(SIGRTMIN + 3, &sa, NULL);
	CHECK(!pthread_create(&t, NULL, other, NULL));
	while (!other_tid)
		load_sleep_ms(1);
	for (int i = 0; i < 5; i++) {
		gap = make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0);
		CHECK(!syscall(SYS_timer_delete, id_of(gap)));
	}
	slow = make(CLOCK_REALTIME, SIGEV_SIGNAL, SIGRTMIN + 2, 1, 0);
	arm(slow, HOUR * 1000, 7000);
	gap = make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0);
	ticking = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 1, 4711, 0);
	CHECK(!syscall(SYS_timer_delete, id_of(gap)));
	arm(ticking, 10, 10);
	to_thread = make(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGRTMIN + 3, 2, other_tid);
	arm(to_thread, 15, 15);
	silent = make(CLOCK_BOOTTIME, SIGEV_NONE, 0, 0, 0);
	arm(silent, HOUR * 2000, 0);
	cpu = make(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGRTMIN + 4, 3, 0);
	arm(cpu, HOUR * 1000, 0);
	dead = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 5, 9, 0);
	CHECK(!pthread_create(&t_orphan, NULL, make_orphan, NULL) && !pthread_join(t_orphan, NULL));
	setitimer(ITIMER_REAL, &real, NULL);
	setitimer(ITIMER_VIRTUAL, &virtual, NULL);
	setitimer(ITIMER_PROF, &off, NULL); /* with an interval, and yet off */

	load_ready();

	CHECK(goes_on(SIGALRM));
	getitimer(ITIMER_REAL, &now);
	CHECK(now.it_interval.tv_usec == 20000);
	getitimer(ITIMER_VIRTUAL, &now);
	CHECK(now.it_value.tv_sec > HOUR - 60 && now.it_value.tv_sec <= HOUR && !now.it_interval.tv_sec);
	CHECK(!ticks[SIGVTALRM]);
	getitimer(ITIMER_PROF, &now);
	CHECK(!now.it_value.tv_sec && !now.it_value.tv_usec);
	spec = left(slow);
	CHECK(spec.it_interval.tv_sec == 7 && spec.it_value.tv_sec > HOUR - 60 && spec.it_value.tv_sec <= HOUR);
	CHECK(goes_on(SIGRTMIN + 1));
	CHECK(last_value == 4711 || last_value == 2);
	spec = left(ticking);
	CHECK(spec.it_interval.tv_nsec == 10000000);
	CHECK(goes_on(SIGRTMIN + 3));
	CHECK_EQ(thread_ticks, other_tid);
	spec = left(silent);
	CHECK(spec.it_value.tv_sec > 2 * HOUR - 60 && !spec.it_interval.tv_sec);
	spec = left(cpu);
	CHECK(spec.it_value.tv_sec > HOUR - 60);
	spec = left(dead);
	CHECK(!spec.it_value.tv_sec && !spec.it_value.tv_nsec);
	spec = left(orphan);
	CHECK(spec.it_value.tv_sec > HOUR - 60 && spec.it_interval.tv_sec == 5);
	arm(dead, HOUR * 1000, 0);
	CHECK(left(dead).it_value.tv_sec > HOUR - 60);
	/* A new timer gets a new id. */
	gap = make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0);
	CHECK(id_of(gap) != id_of(slow) && id_of(gap) != id_of(ticking) && id_of(gap) != id_of(dead));
	stop = 1;
	pthread_join(t, NULL);
	return load_end();
}
