/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Jobs that run on this host: one directory each, BASE/KEY with BASE = $REPRISE_RUNTIME_DIR, else $XDG_RUNTIME_DIR/reprise
 * or /tmp/reprise-UID, 0700 and ours, and KEY made from the launcher's own name of the job. In it `sock` (the agent),
 * `secret` (0600), `lock` and `job.json` (what `reprise ps` shows). The directory goes with the agent; one that a killed
 * agent left behind is told from a live one by its socket, on which nobody listens.
 */
#ifndef RP_JOB_REGISTRY_H
#define RP_JOB_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/error.h"

#define RP_SECRET_LEN 32

/* One job as its agent describes it. Owned strings. */
struct rp_job_info {
	char *dir;
	char *name, *store, *launcher; /* store: DIR/NAME */
	char *command;		       /* the launcher's line, for people */
	char *space, *session; /* the launcher's number of the job and directory (adapter.h, note); NULL: none */
	int agent_pid, launcher_pid;
	int64_t launcher_start; /* clock ticks since boot: with the pid it names a process */
	int np, joined;
	int64_t started;      /* seconds since 1970 */
	unsigned generations; /* committed by this agent */
	bool alive;	      /* the agent runs */
};

void rp_job_info_done(struct rp_job_info *info);

/* Key of the calling process's job: PMIX_NAMESPACE, else the parent's pid and start time, else (no launcher) its own. */
int rp_registry_key(char *const *envp, char *buf, size_t size);

/* Opens (makes) the job's directory. *out_path: new string. Returns its descriptor or -errno with text (-EPERM: BASE is
 * not ours alone). */
int rp_registry_open(const char *key, char **out_path, struct rp_error *err);

/* Takes the directory's lock, waiting. Returns the lock's descriptor; -ESTALE: the directory was removed meanwhile, open it
 * again. */
int rp_registry_lock(int dir_fd);

int rp_registry_write(int dir_fd, const struct rp_job_info *info);
int rp_registry_secret(int dir_fd, bool make, unsigned char secret[RP_SECRET_LEN]);

/* Connects to, or binds, `sock` of the directory. Descriptor or -errno. */
int rp_registry_connect(int dir_fd);
int rp_registry_listen(int dir_fd);

/* Has the job's launcher ended? A job without one: true. */
bool rp_registry_launcher_gone(const struct rp_job_info *info);

/* The job is listed no more; its directory, and with it the lock, stay. */
void rp_registry_hide(int dir_fd);

/* Removes the directory (lock held). */
void rp_registry_remove(int dir_fd, const char *path);

/* Every job of this user, in both places of BASE. What is left of jobs that died with their agents is removed. *out: new array of *n; free each with rp_job_info_done(). */
int rp_registry_list(struct rp_job_info **out, size_t *n, struct rp_error *err);

/* The live job whose ranks run and whose snapshots go to `store` (DIR/NAME, absolute). false: none. */
bool rp_registry_writer(const char *store, struct rp_job_info *out);

/* The job that the user means: its name, its launcher's pid, or NULL when only one runs. One whose ranks run comes before
 * those that begin, end or lost their agent.
 * -ESRCH, -ENOTUNIQ with text, which lists them. */
int rp_registry_find(const char *job, struct rp_job_info *out, struct rp_error *err);

#endif
