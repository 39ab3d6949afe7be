/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `reprise checkpoint [JOB]`: a client of the job's agent. Its death changes nothing; Ctrl-C cancels the attempt and the
 * job goes on.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "job/agent-client.h"
#include "job/registry.h"
#include "util/json.h"
#include "util/str.h"

struct options {
	const char *job;
	enum rp_checkpoint_then then;
	unsigned timeout_ms;
	bool json;
};

enum { OPT_TERM = 256, OPT_STOP, OPT_TIMEOUT, OPT_JSON };

static const struct argp_option option_list[] = {
	{ "term", OPT_TERM, NULL, 0, "End the job once the snapshot is durable", 0 },
	{ "stop", OPT_STOP, NULL, 0, "Stop its ranks (SIGSTOP) once the snapshot is durable", 0 },
	{ "timeout", OPT_TIMEOUT, "SECONDS", 0, "Give up after that time; the job goes on", 0 },
	{ "json", OPT_JSON, NULL, 0, "Print the facts as JSON", 0 },
	{ 0 },
};

static volatile int cancelled;

static void on_interrupt(int sig)
{
	cancelled++;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	int64_t v;

	switch (key) {
	case OPT_TERM:
		o->then = RP_THEN_TERM;
		return 0;
	case OPT_STOP:
		o->then = RP_THEN_STOP;
		return 0;
	case OPT_TIMEOUT:
		if (rp_parse_i64(arg, 10, 1, 4000000, &v))
			argp_error(state, "'%s' is no number of seconds", arg);
		o->timeout_ms = (unsigned)(v * 1000);
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->job)
			argp_error(state, "one job at a time");
		o->job = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void progress(void *arg, const char *line)
{
	cmd_progress_say(line);
	rp_debug("%s", line);
}

static int print_json(const struct rp_checkpoint_result *res)
{
	struct json_object *o RP_AUTOJSON = json_object_new_object();

	rp_json_set_str(o, "snapshot", res->reference);
	rp_json_set_i64(o, "seq", res->seq);
	rp_json_set_i64(o, "bytes", (int64_t)res->bytes);
	rp_json_set_i64(o, "agree_us", (int64_t)res->agree_us);
	rp_json_set_i64(o, "stop_us", (int64_t)res->stop_us);
	rp_json_set_i64(o, "total_us", (int64_t)res->total_us);
	return cmd_print_json(o);
}

static int checkpoint(const struct options *o, struct rp_error *err)
{
	const struct rp_checkpoint_options opts = {
		.then = o->then, .timeout_ms = o->timeout_ms, .progress = progress, .cancel = &cancelled
	};
	struct rp_checkpoint_result res;
	struct rp_job_info job;
	int rc = rp_registry_find(o->job, &job, err);

	if (rc)
		return rc;
	cmd_progress_start("waiting until all ranks are quiet");
	rc = rp_agent_checkpoint(job.dir, &opts, &res, err);
	cmd_progress_stop();
	rp_job_info_done(&job);
	if (rc)
		return rc;
	if (o->json)
		return print_json(&res);
	printf("%s\n", res.reference);
	rp_info("%llu bytes; quiet after %llu us, ranks stopped %llu us, durable after %llu us",
		(unsigned long long)res.bytes, (unsigned long long)res.agree_us, (unsigned long long)res.stop_us,
		(unsigned long long)res.total_us);
	return CMD_DONE;
}

int cmd_checkpoint(int argc, char **argv)
{
	static const struct argp_child children[] = { CMD_COMMON, { 0 } };
	static const struct argp argp = {
		option_list,
		parse,
		"[JOB]",
		"Take a snapshot of a running job. JOB is its name or its launcher's pid; not needed when "
		"only one job runs. Prints what `reprise restart` takes.",
		children,
		NULL,
		NULL
	};
	struct sigaction sa = { .sa_handler = on_interrupt };
	struct options o = { 0 };
	struct rp_error err = { "" };
	int rc;

	cmd_parse(&argp, argc, argv, 0, NULL, &o);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	rc = checkpoint(&o, &err);
	if (!rc)
		return CMD_DONE;
	return cmd_fail_error(rc == RP_CHECKPOINT_REFUSED   ? CMD_CANNOT_CARRY
			      : rc == RP_CHECKPOINT_TIMEOUT ? CMD_TIMED_OUT
							    : CMD_FAILED,
			      &err);
}
