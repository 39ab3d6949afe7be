/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two ranks on the small stub: callbacks, signal handlers and threads while the lower half works, each on the right FS; a
 * jump out of a handler that interrupted the lower half. Prints "switches: ok" or what went wrong.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "ministub.h"

static __thread int tls = 42;
static volatile int alarms, wrong, jumps, armed;
static sigjmp_buf back;
static int calls;

static void sum(void *in, void *inout, int *len, void *type)
{
	(void)type;
	calls++;
	wrong += tls != 42;
	errno = EIO;
	for (int i = 0; i < *len; i++)
		((int *)inout)[i] += ((int *)in)[i];
}

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
	wrong += tls != 42;
	if (armed && jumps < 20) {
		jumps++;
		siglongjmp(back, 1);
	}
}

static void *thread(void *arg)
{
	int rank, size, got = 0, tag = (int)(intptr_t)arg, value = 100 + tag;

	MPI_Comm_rank(mini_world(), &rank);
	for (int i = 0; i < 1000; i++)
		MPI_Comm_size(mini_world(), &size);
	if (rank == 0)
		MPI_Send(&value, 1, mini_int(), 1, tag, mini_world());
	else if (rank == 1)
		MPI_Recv(&got, 1, mini_int(), 0, tag, mini_world(), NULL);
	wrong += (rank == 1 && got != value) || tls != 42;
	return NULL;
}

static void *short_thread(void *arg)
{
	int rank;

	MPI_Comm_rank(mini_world(), &rank);
	return arg;
}

static int count_tasks(void)
{
	DIR *dir = opendir("/proc/self/task");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/* Threads that come and go do not leave a twin each behind. */
static void many_threads(void)
{
	int before = count_tasks();
	pthread_t thread;

	for (int i = 0; i < 200; i++) {
		pthread_create(&thread, NULL, short_thread, NULL);
		pthread_join(thread, NULL);
	}
	wrong += count_tasks() > before + 2;
}

/* Local calls only: a jump out of one leaves nothing half done between the ranks. */
static void jump_about(void)
{
	volatile int rank;
	int r;

	sigsetjmp(back, 1);
	armed = jumps < 20;
	while (armed && jumps < 20) {
		MPI_Comm_rank(mini_world(), &r);
		rank = r;
		wrong += tls != 42;
	}
	(void)rank;
	armed = 0;
	wrong += mini_depth() != 0;
}

int main(int argc, char **argv)
{
	struct itimerval every = { { 0, 500 }, { 0, 500 } }, never = { { 0, 0 }, { 0, 0 } };
	struct sigaction act = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	int rank, size, got, one, all = 0;
	pthread_t threads[4];
	void *op;

	MPI_Init_thread(&argc, &argv, 3, &got);
	MPI_Comm_rank(mini_world(), &rank);
	MPI_Comm_size(mini_world(), &size);
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	mini_op(sum, &op);
	one = rank + 1;
	for (int i = 0; i < 10000; i++) {
		MPI_Allreduce(&one, &all, 1, mini_int(), op, mini_world());
		wrong += all != size * (size + 1) / 2;
	}
	jump_about();
	setitimer(ITIMER_REAL, &never, NULL);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, thread, (void *)(intptr_t)i);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	many_threads();
	wrong += !alarms || !calls || jumps != 20;
	printf("switches: %s (%d wrong, %d alarms, %d callbacks, %d jumps)\n", wrong ? "WRONG" : "ok", wrong, alarms,
	       calls, jumps);
	MPI_Barrier(mini_world());
	MPI_Finalize();
	return wrong ? 1 : 0;
}
