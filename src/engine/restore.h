/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The host side of a restore: reads and checks an image, becomes (or makes) the process that is to be the checkpoint,
 * gives it descriptors and attributes, writes the plan and execs the restorer. Stages, in this order; each is finished
 * for every kind before the next begins:
 *   read     all metadata is in memory (nothing outside this program was changed)
 *   check    every kind has looked at every entry: what is refused is refused here
 *   attach   the process to be exists (fork, clone3 with the wanted pid, or this one); from here on we run in it
 *   prepare  session, descriptors at final numbers, files of maps opened as service descriptors, cwd, root
 *   plan     rows of the plan; no side effect
 *   leave    limits; nothing is opened or written after them
 *   exec     the restorer replaces this program
 */
#ifndef RP_ENGINE_RESTORE_H
#define RP_ENGINE_RESTORE_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "engine/attach.h"
#include "engine/task.h"
#include "image/image.h"
#include "kind/kind.h"
#include "util/error.h"

enum rp_attach {
	RP_ATTACH_CHILD,    /* child of the caller, which waits for it */
	RP_ATTACH_DETACHED, /* child of the caller, which ends once it runs */
	RP_ATTACH_SIBLING,  /* child of the caller's parent */
	RP_ATTACH_EXEC_CMD, /* child of the caller, which then execs a command */
	RP_ATTACH_INPLACE,  /* this process, when the pid allows it; else a sibling behind this process as proxy */
};

enum rp_pid_policy { RP_PID_EXACT, RP_PID_PREFER, RP_PID_ANY };
enum rp_stdio { RP_STDIO_DEFAULT, RP_STDIO_INHERIT, RP_STDIO_IMAGE };
enum rp_file_validation { RP_VALIDATE_BUILDID, RP_VALIDATE_FILESIZE }; /* the first falls back on the second */

/* A descriptor of the caller that stands in for a resource of the image (--inherit-fd fd[N]:RESOURCE). */
struct rp_inherit {
	int fd;
	char *resource; /* "pipe:[123]", "/path", "socket:[5]": as the image names it, or "fd[7]": image descriptor 7 */
};

struct rp_restore_opts {
	const char *images_dir;
	enum rp_attach attach;
	enum rp_pid_policy pid;
	enum rp_stdio stdio; /* default: inherit for RP_ATTACH_INPLACE and ranks, else image */
	enum rp_file_validation validation;
	bool keep_output; /* leave files that have grown at their length */
	bool job;	  /* a process of a job: rules of the job's files and launcher (design.md) */
	bool only_check;  /* nobody becomes it here: what the caller would have to provide is not asked for */
	char *const *exec_cmd;
	const char *pidfile;
	struct rp_inherit *inherit;
	size_t ninherit;
	/* Ranks: the program that is execed instead of the restorer, with "PLANFD" appended to argv; `fill` adds the
	 * rank's part to the plan just before it is sealed. NULL: a plain process. */
	const char *boot_path;
	int (*fill)(struct rp_restore *r, struct rp_rtask *t, void *arg);
	void *fill_arg;
	struct rp_waiting waiting; /* while the caller waits: for an id, or for the process to run */
};

struct opened; /* private to restore.c */

struct rp_restore {
	const struct rp_restore_opts *opts;
	struct rp_error err;
	struct rp_image *image; /* reader */
	InventoryEntry *inventory;
	FileEntry **files; /* files.img */
	size_t nfiles;
	struct rp_rtask *tasks;
	size_t ntasks;
	int *inherited;		 /* per file: the caller's descriptor that stands in for it, -1: opened anew */
	struct rp_planner *plan; /* from stage prepare on */
	int plan_fd;		 /* memfd of the plan */
	int exec_fd;		 /* the restorer (or bootstrap), opened */
	rlim64_t nofile_max;	 /* the caller's hard limit of descriptors, which may be raised for the moment */
	int fd_base;		 /* service descriptors have numbers from here: above every descriptor of the image */
	int status_fd;		 /* where this process reports failure and the restorer success; -1: nobody listens */
	int caller_std[3];	 /* descriptors 0-2 as the caller had them, as stashed duplicates; -1: closed */
	bool rank;		 /* fill beside a live lower half */
	bool pid_any;		 /* ids of the image are not available: new ones (RP_PLAN_PID_ANY) */
	struct opened *opened;	 /* private to restore.c */
	void *kind_state[32];	 /* private to descriptor kinds: [fd_type], memory of rp_restore_alloc() */
};

/* Reads and checks. On success *out is the caller's; on failure err has the line. opts is borrowed until free. */
int rp_restore_new(struct rp_restore **out, const struct rp_restore_opts *opts, struct rp_error *err);
void rp_restore_free(struct rp_restore *r);

/* Attaches and, in the new process, prepares, plans and execs. In the caller returns 0 once the process runs, with its pid
 * in *out_pid and (child, in place by proxy) a pidfd in *out_pidfd, else -errno with r->err. In place with the pid being
 * ours it does not return on success. */
int rp_restore_run(struct rp_restore *r, pid_t *out_pid, int *out_pidfd);

/* Stages prepare to exec in the calling process, which has the wanted pid already (or any, with pid_any). Returns only on
 * failure: -errno, r->err. For `reprise rank` after it has arranged its own pid. */
int rp_restore_exec(struct rp_restore *r);

/* ---- for kinds ---- */

/* Zeroed memory that lives as long as r. NULL: none left (text set). */
void *rp_restore_alloc(struct rp_restore *r, size_t size);

/* Moves fd to a service number (>= fd_base, not close-on-exec, closed by the restorer last) and closes the old one.
 * Returns the new number or -errno (text set). */
int rp_restore_service_fd(struct rp_restore *r, int fd);

/* The same, but close-on-exec: needed only until the restorer is execed (other ends of pipes, ghost files). */
int rp_restore_stash_fd(struct rp_restore *r, int fd);

/* The files.img entry with an id, NULL: none. */
const FileEntry *rp_restore_file(const struct rp_restore *r, uint32_t id);

/* Opens a regular file, directory or memfd of files.img anew with the given access flags (O_RDONLY, O_RDWR, O_PATH) as a service
 * descriptor, checking its identity against the image; one description per (id, flags), kept. For maps, exe, cwd, root.
 * Returns the number (borrowed) or -errno. Only from stage prepare on. */
int rp_restore_open_file(struct rp_restore *r, uint32_t id, int flags);

/* Path that the image records for a file id (for messages), or "?" */
const char *rp_restore_file_name(const struct rp_restore *r, uint32_t id);

#endif
