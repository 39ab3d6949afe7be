/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Kinds of memory: heap, large private ranges (dense, sparse, zero), guards, a growing stack, files mapped private and
 * shared, anonymous objects mapped twice, memfd, attributes (madvise, mlock, protections), code that was written.
 */
#include "load.h"

#include <sys/mman.h>

#define PAGE 4096UL

static uint32_t pattern(uint32_t *p, size_t words, uint32_t seed, int write)
{
	uint32_t bad = 0;

	for (size_t i = 0; i < words; i++) {
		seed = seed * 1664525 + 1013904223;
		if (write)
			p[i] = seed;
		bad += p[i] != seed;
	}
	return bad;
}

static void *map(size_t len, int prot, int flags, int fd)
{
	void *p = mmap(NULL, len, prot, flags | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static int file(const char *name, size_t len)
{
	int fd = open(load_path(name), O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0 && !ftruncate(fd, (off_t)len));
	for (size_t i = 0; i < len; i += PAGE)
		CHECK(pwrite(fd, "original", 8, (off_t)i) == 8);
	return fd;
}

/* The lowest address that the recursion reached; a number, because the frame is gone when it is looked at. */
static uintptr_t deep(int levels)
{
	volatile char frame[1000];
	uintptr_t at = (uintptr_t)frame;

	frame[0] = (char)levels;
	return levels ? deep(levels - 1) : at;
}

static void grow_stack(char *low)
{
	/* Touches below what the stack had at the checkpoint: it must still grow. */
	CHECK(deep(400) < (uintptr_t)low);
}

int main(int argc, char **argv)
{
	uint32_t *dense, *heap, *sparse;
	char *guard, *down, *private_file, *shared_file, *one, *two, *mem, *code, *locked, *cold, *zero, *read_only,
		here;
	int fd, mfd, (*answer)(void);
	void *brk_before;
	struct timespec before, after;

	load_begin(argc, argv);
	dense = map(6 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	pattern(dense, (6 << 20) / 4, 1, 1);
	heap = malloc(100000);
	pattern(heap, 25000, 2, 1);
	brk_before = sbrk(0);
	sparse = map(512UL << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, -1);
	for (size_t i = 0; i < 512; i += 17)
		sparse[i << 18] = (uint32_t)i + 1;
	guard = map(3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	strcpy(guard + PAGE, "hidden");
	mprotect(guard, PAGE, PROT_NONE);
	mprotect(guard + PAGE, PAGE, PROT_NONE);
	down = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
	CHECK(down != MAP_FAILED);
	strcpy(down, "low end");
	fd = file("private", 8 * PAGE);
	private_file = map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	strcpy(private_file + 2 * PAGE, "changed");
	read_only = map(4 * PAGE, PROT_READ, MAP_PRIVATE, fd);
	close(fd);
	fd = file("shared", 8 * PAGE);
	shared_file = map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	close(fd);
	strcpy(shared_file + PAGE, "in the file");
	one = map(6 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, -1);
	strcpy(one + 2 * PAGE, "shared page");
	two = mremap(one, 0, 6 * PAGE, MREMAP_MAYMOVE);
	CHECK(two != MAP_FAILED && !munmap(two, 2 * PAGE)); /* shows the object from its third page on */
	two += 2 * PAGE;
	mfd = memfd_create("load memfd", MFD_ALLOW_SEALING);
	CHECK(mfd >= 0 && !ftruncate(mfd, 4 * PAGE));
	mem = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mfd);
	strcpy(mem + 3 * PAGE, "last page");
	CHECK(!fcntl(mfd, F_ADD_SEALS, F_SEAL_SHRINK));
	code = map(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE, -1);
	memcpy(code, "\xb8\x2a\x00\x00\x00\xc3", 6);
	answer = (int (*)(void))(uintptr_t)code;
	locked = map(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	CHECK(!mlock(locked, 4 * PAGE));
	cold = map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	CHECK(!madvise(cold, 8 * PAGE, MADV_DONTFORK) && !madvise(cold, 8 * PAGE, MADV_DONTDUMP));
	zero = map(64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	here = zero[10 * PAGE];
	CHECK(!here);
	mprotect(zero + 32 * PAGE, 16 * PAGE, PROT_READ);
	clock_gettime(CLOCK_MONOTONIC, &before);

	load_ready();

	CHECK(!pattern(dense, (6 << 20) / 4, 1, 0));
	CHECK(!pattern(heap, 25000, 2, 0));
	CHECK(sbrk(0) == brk_before && sbrk(1 << 20) == brk_before);
	memset(brk_before, 1, 1 << 20);
	free(heap);
	for (size_t i = 0; i < 512; i++)
		CHECK_EQ(sparse[i << 18], i % 17 ? 0 : i + 1);
	CHECK(syscall(SYS_write, -1, guard, 1) == -1 && !mprotect(guard, 3 * PAGE, PROT_READ));
	CHECK(!strcmp(guard + PAGE, "hidden"));
	CHECK(!strcmp(down, "low end") && load_has_flag(down, " gd"));
	CHECK(!strcmp(private_file, "original") && !strcmp(private_file + 2 * PAGE, "changed"));
	CHECK(!strcmp(read_only + 2 * PAGE, "original"));
	CHECK(!strcmp(shared_file + PAGE, "in the file"));
	strcpy(shared_file + 5 * PAGE, "written after");
	fd = open(load_path("shared"), O_RDONLY);
	CHECK(pread(fd, guard = calloc(1, 20), 14, 5 * PAGE) == 14 && !strcmp(guard, "written after"));
	CHECK(!strcmp(one + 2 * PAGE, "shared page") && !strcmp(two, "shared page"));
	strcpy(two + PAGE, "both");
	CHECK(!strcmp(one + 3 * PAGE, "both"));
	CHECK(!strcmp(mem + 3 * PAGE, "last page"));
	CHECK_EQ(fcntl(mfd, F_GET_SEALS), F_SEAL_SHRINK);
	CHECK(pwrite(mfd, "through", 8, 0) == 8 && !strcmp(mem, "through"));
	CHECK_EQ(answer(), 42);
	CHECK(load_has_flag(locked, " lo") && load_has_flag(cold, " dc") && load_has_flag(cold, " dd"));
	CHECK(!zero[10 * PAGE] && !zero[63 * PAGE]);
	zero[0] = 1;
	grow_stack(&here);
	clock_gettime(CLOCK_MONOTONIC, &after);
	CHECK(after.tv_sec >= before.tv_sec);
	return load_end();
}
