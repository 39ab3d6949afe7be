/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Dispositions with flags and masks, alternate stacks (also with the checkpoint inside a handler that runs on one),
 * ignored signals, sigsuspend and sigwait interrupted by the checkpoint.
 */
#include "load.h"

#include <pthread.h>

static char stack_main[65536], stack_handler[65536];
static volatile int go, in_handler, handled[65], on_stack;

static void handler(int signo)
{
	char here;

	handled[signo]++;
	on_stack = (char *)&here >= stack_main && (char *)&here < stack_main + sizeof(stack_main);
}

/* The checkpoint finds this thread in here. */
static void slow_handler(int signo)
{
	char here;

	CHECK((char *)&here >= stack_handler && (char *)&here < stack_handler + sizeof(stack_handler));
	in_handler = signo;
	while (!go)
		load_sleep_ms(2);
	in_handler = -signo;
}

static void *slow_thread(void *arg)
{
	stack_t ss = { .ss_sp = stack_handler, .ss_size = sizeof(stack_handler) }, now;

	sigaltstack(&ss, NULL);
	pthread_kill(pthread_self(), SIGUSR2);
	CHECK_EQ(in_handler, -SIGUSR2);
	sigaltstack(NULL, &now);
	CHECK(now.ss_sp == stack_handler && now.ss_size == sizeof(stack_handler) && !now.ss_flags);
	return arg;
}

static void *suspended(void *arg)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	sigdelset(&all, SIGRTMIN + 3);
	while (!handled[SIGRTMIN + 3])
		sigsuspend(&all);
	return arg;
}

static void *waiting(void *arg)
{
	sigset_t one;
	int got = 0;

	sigemptyset(&one);
	sigaddset(&one, SIGRTMIN + 4);
	pthread_sigmask(SIG_BLOCK, &one, NULL);
	CHECK(!sigwait(&one, &got));
	CHECK_EQ(got, SIGRTMIN + 4);
	return arg;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_ONSTACK | SA_RESTART }, now;
	stack_t ss = { .ss_sp = stack_main, .ss_size = sizeof(stack_main) };
	pthread_t slow, susp, wait;
	sigset_t set, seen;

	load_begin(argc, argv);
	sigaltstack(&ss, NULL);
	sigemptyset(&sa.sa_mask);
	sigaddset(&sa.sa_mask, SIGHUP);
	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_handler = slow_handler;
	sigaction(SIGUSR2, &sa, NULL);
	sa.sa_handler = handler;
	sa.sa_flags = SA_RESETHAND | SA_NODEFER;
	sigaction(SIGHUP, &sa, NULL);
	sa.sa_flags = 0;
	sigaction(SIGRTMIN + 3, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGRTMAX);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK(!pthread_create(&slow, NULL, slow_thread, NULL));
	CHECK(!pthread_create(&susp, NULL, suspended, NULL));
	CHECK(!pthread_create(&wait, NULL, waiting, NULL));
	while (!in_handler)
		load_sleep_ms(1);
	load_sleep_ms(20);

	load_ready();

	go = 1;
	sigprocmask(SIG_BLOCK, NULL, &seen);
	for (int i = 1; i < 65; i++)
		if (i != 32 && i != 33)
			CHECK_EQ(sigismember(&seen, i), sigismember(&set, i));
	sigaction(SIGUSR1, NULL, &now);
	CHECK(now.sa_handler == handler &&
	      (now.sa_flags & (SA_ONSTACK | SA_RESTART | SA_RESETHAND)) == (SA_ONSTACK | SA_RESTART));
	CHECK(sigismember(&now.sa_mask, SIGHUP) && !sigismember(&now.sa_mask, SIGINT));
	sigaction(SIGPIPE, NULL, &now);
	CHECK(now.sa_handler == SIG_IGN);
	sigaction(SIGINT, NULL, &now);
	CHECK(now.sa_handler == SIG_DFL);
	raise(SIGUSR1);
	CHECK_EQ(handled[SIGUSR1], 1);
	CHECK(on_stack);
	raise(SIGHUP);
	CHECK(handled[SIGHUP] == 1 && !on_stack);
	sigaction(SIGHUP, NULL, &now);
	CHECK(now.sa_handler == SIG_DFL);
	pthread_kill(susp, SIGRTMIN + 3);
	pthread_kill(wait, SIGRTMIN + 4);
	CHECK(!pthread_join(slow, NULL) && !pthread_join(susp, NULL) && !pthread_join(wait, NULL));
	return load_end();
}
