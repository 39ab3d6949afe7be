/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which pid a rank wants: the file `pids` of the generation that REPRISE_RESTART names, lines "RANK PID". Small and
 * without libraries: it lives inside other people's launchers.
 */
#ifndef RP_JOB_LAUNCHER_WANTED_H
#define RP_JOB_LAUNCHER_WANTED_H

#include <stdbool.h>
#include <stddef.h>

#include "job/launcher/pid-report.h"

struct rp_wanted {
	int pid;	    /* 0: any */
	bool prefer;	    /* any will do when that one is taken */
	char program[4096]; /* reprise-pid */
};

/* Fills *out for a rank from REPRISE_RESTART and REPRISE_PID (exact, prefer, any) of this process's environment. The
 * program is `reprise-pid` in $REPRISE_LIBEXECDIR, else beside the object that contains this code.
 * Returns 0 (pid 0: start it the ordinary way), or -errno with text[size]. */
int rp_wanted_find(long rank, struct rp_wanted *out, char *text, size_t size);

/* Argument vector for execv(out->program, ...): reprise-pid in front of `path` and `argv`. malloc'ed array whose strings
 * are borrowed, and numbers[2][12] as scratch that must live as long. NULL: no memory. */
char **rp_wanted_argv(const struct rp_wanted *wanted, int fd, char numbers[2][12], const char *path, char *const *argv);

/* Reads one report from socket fd. Returns 1 and *out, 0 at end of file, or -errno. */
int rp_wanted_read(int fd, struct rp_pid_report *out);

#endif
