/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Shared memory without a name (shared anonymous objects, memfds, deleted files) that a process outside of the checkpoint
 * has mapped as well: after a restore each would have a copy of its own.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kind/taskcommon.h"
#include "kind/vma.h"
#include "util/fd.h"
#include "util/str.h"

#define TEXT_MAX (1U << 30)

static bool is_nameless(const struct rp_map *m)
{
	if (m->lower || !m->shared)
		return false;
	return m->what == RP_MAP_SHM || (m->what == RP_MAP_FILE && rp_str_has_suffix(m->path, " (deleted)"));
}

/* Has a text of /proc/PID/maps a shared mapping of the same object? */
static bool has_object(const char *maps, const struct rp_map *m)
{
	char key[64];

	snprintf(key, sizeof(key), " %02x:%02x %lu ", m->dev_major, m->dev_minor, (unsigned long)m->ino);
	for (const char *p = maps; (p = strstr(p, key)) != NULL; p++) {
		const char *line = p;

		while (line > maps && line[-1] != '\n')
			line--;
		line += strcspn(line, " ");
		if (strnlen(line, 5) == 5 && line[4] == 's')
			return true;
	}
	return false;
}

static int check_process(struct rp_dump *d, struct rp_task *t, int pid)
{
	RP_AUTOFREE char *maps = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	if (rp_read_file_at(AT_FDCWD, path, TEXT_MAX, &maps, NULL) < 0)
		return 0; /* it has ended, or belongs to somebody else, who cannot have been given it */
	for (size_t i = 0; i < t->nmaps; i++)
		if (is_nameless(&t->maps[i]) && has_object(maps, &t->maps[i]))
			return rp_error(&d->err, -ENOTSUP,
					"the memory at %#lx (%s) is shared with process %d, and would not be after a "
					"restore: use a file that keeps its name as long as it is mapped",
					(unsigned long)t->maps[i].start, t->maps[i].path, pid);
	return 0;
}

int rp_vma_check_outside(struct rp_dump *d, struct rp_task *t)
{
	RP_AUTOCLOSEDIR DIR *dir = NULL;
	struct dirent *e;
	size_t i = 0;
	int ret = 0;

	while (i < t->nmaps && !is_nameless(&t->maps[i]))
		i++;
	if (i == t->nmaps)
		return 0;
	dir = opendir("/proc");
	while (ret == 0 && dir && (e = readdir(dir)) != NULL) {
		int pid = isdigit((unsigned char)e->d_name[0]) ? atoi(e->d_name) : 0;

		if (pid > 0 && pid != t->pid && pid != getpid())
			ret = check_process(d, t, pid);
	}
	return ret;
}
