/* SPDX-License-Identifier: BSD-3-Clause */
#include "job/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/fd.h"
#include "util/str.h"

/* Fields of /proc/PID/stat after the name, which may hold anything. Field 3 is the first. */
static int stat_field(pid_t pid, int field, uint64_t *out)
{
	char path[64], *text RP_AUTOFREE = NULL, *p;
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	rc = rp_read_file_at(AT_FDCWD, path, 1 << 16, &text, NULL);
	if (rc)
		return rc == -ENOENT ? -ESRCH : rc;
	p = strrchr(text, ')');
	for (int i = 2; p && i < field; i++)
		p = strchr(p + 1, ' ');
	if (!p)
		return -EPROTO;
	*out = strtoull(p + 1, NULL, 10);
	return 0;
}

int rp_process_start(pid_t pid, uint64_t *ticks)
{
	return stat_field(pid, 22, ticks);
}

int rp_process_parent(pid_t pid, pid_t *parent)
{
	uint64_t v;
	int rc = stat_field(pid, 4, &v);

	if (!rc)
		*parent = (pid_t)v;
	return rc;
}

char *rp_process_link(pid_t pid, const char *what)
{
	char path[64], target[PATH_MAX];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	return rp_readlink_at(AT_FDCWD, path, target, sizeof(target)) < 0 ? NULL : strdup(target);
}

int rp_process_exe_name(pid_t pid, char *buf, size_t size)
{
	char *exe RP_AUTOFREE = rp_process_link(pid, "exe"), *slash, *deleted;

	if (!exe)
		return -ESRCH;
	deleted = strstr(exe, " (deleted)");
	if (deleted)
		*deleted = 0;
	slash = strrchr(exe, '/');
	return (size_t)snprintf(buf, size, "%s", slash ? slash + 1 : exe) < size ? 0 : -ENAMETOOLONG;
}

char **rp_process_strings(pid_t pid, const char *what)
{
	char path[64], *text RP_AUTOFREE = NULL;
	size_t len, n = 0, k = 0;
	char **v;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	if (rp_read_file_at(AT_FDCWD, path, 16 << 20, &text, &len))
		return NULL;
	for (size_t i = 0; i < len; i++)
		n += !text[i];
	v = calloc(n + 2, sizeof(*v));
	for (size_t i = 0; v && i < len; i += strlen(text + i) + 1)
		v[k++] = strdup(text + i);
	return v;
}

bool rp_process_holder(pid_t id, bool *zombie, char *text, size_t size)
{
	char path[64], name[64] = "?", state = '?', line[256];
	int tgid = 0, parent = 0;
	FILE *f RP_AUTOFCLOSE = NULL;

	snprintf(path, sizeof(path), "/proc/%d/status", id);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		(void)sscanf(line, "Name: %63[^\n]", name);
		(void)sscanf(line, "State: %c", &state);
		(void)sscanf(line, "Tgid: %d", &tgid);
		(void)sscanf(line, "PPid: %d", &parent);
	}
	if (zombie)
		*zombie = state == 'Z' || state == 'X';
	if (tgid == id)
		snprintf(text, size, "pid %d is taken by %s%s, child of %d", id, state == 'Z' ? "zombie " : "", name,
			 parent);
	else
		snprintf(text, size, "pid %d is taken: thread of process %d (%s)", id, tgid, name);
	return tgid != 0;
}
