/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `reprise exec`: become the checkpoint. Where another pid is wanted than ours, the checkpoint becomes our sibling and
 * we stay as its proxy.
 */
#include <errno.h>
#include <stdlib.h>

#include "cmd.h"
#include "engine/restore.h"
#include "engine/supervise.h"
#include "restore_common.h"

enum option_key {
	KEY_STDIO = 256,
	KEY_PID,
	KEY_INHERIT_FD,
	KEY_VALIDATION,
};

static const struct argp_option option_list[] = {
	{ "images-dir", 'D', "DIR", 0, "Directory of the images", 0 },
	{ "pid", KEY_PID, "exact|prefer|any", 0, "Which pid and thread ids the process gets (default exact)", 0 },
	{ "stdio", KEY_STDIO, "inherit|image", 0, "Descriptors 0-2 are ours (default), or what the image has", 0 },
	{ "inherit-fd", KEY_INHERIT_FD, "fd[N]:RESOURCE", 0,
	  "Our descriptor N stands in for what the image names RESOURCE: a path, pipe:[INODE], fd[NUMBER]", 0 },
	{ "file-validation", KEY_VALIDATION, "filesize|buildid", 0,
	  "How files are compared with those of the checkpoint", 0 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct rp_restore_opts *opts = state->input;

	switch (key) {
	case 'D':
		opts->images_dir = arg;
		return 0;
	case KEY_STDIO:
		cmd_opt_stdio(opts, arg, state);
		return 0;
	case KEY_PID:
		cmd_opt_pid(opts, arg, state);
		return 0;
	case KEY_INHERIT_FD:
		cmd_opt_inherit_fd(opts, arg, state);
		return 0;
	case KEY_VALIDATION:
		cmd_opt_validation(opts, arg, state);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "there is an argument too many: '%s'", arg);
		return 0;
	case ARGP_KEY_END:
		if (!opts->images_dir)
			argp_error(state, "which images? -D DIR");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { CMD_COMMON, { 0 } };
static const struct argp argp = { option_list,
				  parse_option,
				  "-D DIR",
				  "Become the process whose images are in DIR, as exec() becomes a program.\v"
				  "When the wanted pid is not ours, the process is made beside us, as another child of "
				  "our parent: signals that reach us "
				  "go to it and we end as it ends.\n"
				  "Exit code: that of the process; 125 when it was not restored.",
				  children,
				  NULL,
				  NULL };

int cmd_exec(int argc, char **argv)
{
	struct rp_restore_opts opts = { .attach = RP_ATTACH_INPLACE, .waiting = { cmd_wait_tick, NULL } };
	struct rp_restore *r;
	struct rp_error err = { "" };
	pid_t pid;
	int pidfd, rc;

	cmd_parse(&argp, argc, argv, 0, NULL, &opts);
	rp_supervise_block();
	rc = rp_restore_new(&r, &opts, &err);
	if (rc)
		return cmd_fail_error(CMD_WRAP_FAILED, &err);
	rc = rp_restore_run(r, &pid, &pidfd);
	cmd_wait_done();
	rc = rc ? cmd_fail_error(CMD_WRAP_FAILED, &r->err) : 0;
	rp_restore_free(r);
	if (rc)
		return rc;
	return cmd_stand_by(pid, pidfd, false, CMD_WRAP_FAILED);
}
