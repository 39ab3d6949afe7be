/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The program that a rank is to run: found as execvp() finds it, followed through `#!` lines as the kernel follows them
 * (execve(2)), and looked at for what cannot be carried (a static MPI program, another MPI library). Reads ELF headers;
 * runs nothing.
 */
#ifndef RP_CMD_RANK_PROGRAM_H
#define RP_CMD_RANK_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

#include "util/error.h"

struct rank_program {
	char path[PATH_MAX];   /* ELF file to load */
	char execfn[PATH_MAX]; /* what execve would have been given: the script for a script */
	char **argv;	       /* NULL-terminated, interpreter and its argument included; owned */
	bool is_dynamic;       /* has an interpreter, so LD_PRELOAD works */
	char *run_path;	       /* DT_RUNPATH or DT_RPATH with $ORIGIN filled in, NULL: none that names it; owned */
	bool is_path_last;     /* it is a DT_RUNPATH, which comes behind LD_LIBRARY_PATH (ld.so(8)) */
};

/* argv: the command as given. argv0: NULL, or what the program is to see as argv[0]. On failure returns -errno with text:
 * -ENOENT not found, -ENOTSUP cannot be carried, others cannot be executed. */
int rank_program_find(struct rank_program *p, char **argv, const char *argv0, struct rp_error *err);
void rank_program_done(struct rank_program *p);

#endif
