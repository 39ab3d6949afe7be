/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Facts about other processes that a job needs, from /proc: start time, parent, executable, command line, environment.
 */
#ifndef RP_JOB_PROCESS_H
#define RP_JOB_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Clock ticks since boot at which the process started: with the pid it names a process. 0 or -errno. */
int rp_process_start(pid_t pid, uint64_t *ticks);
int rp_process_parent(pid_t pid, pid_t *parent);
/* Name of the executable without directory ("(deleted)" removed). 0 or -errno. */
int rp_process_exe_name(pid_t pid, char *buf, size_t size);
/* `exe` or `cwd` of the process: new string, NULL when it cannot be read. */
char *rp_process_link(pid_t pid, const char *what);
/* /proc/PID/`what` (cmdline, environ) as a NULL-terminated vector (rp_strv_free()); NULL when it cannot be read. */
char **rp_process_strings(pid_t pid, const char *what);

/* Who has process or thread id `id`? Fills text ("12 is taken by sleep, child of 3") and returns true; false: it is free.
 * *zombie (may be NULL): the holder has ended and waits for its parent. */
bool rp_process_holder(pid_t id, bool *zombie, char *text, size_t size);

#endif
