/* SPDX-License-Identifier: BSD-3-Clause
 *
 * files DIR: a program that works with files until it finds DIR/stop. Twenty times a second it appends "N" to DIR/log, writes
 * "N" to DIR/table (not in append mode), reads line N of DIR/input, and looks at its mappings of DIR/mapped (private, one page
 * of it written) and DIR/shared. DIR/big is open for reading only, DIR/cache too, and mapped shared. Prints "step N"; at the end
 * "sound".
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static int open_in(const char *dir, const char *name, int flags)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, flags, 0644);
	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static char *map(const char *dir, const char *name, int flags)
{
	int fd = open_in(dir, name, O_RDWR);
	char *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, flags, fd, 0);

	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static int bad(const char *what, int n)
{
	printf("%s is wrong at step %d\n", what, n);
	return 1;
}

int main(int argc, char **argv)
{
	const char *dir = argv[1];
	int log = open_in(dir, "log", O_WRONLY | O_APPEND | O_CREAT), table = open_in(dir, "table", O_RDWR | O_CREAT);
	FILE *input = fdopen(open_in(dir, "input", O_RDONLY), "r");
	char *mapped = map(dir, "mapped", MAP_PRIVATE), *shared = map(dir, "shared", MAP_SHARED), path[4096];
	int big = open_in(dir, "big", O_RDONLY), cache = open_in(dir, "cache", O_RDONLY);
	const char *view = mmap(NULL, 4096, PROT_READ, MAP_SHARED, cache, 0);

	if (argc != 2 || !mapped || !shared || !input || big < 0 || view == MAP_FAILED)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(path, sizeof(path), "%s/stop", dir);
	strcpy(mapped + 4096, "written");
	for (int n = 0; access(path, F_OK); n++) {
		const struct timespec pause = { 0, 50000000 };
		char line[64], want[64];

		snprintf(want, sizeof(want), "%d\n", n);
		if (write(log, want, strlen(want)) < 0 || write(table, want, strlen(want)) < 0)
			return bad("writing", n);
		if (!fgets(line, sizeof(line), input) || strcmp(line, want))
			return bad("input", n);
		if (mapped[0] != 'm' || mapped[8192] != 'm' || strcmp(mapped + 4096, "written"))
			return bad("the private mapping", n);
		snprintf(shared, 4096, "%d", n);
		printf("step %d\n", n);
		nanosleep(&pause, NULL);
	}
	printf("sound\n");
	return 0;
}
