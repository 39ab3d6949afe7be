/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `reprise ps`: the jobs that run under Reprise on this host.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd.h"
#include "job/registry.h"
#include "util/json.h"

static const struct argp_option option_list[] = {
	{ "json", 'j', NULL, 0, "Print the facts as JSON", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	if (key != 'j')
		return ARGP_ERR_UNKNOWN;
	*(bool *)state->input = true;
	return 0;
}

static int print_json(const struct rp_job_info *jobs, size_t n)
{
	struct json_object *list RP_AUTOJSON = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();

		rp_json_set_str(o, "name", jobs[i].name);
		rp_json_set_i64(o, "launcher_pid", jobs[i].launcher_pid);
		rp_json_set_str(o, "launcher", jobs[i].launcher);
		rp_json_set_i64(o, "agent_pid", jobs[i].agent_pid);
		json_object_object_add(o, "agent_alive", json_object_new_boolean(jobs[i].alive));
		rp_json_set_i64(o, "np", jobs[i].np);
		rp_json_set_i64(o, "joined", jobs[i].joined);
		rp_json_set_i64(o, "started", jobs[i].started);
		rp_json_set_i64(o, "generations", jobs[i].generations);
		rp_json_set_str(o, "store", jobs[i].store);
		rp_json_set_str(o, "command", jobs[i].command);
		json_object_array_add(list, o);
	}
	return cmd_print_json(list);
}

static int print_text(const struct rp_job_info *jobs, size_t n)
{
	if (n)
		printf("%-20s %8s %6s %9s  %-30s %s\n", "NAME", "LAUNCHER", "RANKS", "SNAPSHOTS", "STORE", "COMMAND");
	for (size_t i = 0; i < n; i++) {
		printf("%-20s %8d %3d/%-3d %8u  %-30s ", jobs[i].name, jobs[i].launcher_pid, jobs[i].joined, jobs[i].np,
		       jobs[i].generations, jobs[i].store);
		cmd_print_line(jobs[i].command);
		puts(jobs[i].alive ? "" : "  [its agent has ended: it can no longer be checkpointed]");
	}
	return CMD_DONE;
}

int cmd_ps(int argc, char **argv)
{
	static const struct argp_child children[] = { CMD_COMMON, { 0 } };
	static const struct argp argp = {
		option_list, parse, NULL, "List the jobs that run under Reprise on this host.", children, NULL, NULL
	};
	struct rp_job_info *jobs = NULL;
	struct rp_error err = { "" };
	bool json = false;
	size_t n = 0;
	int rc;

	cmd_parse(&argp, argc, argv, 0, NULL, &json);
	if (rp_registry_list(&jobs, &n, &err))
		return cmd_fail_error(CMD_FAILED, &err);
	rc = json ? print_json(jobs, n) : print_text(jobs, n);
	for (size_t i = 0; i < n; i++)
		rp_job_info_done(&jobs[i]);
	free(jobs);
	return rc;
}
