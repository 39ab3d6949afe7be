/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Making the process that is to be the checkpoint: a copy of the caller (fork-like) with a wanted pid, as child or sibling;
 * and saying who holds an id that is wanted. Uses clone3(2) with set_tid, /proc. Cannot take an id from its holder.
 */
#ifndef RP_ENGINE_ATTACH_H
#define RP_ENGINE_ATTACH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/error.h"

#define RP_ATTACH_RETRY_MS 5000 /* how long a zombie may keep an id that is wanted */

/* Told about ten times a second what is waited for ("pid 7 is taken by ..."). tick may be NULL. */
struct rp_waiting {
	void (*tick)(void *arg, const char *what);
	void *arg;
};

/* Copies the calling (single-threaded) process as fork() does, without atfork handlers. want: pid of the copy, 0: any.
 * sibling: child of our parent. Waits for up to RP_ATTACH_RETRY_MS when a zombie holds the pid. *out_pidfd is set in the
 * caller (close-on-exec). Returns 0 in the copy, its pid in the caller, -EEXIST when another process holds the pid (err
 * names it), or -errno. */
pid_t rp_attach_clone(pid_t want, bool sibling, int *out_pidfd, const struct rp_waiting *w, struct rp_error *err);

/* Is every id of ids[count] free? Waits for zombies as above. Returns 0,
 * -EEXIST with the holder in err. A check only: the clone that takes the id can still fail. */
int rp_attach_ids_free(const int *ids, size_t count, const struct rp_waiting *w, struct rp_error *err);

#endif
