/* SPDX-License-Identifier: BSD-3-Clause */
#include "split/boot/boot.h"

static uint64_t hex(const char **p)
{
	uint64_t v = 0;

	for (;; (*p)++) {
		char c = **p;

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			return v;
	}
}

static void parse(const char *line, struct rp_map *m)
{
	const char *p = line;
	size_t n = 0;

	m->start = hex(&p);
	p++;
	m->end = hex(&p);
	for (int field = 0; field < 5 && *p; field++) {
		while (*p == ' ')
			p++;
		if (field < 4)
			while (*p && *p != ' ')
				p++;
	}
	while (*p && n < sizeof(m->name) - 1)
		m->name[n++] = *p++;
	m->name[n] = 0;
}

int rp_maps_walk(int (*fn)(const struct rp_map *m, void *arg), void *arg)
{
	static char buf[8192];
	size_t have = 0;
	long fd, r = 0;
	int ret = 0;

	fd = rp_sys(SYS_open, "/proc/self/maps", 0x80000, 0, 0);
	if (fd < 0)
		return fd;
	while (!ret) {
		size_t start = 0;

		r = rp_sys(SYS_read, fd, buf + have, sizeof(buf) - 1 - have, 0);
		if (r <= 0)
			break;
		have += r;
		for (size_t i = 0; i < have && !ret; i++) {
			struct rp_map m;

			if (buf[i] != '\n')
				continue;
			buf[i] = 0;
			parse(buf + start, &m);
			start = i + 1;
			ret = fn(&m, arg);
		}
		for (size_t i = start; i < have; i++)
			buf[i - start] = buf[i];
		have -= start;
	}
	rp_sys(SYS_close, fd, 0, 0, 0);
	return ret ? ret : (int)r;
}
