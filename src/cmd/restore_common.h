/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What `restore` and `exec` share: reading option values, ending as the restored process ended.
 */
#ifndef RP_CMD_RESTORE_COMMON_H
#define RP_CMD_RESTORE_COMMON_H

#include <argp.h>

#include "engine/restore.h"

/* Each sets a member of opts from an option's argument, or ends the program through argp_error(). */
void cmd_opt_stdio(struct rp_restore_opts *opts, const char *arg, struct argp_state *state);
void cmd_opt_pid(struct rp_restore_opts *opts, const char *arg, struct argp_state *state);
void cmd_opt_validation(struct rp_restore_opts *opts, const char *arg, struct argp_state *state);
void cmd_opt_inherit_fd(struct rp_restore_opts *opts, const char *arg, struct argp_state *state);

/* The exit code for a status of wait(2). Death by a signal is repeated on this process, so that who waits for it sees the
 * same; returns 128 + signal where that is not possible. */
int cmd_end_like(int wstatus);

/* Waits beside a process that rp_restore_run() made and ends as it ends; failed: the exit code when that is not known. */
int cmd_stand_by(pid_t pid, int pidfd, bool is_child, int failed);

#endif
