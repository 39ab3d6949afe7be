/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the descriptor kinds share: making messages in the dump's memory, reading /proc/PID/fdinfo texts, the owner of
 * asynchronous I/O, flags.
 */
#ifndef RP_KIND_FDCOMMON_H
#define RP_KIND_FDCOMMON_H

#include <fcntl.h>
#include <stdint.h>

#include "engine/dump.h"
#include "engine/plan.h"
#include "engine/restore.h"
#include "kind/kind.h"

/* Flags that open() and the *_create() calls of a restore may take over from an image. */
#define RP_FL_CREATION (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)
#define RP_FL_SETTABLE (O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK)

/* A new message of this type in d's memory, initialised by its protobuf-c function; NULL: no memory (d->err set). */
#define RP_DUMP_MSG(d, Type, type__init) \
	({ \
		Type *msg_ = rp_dump_alloc((d), sizeof(Type)); \
		if (msg_) \
			type__init(msg_); \
		msg_; \
	})

/* fown of a descriptor that is being dumped, in d's memory. NULL: no memory. */
FownEntry *rp_fown_dump(struct rp_dump *d, const struct rp_fd *fd);

/* -EINVAL (text set) when owner or signal cannot be of this image. `what` names the kind. */
int rp_fown_check(struct rp_restore *r, const FownEntry *fown, const char *what, uint32_t id);

/* Plans owner, signal and, last, O_ASYNC of a descriptor that has its final number. */
int rp_fown_restore(struct rp_restore *r, struct rp_rtask *t, const FownEntry *fown, uint32_t flags, int fd);

/* F_SETFL of the settable flags of an image, O_ASYNC excepted. Returns 0 or -errno (text set). */
int rp_fd_set_flags(struct rp_restore *r, int fd, uint32_t flags, const char *what);

/* The text after "KEY:" of a line of fdinfo, NULL: no such line. Points into fdinfo. */
const char *rp_fdtext_find(const char *fdinfo, const char *key);

/* The next line that begins with "KEY:", from where *at points (start: fdinfo); moves *at behind it. NULL: none left. */
const char *rp_fdtext_next(const char **at, const char *key);

/* A number after "KEY:". Returns 0 or -ENOENT. */
int rp_fdtext_u64(const char *fdinfo, const char *key, int base, uint64_t *out);

/* "pid 7 fd 3 (anon_inode:[eventfd]): " in front of d->err; returns code. */
int rp_fd_error(struct rp_dump *d, const struct rp_fd *fd, int code);

#endif
