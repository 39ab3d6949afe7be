/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `reprise restart [SNAPSHOT]`: execs the launcher of a snapshot so that every rank becomes what it was. Everything that
 * the manifest can tell is checked before.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "host/kernel.h"
#include "job/adapter.h"
#include "job/pid-cursor.h"
#include "job/process.h"
#include "restart_check.h"
#include "restart_stdin.h"
#include "snapshot.h"
#include "util/fd.h"
#include "util/json.h"
#include "util/pieces.h"
#include "util/str.h"

#define WAIT_FOR_IDS_MS 5000

struct options {
	struct snapshot_options snapshot;
	const char *hostfile, *stdin_path, *pid;
	char **env; /* of --env, NULL-terminated */
	size_t nenv;
	char **extra; /* borrowed */
	bool info, showme, keep_output, proxy;
};

enum { OPT_HOSTFILE = 256, OPT_PID, OPT_STDIN, OPT_ENV, OPT_INFO, OPT_SHOWME, OPT_KEEP_OUTPUT, OPT_PROXY };

static const struct argp_option option_list[] = {
	{ "hostfile", OPT_HOSTFILE, "FILE", 0, "Hosts for the new job, instead of the recorded mapping", 0 },
	{ "pid", OPT_PID, "exact|prefer|any", 0,
	  "Process ids: as they were (default), where they are free, or new ones", 0 },
	{ "stdin", OPT_STDIN, "FILE", 0,
	  "Standard input of the job, behind what it had not read yet (default: /dev/null)", 0 },
	{ "env", OPT_ENV, "NAME=VALUE", 0, "Set a variable of the launcher; may be repeated", 0 },
	{ "keep-output", OPT_KEEP_OUTPUT, NULL, 0,
	  "Leave files that were open for append and have grown since at their length (default: cut to their recorded "
	  "size)",
	  0 },
	{ "proxy", OPT_PROXY, NULL, 0,
	  "Load nothing into the launcher: each rank comes back beside the process that the launcher started, which "
	  "waits and passes "
	  "signals and the exit status on",
	  0 },
	{ "info", OPT_INFO, NULL, 0,
	  "Print how the recorded launcher line is understood (with --json as JSON), and start nothing", 0 },
	{ "showme", OPT_SHOWME, NULL, 0, "Print the command that would be run (with --json as JSON), and start nothing",
	  0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[1] = &o->snapshot;
		return 0;
	case OPT_HOSTFILE:
		o->hostfile = arg;
		return 0;
	case OPT_PID:
		if (!rp_streq(arg, "exact") && !rp_streq(arg, "prefer") && !rp_streq(arg, "any"))
			argp_error(state, "--pid is exact, prefer or any");
		o->pid = arg;
		return 0;
	case OPT_STDIN:
		o->stdin_path = arg;
		return 0;
	case OPT_ENV:
		if (!strchr(arg, '=') || *arg == '=')
			argp_error(state, "--env takes NAME=VALUE");
		o->env = realloc(o->env, (o->nenv + 1) * sizeof(*o->env));
		if (!o->env)
			return ENOMEM;
		o->env[o->nenv++] = arg;
		return 0;
	case OPT_KEEP_OUTPUT:
		o->keep_output = true;
		return 0;
	case OPT_PROXY:
		o->proxy = true;
		return 0;
	case OPT_INFO:
		o->info = true;
		return 0;
	case OPT_SHOWME:
		o->showme = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static int read_number(const char *path)
{
	char *text RP_AUTOFREE = NULL;

	return rp_read_file_at(AT_FDCWD, path, 64, &text, NULL) ? -1 : atoi(text);
}

/* Ids of the image must not be taken by the launcher and its threads. */
static void move_pid_cursor(const struct rp_gen *gen)
{
	static const char path[] = "/proc/sys/kernel/ns_last_pid";
	int now = read_number(path), pid_max = read_number("/proc/sys/kernel/pid_max"), cursor = -1, rc;
	struct rp_id_range *ranges RP_AUTOFREE = calloc(gen->nranks + 1, sizeof(*ranges));
	int fd RP_AUTOCLOSE = -1;
	char number[16];

	for (size_t i = 0; ranges && i < gen->nranks; i++)
		ranges[i] = (struct rp_id_range){ gen->ranks[i].pid, gen->ranks[i].max_id };
	if (ranges && now >= 0 && pid_max > 0)
		cursor = rp_pid_cursor(ranges, gen->nranks, now, pid_max);
	if (cursor < 0)
		return;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	snprintf(number, sizeof(number), "%d", cursor);
	rc = fd < 0 ? -errno : rp_write_all(fd, number, strlen(number));
	if (rc)
		rp_info("cannot move the pid cursor to %d: %s", cursor, strerror(-rc));
}

/* The processes of the killed job may just be going away: they are waited for, then named. */
static int wait_for_ids(const struct restart_ids *ids, struct rp_error *err)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	char text[256];

	for (int tries = 0;; tries++) {
		bool taken = false;

		for (size_t i = 0; i < ids->count && !taken; i++)
			taken = rp_process_holder(ids->items[i], NULL, text, sizeof(text));
		if (!taken || tries * 20 >= WAIT_FOR_IDS_MS) {
			cmd_wait_done();
			return !taken ? 0 : rp_error(err, -EEXIST, "%s; end it, or use --pid prefer or any", text);
		}
		cmd_wait_tick(NULL, text);
		nanosleep(&pause, NULL);
	}
}

/* program: the one that asks for the ids; it may have the right by its file. */
static int check_rights(const char *program, struct rp_error *err)
{
	if (rp_kernel()->cap_checkpoint_restore || getxattr(program, "security.capability", NULL, 0) > 0)
		return 0;
	return rp_error(err, -EPERM,
			"process ids as they were need CAP_CHECKPOINT_RESTORE, which is missing; use --pid prefer or "
			"any");
}

static int set_stdin(const struct rp_store *s, const struct rp_gen *gen, const char *path, struct rp_error *err)
{
	char *images RP_AUTOFREE = rp_store_rank_path(s, gen->seq, 0);

	return images ? restart_stdin(images, path, err) : rp_error(err, -ENOMEM, "out of memory");
}

static const char *class_name(enum rp_option_class class)
{
	static const char *const names[] = { "program", "mapping", "environment", "i-o", "not kept" };

	return names[class];
}

static void add_words(struct json_object *list, const char *class, char *const *words, size_t n)
{
	struct json_object *o = json_object_new_object(), *array = json_object_new_array();

	rp_json_set_str(o, "class", class);
	for (size_t i = 0; i < n; i++)
		json_object_array_add(array, json_object_new_string(words[i]));
	json_object_object_add(o, "words", array);
	json_object_array_add(list, o);
}

static int print_info(const struct rp_gen *gen, const struct rp_adapter *adapter, bool json)
{
	struct json_object *list RP_AUTOJSON = json_object_new_array();
	char **argv = gen->launch_argv;
	bool in_program = false;

	if (json)
		add_words(list, "launcher", argv, argv[0] != NULL);
	else
		printf("launcher     %s (%s)\n", argv[0] ? argv[0] : "none", adapter->name);
	for (size_t i = 1, words; argv[0] && argv[i]; i += words) {
		enum rp_option_class class = adapter->classify(argv, i, &words);

		if (rp_streq(argv[i], ":"))
			in_program = false;
		else
			in_program |= class == RP_OPT_PROGRAM;
		if (in_program) {
			class = RP_OPT_PROGRAM;
			words = 1;
		}
		if (json) {
			add_words(list, class_name(class), argv + i, words);
			continue;
		}
		printf("%-12s", class_name(class));
		for (size_t w = 0; w < words; w++)
			printf(" %s", argv[i + w]);
		printf("\n");
	}
	for (size_t i = 0; gen->launch_env[i]; i++) {
		if (json)
			add_words(list, "environment", &gen->launch_env[i], 1);
		else
			printf("environment  %s\n", gen->launch_env[i]);
	}
	return json ? cmd_print_json(list) : CMD_DONE;
}

static void print_quoted(const char *word)
{
	if (word[0] &&
	    !word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+:,./@%")]) {
		fputs(word, stdout);
		return;
	}
	putchar('\'');
	for (; *word; word++)
		fputs(*word == '\'' ? "'\\''" : (char[]){ *word, 0 }, stdout);
	putchar('\'');
}

static int show_command_json(const struct rp_command *c, const char *cwd)
{
	struct json_object *o RP_AUTOJSON = json_object_new_object();
	struct json_object *env = json_object_new_array(), *argv = json_object_new_array();

	rp_json_set_str(o, "directory", cwd);
	for (size_t i = 0; i < c->env.count; i++)
		json_object_array_add(env, json_object_new_string(c->env.items[i]));
	for (size_t i = 0; i < c->argv.count; i++)
		json_object_array_add(argv, json_object_new_string(c->argv.items[i]));
	json_object_object_add(o, "environment", env);
	json_object_object_add(o, "command", argv);
	return cmd_print_json(o);
}

static int show_command(const struct rp_command *c, const char *cwd, bool json)
{
	if (json)
		return show_command_json(c, cwd);
	fputs("cd ", stdout);
	print_quoted(cwd);
	fputs(" &&", stdout);
	for (size_t i = 0; i < c->env.count; i++) {
		putchar(' ');
		print_quoted(c->env.items[i]);
	}
	for (size_t i = 0; i < c->argv.count; i++) {
		putchar(' ');
		print_quoted(c->argv.items[i]);
	}
	putchar('\n');
	return CMD_DONE;
}

/* Fills the command. Strings of ro live in s and gen. */
static int build(const struct options *o, const struct rp_store *s, const struct rp_gen *gen,
		 const struct rp_adapter *adapter, struct rp_command *c, struct rp_error *err)
{
	char self[PATH_MAX], piece[PATH_MAX], *generation RP_AUTOFREE = rp_strf("%s/%u", s->path, gen->seq);
	char *dir RP_AUTOFREE = strdup(s->path), *slash = dir ? strrchr(dir, '/') : NULL;
	struct rp_restart_options ro = { .generation = generation,
					 .reprise = self,
					 .pieces = piece,
					 .pid_policy = o->pid,
					 .hostfile = o->hostfile,
					 .extra = o->extra,
					 .proxy = o->proxy };
	int rc = rp_self_path(self, sizeof(self), err);

	if (!generation || !slash)
		return rp_error(err, -ENOMEM, "out of memory");
	if (!rc)
		rc = rp_piece_find("reprise-pid", piece, sizeof(piece), err);
	if (!rc && rp_streq(o->pid, "exact") && !o->showme)
		rc = check_rights(o->proxy || adapter == &rp_adapter_none ? self : piece, err);
	if (rc)
		return rc;
	*strrchr(piece, '/') = 0;
	*slash = 0;
	for (size_t i = 0; i < o->nenv; i++) {
		char *name RP_AUTOFREE = strndup(o->env[i], strcspn(o->env[i], "="));

		rp_command_env(c, name ? name : "", strchr(o->env[i], '=') + 1);
	}
	rp_command_env(c, "REPRISE_RESTART", generation);
	rp_command_env(c, "REPRISE_PID", o->pid);
	if (o->keep_output)
		rp_command_env(c, "REPRISE_KEEP_OUTPUT", "1");
	rp_command_env(c, "REPRISE_DIR", dir[0] ? dir : "/");
	rp_command_env(c, "REPRISE_NAME", slash + 1);
	rp_command_env(c, "PWD", gen->cwd);
	return adapter->restart(c, gen, &ro, err);
}

/* A manifest that names something else than the launcher of its job is not followed. Told by the name of the program alone:
 * whether a program of that name, and the manifest, may be trusted is for who restarts to know. */
static int check_launcher(const struct rp_gen *gen, const struct rp_adapter *adapter, struct rp_error *err)
{
	const char *command = gen->launch_argv[0];
	char exe[NAME_MAX + 1];
	int rc = command ? rp_adapter_resolve(command, exe, sizeof(exe)) : 0;

	if (!command)
		return 0;
	if (rc)
		return rp_error(err, rc, "%s: %s", command, rc == -ENOENT ? "command not found" : "not executable");
	if (rp_adapter_of_exe(exe) == adapter)
		return 0;
	return rp_error(err, -EINVAL, "%s (%s) is not the launcher that the job had (%s)", command, exe, adapter->name);
}

/* The launcher in this one's place. *exit_code as env(1) has it. */
static int run(const struct rp_gen *gen, const struct rp_adapter *adapter, const struct rp_command *c,
	       struct rp_error *err, int *exit_code)
{
	int rc = check_launcher(gen, adapter, err);

	if (!rc) {
		move_pid_cursor(gen);
		rc = rp_command_exec(c, err);
	}
	*exit_code = cmd_wrap_exit(rc);
	return rc;
}

/* What the job, if it is about to end, writes last is what to restart from: it is waited for first. */
static int find(const struct options *o, struct rp_store **s, const struct rp_gen **gen, struct rp_error *err)
{
	int rc = snapshot_find(&o->snapshot, s, gen, err);

	if (rc || o->info || o->showme)
		return rc;
	rc = snapshot_wait_for_writer((*s)->path, err);
	rp_store_free(*s);
	if (!rc)
		rc = snapshot_find(&o->snapshot, s, gen, err);
	if (rc)
		return rc;
	/* The newest of all may be another job's by now. */
	rc = snapshot_wait_for_writer((*s)->path, err);
	if (rc)
		rp_store_free(*s);
	return rc;
}

static int restart(const struct options *o, struct rp_error *err, int *exit_code)
{
	struct restart_ids ids = { 0 };
	struct rp_command c = { 0 };
	const struct rp_adapter *adapter;
	const struct rp_gen *gen;
	struct rp_store *s;
	int rc = find(o, &s, &gen, err);

	*exit_code = rc == -ENOENT ? CMD_WRAP_NOT_FOUND : CMD_WRAP_FAILED;
	if (rc)
		return rc;
	*exit_code = CMD_WRAP_FAILED;
	adapter = rp_adapter_by_name(gen->launcher);
	if (!adapter)
		rc = rp_error(err, -EINVAL,
			      "%s/%u: its job was started without a launcher that Reprise knows; restart a rank with "
			      "`reprise rank --restart`",
			      s->path, gen->seq);
	if (!rc && o->info) {
		*exit_code = print_info(gen, adapter, o->snapshot.json);
		goto out;
	}
	if (!rc)
		rc = restart_check(s, gen, &ids, err);
	if (!rc)
		rc = build(o, s, gen, adapter, &c, err);
	if (!rc && o->showme) {
		*exit_code = show_command(&c, gen->cwd, o->snapshot.json);
		goto out;
	}
	if (!rc && chdir(gen->cwd))
		rc = rp_error(err, -errno, "working directory %s: %s", gen->cwd, strerror(errno));
	if (!rc)
		rc = set_stdin(s, gen, o->stdin_path, err);
	if (!rc && rp_streq(o->pid, "exact"))
		rc = wait_for_ids(&ids, err);
	if (!rc)
		rc = run(gen, adapter, &c, err, exit_code);
out:
	rp_command_done(&c);
	rp_store_free(s);
	free(ids.items);
	return rc;
}

int cmd_restart(int argc, char **argv)
{
	static const struct argp_child children[] = { CMD_COMMON, { &snapshot_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		option_list,
		parse,
		"[SNAPSHOT] [-- LAUNCHER-OPTION...]",
		"Restart a job from a snapshot: runs its launcher again, and every rank becomes what it was.",
		children,
		NULL,
		NULL
	};
	struct options o = { .pid = "exact" };
	struct rp_error err = { "" };
	int exit_code = CMD_DONE, rc;

	/* Before the parser, which moves words about: what stands behind "--" is the launcher's. */
	for (int i = 1; i < argc; i++)
		if (rp_streq(argv[i], "--")) {
			o.extra = argv + i + 1;
			argv[i] = NULL;
			argc = i;
		}
	cmd_parse(&argp, argc, argv, 0, NULL, &o);
	rc = restart(&o, &err, &exit_code);
	free(o.env);
	if (!rc)
		return exit_code;
	return cmd_fail_error(exit_code, &err);
}
