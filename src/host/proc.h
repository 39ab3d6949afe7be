/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Small files of /proc/PID: status, stat, limits, the task list, fdinfo. Parsers take text, so that they can be tested;
 * readers take a pid. See proc_pid_status(5), proc_pid_stat(5), proc_pid_limits(5), proc_pid_fdinfo(5).
 */
#ifndef RP_HOST_PROC_H
#define RP_HOST_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "util/error.h"

#define RP_GROUPS_MAX 65536

struct rp_proc_status {
	char name[64];
	char state; /* R S D T t Z X */
	uint32_t umask;
	int32_t tgid, pid, ppid, tracer_pid;
	uint32_t uid, euid, suid, fsuid;
	uint32_t gid, egid, sgid, fsgid;
	uint32_t *groups; /* ngroups of them; free by rp_proc_status_done() */
	size_t ngroups;
	uint32_t nspid_levels; /* pid namespaces: 1 when not nested below the reader's */
	int32_t nspid;	       /* id in the innermost namespace */
	uint32_t threads;
	uint64_t sig_pending, shared_pending, sig_blocked, sig_ignored, sig_caught; /* bit n-1: signal n */
	uint64_t cap_inh, cap_prm, cap_eff, cap_bnd, cap_amb;
	uint32_t no_new_privs, seccomp, seccomp_filters;
	uint64_t vm_rss, vm_locked; /* bytes */
};

int rp_proc_status_parse(const char *text, struct rp_proc_status *out, struct rp_error *err);
int rp_proc_status_read(pid_t pid, pid_t tid, struct rp_proc_status *out, struct rp_error *err);
void rp_proc_status_done(struct rp_proc_status *s);

struct rp_proc_stat {
	int32_t pid;
	char comm[64];
	char state;
	int32_t ppid, pgid, sid, tty_nr, tpgid;
	uint32_t flags; /* PF_* */
	int32_t priority, nice;
	uint32_t threads;
	uint64_t starttime;			    /* clock ticks since boot */
	uint64_t start_code, end_code, start_stack; /* 0 without permission to trace */
	uint32_t exit_signal, rt_priority, policy;
	uint64_t start_data, end_data, start_brk, arg_start, arg_end, env_start, env_end;
	int32_t exit_code;
};

int rp_proc_stat_parse(const char *text, struct rp_proc_stat *out, struct rp_error *err);
int rp_proc_stat_read(pid_t pid, pid_t tid, struct rp_proc_stat *out, struct rp_error *err);

/* All limits by their RLIMIT_ number; RLIM_INFINITY for unlimited. Unlike prlimit(2) it works on another user's process. */
int rp_proc_limits_parse(const char *text, struct rlimit64 limits[RLIM_NLIMITS], struct rp_error *err);
int rp_proc_limits_read(pid_t pid, struct rlimit64 limits[RLIM_NLIMITS], struct rp_error *err);

/* Thread ids in /proc/PID/task, ascending; free *tids. */
int rp_proc_tasks(pid_t pid, pid_t **tids, size_t *count, struct rp_error *err);

/* Descriptor numbers in /proc/PID/fd, ascending; free *fds. */
int rp_proc_fds(pid_t pid, int **fds, size_t *count, struct rp_error *err);

/* The first line "name:  value" of fdinfo text: true with *value set behind the blanks (it ends at the newline). */
bool rp_fdinfo_find(const char *text, const char *name, const char **value);

struct rp_fdinfo {
	int64_t pos;
	uint32_t flags; /* O_*, with O_CLOEXEC when the descriptor has it */
	int32_t mnt_id;
	uint64_t ino; /* 0: an older kernel does not say */
};

int rp_fdinfo_parse(const char *text, struct rp_fdinfo *out, struct rp_error *err);
/* The text is the caller's to free. */
int rp_fdinfo_read(pid_t pid, int fd, char **text, struct rp_fdinfo *out, struct rp_error *err);

#endif
