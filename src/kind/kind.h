/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A kind is one kernel resource: how it is recognised, dumped, checked and restored. One file each, closed by one
 * `const struct rp_kind`; kinds.c is the one list. The engine walks stages and calls every kind that has the hook; it
 * knows no resource by name. Messages (FileEntry, CoreEntry, MmEntry ...) are those of the image format.
 *
 * Errors: every hook returns 0 or -errno with one line in the context's error: at a dump it names the thing and what the
 * user can do (-ENOTSUP: cannot be carried).
 */
#ifndef RP_KIND_KIND_H
#define RP_KIND_KIND_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "image/image.h"
#include "util/error.h"

struct rp_dump;	   /* engine/dump.h: options, image directory, error, tasks */
struct rp_restore; /* engine/restore.h: options, image reader, error, tasks, service descriptors */
struct rp_task;	   /* engine/task.h: one process at a dump: tracee, threads, maps, core/mm messages being filled */
struct rp_rtask;   /* engine/task.h: one process at a restore: its messages as read, and the plan being built */

/* One open descriptor of a process that is being dumped. */
struct rp_fd {
	int pid, fd;
	int lfd; /* our own duplicate (pidfd_getfd), borrowed: same open file description */
	bool cloexec;
	uint32_t flags; /* O_* of the description, without O_CLOEXEC */
	int64_t pos;
	int mnt_id;
	struct stat st;
	char link[PATH_MAX];   /* target of /proc/PID/fd/N */
	const char *fdinfo;    /* text of /proc/PID/fdinfo/N, borrowed */
	uint32_t id;	       /* of the open file description, unique in the dump: shared descriptors have one id */
	int sig;	       /* F_GETSIG */
	int owner_type, owner; /* F_GETOWN_EX */
	bool launched;	       /* of a rank: still what its launcher gave */
};

struct rp_kind {
	const char *name;

	/* ---- descriptors ---- */
	int fd_type; /* FD_TYPES value, 0: not a descriptor kind */
	bool (*fd_is)(const struct rp_fd *fd);
	/* Fills the member of e that belongs to fd_type (id, type and the union member allocated from d's arena). */
	int (*fd_dump)(struct rp_dump *d, const struct rp_fd *fd, FileEntry *e);
	/* Every descriptor, whichever kind took it: what hangs at descriptors beside their description (locks). is_first: no
	 * descriptor before it shares its description. */
	int (*fd_each)(struct rp_dump *d, const struct rp_fd *fd, bool is_first);
	int (*fd_check)(struct rp_restore *r, const FileEntry *e);
	/* Opens a new description with the recorded state (flags, position, contents). The engine places it. */
	int (*fd_open)(struct rp_restore *r, const FileEntry *e, int *out_fd);
	/* After every descriptor of the process has its final number (epoll members, watches). fd is the final one. */
	int (*fd_finish)(struct rp_restore *r, struct rp_rtask *t, const FileEntry *e, int fd);

	/* ---- state of a process ---- */
	int (*collect)(struct rp_dump *d, struct rp_task *t);	/* before the freeze; expensive reads */
	int (*freeze)(struct rp_dump *d, struct rp_task *t);	/* stopped: read and inject; fills t->core, t->mm ... */
	int (*check)(struct rp_restore *r, struct rp_rtask *t); /* all metadata, before anything is changed */
	int (*prepare)(struct rp_restore *r, struct rp_rtask *t); /* in the process to be: cwd, root, files of maps */
	int (*plan)(struct rp_restore *r, struct rp_rtask *t);	  /* adds to the plan (engine/plan.h) */
	/* The plan is written, the restorer comes next: what would have been in the way of the stages before (limits). */
	int (*leave)(struct rp_restore *r, struct rp_rtask *t);
};

extern const struct rp_kind *const rp_kinds[]; /* NULL-terminated, in dump and restore order */

#endif
