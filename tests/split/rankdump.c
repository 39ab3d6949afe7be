/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rankdump PID DIR AHEAD_NS: the image of a rank that stands outside MPI, without an agent, as the agent would take it; then
 * the rank is killed. AHEAD_NS: how far ahead of the kernel's the rank's monotonic clock is said to be; _RAW half,
 * and CLOCK_BOOTTIME twice as far.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "abi/arena.h"
#include "engine/dump.h"
#include "tracee/tracee.h"

/* As the launcher said it to the rank. */
static uint32_t from_env(int pid, const char *name, uint32_t without)
{
	char path[64], *word = NULL;
	size_t room = 0, len = strlen(name);
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	f = fopen(path, "re");
	while (f && getdelim(&word, &room, 0, f) > 0)
		if (!strncmp(word, name, len) && word[len] == '=')
			without = (uint32_t)atoi(word + len + 1);
	free(word);
	if (f)
		fclose(f);
	return without;
}

static long now_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000L + ts.tv_nsec;
}

static int state(struct rp_dump *d, struct rp_task *t, void *arg)
{
	struct rp_arena *a = rp_dump_alloc(d, sizeof(*a));
	RpRankEntry e = RP_RANK_ENTRY__INIT;
	if (!a || rp_tracee_read(t->pid, RP_ARENA_BASE, a, sizeof(*a)) < 0)
		return rp_error(&d->err, -EIO, "cannot read the arena");
	e.version = 1;
	e.arena_saved.data = (void *)&a->saved;
	e.arena_saved.len = sizeof(a->saved);
	e.world_rank = from_env(t->pid, "OMPI_COMM_WORLD_RANK", 0);
	e.world_size = from_env(t->pid, "OMPI_COMM_WORLD_SIZE", 1);
	e.has_dump_mono_ns = e.has_dump_raw_ns = e.has_dump_boot_ns = 1;
	e.dump_mono_ns = now_of(CLOCK_MONOTONIC) + a->saved.mono_offset_ns + *(long *)arg;
	e.dump_raw_ns = now_of(CLOCK_MONOTONIC_RAW) + a->saved.raw_offset_ns + *(long *)arg / 2;
	e.dump_boot_ns = now_of(CLOCK_BOOTTIME) + a->saved.boot_offset_ns + *(long *)arg * 2;
	return rp_writer_put(d->writer, RP_IMG_RANK, (uint64_t)t->pid, &e, &d->err);
}

int main(int argc, char **argv)
{
	long ahead = argc > 3 ? atol(argv[3]) : 0;
	struct rp_dump_rank rank = { .state = state, .arg = &ahead };
	struct rp_dump_opts opts = { .pid = argc > 1 ? atoi(argv[1]) : 0, .after = RP_DUMP_KILL, .rank = &rank };
	struct rp_error err = { "" };

	if (argc < 3 || (mkdir(argv[2], 0700) && errno != EEXIST)) {
		fprintf(stderr, "usage: rankdump PID DIR [AHEAD_NS]\n");
		return 2;
	}
	opts.dir_fd = open(argv[2], O_RDONLY | O_DIRECTORY);
	if (rp_dump(&opts, NULL, &err)) {
		fprintf(stderr, "rankdump: %s\n", err.text);
		return 1;
	}
	return 0;
}
