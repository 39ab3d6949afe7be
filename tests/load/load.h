/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frame of the loads. A load makes some state, calls load_ready(), and checks what it made after it returns; in between it
 * is checkpointed and restored any number of times. It talks to the runner (run.py) by files of its directory only, so that
 * no descriptor is part of the frame: "ready" appears, "go" is awaited, "result" gets PASS, SKIP or what failed.
 */
#ifndef LOAD_H
#define LOAD_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static char load_dir[512];

static inline void load_sleep_ms(long ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms % 1000 * 1000000;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

/* A name in the load's directory; the buffer is reused by the next call but one. */
static inline const char *load_path(const char *name)
{
	static __thread char path[2][600];
	static __thread int which;

	which = !which;
	snprintf(path[which], sizeof(path[which]), "%s/%s", load_dir, name);
	return path[which];
}

static inline void load_write(const char *name, const char *text)
{
	char tmp[600];
	int fd;

	snprintf(tmp, sizeof(tmp), "%s/.%s.%d", load_dir, name, (int)syscall(SYS_gettid));
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(3);
	close(fd);
	if (rename(tmp, load_path(name)))
		_exit(3);
}

static inline void load_verdict(const char *word, int status) __attribute__((noreturn));
static inline void load_verdict(const char *word, int status)
{
	load_write("result", word);
	_exit(status);
}

/* Everything was as it should be. Returns main's value. */
static inline int load_end(void)
{
	load_write("result", "PASS");
	return 0;
}

static inline void load_skip(const char *why) __attribute__((noreturn));
static inline void load_skip(const char *why)
{
	char text[300];

	snprintf(text, sizeof(text), "SKIP %s", why);
	load_verdict(text, 77);
}

static inline void load_fail(const char *file, int line, const char *text, long value) __attribute__((noreturn));
static inline void load_fail(const char *file, int line, const char *text, long value)
{
	char all[700];

	snprintf(all, sizeof(all), "FAIL %s:%d: %s (%ld, errno %s)", file, line, text, value, strerrorname_np(errno));
	load_verdict(all, 1);
}

#define CHECK(condition) \
	do { \
		if (!(condition)) \
			load_fail(__FILE_NAME__, __LINE__, #condition, 0); \
	} while (0)

/* Setting up. */
#define MUST(condition) CHECK(condition)

/* Equal numbers, the one seen is shown. */
#define CHECK_EQ(seen, wanted) \
	do { \
		long seen_ = (long)(seen); \
		if (seen_ != (long)(wanted)) \
			load_fail(__FILE_NAME__, __LINE__, #seen " == " #wanted, seen_); \
	} while (0)

#ifndef __FILE_NAME__
#define __FILE_NAME__ __FILE__
#endif

static inline void load_begin(int argc, char **argv)
{
	if (argc != 2 || strlen(argv[1]) >= sizeof(load_dir)) {
		fprintf(stderr, "usage: %s DIR\n", argv[0]);
		exit(2);
	}
	strcpy(load_dir, argv[1]);
}

/* What is not to be the same after the first restore: a key of facts() in run.py. "*": all but the ids of threads changes
 * by itself at any time. */
static inline void load_loose(const char *key)
{
	load_write("loose", key);
}

/* Does the line "VmFlags" of the mapping that holds p have this flag? */
static inline int load_has_flag(const void *p, const char *flag)
{
	char line[600];
	int inside = 0, found = 0;
	FILE *f = fopen("/proc/self/smaps", "r");

	while (f && fgets(line, sizeof(line), f)) {
		char *end;

		unsigned long start = strtoul(line, &end, 16);

		if (*end == '-')
			inside = start <= (unsigned long)p && (unsigned long)p < strtoul(end + 1, NULL, 16);
		if (inside && !strncmp(line, "VmFlags:", 8))
			found = strstr(line, flag) != NULL;
	}
	fclose(f);
	return found;
}

/* The checkpoint happens in here. */
static inline void load_ready(void)
{
	load_write("ready", "READY");
	while (access(load_path("go"), F_OK))
		load_sleep_ms(5);
	errno = 0;
}

#endif
