/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Open MPI 4.1: mpirun (orterun) and orted. Ranks start through the fork agent, a program that mpirun puts in front of
 * every rank; exact pids come from our odls component (launcher/odls-reprise.c).
 */
#include <errno.h>
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "job/adapter.h"
#include "util/array.h"
#include "util/str.h"

/* Options with the words that follow them. Leading dashes are not part of the name: mpirun takes one or two. */
static const struct rp_option options[] = {
	{ "n", 1, RP_OPT_MAPPING },
	{ "np", 1, RP_OPT_MAPPING },
	{ "c", 1, RP_OPT_MAPPING },
	{ "N", 1, RP_OPT_MAPPING },
	{ "npernode", 1, RP_OPT_MAPPING },
	{ "npersocket", 1, RP_OPT_MAPPING },
	{ "pernode", 0, RP_OPT_MAPPING },
	{ "H", 1, RP_OPT_MAPPING },
	{ "host", 1, RP_OPT_MAPPING },
	{ "hostfile", 1, RP_OPT_MAPPING },
	{ "machinefile", 1, RP_OPT_MAPPING },
	{ "default-hostfile", 1, RP_OPT_MAPPING },
	{ "rf", 1, RP_OPT_MAPPING },
	{ "rankfile", 1, RP_OPT_MAPPING },
	{ "cf", 1, RP_OPT_MAPPING },
	{ "cartofile", 1, RP_OPT_MAPPING },
	{ "cpu-set", 1, RP_OPT_MAPPING },
	{ "cpu-list", 1, RP_OPT_MAPPING },
	{ "cpus-per-proc", 1, RP_OPT_MAPPING },
	{ "cpus-per-rank", 1, RP_OPT_MAPPING },
	{ "map-by", 1, RP_OPT_MAPPING },
	{ "rank-by", 1, RP_OPT_MAPPING },
	{ "bind-to", 1, RP_OPT_MAPPING },
	{ "bind-to-core", 0, RP_OPT_MAPPING },
	{ "bind-to-socket", 0, RP_OPT_MAPPING },
	{ "bycore", 0, RP_OPT_MAPPING },
	{ "bynode", 0, RP_OPT_MAPPING },
	{ "byslot", 0, RP_OPT_MAPPING },
	{ "ppr", 1, RP_OPT_MAPPING },
	{ "nolocal", 0, RP_OPT_MAPPING },
	{ "oversubscribe", 0, RP_OPT_MAPPING },
	{ "nooversubscribe", 0, RP_OPT_MAPPING },
	{ "use-hwthread-cpus", 0, RP_OPT_MAPPING },
	{ "max-vm-size", 1, RP_OPT_MAPPING },
	{ "mca", 2, RP_OPT_ENVIRONMENT },
	{ "gmca", 2, RP_OPT_ENVIRONMENT },
	{ "x", 1, RP_OPT_ENVIRONMENT },
	{ "am", 1, RP_OPT_ENVIRONMENT },
	{ "tune", 1, RP_OPT_ENVIRONMENT },
	{ "path", 1, RP_OPT_ENVIRONMENT },
	{ "prefix", 1, RP_OPT_ENVIRONMENT },
	{ "noprefix", 0, RP_OPT_ENVIRONMENT },
	{ "wd", 1, RP_OPT_ENVIRONMENT },
	{ "wdir", 1, RP_OPT_ENVIRONMENT },
	{ "allow-run-as-root", 0, RP_OPT_ENVIRONMENT },
	{ "personality", 1, RP_OPT_ENVIRONMENT },
	{ "launch-agent", 1, RP_OPT_ENVIRONMENT },
	{ "set-cwd-to-session-dir", 0, RP_OPT_ENVIRONMENT },
	{ "output-filename", 1, RP_OPT_IO },
	{ "tag-output", 0, RP_OPT_IO },
	{ "timestamp-output", 0, RP_OPT_IO },
	{ "merge-stderr-to-stdout", 0, RP_OPT_IO },
	{ "xml", 0, RP_OPT_IO },
	{ "xml-file", 1, RP_OPT_IO },
	{ "xterm", 1, RP_OPT_IO },
	{ "stdin", 1, RP_OPT_IO },
	{ "q", 0, RP_OPT_IO },
	{ "quiet", 0, RP_OPT_IO },
	{ "v", 0, RP_OPT_IO },
	{ "verbose", 0, RP_OPT_IO },
	{ "timeout", 1, RP_OPT_OTHER },
	{ "debugger", 1, RP_OPT_OTHER },
	{ "report-events", 1, RP_OPT_OTHER },
	{ "report-pid", 1, RP_OPT_OTHER },
	{ "report-uri", 1, RP_OPT_OTHER },
	{ "hnp", 1, RP_OPT_OTHER },
	{ "ompi-server", 1, RP_OPT_OTHER },
	{ "preload-files", 1, RP_OPT_OTHER },
	{ "app", 1, RP_OPT_PROGRAM },
	{ "max-restarts", 1, RP_OPT_OTHER },
};

/* MCA parameters that Reprise sets itself. */
static const char *const own_params[] = { "orte_fork_agent", "odls", "mca_base_component_path" };

static bool is_launcher(const char *exe)
{
	return rp_streq(exe, "orterun") || rp_streq(exe, "mpirun.openmpi") || rp_streq(exe, "mpiexec.openmpi") ||
	       rp_streq(exe, "prterun");
}

static bool is_daemon(const char *exe)
{
	return rp_streq(exe, "orted");
}

static bool is_own_param(const char *name, size_t len)
{
	for (size_t i = 0; i < RP_COUNT(own_params); i++)
		if (strlen(own_params[i]) == len && !strncmp(own_params[i], name, len))
			return true;
	return false;
}

static bool keeps_env(const char *setting)
{
	if (rp_str_has_prefix(setting, "OMPI_MCA_"))
		return !is_own_param(setting + 9, strcspn(setting + 9, "="));
	return rp_str_has_prefix(setting, "OMPI_ALLOW_RUN_AS_ROOT") || rp_str_has_prefix(setting, "PMIX_MCA_") ||
	       rp_str_has_prefix(setting, "OPAL_PREFIX=");
}

static enum rp_option_class classify(char *const *argv, size_t i, size_t *words)
{
	return rp_option_classify(options, RP_COUNT(options), argv, i, words);
}

/* mpirun goes to the directory of the last program that it starts, and stays there. */
static bool moves(char *const *argv)
{
	bool in_program = false;

	for (size_t i = 1, words; argv[i]; i += words) {
		in_program |= classify(argv, i, &words) == RP_OPT_PROGRAM && argv[i][0] != '-';
		if (rp_streq(argv[i], ":"))
			in_program = false;
		else if (!in_program &&
			 (rp_option_is(argv[i], "wd") || rp_option_is(argv[i], "wdir") ||
			  rp_option_is(argv[i], "app") || rp_option_is(argv[i], "set-cwd-to-session-dir")))
			return true;
		if (in_program)
			words = 1;
	}
	return false;
}

static int run(struct rp_command *c, const char *reprise, struct rp_error *err)
{
	char *agent RP_AUTOFREE = rp_strf("%s rank", reprise);

	if (!agent)
		return rp_error(err, -ENOMEM, "out of memory");
	if (strchr(reprise, ' ')) /* mpirun splits the value at blanks */
		return rp_error(err, -EINVAL, "%s: mpirun cannot start a program from a path with blanks", reprise);
	if (getenv("OMPI_MCA_orte_fork_agent"))
		return rp_error(err, -EEXIST, "OMPI_MCA_orte_fork_agent is set already; unset it");
	rp_command_env(c, "OMPI_MCA_orte_fork_agent", agent);
	return 0;
}

static bool is_count(const char *option)
{
	return rp_option_is(option, "n") || rp_option_is(option, "np") || rp_option_is(option, "c");
}

/* Does the user give this option anew? Those that may stand more than once add up. */
static bool is_given(char *const *extra, const char *option)
{
	if (is_count(option))
		return rp_option_is_given(extra, "-n") || rp_option_is_given(extra, "-np") ||
		       rp_option_is_given(extra, "-c");
	return !rp_option_is(option, "mca") && !rp_option_is(option, "gmca") && !rp_option_is(option, "x") &&
	       rp_option_is_given(extra, option);
}

/* Is this option left out of a restart's line? */
static bool is_dropped(enum rp_option_class class, char *const *argv, size_t i, size_t words, char *const *extra,
		       bool new_mapping)
{
	if (is_given(extra, argv[i]) || class == RP_OPT_OTHER)
		return true;
	if (class == RP_OPT_ENVIRONMENT && words == 3)
		return is_own_param(argv[i + 1], strlen(argv[i + 1]));
	return class == RP_OPT_MAPPING && new_mapping && !is_count(argv[i]);
}

/* Copies the recorded line without what is dropped; a line that leaves the number of ranks to mpirun gets it. */
static void copy_line(struct rp_command *c, const struct rp_gen *gen, char *const *extra, bool new_mapping)
{
	char **argv = gen->launch_argv, number[16];
	bool in_program = false, counted = is_given(extra, "-n"), several = false;

	for (size_t i = 1; argv[i]; i++)
		several |= rp_streq(argv[i], ":");
	snprintf(number, sizeof(number), "%d", gen->np);
	for (size_t i = 1, words; argv[i]; i += words) {
		enum rp_option_class class = classify(argv, i, &words);

		if (rp_streq(argv[i], ":")) {
			in_program = false;
		} else if (!in_program && class == RP_OPT_PROGRAM && argv[i][0] != '-') {
			if (!counted && !several) {
				rp_command_arg(c, "-n");
				rp_command_arg(c, number);
			}
			in_program = true;
		} else if (!in_program && is_dropped(class, argv, i, words, extra, new_mapping)) {
			continue;
		}
		if (in_program)
			words = 1;
		else
			counted |= class == RP_OPT_MAPPING && is_count(argv[i]);
		for (size_t w = 0; w < words; w++)
			rp_command_arg(c, argv[i + w]);
	}
}

static int component_path(struct rp_command *c, const char *pieces)
{
	const char *home = getenv("HOME");
	char *own RP_AUTOFREE = rp_strf("%s/.openmpi/components", home ? home : "");
	/* Open MPI fails when its word for the user's directory stands for one that is not there. */
	bool has_own = own && home && access(own, F_OK) == 0;
	char *path RP_AUTOFREE = rp_strf("SYS_DEFAULT:%s%s", has_own ? "USER_DEFAULT:" : "", pieces);

	if (!path)
		return -ENOMEM;
	rp_command_arg(c, "--mca");
	rp_command_arg(c, "mca_base_component_path");
	rp_command_arg(c, path);
	rp_command_arg(c, "--mca");
	rp_command_arg(c, "odls");
	rp_command_arg(c, "reprise");
	return 0;
}

static int restart(struct rp_command *c, const struct rp_gen *gen, const struct rp_restart_options *opts,
		   struct rp_error *err)
{
	bool new_mapping = opts->hostfile != NULL || (getenv("SLURM_JOB_ID") != NULL);
	int rc = run(c, opts->reprise, err);

	if (rc)
		return rc;
	if (!gen->launch_argv[0])
		return rp_error(err, -EINVAL, "the snapshot does not say how its job was launched");
	rp_command_recorded_env(c, &rp_adapter_openmpi, gen);
	rp_command_arg(c, gen->launch_argv[0]);
	if (!opts->proxy && component_path(c, opts->pieces))
		return rp_error(err, -ENOMEM, "out of memory");
	if (opts->hostfile) {
		rp_command_arg(c, "--hostfile");
		rp_command_arg(c, opts->hostfile);
	}
	for (size_t i = 0; opts->extra && opts->extra[i]; i++)
		rp_command_arg(c, opts->extra[i]);
	copy_line(c, gen, opts->extra, new_mapping);
	return c->oom ? rp_error(err, -ENOMEM, "out of memory") : 0;
}

/* Removes a tree of small files below our own session directory; links are not followed. */
static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)remove(path);
	return 0;
}

static void note(struct rp_job_info *job)
{
	const char *space = getenv("PMIX_NAMESPACE"), *session = getenv("OMPI_MCA_orte_jobfam_session_dir");

	job->space = space ? strdup(space) : NULL;
	job->session = session ? strdup(session) : NULL;
}

/* Is it the session directory of that launcher, and not what somebody has written into its place? */
static bool is_session(const struct rp_job_info *job)
{
	char *name RP_AUTOFREE = rp_strf("/pid.%d", job->launcher_pid);
	size_t len = job->session ? strlen(job->session) : 0;

	return name && len > strlen(name) && job->session[0] == '/' && strstr(job->session, "/ompi.") &&
	       !strstr(job->session, "/..") && rp_streq(job->session + len - strlen(name), name);
}

/* Shared memory carries the job's number, the session directory the launcher's pid. Neither is in use: all ranks have
 * ended, and the directory goes only when its launcher has, too. */
static void sweep(const struct rp_job_info *job)
{
	char pattern[128];
	int64_t number;
	glob_t found;

	if (job->space && !rp_parse_i64(job->space, 10, 1, UINT32_MAX, &number)) {
		snprintf(pattern, sizeof(pattern), "/dev/shm/vader_segment.*.%u.%llx.*", (unsigned)geteuid(),
			 (unsigned long long)number);
		if (!glob(pattern, GLOB_NOSORT, NULL, &found)) {
			for (size_t i = 0; i < found.gl_pathc; i++)
				(void)unlink(found.gl_pathv[i]);
			globfree(&found);
		}
	}
	if (rp_registry_launcher_gone(job) && is_session(job))
		(void)nftw(job->session, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

const struct rp_adapter rp_adapter_openmpi = {
	.name = "openmpi",
	.is_launcher = is_launcher,
	.is_daemon = is_daemon,
	.keeps_env = keeps_env,
	.classify = classify,
	.moves = moves,
	.run = run,
	.restart = restart,
	.note = note,
	.sweep = sweep,
};
