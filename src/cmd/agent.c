/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `reprise agent DIR`: what the first rank of a host execs in an orphaned child. Not for people; its descriptors 3 to 5 are
 * described in job/agent.h.
 */
#include <fcntl.h>

#include "cmd.h"
#include "job/agent.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
	const char **dir = state->input;

	if (key == ARGP_KEY_NO_ARGS)
		argp_error(state, "started by the ranks of a job themselves");
	if (key != ARGP_KEY_ARG || *dir)
		return ARGP_ERR_UNKNOWN;
	*dir = arg;
	return 0;
}

int cmd_agent(int argc, char **argv)
{
	static const struct argp_child children[] = { CMD_COMMON, { 0 } };
	static const struct argp argp = {
		NULL,
		parse,
		"DIR",
		"The agent of a job on one host: watches the ranks, takes the images, writes the store. "
		"Ranks start it themselves.",
		children,
		NULL,
		NULL
	};
	const char *dir = NULL;

	cmd_parse(&argp, argc, argv, 0, NULL, &dir);
	for (int fd = 3; fd < 6; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			return cmd_fail(CMD_USAGE, "started by the ranks of a job themselves");
	return rp_agent_main(dir, 3, 4, 5);
}
