/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Signals that are pending at the checkpoint: of the process and of two threads, standard and real-time, with their
 * siginfo and in order; blocked ones of every sort.
 */
#include "load.h"

#include <pthread.h>

static volatile int go, waiting;

static void expect(sigset_t *set, int signo, int code, int value)
{
	struct timespec now = { 0 };
	siginfo_t info;

	/* Not through libc, which turns SI_TKILL into SI_USER here. */
	CHECK_EQ(syscall(SYS_rt_sigtimedwait, set, &info, &now, 8), signo);
	CHECK_EQ(info.si_code, code);
	CHECK_EQ(info.si_pid, getpid());
	CHECK_EQ(info.si_uid, getuid());
	if (code == SI_QUEUE)
		CHECK_EQ(info.si_value.sival_int, value);
}

static void expect_none(void)
{
	struct timespec now = { 0 };
	sigset_t all;

	sigfillset(&all);
	CHECK(sigtimedwait(&all, NULL, &now) == -1 && errno == EAGAIN);
}

static void queue_to(pthread_t t, int signo, int value)
{
	union sigval v = { .sival_int = value };

	CHECK(!pthread_sigqueue(t, signo, v));
}

static void *thread(void *arg)
{
	sigset_t one;

	waiting = 1;
	while (!go)
		load_sleep_ms(2);
	sigemptyset(&one);
	sigaddset(&one, SIGRTMIN + 1);
	for (int i = 0; i < 5; i++)
		expect(&one, SIGRTMIN + 1, SI_QUEUE, 70 + i);
	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	expect(&one, SIGUSR1, SI_TKILL, 0);
	go = 2;
	while (go == 2)
		load_sleep_ms(2);
	expect_none();
	return arg;
}

int main(int argc, char **argv)
{
	union sigval v;
	sigset_t all, one, seen;
	pthread_t t;

	load_begin(argc, argv);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	CHECK(!pthread_create(&t, NULL, thread, NULL));
	while (!waiting)
		load_sleep_ms(1);
	for (int i = 0; i < 5; i++)
		queue_to(t, SIGRTMIN + 1, 70 + i);
	CHECK(!pthread_kill(t, SIGUSR1));
	queue_to(pthread_self(), SIGRTMIN + 2, 5);
	for (int i = 0; i < 8; i++) {
		v.sival_int = 40 + i;
		CHECK(!sigqueue(getpid(), SIGRTMIN + 5, v));
	}
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR2); /* a standard signal is pending once */
	kill(getpid(), SIGTERM);
	kill(getpid(), SIGCHLD);

	load_ready();

	sigpending(&seen);
	CHECK(sigismember(&seen, SIGTERM) && sigismember(&seen, SIGRTMIN + 5) && sigismember(&seen, SIGRTMIN + 2));
	CHECK(!sigismember(&seen, SIGRTMIN + 1)); /* that is the thread's */
	sigemptyset(&one);
	sigaddset(&one, SIGRTMIN + 5);
	for (int i = 0; i < 8; i++)
		expect(&one, SIGRTMIN + 5, SI_QUEUE, 40 + i);
	sigemptyset(&one);
	sigaddset(&one, SIGRTMIN + 2);
	expect(&one, SIGRTMIN + 2, SI_QUEUE, 5);
	sigemptyset(&one);
	sigaddset(&one, SIGUSR2);
	expect(&one, SIGUSR2, SI_USER, 0);
	sigemptyset(&one);
	sigaddset(&one, SIGTERM);
	expect(&one, SIGTERM, SI_USER, 0);
	sigemptyset(&one);
	sigaddset(&one, SIGCHLD);
	expect(&one, SIGCHLD, SI_USER, 0);
	expect_none();
	go = 1;
	while (go == 1)
		load_sleep_ms(2);
	go = 3;
	CHECK(!pthread_join(t, NULL));
	return load_end();
}
