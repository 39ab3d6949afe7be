/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `reprise run mpirun ...`: any launcher line, unchanged, with every rank started through `reprise rank`. Ends by execing
 * the launcher in its own place: foreground, signals and exit status are the launcher's.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "job/adapter.h"
#include "job/store.h"
#include "snapshot.h"
#include "util/fd.h"
#include "util/pieces.h"
#include "util/str.h"

struct options {
	const char *name, *dir;
	char **command; /* borrowed */
};

static const struct argp_option option_list[] = {
	{ "name", 'n', "NAME", 0, "Name of the job (default: program and launcher's pid)", 0 },
	{ "dir", 'D', "DIR", 0, "Store for its snapshots (default: $REPRISE_DIR, else ./reprise-snapshots)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'n':
		if (!rp_store_is_name(arg))
			argp_error(state, "'%s' cannot be the name of a job", arg);
		o->name = arg;
		return 0;
	case 'D':
		o->dir = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which launcher line? for example: reprise run mpirun -n 4 ./app");
		return 0;
	case ARGP_KEY_ARGS:
		o->command = state->argv + state->next;
		state->next = state->argc;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* The store is fixed at launch and must be writable now, not at the first checkpoint. */
static int fix_store(const char *given, const char *name, struct rp_command *c, struct rp_error *err)
{
	char *dir RP_AUTOFREE = given ? strdup(given) : rp_store_default_dir(), path[PATH_MAX],
		  *store RP_AUTOFREE = NULL;
	int rc = dir ? rp_mkdir_all(dir, 0700) : -ENOMEM;

	if (!rc && (!realpath(dir, path) || access(path, R_OK | W_OK | X_OK)))
		rc = -errno;
	if (rc)
		return rp_error(err, -EINVAL, "cannot use %s for snapshots: %s", dir ? dir : "?", strerror(-rc));
	rp_command_env(c, "REPRISE_DIR", path);
	if (!name)
		return 0;
	store = rp_strf("%s/%s", path, name);
	return store ? snapshot_wait_for_writer(store, err) : rp_error(err, -ENOMEM, "out of memory");
}

static int prepare(const struct options *o, struct rp_command *c, struct rp_error *err)
{
	char exe[NAME_MAX + 1], self[PATH_MAX], cwd[PATH_MAX];
	const struct rp_adapter *adapter;
	int rc = rp_self_path(self, sizeof(self), err);

	if (rc)
		return rc;
	rc = rp_adapter_resolve(o->command[0], exe, sizeof(exe));
	if (rc)
		return rp_error(err, rc, "%s: %s", o->command[0],
				rc == -ENOENT ? "command not found" : "not executable");
	adapter = rp_adapter_of_exe(exe);
	if (!adapter)
		return rp_error(err, -EINVAL,
				"%s (%s) is no launcher that Reprise knows; start its ranks through `reprise rank`",
				o->command[0], exe);
	for (size_t i = 0; o->command[i]; i++)
		rp_command_arg(c, o->command[i]);
	rc = fix_store(o->dir, o->name, c, err);
	if (!rc)
		rc = adapter->run(c, self, err);
	if (!rc && getcwd(cwd, sizeof(cwd)))
		rp_command_env(c, "PWD", cwd); /* the agent may ask it for the directory of the start */
	rp_command_env(c, "REPRISE_NAME", o->name);
	rp_command_env(c, "REPRISE_RESTART", NULL);
	return rc;
}

int cmd_run(int argc, char **argv)
{
	static const struct argp_child children[] = { CMD_COMMON, { 0 } };
	static const struct argp argp = {
		option_list,
		parse,
		"LAUNCHER [ARG...]",
		"Run an MPI job that can be checkpointed: LAUNCHER is mpirun or mpiexec with its usual "
		"arguments.",
		children,
		NULL,
		NULL
	};
	struct options o = { 0 };
	struct rp_command c = { 0 };
	struct rp_error err = { "" };
	int rc;

	cmd_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o);
	rc = prepare(&o, &c, &err);
	if (!rc)
		rc = rp_command_exec(&c, &err);
	rp_command_done(&c);
	return cmd_fail_error(cmd_wrap_exit(rc), &err);
}
