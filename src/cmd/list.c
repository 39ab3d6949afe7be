/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `reprise list [DIR]`: the committed generations of every job in a store.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "job/store.h"
#include "util/fd.h"
#include "util/json.h"
#include "util/str.h"

struct options {
	const char *dir;
	bool json;
};

static const struct argp_option option_list[] = {
	{ "json", 'j', NULL, 0, "Print the facts as JSON", 0 },
	{ "dir", 'D', "DIR", 0, "The store (default: $REPRISE_DIR, else ./reprise-snapshots)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case 'D':
	case ARGP_KEY_ARG:
		if (o->dir)
			argp_error(state, "one store at a time");
		o->dir = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static uint64_t bytes_of(const struct rp_gen *g)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < g->nranks; i++)
		bytes += g->ranks[i].bytes;
	return bytes;
}

static void add_generation(struct json_object *list, const char *name, const struct rp_store *s, const struct rp_gen *g)
{
	struct json_object *o = json_object_new_object();
	char *ref RP_AUTOFREE = rp_strf("%s/%u", s->path, g->seq);

	rp_json_set_str(o, "name", name);
	rp_json_set_i64(o, "seq", g->seq);
	rp_json_set_str(o, "snapshot", ref ? ref : "");
	rp_json_set_i64(o, "time", g->time);
	rp_json_set_i64(o, "np", g->np);
	rp_json_set_i64(o, "bytes", (int64_t)bytes_of(g));
	rp_json_set_str(o, "launcher", g->launcher);
	json_object_array_add(list, o);
}

static void print_generation(const char *name, const struct rp_store *s, const struct rp_gen *g)
{
	char when[32] = "?";
	time_t t = (time_t)g->time;
	struct tm tm;

	if (localtime_r(&t, &tm))
		strftime(when, sizeof(when), "%F %T", &tm);
	printf("%-20s %5u  %-19s %5d %12.1f  %s/%u\n", name, g->seq, when, g->np, (double)bytes_of(g) / 1048576,
	       s->path, g->seq);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int cmd_list(int argc, char **argv)
{
	static const struct argp_child children[] = { CMD_COMMON, { 0 } };
	static const struct argp argp = { option_list, parse, "[DIR]", "List the snapshots in a store.",
					  children,    NULL,  NULL };
	struct json_object *all RP_AUTOJSON = json_object_new_array();
	char *standard RP_AUTOFREE = rp_store_default_dir();
	struct options o = { 0 };
	struct dirent **names;
	bool header = false;
	const char *dir;
	int n;

	cmd_parse(&argp, argc, argv, 0, NULL, &o);
	dir = o.dir ? o.dir : standard;
	n = scandir(dir, &names, NULL, by_name);
	if (n < 0 && (errno != ENOENT || o.dir))
		return cmd_fail(CMD_FAILED, "%s: %s", dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		char *path RP_AUTOFREE = name[0] == '.' ? NULL : rp_strf("%s/%s", dir, name);
		struct rp_error err = { "" };
		struct rp_store *s;
		int rc = path ? rp_store_open_read(&s, path, &err) : -ENOENT;

		for (size_t g = 0; !rc && g < s->ngens; g++) {
			if (o.json) {
				add_generation(all, name, s, &s->gens[g]);
				continue;
			}
			if (!header)
				printf("%-20s %5s  %-19s %5s %12s  %s\n", "NAME", "SEQ", "TIME", "RANKS", "MIB",
				       "SNAPSHOT");
			header = true;
			print_generation(name, s, &s->gens[g]);
		}
		if (!rc)
			rp_store_free(s);
		else if (rc != -ENOENT && rc != -ENOTDIR)
			rp_warn("%s", err.text);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return o.json ? cmd_print_json(all) : CMD_DONE;
}
