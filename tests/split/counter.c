/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Counts in three threads, checks its own state all the time and prints one line a step: what it says over any number of
 * restarts is what it says without. Argument: steps of 50 ms. Ends with status 4.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

int main(int argc, char **argv)
{
	int steps = argc > 1 ? atoi(argv[1]) : 10;
	char *text = strdup("heap");
	long last = 0, t, before;
	pthread_t thread;

	for (long i = 1; i < 3; i++)
		pthread_create(&thread, NULL, work, (void *)i);
	for (int i = 0; i < steps; i++) {
		t = now();
		if (t < last) {
			printf("time went backwards by %ld ns\n", last - t);
			return 8;
		}
		last = t;
		before = count[1];
		usleep(50000);
		printf("step %d %s tls %d pid %d %s\n", i, text, tls, getpid(), count[1] > before ? "on" : "STUCK");
		fflush(stdout);
	}
	return 4;
}
