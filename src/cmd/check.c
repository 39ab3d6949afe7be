/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `reprise check [-- PROGRAM]`: what this kernel and this user can do; with PROGRAM, which of its MPI functions make things
 * that a checkpoint cannot carry yet.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "abi/mpi_functions.h"
#include "cmd.h"
#include "host/kernel.h"
#include "job/adapter.h"
#include "mpi_imports.h"
#include "rank_program.h"
#include "util/array.h"
#include "util/json.h"
#include "util/pieces.h"

struct options {
	char **program;
	bool json;
};

static const struct argp_option option_list[] = {
	{ "json", 'j', NULL, 0, "Print the facts as JSON", 0 },
	{ 0 },
};

struct fact {
	const char *name, *without; /* what does not work without it */
	bool there, needed;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARGS:
		o->program = state->argv + state->next;
		state->next = state->argc;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static bool has_piece(const char *name)
{
	char path[PATH_MAX];

	return rp_piece_find(name, path, sizeof(path), NULL) == 0;
}

static size_t collect(struct fact *f)
{
	const struct rp_kernel *k = rp_kernel();
	char exe[NAME_MAX + 1];
	size_t n = 0;

	f[n++] = (struct fact){ "clone3", "no restore", k->clone3, true };
	f[n++] = (struct fact){ "pidfd_getfd", "no dump", k->pidfd_getfd, true };
	f[n++] = (struct fact){ "checkpoint_restore", "exact ids need CAP_CHECKPOINT_RESTORE; --pid any works",
				k->cap_checkpoint_restore, false };
	f[n++] = (struct fact){ "fsgsbase", "no ranks of MPI jobs", k->fsgsbase, true };
	f[n++] = (struct fact){ "membarrier", "no ranks of MPI jobs", k->membarrier_private, true };
	f[n++] = (struct fact){ "ptrace_rseq", "no dump of programs with a recent libc", k->ptrace_rseq, true };
	f[n++] = (struct fact){ "pagemap_scan", "dumps read more than they have to", k->pagemap_scan, false };
	f[n++] =
		(struct fact){ "timer_ids", "no restore of POSIX timers under their ids", k->timer_restore_ids, false };
	f[n++] =
		(struct fact){ "pidfd_exit", "a proxy cannot report how its process ended", k->pidfd_exit_info, false };
	f[n++] = (struct fact){ "restorer", "reprise-restorer is not installed", has_piece("reprise-restorer"), true };
	f[n++] = (struct fact){ "rank_pieces", "reprise-boot, reprise-lower or libmpi.so.40 is not installed",
				has_piece("reprise-boot") && has_piece("reprise-lower") && has_piece("libmpi.so.40"),
				false };
	f[n++] = (struct fact){ "openmpi", "no mpirun of Open MPI, or no component for it",
				has_piece("mca_odls_reprise.so") && !rp_adapter_resolve("mpirun", exe, sizeof(exe)) &&
					rp_adapter_of_exe(exe) == &rp_adapter_openmpi,
				false };
	f[n++] = (struct fact){ "mpich", "no mpiexec.hydra", !rp_adapter_resolve("mpiexec.hydra", exe, sizeof(exe)),
				false };
	return n;
}

static int check_host(bool json)
{
	struct json_object *o RP_AUTOJSON = json_object_new_object();
	struct fact facts[16];
	size_t n = collect(facts);
	int rc = CMD_DONE;

	for (size_t i = 0; i < n; i++) {
		const struct fact *f = &facts[i];

		if (f->needed && !f->there)
			rc = CMD_FAILED;
		if (json)
			json_object_object_add(o, f->name, json_object_new_boolean(f->there));
		else if (!f->there)
			printf("%-20s missing: %s\n", f->name, f->without);
		else if (rp_log_wants(RP_LOG_INFO))
			printf("%-20s there\n", f->name);
	}
	if (json)
		(void)cmd_print_json(o);
	else
		puts(rc ? "Reprise cannot work here" : "Looks good.");
	return rc;
}

static void print_program(const struct mpi_imports *m, const char *path)
{
	printf("%s: %zu MPI functions, %zu of them not carried yet\n", path, m->used, m->later);
	for (size_t i = 0; rp_mpi_functions[i].name; i++)
		if (m->is_used[i] && !rp_mpi_functions[i].carried)
			printf("%-32s %s\n", rp_mpi_functions[i].name, rp_mpi_functions[i].refusal);
}

static void print_program_json(const struct mpi_imports *m, const char *path)
{
	struct json_object *o RP_AUTOJSON = json_object_new_object(), *later = json_object_new_array();

	rp_json_set_str(o, "program", path);
	rp_json_set_i64(o, "used", (int64_t)m->used);
	for (size_t i = 0; rp_mpi_functions[i].name; i++)
		if (m->is_used[i] && !rp_mpi_functions[i].carried)
			json_object_array_add(later, json_object_new_string(rp_mpi_functions[i].name));
	json_object_object_add(o, "not_carried", later);
	(void)cmd_print_json(o);
}

static int check_program(const struct options *o)
{
	struct rank_program program;
	struct mpi_imports m;
	struct rp_error err = { "" };
	int rc = rank_program_find(&program, o->program, NULL, &err);

	if (rc)
		return cmd_fail_error(rc == -ENOTSUP || rc == -ENOEXEC ? CMD_CANNOT_CARRY : CMD_FAILED, &err);
	rc = mpi_imports_read(&m, program.path, &err);
	if (!rc && o->json)
		print_program_json(&m, program.path);
	else if (!rc)
		print_program(&m, program.path);
	if (!rc)
		mpi_imports_done(&m);
	rank_program_done(&program);
	return rc ? cmd_fail_error(CMD_FAILED, &err) : CMD_DONE;
}

int cmd_check(int argc, char **argv)
{
	static const struct argp_child children[] = { CMD_COMMON, { 0 } };
	static const struct argp argp = {
		option_list,
		parse,
		"[-- PROGRAM]",
		"Say whether Reprise can work here; with PROGRAM, which of its MPI functions make things that "
		"a checkpoint cannot carry yet. Nothing is run.",
		children,
		NULL,
		NULL
	};
	struct options o = { 0 };

	cmd_parse(&argp, argc, argv, 0, NULL, &o);
	return o.program ? check_program(&o) : check_host(o.json);
}
