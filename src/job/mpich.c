/* SPDX-License-Identifier: BSD-3-Clause
 *
 * MPICH's hydra: mpiexec.hydra and hydra_pmi_proxy. It has no option that puts a program in front of every rank, so the
 * program itself is prefixed on the command line; exact pids come from the preloaded shim (launcher/hydra-shim.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job/adapter.h"
#include "util/array.h"
#include "util/str.h"

static const struct rp_option options[] = {
	{ "n", 1, RP_OPT_MAPPING },
	{ "np", 1, RP_OPT_MAPPING },
	{ "f", 1, RP_OPT_MAPPING },
	{ "hostfile", 1, RP_OPT_MAPPING },
	{ "machinefile", 1, RP_OPT_MAPPING },
	{ "hosts", 1, RP_OPT_MAPPING },
	{ "host", 1, RP_OPT_MAPPING },
	{ "ppn", 1, RP_OPT_MAPPING },
	{ "bind-to", 1, RP_OPT_MAPPING },
	{ "map-by", 1, RP_OPT_MAPPING },
	{ "membind", 1, RP_OPT_MAPPING },
	{ "order-nodes", 1, RP_OPT_MAPPING },
	{ "localhost", 1, RP_OPT_MAPPING },
	{ "skip-launch-node", 0, RP_OPT_MAPPING },
	{ "gpus-per-proc", 1, RP_OPT_MAPPING },
	{ "topolib", 1, RP_OPT_MAPPING },
	{ "env", 2, RP_OPT_ENVIRONMENT },
	{ "envlist", 1, RP_OPT_ENVIRONMENT },
	{ "envnone", 0, RP_OPT_ENVIRONMENT },
	{ "envall", 0, RP_OPT_ENVIRONMENT },
	{ "genv", 2, RP_OPT_ENVIRONMENT },
	{ "genvlist", 1, RP_OPT_ENVIRONMENT },
	{ "genvnone", 0, RP_OPT_ENVIRONMENT },
	{ "genvall", 0, RP_OPT_ENVIRONMENT },
	{ "wdir", 1, RP_OPT_ENVIRONMENT },
	{ "iface", 1, RP_OPT_ENVIRONMENT },
	{ "launcher", 1, RP_OPT_ENVIRONMENT },
	{ "launcher-exec", 1, RP_OPT_ENVIRONMENT },
	{ "rmk", 1, RP_OPT_ENVIRONMENT },
	{ "l", 0, RP_OPT_IO },
	{ "prepend-rank", 0, RP_OPT_IO },
	{ "prepend-pattern", 1, RP_OPT_IO },
	{ "outfile-pattern", 1, RP_OPT_IO },
	{ "errfile-pattern", 1, RP_OPT_IO },
	{ "print-all-exitcodes", 0, RP_OPT_IO },
	{ "errcodes", 0, RP_OPT_IO },
	{ "disable-auto-cleanup", 0, RP_OPT_ENVIRONMENT },
	{ "disable-hostname-propagation", 0, RP_OPT_ENVIRONMENT },
	{ "pmi-port", 0, RP_OPT_ENVIRONMENT },
	{ "demux", 1, RP_OPT_OTHER },
	{ "nameserver", 1, RP_OPT_OTHER },
	{ "profile", 0, RP_OPT_OTHER },
	{ "usize", 1, RP_OPT_OTHER },
};

static bool is_launcher(const char *exe)
{
	return rp_streq(exe, "mpiexec.hydra") || rp_streq(exe, "mpiexec.mpich");
}

static bool is_daemon(const char *exe)
{
	return rp_streq(exe, "hydra_pmi_proxy");
}

static bool keeps_env(const char *setting)
{
	return rp_str_has_prefix(setting, "HYDRA_") || rp_str_has_prefix(setting, "MPIEXEC_") ||
	       rp_str_has_prefix(setting, "MPIR_CVAR_");
}

static enum rp_option_class classify(char *const *argv, size_t i, size_t *words)
{
	return rp_option_classify(options, RP_COUNT(options), argv, i, words);
}

static bool is_count(const char *option)
{
	return rp_option_is(option, "n") || rp_option_is(option, "np");
}

/* Does the user give this option anew? Those that may stand more than once add up. */
static bool is_given(char *const *extra, const char *option)
{
	if (is_count(option))
		return rp_option_is_given(extra, "-n") || rp_option_is_given(extra, "-np");
	return !rp_option_is(option, "env") && !rp_option_is(option, "genv") && rp_option_is_given(extra, option);
}

/* The line with `reprise rank` in front of each program, options of dropped classes left out. */
static void copy_line(struct rp_command *c, char *const *argv, const char *reprise, char *const *extra,
		      bool new_mapping)
{
	bool in_program = false;

	for (size_t i = 1, words; argv[i]; i += words) {
		enum rp_option_class class = classify(argv, i, &words);

		if (rp_streq(argv[i], ":")) {
			in_program = false;
			words = 1;
		} else if (in_program) {
			words = 1;
		} else if (class == RP_OPT_PROGRAM) {
			const char *base = strrchr(argv[i], '/');

			in_program = true;
			rp_command_arg(c, reprise);
			rp_command_arg(c, "rank");
			/* A recorded line has the prefix already, of where Reprise was then. */
			if (rp_streq(base ? base + 1 : argv[i], "reprise") && argv[i + 1] &&
			    rp_streq(argv[i + 1], "rank")) {
				words = 2;
				continue;
			}
		} else if (is_given(extra, argv[i]) || (new_mapping && class == RP_OPT_MAPPING && !is_count(argv[i]))) {
			continue;
		}
		for (size_t w = 0; w < words; w++)
			rp_command_arg(c, argv[i + w]);
	}
}

static bool has_programs_elsewhere(char *const *argv)
{
	for (size_t i = 1, words; argv[i] && classify(argv, i, &words) != RP_OPT_PROGRAM; i += words)
		if (rp_option_is(argv[i], "configfile"))
			return true;
	return false;
}

static int run(struct rp_command *c, const char *reprise, struct rp_error *err)
{
	struct rp_command line = { 0 };
	char **argv = calloc(c->argv.count + 1, sizeof(*argv));

	if (!argv)
		return rp_error(err, -ENOMEM, "out of memory");
	memcpy(argv, c->argv.items, c->argv.count * sizeof(*argv));
	if (has_programs_elsewhere(argv)) {
		free(argv);
		return rp_error(err, -EINVAL,
				"-configfile: its programs cannot be started through Reprise; write them on the "
				"command line, with : in between");
	}
	rp_command_arg(&line, argv[0]);
	copy_line(&line, argv, reprise, NULL, false);
	free(argv);
	for (size_t i = 0; i < c->argv.count; i++)
		free(c->argv.items[i]);
	free(c->argv.items);
	memcpy(&c->argv, &line.argv, sizeof(c->argv));
	c->oom |= line.oom;
	return 0;
}

static int restart(struct rp_command *c, const struct rp_gen *gen, const struct rp_restart_options *opts,
		   struct rp_error *err)
{
	const char *preload = getenv("LD_PRELOAD");
	char *shim RP_AUTOFREE =
		rp_strf("%s/libreprise-hydra.so%s%s", opts->pieces, preload ? ":" : "", preload ? preload : "");

	if (!shim)
		return rp_error(err, -ENOMEM, "out of memory");
	if (!gen->launch_argv[0])
		return rp_error(err, -EINVAL, "the snapshot does not say how its job was launched");
	rp_command_recorded_env(c, &rp_adapter_mpich, gen);
	if (!opts->proxy)
		rp_command_env(c, "LD_PRELOAD", shim);
	rp_command_arg(c, gen->launch_argv[0]);
	if (opts->hostfile) {
		rp_command_arg(c, "-f");
		rp_command_arg(c, opts->hostfile);
	}
	for (size_t i = 0; opts->extra && opts->extra[i]; i++)
		rp_command_arg(c, opts->extra[i]);
	copy_line(c, gen->launch_argv, opts->reprise, opts->extra, opts->hostfile != NULL);
	return c->oom ? rp_error(err, -ENOMEM, "out of memory") : 0;
}

const struct rp_adapter rp_adapter_mpich = {
	.name = "mpich",
	.is_launcher = is_launcher,
	.is_daemon = is_daemon,
	.keeps_env = keeps_env,
	.classify = classify,
	.run = run,
	.restart = restart,
};
