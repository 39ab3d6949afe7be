/* SPDX-License-Identifier: BSD-3-Clause
 *
 * No launcher: one process under `reprise rank`, by hand or by a launcher that Reprise does not know. Its restart is
 * `reprise rank` again, with the process beside it when it needs another pid.
 */
#include <errno.h>

#include "job/adapter.h"

static bool is_never(const char *exe)
{
	return false;
}

static enum rp_option_class classify(char *const *argv, size_t i, size_t *words)
{
	*words = 1;
	return RP_OPT_PROGRAM;
}

static int run(struct rp_command *c, const char *reprise, struct rp_error *err)
{
	return rp_error(err, -EINVAL, "there is no launcher to run");
}

static int restart(struct rp_command *c, const struct rp_gen *gen, const struct rp_restart_options *opts,
		   struct rp_error *err)
{
	if (gen->np != 1)
		return rp_error(err, -EINVAL,
				"%d ranks and no launcher that Reprise knows: start `reprise rank --restart %s` with "
				"it",
				gen->np, opts->generation);
	rp_command_arg(c, opts->reprise);
	rp_command_arg(c, "rank");
	rp_command_arg(c, "--restart");
	rp_command_arg(c, opts->generation);
	rp_command_arg(c, "--pid");
	rp_command_arg(c, opts->pid_policy);
	return c->oom ? rp_error(err, -ENOMEM, "out of memory") : 0;
}

const struct rp_adapter rp_adapter_none = {
	.name = "none",
	.is_launcher = is_never,
	.is_daemon = is_never,
	.keeps_env = is_never,
	.classify = classify,
	.run = run,
	.restart = restart,
};
