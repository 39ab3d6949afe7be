/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Makes one thing that cannot be carried, or seems so, prints READY and counts in a file: maker KIND FILE. The count shows that the
 * process runs. Exit status 77: this kernel or machine does not have it.
 */
#include "maker.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *count_on(void *arg)
{
	volatile uint64_t *count = arg;

	for (;;) {
		(*count)++;
		usleep(1000);
	}
	return NULL;
}

static int is_leader_gone(void)
{
	char path[64], text[256];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	fd = open(path, O_RDONLY);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, ") Z ") != NULL;
}

static void *go_on_alone(void *count)
{
	while (!is_leader_gone())
		usleep(1000);
	puts("READY");
	fflush(stdout);
	return count_on(count);
}

/* The first thread ends, the process lives on. */
static void make_leaderless(volatile uint64_t *count)
{
	pthread_t t;

	pthread_create(&t, NULL, go_on_alone, (void *)count);
	pthread_exit(NULL);
}

#define ROW(name) { #name, make_##name },

static const struct {
	const char *name;
	void (*make)(void);
} kinds[] = { { "nothing", NULL }, MAKER_KINDS(ROW) };

int main(int argc, char **argv)
{
	int fd = argc == 3 ? open(argv[2], O_RDWR | O_CREAT, 0600) : -1;
	volatile uint64_t *count;

	if (fd < 0 || ftruncate(fd, 4096) < 0)
		return 2;
	count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (count == MAP_FAILED)
		return 2;
	if (strcmp(argv[1], "leaderless") == 0)
		make_leaderless(count);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(argv[1], kinds[i].name) != 0)
			continue;
		if (kinds[i].make)
			kinds[i].make();
		puts("READY");
		fflush(stdout);
		count_on((void *)count);
	}
	return 2;
}
