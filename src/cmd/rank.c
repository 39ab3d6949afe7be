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
#include <sys/xattr.h>
#include <unistd.h>

#include "abi/ctl.h"
#include "cmd.h"
#include "host/kernel.h"
#include "mpi_imports.h"
#include "rank_join.h"
#include "rank_launch.h"
#include "rank_program.h"
#include "rank_restart.h"
#include "restore_common.h"
#include "util/fd.h"
#include "util/log.h"
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

static void tell_functions(const struct rp_join *j, const char *program)
{
	struct mpi_imports m;

	if (mpi_imports_read(&m, program, NULL))
		return;
	if (m.later && rank_join_tells(j, RP_TOLD_FUNCTIONS))
		mpi_imports_tell(&m, program);
	mpi_imports_done(&m);
}

/* A program that cannot be a rank of ours runs as it would without us; a checkpoint is refused with the reason. */
static int run_foreign(const struct options *o, const char *execfn, char **argv, const struct rp_error *why,
		       struct rp_error *err)
{
	struct rank_launch l = { .envp = environ };
	struct rp_join j = { .ctl_fd = -1, .agent_fd = -1 };
	char *first = argv[0];

	rank_join_none(&l);
	if (!o->no_agent)
		(void)rank_join(&l, &j, argv, 3, err);
	rank_join_refuse(&j, why->text);
	if (rank_join_tells(&j, RP_TOLD_FOREIGN))
		rp_warn("%s; it runs, but cannot be checkpointed", why->text);
	if (l.head.agent_fd >= 0)
		(void)rp_fd_cloexec(l.head.agent_fd, 1);
	if (l.head.ctl_fd >= 0)
		close(l.head.ctl_fd);
	if (o->argv0)
		argv[0] = (char *)o->argv0;
	execv(execfn, argv);
	argv[0] = first;
	return rp_error(err, -errno, "%s: %s", execfn, strerror(errno));
}

/* ld.so takes $ORIGIN from the exe link. Where the bootstrap may not set that, ld.so is told the directories instead. */
static const char *library_path(const struct rank_program *program, const char *boot)
{
	if (rp_kernel()->cap_checkpoint_restore || getxattr(boot, "security.capability", NULL, 0) > 0)
		return NULL;
	return program->run_path;
}

static int find_pieces(char boot[PATH_MAX], char lower[PATH_MAX], char stub[PATH_MAX], char self[PATH_MAX],
		       struct rp_error *err)
{
	int r = rp_piece_find("reprise-boot", boot, PATH_MAX, err);

	if (!r)
		r = rp_piece_find("reprise-lower", lower, PATH_MAX, err);
	if (!r)
		r = rp_piece_find("libmpi.so.40", stub, PATH_MAX, err);
	return r ? r : rp_self_path(self, PATH_MAX, err);
}

static int launch(const struct options *o, char **argv, struct rp_error *err)
{
	char boot[PATH_MAX], lower[PATH_MAX], stub[PATH_MAX], self[PATH_MAX];
	struct rank_launch l = { .envp = environ, .lower = lower, .stub = stub, .reprise = self };
	struct rank_program program;
	struct rp_join j = { .ctl_fd = -1, .agent_fd = -1 };
	struct rp_error why = { "" };
	int min = rank_lower_fd_min(), r;

	r = rank_program_find(&program, argv, o->argv0, &why);
	if (r == -ENOTSUP)
		r = run_foreign(o, program.execfn, argv, &why, err);
	else if (r)
		*err = why;
	else
		r = find_pieces(boot, lower, stub, self, err);
	if (r)
		goto out;
	l.program = &program;
	l.library_path = library_path(&program, boot);
	if (program.is_path_last)
		l.head.flags |= RP_LAUNCH_PATH_LAST;
	rank_join_none(&l);
	if (o->entered)
		l.head.flags |= RP_LAUNCH_ENTERED;
	if (!o->no_agent)
		r = rank_join(&l, &j, argv, min, err);
	if (!r) {
		tell_functions(&j, program.path);
		r = become(&l, boot, min, err);
	}
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
	return cmd_fail_error(cmd_wrap_exit(r), &err);
}
