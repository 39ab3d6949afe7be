/* SPDX-License-Identifier: BSD-3-Clause */
#include "cmd.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "util/json.h"
#include "util/str.h"

/* The program's own name in messages and how much it says: both belong to the log sink. */
static const char *verb_name = "reprise";
static int log_level = RP_LOG_WARNING;

static void sink(enum rp_log_level level, const char *line, void *arg)
{
	fprintf(stderr, level == RP_LOG_WARNING ? "%s: warning: %s\n" : "%s: %s\n", verb_name, line);
}

void cmd_log_level(int change)
{
	log_level += change;
	if (log_level < RP_LOG_QUIET)
		log_level = RP_LOG_QUIET;
	if (log_level > RP_LOG_DEBUG)
		log_level = RP_LOG_DEBUG;
	rp_log_set(log_level, sink, NULL);
}

bool cmd_is_quiet(void)
{
	return log_level == RP_LOG_QUIET;
}

void cmd_set_verb(const char *verb)
{
	static char name[64];

	snprintf(name, sizeof(name), "reprise %s", verb);
	verb_name = name;
}

int cmd_fail(int exit_code, const char *fmt, ...)
{
	struct rp_error err;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err.text, sizeof(err.text), fmt, ap);
	va_end(ap);
	return cmd_fail_error(exit_code, &err);
}

int cmd_fail_error(int exit_code, const struct rp_error *err)
{
	fprintf(stderr, "%s: %s\n", verb_name, err->text);
	return exit_code;
}

int cmd_wrap_exit(int rc)
{
	switch (-rc) {
	case ENOENT:
		return CMD_WRAP_NOT_FOUND;
	case EACCES:
	case ENOEXEC:
	case ELOOP:
		return CMD_WRAP_CANNOT_EXEC;
	default:
		return CMD_WRAP_FAILED;
	}
}

int cmd_print_json(struct json_object *o)
{
	int rc = rp_json_print(STDOUT_FILENO, o);

	return rc ? cmd_fail(CMD_FAILED, "standard output: %s", strerror(-rc)) : CMD_DONE;
}

void cmd_print_line(const char *text)
{
	for (; *text; text++)
		putchar(iscntrl((unsigned char)*text) ? '?' : *text);
}

static error_t common_option(int key, char *arg, struct argp_state *state)
{
	int64_t level = 1;

	switch (key) {
	case 'v': /* -v, -vv, and CRIU's -v4 */
		if (arg && arg[strspn(arg, "v")] && rp_parse_i64(arg, 10, 0, 9, &level))
			argp_error(state, "'%s' is no amount of words", arg);
		if (arg && *arg != 'v')
			cmd_log_level(-RP_LOG_DEBUG);
		cmd_log_level(!arg ? 1 : *arg == 'v' ? 1 + (int)strlen(arg) : level ? (int)level - 1 : 0);
		return 0;
	case 'q':
		cmd_log_level(-RP_LOG_DEBUG);
		return 0;
	case 'V':
		puts("reprise " RP_VERSION);
		exit(0);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option common_options[] = {
	{ "verbose", 'v', "LEVEL", OPTION_ARG_OPTIONAL,
	  "Say more; twice for debug lines; LEVEL as CRIU has it: 1 errors to 4 debug lines", -2 },
	{ "quiet", 'q', NULL, 0, "Errors only", -2 },
	{ "version", 'V', NULL, 0, "Print the version", -1 },
	{ 0 }
};

const struct argp cmd_common_argp = { common_options, common_option, NULL, NULL, NULL, NULL, NULL };

int cmd_parse(const struct argp *argp, int argc, char **argv, unsigned flags, int *index, void *input)
{
	char *verb = argv[0];
	int r;

	argv[0] = (char *)verb_name;
	r = argp_parse(argp, argc, argv, flags, index, input);
	argv[0] = verb;
	return r;
}
