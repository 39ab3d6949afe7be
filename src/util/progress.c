/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS ((int64_t)1000000000)

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND_NS + ts.tv_nsec;
}

void rp_progress_init(struct rp_progress *p, const char *what, uint64_t total, bool wanted)
{
	memset(p, 0, sizeof(*p));
	p->what = what;
	p->total = total;
	p->wanted = wanted && isatty(STDERR_FILENO);
	p->start_ns = p->wanted ? now_ns() : 0;
}

void rp_progress_update(struct rp_progress *p, uint64_t done)
{
	int64_t now;

	if (!p->wanted)
		return;
	now = now_ns();
	if (now - p->start_ns < SECOND_NS || now - p->last_ns < SECOND_NS / 10)
		return;
	p->last_ns = now;
	p->shown = true;
	if (p->total)
		fprintf(stderr, "\r\033[K%s: %3u %%", p->what, (unsigned)(100.0 * done / p->total));
	else
		fprintf(stderr, "\r\033[K%s: %" PRId64 " s", p->what, (now - p->start_ns) / SECOND_NS);
}

void rp_progress_done(struct rp_progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}
