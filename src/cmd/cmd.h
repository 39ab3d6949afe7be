/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the verbs share. One file per verb, src/cmd/NAME.c, defines `int cmd_NAME(int argc, char **argv)`; argv[0] is the
 * verb and the return value the exit code. Options are read with argp; each verb's argp takes cmd_common as a child, which
 * gives -v, -q and --version. Only this directory prints or exits.
 */
#ifndef RP_CMD_CMD_H
#define RP_CMD_CMD_H

#include <argp.h>
#include <stdbool.h>

#include "util/error.h"
#include "util/log.h"

#define VERB(name, usage_exit, summary) int cmd_##name(int argc, char **argv);
#include "verbs.def"
#undef VERB

/* Exit codes of job verbs (design: wrappers use 124..127, CRIU's verbs 0 and 1). */
enum cmd_exit {
	CMD_DONE = 0,
	CMD_FAILED = 1,
	CMD_USAGE = 2,
	CMD_CANNOT_CARRY = 3,
	CMD_TIMED_OUT = 4,
	CMD_WRAP_TIMED_OUT = 124,
	CMD_WRAP_FAILED = 125,
	CMD_WRAP_CANNOT_EXEC = 126,
	CMD_WRAP_NOT_FOUND = 127,
};

/* -v (repeatable), -q, --version. Children of an argp: `static const struct argp_child children[] = { CMD_COMMON, {0} };`
 * The children see the verb's own options first, so -v may be taken by a verb that must be CRIU's. */
extern const struct argp cmd_common_argp;
#define CMD_COMMON \
	{ \
		&cmd_common_argp, 0, NULL, 0 \
	}

/* argp_parse() with "reprise VERB" as the program's name in help and errors. */
int cmd_parse(const struct argp *argp, int argc, char **argv, unsigned flags, int *index, void *input);

/* Prints "reprise VERB: TEXT" to stderr as one line and returns exit_code. */
int cmd_fail(int exit_code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int cmd_fail_error(int exit_code, const struct rp_error *err);

/* Exit code of a wrapper that could not run its program, from -errno. */
int cmd_wrap_exit(int rc);

/* Prints facts as JSON. Returns CMD_DONE, or CMD_FAILED with a line. */
struct json_object;
int cmd_print_json(struct json_object *o);

/* Prints words that may hold anything on one line: what is unprintable as '?'. */
void cmd_print_line(const char *text);

/* Was -q given? Facts that were not asked for (progress, notes) are then left out. */
bool cmd_is_quiet(void);

/* On a terminal, and without -q, a line that shows what is being done from the second second on, how far the returned
 * count is (NULL: nobody looks), and that goes away at the stop. One at a time; no fork between start and stop. */
struct rp_count *cmd_progress_start(const char *what);
void cmd_progress_say(const char *what);
void cmd_progress_stop(void);

/* The same without a thread, for a loop that comes by about ten times a second and for programs that fork. The line goes
 * away at cmd_wait_done(). arg is not used. */
void cmd_wait_tick(void *arg, const char *what);
void cmd_wait_done(void);

/* Used by main. */
void cmd_set_verb(const char *verb);
void cmd_log_level(int change);

#endif
