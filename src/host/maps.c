/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "util/array.h"
#include "util/fd.h"
#include "util/str.h"

#define TEXT_MAX ((size_t)1 << 30)

static const char flag_names[RP_VMF_COUNT][3] = {
	"rd", "wr", "ex", "sh", "mr", "mw", "me", "ms", "gd", "pf", "dw", "lo", "io", "sr", "rr", "dc", "de", "ac", "nr",
	"ht", "sf", "nl", "ar", "wf", "dd", "sd", "mm", "hg", "nh", "mg", "bt", "mt", "um", "uw", "ui", "ss", "sl", "lf",
};

/* The kernel writes a newline in a name as \012 and leaves everything else alone. */
static void undo_escapes(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (!strncmp(s, "\\012", 4)) {
			*to++ = '\n';
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = 0;
}

static int parse_mapping(char *line, struct rp_maps_line *m)
{
	unsigned long long start, end, pgoff, ino;
	unsigned major, minor;
	char perms[5];
	int n = 0;

	if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu%n", &start, &end, perms, &pgoff, &major, &minor, &ino, &n) != 7 ||
	    strlen(perms) != 4 || start >= end)
		return -EINVAL;
	m->start = start;
	m->end = end;
	m->pgoff = pgoff;
	m->prot = (perms[0] == 'r' ? PROT_READ : 0) | (perms[1] == 'w' ? PROT_WRITE : 0) |
		  (perms[2] == 'x' ? PROT_EXEC : 0);
	m->shared = perms[3] == 's';
	m->dev_major = major;
	m->dev_minor = minor;
	m->ino = ino;
	line += n;
	line += strspn(line, " ");
	undo_escapes(line);
	m->path = line;
	return 0;
}

static void parse_flags(const char *text, struct rp_maps_line *m)
{
	while (text[0]) {
		size_t i;

		text += strspn(text, " ");
		for (i = 0; i < RP_VMF_COUNT; i++)
			if (!strncmp(text, flag_names[i], 2) && (text[2] == ' ' || !text[2]))
				m->vmflags |= RP_VMF_BIT(i);
		text += strcspn(text, " ");
	}
}

/* "Name:   123 kB" or "VmFlags: rd ..."; unknown names are new attributes and skipped. */
static void parse_attribute(char *line, struct rp_maps_line *m)
{
	char *value = strchr(line, ':');
	uint64_t kb;

	*value++ = 0;
	if (rp_streq(line, "VmFlags")) {
		parse_flags(value, m);
		return;
	}
	kb = strtoull(value, NULL, 10);
	if (rp_streq(line, "KernelPageSize"))
		m->kernel_page_size = kb << 10;
	else if (rp_streq(line, "Rss"))
		m->rss = kb << 10;
	else if (rp_streq(line, "Anonymous"))
		m->anonymous = kb << 10;
	else if (rp_streq(line, "Swap"))
		m->swap = kb << 10;
	else if (rp_streq(line, "Locked"))
		m->locked = kb << 10;
	else if (rp_streq(line, "ProtectionKey"))
		m->pkey = kb;
}

/* An attribute's name begins with a capital and ends in a colon; an address is lower-case hex. */
static bool is_attribute(const char *line)
{
	size_t n = strcspn(line, ": ");

	return line[0] >= 'A' && line[0] <= 'Z' && line[n] == ':';
}

int rp_maps_parse(char *text, struct rp_maps_line **lines, size_t *count, struct rp_error *err)
{
	struct {
		struct rp_maps_line *items;
		size_t count, room;
	} list = { 0 };
	char *line, *end;

	for (line = text; *line; line = end) {
		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = 0;
		if (is_attribute(line) && list.count) {
			parse_attribute(line, &list.items[list.count - 1]);
			continue;
		}
		if (!RP_ARRAY_PUSH(&list)) {
			free(list.items);
			return rp_error(err, -ENOMEM, "out of memory");
		}
		if (parse_mapping(line, &list.items[list.count - 1]) < 0) {
			free(list.items);
			return rp_error(err, -EINVAL, "maps: line not understood: %.100s", line);
		}
	}
	*lines = list.items;
	*count = list.count;
	return 0;
}

int rp_maps_read(pid_t pid, bool smaps, char **text, struct rp_maps_line **lines, size_t *count, struct rp_error *err)
{
	char path[64], *buf;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, smaps ? "smaps" : "maps");
	r = rp_read_file_at(AT_FDCWD, path, TEXT_MAX, &buf, NULL);
	if (r == -ENOENT)
		r = -ESRCH;
	if (r < 0)
		return rp_error(err, r, "%s: %s", path, strerror(-r));
	r = rp_maps_parse(buf, lines, count, err);
	if (r < 0)
		free(buf);
	else
		*text = buf;
	return r;
}
