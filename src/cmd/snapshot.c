/* SPDX-License-Identifier: BSD-3-Clause */
#include "snapshot.h"

#include <errno.h>
#include <time.h>

#include "job/registry.h"
#include "util/str.h"

#define WAIT_FOR_WRITER_MS 5000

enum { OPT_LATEST = 512, OPT_SEQ };

static const struct argp_option option_list[] = {
	{ "latest", OPT_LATEST, NULL, 0, "The newest snapshot of the store (the default without SNAPSHOT)", 5 },
	{ "seq", OPT_SEQ, "N", 0, "Generation N instead of the newest", 5 },
	{ "dir", 'D', "DIR", 0, "The store (default: $REPRISE_DIR, else ./reprise-snapshots)", 5 },
	{ "json", 'j', NULL, 0, "Print the facts as JSON", 5 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct snapshot_options *o = state->input;
	int64_t v;

	switch (key) {
	case OPT_LATEST:
		o->latest = true;
		return 0;
	case OPT_SEQ:
		if (rp_parse_i64(arg, 10, 1, INT32_MAX, &v))
			argp_error(state, "'%s' is no generation", arg);
		o->seq = (uint32_t)v;
		return 0;
	case 'D':
		o->dir = arg;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->ref)
			argp_error(state, "one snapshot at a time");
		o->ref = arg;
		return 0;
	case ARGP_KEY_END:
		if (o->latest && o->ref)
			argp_error(state, "either a snapshot or --latest");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp snapshot_argp = { option_list, parse, NULL, NULL, NULL, NULL, NULL };

int snapshot_find(const struct snapshot_options *o, struct rp_store **store, const struct rp_gen **gen,
		  struct rp_error *err)
{
	char *standard RP_AUTOFREE = rp_store_default_dir();

	return rp_store_find(o->dir ? o->dir : standard, o->ref, o->seq, store, gen, err);
}

int snapshot_wait_for_writer(const char *store, struct rp_error *err)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	struct rp_job_info job;
	int rc = 0;

	for (int waited = 0; !rc && rp_registry_writer(store, &job); waited += 20) {
		rp_error(err, 0, "job %s (%d) runs and writes to %s: end it first", job.name, job.launcher_pid, store);
		rp_job_info_done(&job);
		if (waited >= WAIT_FOR_WRITER_MS)
			rc = -EBUSY;
		cmd_wait_tick(NULL, "waiting for the job to end");
		nanosleep(&pause, NULL);
	}
	cmd_wait_done();
	return rc;
}
