/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The part of the split process that lives in the stub library: registered threads, signal handlers that find the right
 * FS, exec that stays under Reprise. Private to this directory; switch.h is what the rest of the stub uses.
 */
#ifndef RP_SPLIT_UPPER_H
#define RP_SPLIT_UPPER_H

#include "abi/ctl.h"
#include "abi/split.h"
#include "split/switch.h"

#define RP_PUBLIC __attribute__((visibility("default")))

/* The stub was loaded by a program that is no rank: everything passes through, MPI calls end with one line. */
extern RP_HIDDEN int rp_outside;

/* One line on stderr and _exit(125). Any FS. */
RP_HIDDEN void rp_upper_die(const char *text) __attribute__((noreturn));

/* "reprise: SUBJECT TEXT" on stderr. Any FS. */
RP_HIDDEN void rp_upper_say(const char *subject, const char *text);

/* Is this process to print the line `what` (enum rp_told of abi/ctl.h)? One of the job is; without an agent the first rank. */
RP_HIDDEN int rp_upper_tells(uint32_t what);

RP_HIDDEN void rp_threads_init(void);
RP_HIDDEN void rp_signals_init(void);
RP_HIDDEN void rp_jump_init(void);
/* Remembers the program; called once, before its main(). */
RP_HIDDEN void rp_exe_init(void);
/* The program when path names the process's exe link, else path. */
RP_HIDDEN const char *rp_exe_path(const char *path);
/* The same where the kernel's link does not lead to the program, else path. */
RP_HIDDEN const char *rp_exe_seen(const char *path);

/* The environment as the application found it; called once, before its main(). */
RP_HIDDEN void rp_env_init(void);
/* Launcher variables of a new incarnation; ordinary code on the upper FS. */
RP_HIDDEN void rp_env_refresh(void);
/* In a forked child: nothing of the rank is its own. */
RP_HIDDEN void rp_threads_fork_child(void);

/* The stub's answer to the lower half (src/mpi); absent in a stub without MPI. */
extern RP_HIDDEN struct rp_stub_ops rp_stub_ops __attribute__((weak));

static inline const struct rp_launch *rp_launch(void)
{
	return (const struct rp_launch *)rp_arena()->launch;
}

#endif
