/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Huge pages of the reserved sort: private and shared anonymous memory (of which one object is mapped twice), a memfd whose
 * descriptor is closed and one whose is not; parts that were never touched.
 */
#include "load.h"

#include <sys/mman.h>

#define HUGE (2UL << 20)
#define FLAGS (MAP_HUGETLB | 21 << MAP_HUGE_SHIFT)

static char *map(size_t len, int flags, int fd)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags | (fd < 0 ? MAP_ANONYMOUS | FLAGS : 0), fd, 0);

	if (p == MAP_FAILED)
		load_skip("no huge pages of 2 MiB are reserved");
	return p;
}

static int make_memfd(void)
{
	int fd = memfd_create("huge", MFD_HUGETLB | 21 << MAP_HUGE_SHIFT);

	if (fd < 0 || ftruncate(fd, 2 * HUGE))
		load_skip("no huge pages of 2 MiB");
	return fd;
}

static int all(const char *p, char byte)
{
	for (size_t i = 0; i < HUGE; i++)
		if (p[i] != byte)
			return 0;
	return 1;
}

/* Is the memory made of huge pages? */
static int is_huge(const char *p)
{
	char line[600], want[40];
	int inside = 0, found = 0;
	FILE *f = fopen("/proc/self/smaps", "r");

	snprintf(want, sizeof(want), "%lx-", (unsigned long)p);
	while (f && fgets(line, sizeof(line), f)) {
		char *end;

		strtoul(line, &end, 16);
		if (*end == '-')
			inside = !strncmp(line, want, strlen(want));
		if (inside && !strncmp(line, "KernelPageSize:", 15))
			found = atoi(line + 15) == 2048;
	}
	fclose(f);
	return found;
}

int main(int argc, char **argv)
{
	char *private, *shared, *again, *closed, *open_map;
	int fd, memfd;

	load_begin(argc, argv);
	private = map(2 * HUGE, MAP_PRIVATE, -1);
	shared = map(2 * HUGE, MAP_SHARED, -1);
	again = mremap(shared, 0, HUGE, MREMAP_MAYMOVE);
	fd = make_memfd();
	closed = map(2 * HUGE, MAP_SHARED, fd);
	close(fd);
	memfd = make_memfd();
	open_map = map(HUGE, MAP_PRIVATE, memfd);
	memset(private + HUGE, 'p', HUGE);
	memset(shared, 's', HUGE);
	memset(closed + HUGE, 'c', HUGE);
	memset(open_map, 'o', HUGE);
	load_ready();

	CHECK(all(private, 0) && all(private + HUGE, 'p'));
	CHECK(all(shared, 's') && all(shared + HUGE, 0));
	if (again != MAP_FAILED) {
		CHECK(all(again, 's'));
		again[5] = 'x';
		CHECK(shared[5] == 'x');
	}
	CHECK(all(closed, 0) && all(closed + HUGE, 'c'));
	CHECK(all(open_map, 'o'));
	CHECK(is_huge(private) && is_huge(shared) && is_huge(closed) && is_huge(open_map));
	memset(shared + HUGE, 't', HUGE);
	CHECK(all(shared + HUGE, 't'));
	return load_end();
}
