/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Progress of a verb whose work is one call into the library: a thread draws what the library counts.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "util/progress.h"

static struct {
	struct rp_count count;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t end;
	char what[256];
	bool ended;
	bool started; /* the main thread's own */
	pthread_t thread;
} line = { .lock = PTHREAD_MUTEX_INITIALIZER, .end = PTHREAD_COND_INITIALIZER };

static void *draw(void *arg)
{
	struct rp_progress p;
	struct timespec ts;

	rp_progress_init(&p, line.what, 0, true);
	pthread_mutex_lock(&line.lock);
	while (!line.ended) {
		clock_gettime(CLOCK_REALTIME, &ts);
		ts.tv_nsec += 100000000;
		if (ts.tv_nsec >= 1000000000) {
			ts.tv_sec++;
			ts.tv_nsec -= 1000000000;
		}
		pthread_cond_timedwait(&line.end, &line.lock, &ts);
		p.total = atomic_load(&line.count.total);
		if (!line.ended)
			rp_progress_update(&p, atomic_load(&line.count.done));
	}
	pthread_mutex_unlock(&line.lock);
	rp_progress_done(&p);
	return NULL;
}

struct rp_count *cmd_progress_start(const char *what)
{
	sigset_t all, old;

	if (cmd_is_quiet() || !isatty(STDERR_FILENO))
		return NULL;
	cmd_progress_say(what);
	sigfillset(&all); /* signals are the verb's */
	pthread_sigmask(SIG_BLOCK, &all, &old);
	line.started = pthread_create(&line.thread, NULL, draw, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return line.started ? &line.count : NULL;
}

void cmd_progress_say(const char *what)
{
	pthread_mutex_lock(&line.lock);
	snprintf(line.what, sizeof(line.what), "%s", what);
	pthread_mutex_unlock(&line.lock);
}

static struct rp_progress waiting;

void cmd_wait_tick(void *arg, const char *what)
{
	if (!waiting.what)
		rp_progress_init(&waiting, what, 0, !cmd_is_quiet());
	waiting.what = what;
	rp_progress_update(&waiting, 0);
}

void cmd_wait_done(void)
{
	rp_progress_done(&waiting);
}

void cmd_progress_stop(void)
{
	if (!line.started)
		return;
	pthread_mutex_lock(&line.lock);
	line.ended = true;
	pthread_cond_signal(&line.end);
	pthread_mutex_unlock(&line.lock);
	pthread_join(line.thread, NULL);
	line.started = false;
}
