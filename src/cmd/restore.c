/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `reprise restore`: CRIU's verb and option names.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "engine/restore.h"
#include "engine/supervise.h"
#include "restore_common.h"

enum option_key {
	KEY_EXEC_CMD = 256,
	KEY_INHERIT_FD,
	KEY_VALIDATION,
	KEY_PIDFILE,
	KEY_STDIO,
	KEY_PID,
	KEY_COMPAT_EXIT,
	KEY_KEEP_OUTPUT,
};

struct options {
	struct rp_restore_opts restore;
	bool detached, sibling, exec_cmd, compat_exit;
	char **command;
};

static const struct argp_option option_list[] = {
	{ "images-dir", 'D', "DIR", 0, "Directory of the images", 0 },
	{ "restore-detached", 'd', NULL, 0, "Leave the process running on its own once it is restored", 0 },
	{ "restore-sibling", 'S', NULL, 0, "The process becomes a child of our parent", 0 },
	{ "exec-cmd", KEY_EXEC_CMD, NULL, 0, "Execute the command after -- in our place, as parent of the process", 0 },
	{ "stdio", KEY_STDIO, "inherit|image", 0,
	  "Descriptors 0-2 are ours, or what the image has (default; terminals and pipes to others are ours)", 0 },
	{ "inherit-fd", KEY_INHERIT_FD, "fd[N]:RESOURCE", 0,
	  "Our descriptor N stands in for what the image names RESOURCE: a path, pipe:[INODE], fd[NUMBER]", 0 },
	{ "file-validation", KEY_VALIDATION, "filesize|buildid", 0,
	  "How files are compared with those of the checkpoint", 0 },
	{ "pid", KEY_PID, "exact|prefer|any", 0, "Which pid and thread ids the process gets (default exact)", 0 },
	{ "pidfile", KEY_PIDFILE, "FILE", 0, "Write the pid there", 0 },
	{ "compat-exit", KEY_COMPAT_EXIT, NULL, 0,
	  "Return 0 when the process has ended, as CRIU does, not its own status", 0 },
	{ "shell-job", 'j', NULL, 0, "Accepted for CRIU's sake: a terminal of the image is always ours", 0 },
	{ 0 }
};

static error_t parse_mode(int key, char *arg, struct options *o, struct argp_state *state)
{
	switch (key) {
	case 'd':
		o->detached = true;
		return 0;
	case 'S':
		o->sibling = true;
		return 0;
	case KEY_EXEC_CMD:
		o->exec_cmd = true;
		return 0;
	case KEY_COMPAT_EXIT:
		o->compat_exit = true;
		return 0;
	case 'j':
		return 0;
	case ARGP_KEY_ARGS:
		o->command = state->argv + state->next;
		return 0;
	case ARGP_KEY_END:
		if (!o->restore.images_dir)
			argp_error(state, "which images? -D DIR");
		if (o->exec_cmd != !!o->command)
			argp_error(state,
				   o->exec_cmd ? "--exec-cmd: which command? -- CMD" : "there is an argument too many");
		if (o->exec_cmd && (o->detached || o->sibling))
			argp_error(state, "--exec-cmd makes the process a child of the command: no -d or -S");
		return 0;
	default:
		(void)arg;
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'D':
		o->restore.images_dir = arg;
		return 0;
	case KEY_STDIO:
		cmd_opt_stdio(&o->restore, arg, state);
		return 0;
	case KEY_PID:
		cmd_opt_pid(&o->restore, arg, state);
		return 0;
	case KEY_VALIDATION:
		cmd_opt_validation(&o->restore, arg, state);
		return 0;
	case KEY_INHERIT_FD:
		cmd_opt_inherit_fd(&o->restore, arg, state);
		return 0;
	case KEY_PIDFILE:
		o->restore.pidfile = arg;
		return 0;
	default:
		return parse_mode(key, arg, o, state);
	}
}

static const struct argp_child children[] = { CMD_COMMON, { 0 } };
static const struct argp argp = {
	option_list,
	parse_option,
	"-D DIR [-- CMD ARGS...]",
	"Restore the process whose images are in DIR, and wait for it: signals go to it, its status is ours.\v"
	"Exit code: that of the process when it was waited for; 0 when it runs on its own; 1 when it was not restored.",
	children,
	NULL,
	NULL
};

static enum rp_attach attachment(const struct options *o)
{
	if (o->exec_cmd)
		return RP_ATTACH_EXEC_CMD;
	if (o->sibling)
		return RP_ATTACH_SIBLING;
	return o->detached ? RP_ATTACH_DETACHED : RP_ATTACH_CHILD;
}

int cmd_restore(int argc, char **argv)
{
	struct options o = { .restore = { .pid = RP_PID_EXACT, .waiting = { cmd_wait_tick, NULL } } };
	struct rp_restore *r;
	struct rp_error err = { "" };
	pid_t pid;
	int pidfd, rc;

	cmd_parse(&argp, argc, argv, 0, NULL, &o);
	o.restore.attach = attachment(&o);
	if (o.restore.attach == RP_ATTACH_CHILD)
		rp_supervise_block();
	rc = rp_restore_new(&r, &o.restore, &err);
	if (rc)
		return cmd_fail_error(CMD_FAILED, &err);
	rc = rp_restore_run(r, &pid, &pidfd);
	cmd_wait_done();
	rc = rc ? cmd_fail_error(CMD_FAILED, &r->err) : 0;
	rp_restore_free(r);
	free(o.restore.inherit);
	if (rc)
		return rc;
	if (o.restore.attach == RP_ATTACH_EXEC_CMD) {
		execvp(o.command[0], o.command);
		return cmd_fail(CMD_FAILED, "%s: %s (the process runs, pid %d)", o.command[0], strerror(errno), pid);
	}
	if (o.restore.attach != RP_ATTACH_CHILD)
		return CMD_DONE;
	rc = cmd_stand_by(pid, pidfd, true, CMD_FAILED);
	return o.compat_exit ? CMD_DONE : rc;
}
