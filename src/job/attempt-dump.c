/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/dump.h"
#include "job/attempt.h"
#include "job/process.h"
#include "job/rank-record.h"
#include "util/fd.h"
#include "util/str.h"

/* What a dumper tells the agent through its pipe, twice: when the rank's memory has been captured, and at its end. */
struct report {
	int32_t code;
	uint32_t done;
	int32_t max_id;
	uint64_t frozen_us;
	char text[RP_ERROR_MAX];
};

struct dumper {
	pid_t pid;
	int fd;
	bool released, done;
	struct report report;
};

struct job_of_dumper {
	struct rp_attempt *t;
	const struct rp_member *member;
	int out, max_id;
};

/* ---- in the dumper ---- */

static int add_rank(struct rp_dump *d, struct rp_task *task, void *arg)
{
	struct job_of_dumper *j = arg;

	j->max_id = task->pid;
	for (size_t i = 0; i < task->nthreads; i++)
		if (task->threads[i].tid > j->max_id)
			j->max_id = task->threads[i].tid;
	return rp_rank_record_put(d, task, j->member->record, j->member->record_len, j->member->rank,
				  j->t->agent->world_size);
}

/* From here on the rank runs, and what is left to copy has no right to go before it (agent.c). */
static void tell_released(void *arg)
{
	struct job_of_dumper *j = arg;
	struct report r = { .max_id = j->max_id };

	rp_agent_go_first(false);
	(void)rp_write_all(j->out, &r, sizeof(r));
}

static _Noreturn void run_dumper(struct job_of_dumper *j, int dir_fd)
{
	const RpRankEntry *launch = rp_rank_entry__unpack(NULL, j->member->record_len, j->member->record);
	const struct rp_dump_rank rank = { .state = add_rank,
					   .arg = j,
					   .launch_fds = launch ? launch->launch_fds : NULL,
					   .nlaunch_fds = launch ? launch->n_launch_fds : 0 };
	const struct rp_dump_opts opts = { .pid = j->member->pid,
					   .dir_fd = dir_fd,
					   .after = RP_DUMP_LEAVE_RUNNING,
					   .no_sync = true,
					   .rank = &rank,
					   .released = tell_released,
					   .released_arg = j };
	struct rp_dump_stats stats = { 0 };
	struct rp_error err = { "" };
	struct report r = { .done = 1 };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	r.code = rp_dump(&opts, &stats, &err);
	r.max_id = j->max_id;
	r.frozen_us = stats.frozen_ns / 1000;
	snprintf(r.text, sizeof(r.text), "%s", err.text);
	(void)rp_write_all(j->out, &r, sizeof(r));
	_exit(0);
}

/* ---- in the agent ---- */

static int start(struct rp_attempt *t, int32_t rank, struct dumper *d)
{
	struct job_of_dumper j = { .t = t, .member = rp_agent_rank(t->agent, rank) };
	int dir_fd RP_AUTOCLOSE = -1;
	int pipe_fds[2], rc;

	if (!j.member)
		return rp_error(&t->err, RP_CHECKPOINT_REFUSED, "rank %d has ended: the job is ending", rank);
	rc = rp_store_rank_dir(&t->gen, rank, &dir_fd, &t->err);
	if (rc)
		return rc;
	if (pipe2(pipe_fds, O_CLOEXEC))
		return rp_error(&t->err, -errno, "pipe: %s", strerror(errno));
	j.out = pipe_fds[1];
	d->pid = fork();
	if (d->pid == 0)
		run_dumper(&j, dir_fd);
	close(pipe_fds[1]);
	d->fd = pipe_fds[0];
	return d->pid < 0 ? rp_error(&t->err, -errno, "fork: %s", strerror(errno)) : 0;
}

/* Reads a report; 0 or the dumper's failure. */
static int hear(struct rp_attempt *t, int32_t rank, struct dumper *d)
{
	struct report r;

	if (rp_read_all(d->fd, &r, sizeof(r))) {
		d->done = true;
		return rp_error(&t->err, -ECHILD, "rank %d: its dumper was killed", rank);
	}
	d->released = true;
	d->report = r;
	if (!r.done)
		return 0;
	d->done = true;
	r.text[sizeof(r.text) - 1] = 0;
	return r.code ? rp_error(&t->err, r.code, "rank %d: %s", rank, r.text) : 0;
}

static int follow(struct rp_attempt *t, struct dumper *dumpers, int32_t n, void (*resume)(struct rp_attempt *t))
{
	struct pollfd *p = calloc((size_t)n, sizeof(*p));
	bool resumed = false;
	int rc = p ? 0 : rp_error(&t->err, -ENOMEM, "out of memory");

	for (int32_t left = n, held = n; !rc && left;) {
		for (int32_t i = 0; i < n; i++)
			p[i] = (struct pollfd){ .fd = dumpers[i].done ? -1 : dumpers[i].fd, .events = POLLIN };
		if (poll(p, (nfds_t)n, 20) < 0 && errno != EINTR)
			rc = rp_error(&t->err, -errno, "poll: %s", strerror(errno));
		left = held = 0;
		for (int32_t i = 0; !rc && i < n; i++) {
			if (p[i].revents)
				rc = hear(t, i, &dumpers[i]);
			left += !dumpers[i].done;
			held += !dumpers[i].released;
		}
		if (!rc && !held && !resumed) {
			resume(t);
			resumed = true;
		}
		if (!rc)
			rc = rp_attempt_turn(t, 0);
	}
	free(p);
	return rc;
}

/* No dumper outlives the attempt; a killed one leaves its rank running (tracee/tracee.h). */
static void stop(struct dumper *dumpers, int32_t n)
{
	for (int32_t i = 0; i < n; i++) {
		if (dumpers[i].pid <= 0)
			continue;
		if (!dumpers[i].done)
			kill(dumpers[i].pid, SIGKILL);
		while (waitpid(dumpers[i].pid, NULL, 0) < 0 && errno == EINTR)
			;
		close(dumpers[i].fd);
	}
}

int rp_attempt_dump(struct rp_attempt *t, struct rp_gen *gen, void (*resume)(struct rp_attempt *t))
{
	int32_t n = t->agent->world_size;
	struct dumper *dumpers RP_AUTOFREE = calloc((size_t)n, sizeof(*dumpers));
	int rc = dumpers ? 0 : rp_error(&t->err, -ENOMEM, "out of memory");

	rp_attempt_progress(t, RP_MSG_PROGRESS, "all ranks are quiet; copying");
	for (int32_t i = 0; !rc && i < n; i++)
		rc = start(t, i, &dumpers[i]);
	if (!rc)
		rc = follow(t, dumpers, n, resume);
	for (int32_t i = 0; !rc && i < n; i++) {
		struct rp_member *m = rp_agent_rank(t->agent, i);

		gen->ranks[i].pid = m ? m->pid : dumpers[i].report.max_id;
		gen->ranks[i].max_id = dumpers[i].report.max_id;
		if (dumpers[i].report.frozen_us > t->stop_us)
			t->stop_us = dumpers[i].report.frozen_us;
		free(gen->ranks[i].exe);
		gen->ranks[i].exe = m ? rp_process_link(m->pid, "exe") : strdup("");
	}
	if (dumpers)
		stop(dumpers, n);
	return rc;
}
