/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Everything at once while checkpoints come at any moment: queued signals that must each arrive once and in order, a timer of
 * one millisecond, threads that pass a token through a pipe, a futex, an eventfd, that sleep, allocate and compute. A call
 * that no signal of the program interrupts must not notice a checkpoint.
 */
#include "load.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/time.h>

static volatile int stop;
static atomic_long sent, got, rounds[8];
static volatile long ticks;
static volatile int next_value;
static int ping[2], pong[2], event_fd;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long turn;
static pthread_t taker;

static void on_queued(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	CHECK_EQ(info->si_value.sival_int, next_value);
	next_value++;
	atomic_fetch_add(&got, 1);
}

static void on_tick(int signo)
{
	(void)signo;
	ticks++;
}

static void *take(void *arg)
{
	sigset_t one;

	sigemptyset(&one);
	sigaddset(&one, SIGRTMIN);
	pthread_sigmask(SIG_UNBLOCK, &one, NULL);
	while (!stop || atomic_load(&got) != atomic_load(&sent))
		sched_yield();
	return arg;
}

static void *queue(void *arg)
{
	while (!stop) {
		union sigval v = { .sival_int = (int)atomic_load(&sent) };

		if (atomic_load(&sent) - atomic_load(&got) > 50) {
			sched_yield();
			continue;
		}
		CHECK(!pthread_sigqueue(taker, SIGRTMIN, v));
		atomic_fetch_add(&sent, 1);
	}
	return arg;
}

static void *pinger(void *arg)
{
	for (long i = 1; !stop; i++) {
		long back = 0;

		CHECK(write(ping[1], &i, sizeof(i)) == sizeof(i));
		CHECK(read(pong[0], &back, sizeof(back)) == sizeof(back));
		CHECK_EQ(back, -i);
		atomic_store(&rounds[0], i);
	}
	close(ping[1]);
	return arg;
}

static void *ponger(void *arg)
{
	long i;

	while (read(ping[0], &i, sizeof(i)) == sizeof(i)) {
		i = -i;
		CHECK(write(pong[1], &i, sizeof(i)) == sizeof(i));
	}
	CHECK_EQ(errno, 0);
	return arg;
}

static void *turns(void *arg)
{
	long me = (long)arg;

	pthread_mutex_lock(&mutex);
	while (!stop) {
		while (turn % 2 != me && !stop)
			pthread_cond_wait(&cond, &mutex);
		turn++;
		pthread_cond_broadcast(&cond);
	}
	pthread_mutex_unlock(&mutex);
	atomic_store(&rounds[1], turn);
	return arg;
}

static void *sleeper(void *arg)
{
	struct timespec nap = { .tv_nsec = 300000 }, from, to;
	struct pollfd none = { .fd = -1 };

	for (long i = 1; !stop; i++) {
		clock_gettime(CLOCK_MONOTONIC, &from);
		CHECK(!nanosleep(&nap, NULL));
		clock_gettime(CLOCK_MONOTONIC, &to);
		CHECK((to.tv_sec - from.tv_sec) * 1000000000L + to.tv_nsec - from.tv_nsec >= 300000);
		CHECK_EQ(poll(&none, 1, 1), 0);
		atomic_store(&rounds[2], i);
	}
	return arg;
}

static void *counter(void *arg)
{
	uint64_t value;

	for (long i = 1; !stop; i++) {
		CHECK(read(event_fd, &value, sizeof(value)) == sizeof(value));
		CHECK(value == 1 || stop);
		atomic_store(&rounds[3], i);
	}
	return arg;
}

static void *adder(void *arg)
{
	uint64_t one = 1;

	while (!stop) {
		long before = atomic_load(&rounds[3]);

		CHECK(write(event_fd, &one, sizeof(one)) == sizeof(one));
		while (!stop && atomic_load(&rounds[3]) == before)
			sched_yield();
	}
	CHECK(write(event_fd, &one, sizeof(one)) == sizeof(one));
	return arg;
}

static void *allocator(void *arg)
{
	unsigned seed = 1;

	for (long i = 1; !stop; i++) {
		size_t len = (size_t)(seed % 300000 + 16);
		unsigned char *p = malloc(len), *q;

		seed = seed * 1664525 + 1013904223;
		memset(p, (int)i, len);
		q = realloc(p, len * 2);
		CHECK(q[0] == (unsigned char)i && q[len - 1] == (unsigned char)i);
		free(q);
		q = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		q[4096] = 1;
		CHECK(!mprotect(q, 4096, PROT_NONE) && !munmap(q, 65536));
		atomic_store(&rounds[4], i);
	}
	return arg;
}

int main(int argc, char **argv)
{
	void *(*const bodies[])(void *) = { take,  queue,   pinger,  ponger, turns,
					    turns, sleeper, counter, adder,  allocator };
	enum { N = sizeof(bodies) / sizeof(bodies[0]) };
	struct sigaction sa = { .sa_sigaction = on_queued, .sa_flags = SA_SIGINFO | SA_RESTART },
			 tick = { .sa_handler = on_tick, .sa_flags = SA_RESTART };
	struct itimerval ms = { { 0, 1000 }, { 0, 1000 } };
	long before[5], ticks_before;
	pthread_t t[N];
	sigset_t all;

	load_begin(argc, argv);
	sigaction(SIGRTMIN, &sa, NULL);
	sigaction(SIGALRM, &tick, NULL);
	CHECK(!pipe(ping) && !pipe(pong));
	event_fd = eventfd(0, 0);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL); /* the others take no signal; this thread takes the timer's */
	for (int i = 0; i < N; i++) {
		CHECK(!pthread_create(&t[i], NULL, bodies[i], (void *)(long)(i == 5)));
		if (!i)
			taker = t[0];
	}
	sigemptyset(&all);
	sigaddset(&all, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	setitimer(ITIMER_REAL, &ms, NULL);

	load_loose("*");
	load_ready();

	for (int i = 0; i < 5; i++)
		before[i] = atomic_load(&rounds[i]);
	ticks_before = ticks;
	for (int i = 0; i < 5; i++)
		for (int k = 0; i != 1 && atomic_load(&rounds[i]) == before[i]; k++) {
			CHECK(k < 1000);
			load_sleep_ms(10);
		}
	for (int k = 0; ticks <= ticks_before + 5; k++) {
		CHECK(k < 1000);
		load_sleep_ms(10);
	}
	pthread_mutex_lock(&mutex);
	stop = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < N; i++)
		CHECK(!pthread_join(t[i], NULL));
	CHECK_EQ(atomic_load(&got), atomic_load(&sent));
	CHECK(turn > 10);
	return load_end();
}
