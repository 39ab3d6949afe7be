/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `reprise dump`: one process into an image directory, with the options and exit codes of `criu dump`.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "engine/dump.h"
#include "util/json.h"
#include "util/str.h"

struct options {
	int pid;
	const char *dir;
	enum rp_dump_after after;
	unsigned workers;
	bool no_cow, no_sync, json;
};

enum { OPT_JSON = 0x100, OPT_NO_COW, OPT_NO_SYNC, OPT_WORKERS };

static const struct argp_option option_table[] = {
	{ "tree", 't', "PID", 0, "the process (and its threads)", 0 },
	{ "images-dir", 'D', "DIR", 0, "where the image goes; made when it is missing (default: .)", 0 },
	{ "leave-running", 'R', NULL, 0, "let the process go on", 0 },
	{ "leave-stopped", 's', NULL, 0, "leave the process stopped (SIGCONT lets it go on)", 0 },
	{ "workers", OPT_WORKERS, "N", 0, "threads that copy pages (default: the CPUs, at most 4)", 0 },
	{ "no-cow", OPT_NO_COW, NULL, 0, "copy pages while the process stands still, not beside it", 0 },
	{ "no-sync", OPT_NO_SYNC, NULL, 0, "do not wait for the disk", 0 },
	{ "shell-job", 'j', NULL, 0, "accepted for CRIU's sake: terminals are always the caller's", 0 },
	{ "json", OPT_JSON, NULL, 0, "print what was done as JSON", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	int64_t number;

	switch (key) {
	case 't':
		if (rp_parse_i64(arg, 10, 1, INT_MAX, &number) < 0)
			argp_error(state, "'%s' is not a pid", arg);
		o->pid = (int)number;
		return 0;
	case 'D':
		o->dir = arg;
		return 0;
	case 'R':
		o->after = RP_DUMP_LEAVE_RUNNING;
		return 0;
	case 's':
		o->after = RP_DUMP_LEAVE_STOPPED;
		return 0;
	case OPT_WORKERS:
		if (rp_parse_i64(arg, 10, 1, 64, &number) < 0)
			argp_error(state, "'%s' is not a number of threads", arg);
		o->workers = (unsigned)number;
		return 0;
	case OPT_NO_COW:
		o->no_cow = true;
		return 0;
	case OPT_NO_SYNC:
		o->no_sync = true;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case 'j':
		return 0;
	case ARGP_KEY_END:
		if (o->pid == 0)
			argp_error(state, "which process? give -t PID");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { CMD_COMMON, { 0 } };
static const struct argp argp = {
	option_table, parse,
	NULL,	      "Take an image of a process. It ends unless -R or -s is given; when the dump fails it goes on.",
	children,     NULL,
	NULL,
};

static int open_dir(const char *dir, bool *made, struct rp_error *err)
{
	int fd;

	*made = mkdir(dir, 0700) == 0;
	if (!*made && errno != EEXIST)
		return rp_error(err, -errno, "cannot make %s: %s", dir, strerror(errno));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? rp_error(err, -errno, "cannot open %s: %s", dir, strerror(errno)) : fd;
}

/* One descriptor of ours per descriptor of the process. */
static void raise_nofile(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static void print_stats(const struct options *o, const struct rp_dump_stats *s)
{
	if (o->json) {
		RP_AUTOJSON struct json_object *j = json_object_new_object();

		rp_json_set_i64(j, "pid", o->pid);
		rp_json_set_str(j, "images", o->dir);
		rp_json_set_i64(j, "freeze_us", (int64_t)(s->freeze_ns / 1000));
		rp_json_set_i64(j, "frozen_us", (int64_t)(s->frozen_ns / 1000));
		rp_json_set_i64(j, "pages_us", (int64_t)(s->page_ns / 1000));
		rp_json_set_i64(j, "total_us", (int64_t)(s->total_ns / 1000));
		rp_json_set_i64(j, "pages_scanned", (int64_t)s->pages_scanned);
		rp_json_set_i64(j, "pages_written", (int64_t)s->pages_written);
		rp_json_set_i64(j, "image_bytes", (int64_t)s->image_bytes);
		json_object_object_add(j, "cow", json_object_new_boolean(s->cow));
		fflush(stdout);
		cmd_print_json(j);
		return;
	}
	rp_info("pid %d: stopped for %.1f ms, %lu pages, %.1f ms in all", o->pid, (double)s->frozen_ns / 1e6,
		(unsigned long)s->pages_written, (double)s->total_ns / 1e6);
}

int cmd_dump(int argc, char **argv)
{
	struct options o = { .dir = "." };
	struct rp_dump_opts opts = { 0 };
	struct rp_dump_stats stats;
	struct rp_error err = { "" };
	bool made;
	int ret;

	cmd_parse(&argp, argc, argv, 0, NULL, &o);
	opts.dir_fd = open_dir(o.dir, &made, &err);
	if (opts.dir_fd < 0)
		return cmd_fail_error(CMD_FAILED, &err);
	raise_nofile();
	opts.pid = o.pid;
	opts.after = o.after;
	opts.page_workers = o.workers;
	opts.no_cow = o.no_cow;
	opts.no_sync = o.no_sync;
	opts.count = cmd_progress_start("dumping");
	ret = rp_dump(&opts, &stats, &err);
	cmd_progress_stop();
	close(opts.dir_fd);
	if (ret < 0 && made)
		(void)rmdir(o.dir); /* a failed dump leaves nothing, unless there is something to see */
	if (ret < 0)
		return cmd_fail_error(CMD_FAILED, &err);
	print_stats(&o, &stats);
	return CMD_DONE;
}
