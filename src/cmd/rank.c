/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `reprise rank PROGRAM ARGS`: what stands in front of every rank of a job. It joins the host's agent and becomes the
 * bootstrap of the split process, which runs PROGRAM.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "mpi_imports.h"
#include "rank_join.h"
#include "rank_launch.h"
#include "rank_program.h"
#include "rank_restart.h"
#include "restore_common.h"
#include "util/fd.h"
#include "util/pieces.h"
#include "util/str.h"

extern char **environ;

struct options {
	const char *argv0;
	struct rank_restart restart;
	struct rp_restore_opts pid; /* for cmd_opt_pid() */
	char **command;		    /* borrowed from argv */
	bool no_agent, entered;
};

enum { OPT_ARGV0 = 256, OPT_RESTART, OPT_PID, OPT_KEEP_OUTPUT, OPT_NO_AGENT, OPT_ENTERED };

static const struct argp_option option_list[] = {
	{ "argv0", OPT_ARGV0, "NAME", 0, "what the program sees as its own name", 0 },
	{ "no-agent", OPT_NO_AGENT, NULL, 0, "run as a rank without an agent: no checkpoints", 0 },
	{ "restart", OPT_RESTART, "DIR/NAME/SEQ", 0, "become this rank of a snapshot instead of running a program", 0 },
	{ "pid", OPT_PID, "exact|prefer|any", 0, "with --restart: which ids the process gets (default exact)", 0 },
	{ "keep-output", OPT_KEEP_OUTPUT, NULL, 0, "with --restart: leave files that have grown at their length", 0 },
	{ "entered", OPT_ENTERED, NULL, OPTION_HIDDEN, "a rank execs", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case OPT_ARGV0:
		o->argv0 = arg;
		return 0;
	case OPT_RESTART:
		o->restart.generation = arg;
		return 0;
	case OPT_PID:
		cmd_opt_pid(&o->pid, arg, state);
		return 0;
	case OPT_KEEP_OUTPUT:
		o->restart.keep_output = true;
		return 0;
	case OPT_NO_AGENT:
		o->no_agent = true;
		return 0;
	case OPT_ENTERED:
		o->entered = true;
		return 0;
	case ARGP_KEY_NO_ARGS:
		if (!o->restart.generation)
			argp_error(state, "which program?");
		return 0;
	case ARGP_KEY_ARGS: /* the program: everything from here on is its own */
		o->command = state->argv + state->next;
		state->next = state->argc;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static int become(struct rank_launch *l, const char *boot, int min, struct rp_error *err)
{
	char number[16], name[] = "reprise-boot", *argv[] = { name, number, NULL }, *envp[] = { NULL };
	int fd = rank_launch_memfd(l, min, err);

	if (fd < 0)
		return fd;
	snprintf(number, sizeof(number), "%d", fd);
	execve(boot, argv, envp);
	return rp_error(err, -errno, "%s: %s", boot, strerror(errno));
}

static int launch(const struct options *o, char **argv, struct rp_error *err)
{
	char boot[PATH_MAX], lower[PATH_MAX], stub[PATH_MAX], self[PATH_MAX];
	struct rank_launch l = { .envp = environ, .lower = lower, .stub = stub, .reprise = self };
	struct rank_program program;
	struct rp_join j = { .ctl_fd = -1, .agent_fd = -1 };
	int min = rank_lower_fd_min(), r;

	r = rank_program_find(&program, argv, o->argv0, err);
	if (!r)
		r = rp_piece_find("reprise-boot", boot, sizeof(boot), err);
	if (!r)
		r = rp_piece_find("reprise-lower", lower, sizeof(lower), err);
	if (!r)
		r = rp_piece_find("libmpi.so.40", stub, sizeof(stub), err);
	if (!r)
		r = rp_self_path(self, sizeof(self), err);
	if (r)
		goto out;
	if (!o->entered)
		mpi_imports_tell(program.path);
	l.program = &program;
	rank_join_none(&l);
	if (o->entered)
		l.head.flags |= RP_LAUNCH_ENTERED;
	if (!o->no_agent)
		r = rank_join(&l, &j, argv, min, err);
	if (!r)
		r = become(&l, boot, min, err);
out:
	rank_program_done(&program);
	return r;
}

/* `reprise restart` leaves the launcher's line as the user wrote it and says the rest in the environment, which the
 * process that is restored does not see. */
static void take_restart_from_env(struct options *o)
{
	const char *policy = getenv("REPRISE_PID");

	o->restart.generation = getenv("REPRISE_RESTART");
	if (!o->restart.generation)
		return;
	if (policy && rp_streq(policy, "prefer"))
		o->pid.pid = RP_PID_PREFER;
	else if (policy && rp_streq(policy, "any"))
		o->pid.pid = RP_PID_ANY;
	o->restart.keep_output = o->restart.keep_output || getenv("REPRISE_KEEP_OUTPUT");
	o->restart.generation = strdup(o->restart.generation);
	unsetenv("REPRISE_RESTART");
	unsetenv("REPRISE_PID");
	unsetenv("REPRISE_KEEP_OUTPUT");
}

int cmd_rank(int argc, char **argv)
{
	static const struct argp_child children[] = { CMD_COMMON, { 0 } };
	static const struct argp argp = { option_list,
					  parse,
					  "PROGRAM [ARG...]",
					  "Run PROGRAM as one rank of an MPI job that can be checkpointed.",
					  children,
					  NULL,
					  NULL };
	struct options o = { 0 };
	struct rp_error err = { "" };
	int r;

	cmd_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o);
	if (!o.restart.generation && !o.entered)
		take_restart_from_env(&o);
	o.restart.pid = o.pid.pid;
	o.restart.no_agent = o.no_agent;
	if (o.restart.generation)
		return rank_restart(&o.restart);
	r = launch(&o, o.command, &err);
	if (r == -ENOENT)
		return cmd_fail_error(CMD_WRAP_NOT_FOUND, &err);
	if (r == -EACCES || r == -ENOEXEC || r == -ENOTSUP || r == -ELOOP)
		return cmd_fail_error(CMD_WRAP_CANNOT_EXEC, &err);
	return cmd_fail_error(CMD_WRAP_FAILED, &err);
}
