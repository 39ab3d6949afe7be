/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A launcher of MPI jobs: how it is recognised, how Reprise gets in front of its ranks, and how its recorded command line
 * becomes that of a restart. One file and one table each; adapter.c has the one list. The launcher's own options are
 * classed, never interpreted:
 *   mapping      how many ranks and where: kept where the allocation is the same, dropped for a new one
 *   environment  -x, --mca, root switches: kept
 *   i-o          what happens to the ranks' output: kept
 *   program      everything from the first word that is no option
 */
#ifndef RP_JOB_ADAPTER_H
#define RP_JOB_ADAPTER_H

#include <stdbool.h>
#include <stddef.h>

#include "job/manifest.h"
#include "job/registry.h"
#include "util/error.h"

enum rp_option_class { RP_OPT_PROGRAM, RP_OPT_MAPPING, RP_OPT_ENVIRONMENT, RP_OPT_IO, RP_OPT_OTHER };

/* One option of a launcher: its name without dashes, how many words follow it, its class. */
struct rp_option {
	const char *name;
	unsigned char words;
	unsigned char class; /* enum rp_option_class */
};

/* A command line and settings of the environment under construction. Strings are owned. */
struct rp_command {
	struct {
		char **items;
		size_t count, room;
	} argv;
	struct {
		char **items;
		size_t count, room;
	} env; /* NAME=VALUE to set, NAME to unset */
	bool oom;
};

void rp_command_done(struct rp_command *c);
void rp_command_arg(struct rp_command *c, const char *arg);
void rp_command_env(struct rp_command *c, const char *name, const char *value); /* value NULL: unset */
/* Sets the environment and execs argv[0] (PATH is searched). Returns -errno with text. */
int rp_command_exec(const struct rp_command *c, struct rp_error *err);

struct rp_restart_options {
	const char *generation;	      /* DIR/NAME/<seq>, absolute */
	const char *store_dir, *name; /* DIR and NAME, so that the next checkpoint goes to the same place */
	const char *reprise;	      /* this program */
	const char *pieces;	      /* directory of the installed pieces */
	const char *pid_policy;	      /* "exact", "prefer", "any" */
	const char *hostfile;	      /* NULL: the recorded mapping */
	char *const *extra;	      /* more launcher options, NULL-terminated, may be NULL */
	bool proxy;		      /* the launcher is left alone: ranks arrange their pids themselves */
};

struct rp_adapter {
	const char *name;
	/* Is an executable of this name (no directory) the launcher that a user starts? the daemon that starts ranks? */
	bool (*is_launcher)(const char *exe);
	bool (*is_daemon)(const char *exe);
	/* Does NAME=VALUE of the launcher's environment belong to the recorded settings? */
	bool (*keeps_env)(const char *setting);
	/* Class of option argv[i]; *words: how many words it and its values take. */
	enum rp_option_class (*classify)(char *const *argv, size_t i, size_t *words);
	/* Does a launcher with this line work in the directory of its ranks, not in its own? May be NULL: no. */
	bool (*moves)(char *const *argv);
	/* What `reprise run` adds so that ranks start through `reprise rank`. c->argv is the user's line. */
	int (*run)(struct rp_command *c, const char *reprise, struct rp_error *err);
	/* The line of a restart. */
	int (*restart)(struct rp_command *c, const struct rp_gen *gen, const struct rp_restart_options *opts,
		       struct rp_error *err);
	/* In an agent, whose environment is that of a rank: fills job->space and job->session. May be NULL. */
	void (*note)(struct rp_job_info *job);
	/* After the last rank of this host, or for a job that died with its agent: removes what the launcher leaves behind
	 * when ranks or it were killed. May be NULL. */
	void (*sweep)(const struct rp_job_info *job);
};

/* For adapters: the class of argv[i] by a table, as rp_adapter.classify; "--name=value" is one word. */
enum rp_option_class rp_option_classify(const struct rp_option *table, size_t n, char *const *argv, size_t i,
					size_t *words);
/* Is it this option, with one dash or two, with or without "=value"? */
bool rp_option_is(const char *word, const char *name);
/* Does the user give this option of the recorded line anew? */
bool rp_option_is_given(char *const *extra, const char *option);
/* The recorded settings of the launcher's environment, where today's environment has none of its own. */
void rp_command_recorded_env(struct rp_command *c, const struct rp_adapter *adapter, const struct rp_gen *gen);

extern const struct rp_adapter rp_adapter_openmpi, rp_adapter_mpich, rp_adapter_none;

/* By the executable's name (launchers and daemons); by the manifest's name. NULL: none. */
const struct rp_adapter *rp_adapter_of_exe(const char *exe);
const struct rp_adapter *rp_adapter_by_name(const char *name);

/* What a command name runs in the end: PATH and links resolved, without directory. 0, -ENOENT, or -EACCES (a path
 * that cannot be executed). */
int rp_adapter_resolve(const char *command, char *exe, size_t size);

/* The launcher above a process: the nearest ancestor that is one; also its pid. NULL: none. */
const struct rp_adapter *rp_adapter_above(int pid, int *launcher_pid);

#endif
