/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/array.h"
#include "util/fd.h"
#include "util/str.h"

#define TEXT_MAX ((size_t)64 << 20)

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Blank, tab, newline and backslash are written as \ and three octal digits. */
static void undo_escapes(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && is_octal(s[1]) && is_octal(s[2]) && is_octal(s[3])) {
			*to++ = (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0');
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = 0;
}

static char *word(char **s)
{
	char *w = strsep(s, " ");

	if (w)
		undo_escapes(w);
	return w;
}

static int parse_line(char *line, struct rp_mount *m)
{
	char *id = word(&line), *parent = word(&line), *dev = word(&line), *w;

	m->root = word(&line);
	m->mountpoint = word(&line);
	m->options = word(&line);
	/* Optional fields, as many as there are, up to a single dash. */
	do
		w = word(&line);
	while (w && !rp_streq(w, "-"));
	m->fstype = word(&line);
	m->source = word(&line);
	m->super_options = word(&line);
	if (!m->fstype || !m->source || sscanf(dev, "%u:%u", &m->dev_major, &m->dev_minor) != 2)
		return -EINVAL;
	if (!m->super_options)
		m->super_options = "";
	m->id = strtol(id, NULL, 10);
	m->parent_id = strtol(parent, NULL, 10);
	return 0;
}

int rp_mountinfo_parse(char *text, struct rp_mount **mounts, size_t *count, struct rp_error *err)
{
	struct {
		struct rp_mount *items;
		size_t count, room;
	} list = { 0 };
	char *line;

	while ((line = strsep(&text, "\n"))) {
		struct rp_mount *m;

		if (!*line)
			continue;
		m = RP_ARRAY_PUSH(&list);
		if (m && parse_line(line, m) == 0)
			continue;
		free(list.items);
		return m ? rp_error(err, -EINVAL, "mountinfo: line %zu not understood", list.count)
			 : rp_error(err, -ENOMEM, "out of memory");
	}
	*mounts = list.items;
	*count = list.count;
	return 0;
}

int rp_mountinfo_read(pid_t pid, char **text, struct rp_mount **mounts, size_t *count, struct rp_error *err)
{
	char path[64], *buf;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
	r = rp_read_file_at(AT_FDCWD, path, TEXT_MAX, &buf, NULL);
	if (r < 0)
		return rp_error(err, r == -ENOENT ? -ESRCH : r, "%s: %s", path, strerror(-r));
	r = rp_mountinfo_parse(buf, mounts, count, err);
	if (r < 0)
		free(buf);
	else
		*text = buf;
	return r;
}

const struct rp_mount *rp_mount_find(const struct rp_mount *mounts, size_t count, int32_t id)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (mounts[i].id == id)
			return &mounts[i];
	return NULL;
}
