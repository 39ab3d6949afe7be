/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A load: a program that makes some state, says READY, waits, and verifies the state. argv[1] is the file for its lines;
 * argv[2], where a load wants one, a directory for its files. SIGTERM asks for the verdict: the last line is PASS or
 * "FAIL what", the exit status 0 or 1. Any number of checkpoints and restores may lie in between.
 */
#ifndef LOAD_H
#define LOAD_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int load_fd = -1;
static int load_bad;
static const char *load_dir = ".";
static volatile sig_atomic_t load_stop;

static void load_on_term(int sig)
{
	(void)sig;
	load_stop = 1;
}

static inline void load_begin(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = load_on_term };

	load_fd = open(argc > 1 ? argv[1] : "/dev/stdout", O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (argc > 2)
		load_dir = argv[2];
	sigaction(SIGTERM, &sa, NULL);
}

static inline void load_fail(const char *file, int line, const char *what)
{
	dprintf(load_fd, "FAIL %s:%d %s (errno %d)\n", file, line, what, errno);
	load_bad = 1;
}

/* Setting up: a failure here is the test machine's, and ends the program. */
#define MUST(cond) \
	do { \
		if (!(cond)) { \
			load_fail(__FILE__, __LINE__, #cond); \
			exit(2); \
		} \
	} while (0)

/* Verifying. */
#define CHECK(cond) \
	do { \
		if (!(cond)) \
			load_fail(__FILE__, __LINE__, #cond); \
	} while (0)

static inline void load_ready(void)
{
	sigset_t block, old;

	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	sigprocmask(SIG_BLOCK, &block, &old);
	dprintf(load_fd, "READY %d\n", getpid());
	while (!load_stop)
		sigsuspend(&old);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static inline int load_end(void)
{
	if (!load_bad)
		dprintf(load_fd, "PASS\n");
	return load_bad;
}

/* A name in the load's directory; the buffer is reused by the next call but one. */
static inline const char *load_path(const char *name)
{
	static char buf[2][4096];
	static int which;

	which = !which;
	snprintf(buf[which], sizeof(buf[which]), "%s/%s", load_dir, name);
	return buf[which];
}

#endif
