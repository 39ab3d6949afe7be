/* SPDX-License-Identifier: BSD-3-Clause */
#include "restore_common.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "engine/supervise.h"

void cmd_opt_stdio(struct rp_restore_opts *opts, const char *arg, struct argp_state *state)
{
	if (!strcmp(arg, "inherit"))
		opts->stdio = RP_STDIO_INHERIT;
	else if (!strcmp(arg, "image"))
		opts->stdio = RP_STDIO_IMAGE;
	else
		argp_error(state, "--stdio is inherit or image, not '%s'", arg);
}

void cmd_opt_pid(struct rp_restore_opts *opts, const char *arg, struct argp_state *state)
{
	if (!strcmp(arg, "exact"))
		opts->pid = RP_PID_EXACT;
	else if (!strcmp(arg, "prefer"))
		opts->pid = RP_PID_PREFER;
	else if (!strcmp(arg, "any"))
		opts->pid = RP_PID_ANY;
	else
		argp_error(state, "--pid is exact, prefer or any, not '%s'", arg);
}

void cmd_opt_validation(struct rp_restore_opts *opts, const char *arg, struct argp_state *state)
{
	if (!strcmp(arg, "filesize"))
		opts->validation = RP_VALIDATE_FILESIZE;
	else if (!strcmp(arg, "buildid") || !strcmp(arg, "build-id"))
		opts->validation = RP_VALIDATE_BUILDID;
	else
		argp_error(state, "--file-validation is filesize or buildid, not '%s'", arg);
}

void cmd_opt_inherit_fd(struct rp_restore_opts *opts, const char *arg, struct argp_state *state)
{
	struct rp_inherit *more = realloc(opts->inherit, (opts->ninherit + 1) * sizeof(*more));
	int fd, end = 0;

	if (!more)
		argp_failure(state, 1, ENOMEM, "--inherit-fd");
	opts->inherit = more;
	if (sscanf(arg, "fd[%d]:%n", &fd, &end) != 1 || !end || !arg[end])
		argp_error(state, "--inherit-fd is fd[N]:RESOURCE, not '%s'", arg);
	opts->inherit[opts->ninherit++] = (struct rp_inherit){ .fd = fd, .resource = (char *)arg + end };
}

int cmd_end_like(int wstatus)
{
	struct rlimit no_core = { 0 };
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t set;
	int sig;

	if (WIFEXITED(wstatus))
		return WEXITSTATUS(wstatus);
	sig = WTERMSIG(wstatus);
	setrlimit(RLIMIT_CORE, &no_core); /* the core that matters is the other one */
	sigaction(sig, &dfl, NULL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 128 + sig;
}

int cmd_stand_by(pid_t pid, int pidfd, bool is_child, int failed)
{
	struct rp_supervise s = { .pid = pid, .pidfd = pidfd, .is_child = is_child };
	struct rp_error err;
	int wstatus;

	if (rp_supervise(&s, &wstatus, &err))
		return cmd_fail_error(failed, &err);
	return cmd_end_like(wstatus);
}
