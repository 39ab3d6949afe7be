/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `reprise info SNAPSHOT`: what the manifest says about one generation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "snapshot.h"
#include "util/json.h"
#include "util/str.h"

static void print_words(const char *title, char *const *v)
{
	printf("%-14s", title);
	for (size_t i = 0; v[i]; i++) {
		fputs(i ? " " : "", stdout);
		cmd_print_line(v[i]);
	}
	printf("\n");
}

static void print_text(const struct rp_store *s, const struct rp_gen *g)
{
	char when[32] = "?";
	time_t t = (time_t)g->time;
	struct tm tm;

	if (localtime_r(&t, &tm))
		strftime(when, sizeof(when), "%F %T %z", &tm);
	printf("%-14s%s/%u\n%-14s%s\n%-14s%d\n", "snapshot", s->path, g->seq, "time", when, "ranks", g->np);
	printf("%-14s%s\n", "launcher", g->launcher);
	print_words("command", g->launch_argv);
	for (size_t i = 0; g->launch_env[i]; i++)
		printf("%-14s%s\n", i ? "" : "environment", g->launch_env[i]);
	printf("%-14s%s\n%-14s%s\n%-14s%s, %s, %s\n", "directory", g->cwd, "MPI",
	       g->mpi_library[0] ? g->mpi_library : "not used", "system", g->kernel, g->libc, g->machine);
	printf("%6s %8s %12s %-12s %s\n", "RANK", "PID", "MIB", "HOST", "PROGRAM");
	for (size_t i = 0; i < g->nranks; i++)
		printf("%6d %8d %12.1f %-12s %s\n", g->ranks[i].rank, g->ranks[i].pid,
		       (double)g->ranks[i].bytes / 1048576, g->ranks[i].host, g->ranks[i].exe);
}

int cmd_info(int argc, char **argv)
{
	static const struct argp_child children[] = { { &snapshot_argp, 0, NULL, 0 }, CMD_COMMON, { 0 } };
	static const struct argp argp = { NULL, NULL, "[SNAPSHOT]", "Print what a snapshot is.", children, NULL, NULL };
	struct json_object *o RP_AUTOJSON = NULL;
	struct snapshot_options opts = { 0 };
	struct rp_error err = { "" };
	const struct rp_gen *gen;
	struct rp_store *store;
	int rc = CMD_DONE;

	cmd_parse(&argp, argc, argv, 0, NULL, &opts);
	if (snapshot_find(&opts, &store, &gen, &err))
		return cmd_fail_error(CMD_FAILED, &err);
	if (!opts.json) {
		print_text(store, gen);
	} else {
		char *ref RP_AUTOFREE = rp_strf("%s/%u", store->path, gen->seq);

		o = rp_gen_to_json(gen);
		if (o && ref)
			rp_json_set_str(o, "snapshot", ref);
		rc = o ? cmd_print_json(o) : cmd_fail(CMD_FAILED, "out of memory");
	}
	rp_store_free(store);
	return rc;
}
