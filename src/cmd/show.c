/* SPDX-License-Identifier: BSD-3-Clause */
#include "cmd.h"

static const struct argp_child children[] = { CMD_COMMON, { 0 } };
static const struct argp argp = { NULL, NULL, "DIR|FILE", "Print images.", children, NULL, NULL };

int cmd_show(int argc, char **argv)
{
	cmd_parse(&argp, argc, argv, 0, NULL, NULL);
	return cmd_fail(CMD_FAILED, "no image reader in this build");
}
