/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The program: a table of verbs and nothing else.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "config.h"
#include "util/array.h"

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	int usage_exit;
	const char *summary;
} verbs[] = {
#define VERB(name, usage_exit, summary) { #name, cmd_##name, usage_exit, summary },
#include "verbs.def"
#undef VERB
};

static void usage(FILE *out)
{
	size_t i;

	fputs("Usage: reprise VERB [OPTION...]\n"
	      "Checkpoint and restart of MPI jobs and processes.\n\n",
	      out);
	for (i = 0; i < RP_COUNT(verbs); i++)
		fprintf(out, "  %-12s%s\n", verbs[i].name, verbs[i].summary);
	fputs("\n`reprise VERB --help` lists the verb's options.\n", out);
}

int main(int argc, char **argv)
{
	size_t i;
	int rc;

	cmd_log_level(0);
	while (argc > 1 && (!strcmp(argv[1], "-v") || !strcmp(argv[1], "--verbose") || !strcmp(argv[1], "-q") ||
			    !strcmp(argv[1], "--quiet"))) {
		cmd_log_level(strchr("v", argv[1][strspn(argv[1], "-")]) ? 1 : -RP_LOG_DEBUG);
		argv++;
		argc--;
	}
	if (argc < 2) {
		usage(stderr);
		return CMD_USAGE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("reprise " RP_VERSION);
		return CMD_DONE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "-?") ||
	    !strcmp(argv[1], "help")) {
		usage(stdout);
		return CMD_DONE;
	}
	for (i = 0; i < RP_COUNT(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name))
			continue;
		cmd_set_verb(verbs[i].name);
		argp_err_exit_status = verbs[i].usage_exit;
		rc = verbs[i].run(argc - 1, argv + 1);
		/* What was asked for has not been told: a full disk behind >. */
		if (rc == CMD_DONE && fflush(stdout))
			rc = cmd_fail(CMD_FAILED, "standard output: %s", strerror(errno));
		return rc;
	}
	fprintf(stderr, "reprise: there is no verb '%s'; `reprise --help` lists them\n", argv[1]);
	return CMD_USAGE;
}
