/* SPDX-License-Identifier: BSD-3-Clause
 *
 * /proc/PID/mountinfo (proc_pid_mountinfo(5)).
 */
#ifndef RP_HOST_MOUNTINFO_H
#define RP_HOST_MOUNTINFO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/error.h"

/* Strings point into the text. */
struct rp_mount {
	int32_t id, parent_id;
	uint32_t dev_major, dev_minor;
	const char *root, *mountpoint, *options, *fstype, *source, *super_options;
};

/* Splits the text, which is changed and must live as long as the mounts. Escapes (\040) are undone. Free *mounts. */
int rp_mountinfo_parse(char *text, struct rp_mount **mounts, size_t *count, struct rp_error *err);
int rp_mountinfo_read(pid_t pid, char **text, struct rp_mount **mounts, size_t *count, struct rp_error *err);

/* The mount with an id, NULL: none. */
const struct rp_mount *rp_mount_find(const struct rp_mount *mounts, size_t count, int32_t id);

#endif
