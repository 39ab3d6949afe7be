/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Counts in three threads, checks its own state all the time and prints one line a step: what it says over any number of
 * restarts is what it says without. Argument: steps of 50 ms. Ends with status 4.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BLOCK (1 << 20)

static __thread int tls = 7;
static volatile long count[3];

static void *work(void *arg)
{
	struct timespec nap = { 0, 1000000 };
	long i = (long)arg;
	char *block = malloc(BLOCK);

	tls += (int)i;
	memset(block, (int)i, BLOCK);
	for (;;) {
		count[i]++;
		if (block[count[i] % BLOCK] != i || tls != 7 + i) {
			printf("thread %ld is corrupt\n", i);
			_exit(9);
		}
		if (count[i] % 1000 == 0)
			nanosleep(&nap, NULL);
	}
	return arg;
}

static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME };
#define CLOCKS (sizeof(clocks) / sizeof(clocks[0]))

static long now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

/* In a loop: most of the time it is here that the process is stopped. */
static void nap_and_watch(long *last)
{
	for (int n = 0; n < 300; n++) {
		for (size_t i = 0; i < CLOCKS; i++) {
			long t = now(clocks[i]);

			if (t < last[i]) {
				printf("clock %d went backwards by %ld ns\n", clocks[i], last[i] - t);
				_exit(8);
			}
			last[i] = t;
		}
		usleep(100);
	}
}

/* One MPI library, whichever installation restarted it. */
static int has_another_library(void)
{
	static void *first;
	void *now = dlopen("libmpi.so", RTLD_NOW);

	first = first ? first : now;
	return !now || now != first;
}

static struct timespec in_a_moment(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	t.tv_nsec += 2000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

/* Each until a time of its own clock, in every way; nobody wakes it. */
static int wait_until(void)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, held = PTHREAD_MUTEX_INITIALIZER;
	pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
	struct timespec t = in_a_moment(CLOCK_BOOTTIME);
	pthread_condattr_t attr;
	pthread_cond_t cond;
	sem_t sem;
	int bad = clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &t, NULL) != 0;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&cond, &attr);
	sem_init(&sem, 0, 0);
	pthread_mutex_lock(&mutex);
	pthread_mutex_lock(&held);
	pthread_rwlock_rdlock(&rwlock);
	t = in_a_moment(CLOCK_MONOTONIC);
	bad += clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0;
	t = in_a_moment(CLOCK_MONOTONIC);
	bad += pthread_cond_timedwait(&cond, &mutex, &t) != ETIMEDOUT;
	t = in_a_moment(CLOCK_MONOTONIC);
	bad += pthread_cond_clockwait(&cond, &mutex, CLOCK_MONOTONIC, &t) != ETIMEDOUT;
	t = in_a_moment(CLOCK_REALTIME);
	bad += pthread_cond_clockwait(&cond, &mutex, CLOCK_REALTIME, &t) != ETIMEDOUT;
	t = in_a_moment(CLOCK_MONOTONIC);
	bad += sem_clockwait(&sem, CLOCK_MONOTONIC, &t) != -1 || errno != ETIMEDOUT;
	t = in_a_moment(CLOCK_MONOTONIC);
	bad += pthread_mutex_clocklock(&held, CLOCK_MONOTONIC, &t) != ETIMEDOUT;
	t = in_a_moment(CLOCK_MONOTONIC);
	bad += pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &t) != ETIMEDOUT;
	return bad || now(CLOCK_MONOTONIC) < t.tv_sec * 1000000000L + t.tv_nsec;
}

/* How far its clocks are ahead of the kernel's, which a system call gives, in hundreds of seconds. */
static void say_ahead(void)
{
	struct timespec t;

	printf("ahead");
	for (size_t i = 0; i < CLOCKS; i++) {
		long mine = now(clocks[i]);

		syscall(SYS_clock_gettime, clocks[i], &t);
		printf(" %ld", (mine - t.tv_sec * 1000000000L - t.tv_nsec + 50000000000L) / 100000000000L);
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	int steps = argc > 1 ? atoi(argv[1]) : 10;
	char *text = strdup("heap");
	long last[CLOCKS] = { 0 }, before;
	pthread_t thread;

	for (long i = 1; i < 3; i++)
		pthread_create(&thread, NULL, work, (void *)i);
	for (int i = 0; i < steps; i++) {
		before = count[1];
		nap_and_watch(last);
		if (wait_until()) {
			printf("a wait did not end as it should\n");
			return 7;
		}
		if (has_another_library()) {
			printf("another MPI library\n");
			return 6;
		}
		printf("step %d %s tls %d pid %d %s\n", i, text, tls, getpid(), count[1] > before ? "on" : "STUCK");
		fflush(stdout);
	}
	say_ahead();
	return 4;
}
