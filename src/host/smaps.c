/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/smaps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "util/array.h"

static const char flag_names[RP_VMF_COUNT][3] = {
	[RP_VMF_SH] = "sh", [RP_VMF_GD] = "gd", [RP_VMF_PF] = "pf", [RP_VMF_IO] = "io", [RP_VMF_LO] = "lo",
	[RP_VMF_LF] = "lf", [RP_VMF_SR] = "sr", [RP_VMF_RR] = "rr", [RP_VMF_DC] = "dc", [RP_VMF_NR] = "nr",
	[RP_VMF_HT] = "ht", [RP_VMF_WF] = "wf", [RP_VMF_DD] = "dd", [RP_VMF_HG] = "hg", [RP_VMF_NH] = "nh",
	[RP_VMF_MG] = "mg", [RP_VMF_UM] = "um", [RP_VMF_UW] = "uw", [RP_VMF_UI] = "ui", [RP_VMF_SS] = "ss",
	[RP_VMF_SL] = "sl", [RP_VMF_DP] = "dp", [RP_VMF_MW] = "mw",
};

/* The kernel writes a newline in a path as \012. */
static void decode(char *path)
{
	char *to = path;

	for (const char *p = path; *p; p++) {
		if (strncmp(p, "\\012", 4) == 0) {
			*to++ = '\n';
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
}

static int parse_header(char *line, struct rp_smap *m)
{
	unsigned long start, end, pgoff, ino;
	unsigned int major, minor;
	char perms[5];
	int at = 0;

	if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu%n", &start, &end, perms, &pgoff, &major, &minor, &ino, &at) != 7 ||
	    start >= end || strlen(perms) != 4)
		return -EINVAL;
	m->start = start;
	m->end = end;
	m->pgoff = pgoff;
	m->prot = (perms[0] == 'r' ? PROT_READ : 0U) | (perms[1] == 'w' ? PROT_WRITE : 0U) |
		  (perms[2] == 'x' ? PROT_EXEC : 0U);
	m->shared = perms[3] == 's';
	m->dev_major = major;
	m->dev_minor = minor;
	m->ino = ino;
	m->page_size = 4096;
	line += at;
	line += strspn(line, " ");
	decode(line);
	m->path = line;
	return 0;
}

static void parse_flags(const char *p, struct rp_smap *m)
{
	for (; *p; p += strspn(p, " ")) {
		for (unsigned i = 0; i < RP_VMF_COUNT; i++)
			if (strncmp(p, flag_names[i], 2) == 0 && (p[2] == ' ' || p[2] == '\0'))
				m->vmflags |= 1UL << i;
		p += strcspn(p, " ");
	}
}

static void parse_value(const char *line, struct rp_smap *m)
{
	unsigned long value;

	if (strncmp(line, "VmFlags:", 8) == 0)
		parse_flags(line + 8 + strspn(line + 8, " "), m);
	else if (sscanf(line, "Rss: %lu", &value) == 1)
		m->rss = value << 10;
	else if (sscanf(line, "Anonymous: %lu", &value) == 1)
		m->anonymous = value << 10;
	else if (sscanf(line, "Swap: %lu", &value) == 1)
		m->swap = value << 10;
	else if (sscanf(line, "KernelPageSize: %lu", &value) == 1)
		m->page_size = value << 10;
	else if (sscanf(line, "ProtectionKey: %lu", &value) == 1)
		m->pkey = (uint32_t)value;
}

static int is_header(const char *line)
{
	/* Header lines begin with a lower-case hexadecimal number, all others with an upper-case letter. */
	return (*line >= '0' && *line <= '9') || (*line >= 'a' && *line <= 'f');
}

int rp_smaps_parse(char *text, struct rp_smap **out, size_t *out_count, struct rp_error *err)
{
	struct {
		struct rp_smap *items;
		size_t count, room;
	} maps = { 0 };
	struct rp_smap *m = NULL;
	char *next;

	for (char *line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (is_header(line) || !m) {
			m = RP_ARRAY_PUSH(&maps);
			if (!m) {
				free(maps.items);
				return rp_error(err, -ENOMEM, "out of memory");
			}
			if (parse_header(line, m) < 0) {
				free(maps.items);
				return rp_error(err, -EINVAL, "cannot read a line of smaps: %.80s", line);
			}
		} else {
			parse_value(line, m);
		}
	}
	*out = maps.items;
	*out_count = maps.count;
	return 0;
}
