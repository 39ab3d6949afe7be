/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Baselines for the benchmarks of dump and restore: memory-base MIB FILE. Prints one JSON object with milliseconds of a memcpy
 * of that much warm random memory, and of write(2) of it into FILE, whose space has been reserved before.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static char *fresh(size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int main(int argc, char **argv)
{
	size_t bytes = argc == 3 ? (size_t)atol(argv[1]) << 20 : 0;
	char *from = fresh(bytes), *to = fresh(bytes);
	uint64_t x = 88172645463325252UL;
	double begin, copied, written;
	int fd;

	if (argc != 3 || !from || !to)
		return 2;
	fd = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || posix_fallocate(fd, 0, (off_t)bytes) != 0)
		return 2;
	for (size_t i = 0; i < bytes / 8; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		((uint64_t *)(void *)from)[i] = x;
	}
	memset(to, 1, bytes);
	begin = now_ms();
	memcpy(to, from, bytes);
	copied = now_ms() - begin;
	__asm__ volatile("" : : "r"(to) : "memory");
	begin = now_ms();
	for (size_t at = 0; at < bytes;) {
		ssize_t n = pwrite(fd, from + at, bytes - at < (1U << 20) ? bytes - at : 1U << 20, (off_t)at);

		if (n <= 0)
			return 1;
		at += (size_t)n;
	}
	written = now_ms() - begin;
	close(fd);
	unlink(argv[2]);
	printf("{\"memcpy_ms\": %.1f, \"write_ms\": %.1f}\n", copied, written);
	return 0;
}
