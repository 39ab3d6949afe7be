/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The snapshot store: DIR/NAME/manifest.json and DIR/NAME/<seq>/rank-<r>/. A generation exists exactly when the manifest lists
 * it. The commit: files fsynced, their directories fsynced, the new manifest written beside the old one and
 * fsynced, renamed over it, the directory fsynced. A crash, a full disk or kill -9 between any two of these leaves the
 * old manifest and all that it lists whole. Directories are 0700, files 0600. One writer at a time (flock on `lock`).
 * Cannot carry: a file system without atomic rename.
 */
#ifndef RP_JOB_STORE_H
#define RP_JOB_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "job/manifest.h"
#include "util/error.h"
#include "util/progress.h"

#define RP_STORE_KEEP 3

struct rp_store {
	char *path;	     /* DIR/NAME, absolute */
	int fd;		     /* the directory */
	int lock_fd;	     /* -1: opened for reading */
	struct rp_gen *gens; /* committed, oldest first */
	size_t ngens;
	/* Tests: called before every change of the store with its name; non-zero (-errno) makes that change fail. */
	int (*step)(void *arg, const char *what);
	void *step_arg;
};

/* Opens DIR/NAME for writing, making it when it is missing, and takes the lock without waiting.
 * -EBUSY: somebody else writes to it. */
int rp_store_open_write(struct rp_store **out, const char *path, struct rp_error *err);
/* Opens DIR/NAME for reading. -ENOENT: no snapshot there. */
int rp_store_open_read(struct rp_store **out, const char *path, struct rp_error *err);
void rp_store_free(struct rp_store *s);

/* A generation that is being written. */
struct rp_store_new {
	struct rp_store *store; /* borrowed */
	uint32_t seq;
	int fd; /* DIR/NAME/<seq> */
};

/* Makes the directory of the next generation, numbered above all that are listed or there. What killed writers left above the
 * newest goes first. */
int rp_store_begin(struct rp_store *s, struct rp_store_new *out, struct rp_error *err);
/* Makes rank-<rank> and opens it: *out_fd is the caller's. */
int rp_store_rank_dir(struct rp_store_new *n, int rank, int *out_fd, struct rp_error *err);
/* Commits: fills gen->seq, gen->time and, per rank, files, bytes and checksums from what lies in rank-<r>, writes `pids`
 * (lines "RANK PID", for the launcher's pieces), makes everything durable and replaces the manifest. Generations beyond
 * the newest `keep` leave the manifest in the same step; rp_store_sweep() removes their files. gen stays the caller's.
 * On failure nothing is committed and the generation's directory is gone, unless the failure was the very last one (the
 * manifest is in place, the fsync of its directory failed). n is used up either way. */
int rp_store_commit(struct rp_store_new *n, struct rp_gen *gen, unsigned keep, struct rp_error *err);
void rp_store_abort(struct rp_store_new *n); /* removes what was written; accepts a committed or zeroed one */

/* Removes the directories of generations below the newest one that the manifest does not list: old ones, and what a killed
 * writer left. Without the lock: such a number never comes into use again. May take long. */
void rp_store_sweep(const char *path);

/* Reads every file of a generation against sizes and checksums. -EBADMSG with the file's name when one differs. count: bytes
 * read, may be NULL. */
int rp_store_verify(const struct rp_store *s, const struct rp_gen *gen, struct rp_count *count, struct rp_error *err);

/* Removes all generations but the newest keep, and everything in the store's directory that the manifest does not list.
 * *removed (may be NULL) counts generations. */
int rp_store_prune(struct rp_store *s, unsigned keep, size_t *removed, struct rp_error *err);

/* Which snapshot does the user mean? ref: a path DIR/NAME or DIR/NAME/SEQ, a NAME or NAME/SEQ in dir; NULL: the newest commit
 * of any NAME in dir. seq 0: the newest generation (or that of the path). *store is opened for reading and the
 * caller's; *gen points into it. */
int rp_store_find(const char *dir, const char *ref, uint32_t seq, struct rp_store **store, const struct rp_gen **gen,
		  struct rp_error *err);

/* Opens rank-<rank> of a generation, following no link. Descriptor or -errno (-EBADMSG: it is missing) with text. */
int rp_store_open_rank(const struct rp_store *s, uint32_t seq, int rank, struct rp_error *err);

/* Does `pids`, which the launcher's pieces read, say what the manifest says? 0, -EBADMSG with text. */
int rp_store_check_pids(const struct rp_store *s, const struct rp_gen *gen, struct rp_error *err);

/* Path of a rank's images: new string, NULL without memory. */
char *rp_store_rank_path(const struct rp_store *s, uint32_t seq, int rank);

/* Can it be the name of a job, and so of its directory? Not empty, no slash, no dot in front, nothing unprintable. */
bool rp_store_is_name(const char *name);

/* The store that a job uses when nothing else is said: $REPRISE_DIR, else ./reprise-snapshots; new string. */
char *rp_store_default_dir(void);

#endif
