/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Threads: ids, names, thread-local memory, signal masks, what the kernel and libc know of each other (clear_child_tid,
 * robust list, rseq), threads blocked in a futex, a pipe, a sleep; computing threads.
 */
#include "load.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/time.h>

#define COMPUTE 3

static volatile int go;
static int in_place; /* threads that have done their setting up */
static pthread_mutex_t robust, plain = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int pipe_fds[2];
static __thread int self;

static struct rseq *my_rseq(void)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

static void *compute(void *arg)
{
	int me = (int)(long)arg, tid = (int)syscall(SYS_gettid);
	uint64_t x = (uint64_t)me + 1, steps = 0;
	sigset_t set, now;
	char name[16], seen[16];

	self = me;
	snprintf(name, sizeof(name), "compute (%d)", me);
	prctl(PR_SET_NAME, name);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + me);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	while (!go) {
		uint64_t want = x * 6364136223846793005UL + 1442695040888963407UL;
		double half = (double)(want >> 40) / 2;

		x = want;
		if (++steps == 100)
			__atomic_add_fetch(&in_place, 1, __ATOMIC_RELEASE);
		CHECK(half * 2 == (double)(want >> 40));
		CHECK(self == me);
	}
	CHECK(steps >= 100);
	CHECK_EQ(syscall(SYS_gettid), tid);
	prctl(PR_GET_NAME, seen);
	CHECK(!strcmp(name, seen));
	pthread_sigmask(0, NULL, &now);
	CHECK(sigismember(&now, SIGRTMIN + me) == 1 && sigismember(&now, SIGRTMIN + me + 1) == 0);
	if (__rseq_size) {
		CHECK((int)my_rseq()->cpu_id >= 0);
		/* A second registration of the same area is refused: the first one is there. */
		CHECK(syscall(SYS_rseq, my_rseq(), 32, 0, RSEQ_SIG) == -1 && errno == EBUSY);
	}
	return (void *)(long)(me + 100);
}

static void *die_with_mutex(void *arg)
{
	pthread_mutex_lock(&robust);
	__atomic_add_fetch(&in_place, 1, __ATOMIC_RELEASE);
	while (!go)
		load_sleep_ms(3);
	return arg; /* still holds it: the kernel finds that in the robust list */
}

static void *wait_cond(void *arg)
{
	pthread_mutex_lock(&plain);
	__atomic_add_fetch(&in_place, 1, __ATOMIC_RELEASE);
	while (!go)
		pthread_cond_wait(&cond, &plain);
	pthread_mutex_unlock(&plain);
	return arg;
}

static void *read_pipe(void *arg)
{
	char c = 0;

	__atomic_add_fetch(&in_place, 1, __ATOMIC_RELEASE);
	CHECK(read(pipe_fds[0], &c, 1) == 1 && c == 'p');
	return arg;
}

/* A relative sleep is gone through once, not begun anew for ever: it ends. */
static void *sleep_long(void *arg)
{
	struct timespec nap = { .tv_sec = 1 };

	__atomic_add_fetch(&in_place, 1, __ATOMIC_RELEASE);
	while (!go)
		CHECK(!nanosleep(&nap, NULL));
	return arg;
}

int main(int argc, char **argv)
{
	void *(*const bodies[])(
		void *) = { compute, compute, compute, die_with_mutex, wait_cond, read_pipe, sleep_long };
	pthread_mutexattr_t attr;
	pthread_t t[7];
	void *ret;
	int pid = getpid();

	load_begin(argc, argv);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attr);
	CHECK(!pipe(pipe_fds));
	self = 99;
	for (int i = 0; i < 7; i++)
		CHECK(!pthread_create(&t[i], NULL, bodies[i], (void *)(long)i));
	while (__atomic_load_n(&in_place, __ATOMIC_ACQUIRE) < 7)
		load_sleep_ms(3);
	load_sleep_ms(30);
	load_ready();
	CHECK_EQ(getpid(), pid);
	CHECK_EQ(syscall(SYS_gettid), pid);
	CHECK_EQ(self, 99);
	pthread_mutex_lock(&plain);
	go = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&plain);
	CHECK(write(pipe_fds[1], "p", 1) == 1);
	for (int i = 0; i < 7; i++) {
		CHECK(!pthread_join(t[i], &ret));
		CHECK_EQ((long)ret, i < COMPUTE ? i + 100 : i);
	}
	CHECK_EQ(pthread_mutex_lock(&robust), EOWNERDEAD);
	/* New threads can be made as before. */
	CHECK(!pthread_create(&t[0], NULL, wait_cond, NULL) && !pthread_join(t[0], NULL));
	return load_end();
}
