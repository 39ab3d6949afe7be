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
#include <sys/resource.h>
#include <unistd.h>

#include "abi/layout.h"
#include "cmd.h"
#include "job/agent-client.h"
#include "rank_launch.h"
#include "rank_program.h"
#include "util/fd.h"
#include "util/pieces.h"

extern char **environ;

/* Not everything that a rank can be is linked into every build of the program yet. */
#pragma weak rp_agent_join
#pragma weak rp_join_done

struct options {
	const char *argv0;
	const char *restart;
	char **command; /* borrowed from argv */
	bool no_agent, entered;
};

enum { OPT_ARGV0 = 256, OPT_RESTART, OPT_NO_AGENT, OPT_ENTERED };

static const struct argp_option option_list[] = {
	{ "argv0", OPT_ARGV0, "NAME", 0, "what the program sees as its own name", 0 },
	{ "no-agent", OPT_NO_AGENT, NULL, 0, "run as a rank without an agent: no checkpoints", 0 },
	{ "restart", OPT_RESTART, "DIR", OPTION_HIDDEN, "snapshot to become", 0 },
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
		o->restart = arg;
		return 0;
	case OPT_NO_AGENT:
		o->no_agent = true;
		return 0;
	case OPT_ENTERED:
		o->entered = true;
		return 0;
	case ARGP_KEY_NO_ARGS:
		if (!o->restart)
			argp_error(state, "which program?");
		return 0;
	case ARGP_KEY_ARGS: /* the program: everything from here on is its own */
		o->command = state->argv + state->next;
		state->next = state->argc;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* The number that the bootstrap will use too (RP_LOWER_FD_MIN under a low limit). */
static int lower_fd_min(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) || lim.rlim_cur >= 2 * RP_LOWER_FD_MIN)
		return RP_LOWER_FD_MIN;
	return (int)lim.rlim_cur / 2;
}

static int keep_fd(int fd, int min, struct rp_error *err)
{
	int up = fcntl(fd, F_DUPFD, min);

	return up < 0 ? rp_error(err, -errno, "descriptor %d: %s", fd, strerror(errno)) : up;
}

/* A rank that cannot be checkpointed still runs: one line, and on it goes. */
static int join(struct rank_launch *l, struct rp_join *j, char **argv, int min, struct rp_error *err)
{
	struct rp_join_request req = { .argv = argv, .envp = environ };
	char self[PATH_MAX];
	int r;

	l->head.agent_fd = l->head.ctl_fd = -1;
	l->head.world_rank = -1;
	if (!rp_agent_join)
		return 0;
	r = rp_self_path(self, sizeof(self), err);
	if (r)
		return r;
	req.agent_exe = self;
	r = rp_agent_join(&req, j, err);
	if (r) {
		cmd_fail(0, "%s; this process cannot be checkpointed", err->text);
		return 0;
	}
	l->head.ctl_size = j->ctl_size;
	l->head.slot = j->slot;
	l->head.agent_pid = j->agent_pid;
	l->head.world_rank = j->world_rank;
	l->head.world_size = j->world_size;
	l->snapshot_dir = j->snapshot_dir;
	l->head.agent_fd = keep_fd(j->agent_fd, min, err);
	l->head.ctl_fd = keep_fd(j->ctl_fd, min, err);
	return l->head.agent_fd < 0 || l->head.ctl_fd < 0 ? -EMFILE : 0;
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
	int min = lower_fd_min(), r;

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
	l.program = &program;
	l.head.agent_fd = l.head.ctl_fd = l.head.world_rank = -1;
	if (o->entered)
		l.head.flags |= RP_LAUNCH_ENTERED;
	if (!o->no_agent)
		r = join(&l, &j, argv, min, err);
	if (!r)
		r = become(&l, boot, min, err);
out:
	rank_program_done(&program);
	return r;
}

int cmd_rank(int argc, char **argv)
{
	static const struct argp_child children[] = { CMD_COMMON, { 0 } };
	static const struct argp argp = { option_list, parse, "PROGRAM [ARG...]",
					  "Run PROGRAM as one rank of an MPI job that can be checkpointed.", children, NULL, NULL };
	struct options o = { 0 };
	struct rp_error err = { "" };
	int r;

	cmd_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o);
	if (o.restart)
		return cmd_fail(CMD_WRAP_FAILED, "restart of a rank is not built in");
	r = launch(&o, o.command, &err);
	if (r == -ENOENT)
		return cmd_fail_error(CMD_WRAP_NOT_FOUND, &err);
	if (r == -EACCES || r == -ENOEXEC || r == -ENOTSUP || r == -ELOOP)
		return cmd_fail_error(CMD_WRAP_CANNOT_EXEC, &err);
	return cmd_fail_error(CMD_WRAP_FAILED, &err);
}
