/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A process with a given amount of random memory for the benchmarks of dump and restore: memory-load MIB FILE. It notes in
 * FILE (shared, one page) the longest time for which it did not run, and checks its memory when asked to stop.
 *
 * Built with BENCH_RANK it is a rank of an MPI job: rank-load MIB FILE uses FILE.RANK, and notes after a restart how long
 * after the return of MPI_Init it ran again. With 0 MiB it may run without Reprise.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef BENCH_RANK
#include <mpi.h>

#include "abi/arena.h"
#endif

struct page {
	volatile uint64_t ready, stop, gap_us, beats, sum_ok;
	volatile int64_t gap_end_ns; /* CLOCK_REALTIME of the end of that gap: also over a restore */
	volatile int64_t from_init_ns, restarts;
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000UL + (uint64_t)ts.tv_nsec;
}

static uint64_t sum(const uint64_t *p, size_t words)
{
	uint64_t s = 0;

	for (size_t i = 0; i < words; i++)
		s = s * 31 + p[i];
	return s;
}

#ifdef BENCH_RANK
static void note_restart(struct page *page, uint32_t *generation)
{
	/* The loop's own clock may be corrected; the kernel's is the one that the lower half read. */
	struct timespec ts;

	if (!*generation || rp_arena()->generation == *generation)
		return;
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	page->from_init_ns = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec - rp_arena()->mpi_ready_ns;
	*generation = rp_arena()->generation;
	page->restarts++;
}

static uint32_t begin(int *argc, char ***argv, char *path, size_t room)
{
	int rank;

	MPI_Init(argc, argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	snprintf(path, room, "%s.%d", (*argv)[2], rank);
	return atol((*argv)[1]) ? rp_arena()->generation : 0;
}
#else
static void note_restart(struct page *page, uint32_t *generation)
{
	(void)page;
	(void)generation;
}

static uint32_t begin(int *argc, char ***argv, char *path, size_t room)
{
	(void)argc;
	snprintf(path, room, "%s", (*argv)[2]);
	return 0;
}
#endif

int main(int argc, char **argv)
{
	size_t bytes = argc == 3 ? (size_t)atol(argv[1]) << 20 : 0, words = bytes / 8;
	char path[4096] = "";
	uint32_t generation = argc == 3 ? begin(&argc, &argv, path, sizeof(path)) : 0;
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	uint64_t x = 88172645463325252UL, before, last;
	struct page *page;
	uint64_t *data;

	if (fd < 0 || ftruncate(fd, 4096) < 0)
		return 2;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	data = mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	close(fd);
	if (page == MAP_FAILED || data == MAP_FAILED)
		return 2;
	if (getenv("LOAD_NOHUGE"))
		madvise(data, bytes, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < words; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		data[i] = x;
	}
	before = sum(data, words);
	memset((void *)page, 0, sizeof(*page));
	page->ready = 1;
	last = now_ns(CLOCK_REALTIME);
	while (!page->stop) {
		struct timespec nap = { 0, 100000 };
		uint64_t now;

		nanosleep(&nap, NULL);
		note_restart(page, &generation);
		now = now_ns(CLOCK_REALTIME);
		if ((now - last) / 1000 > page->gap_us) {
			page->gap_us = (now - last) / 1000;
			page->gap_end_ns = (int64_t)now;
		}
		last = now;
		page->beats++;
	}
	page->sum_ok = sum(data, words) == before ? 1 : 2;
#ifdef BENCH_RANK
	MPI_Finalize();
#endif
	return page->sum_ok == 1 ? 0 : 1;
}
