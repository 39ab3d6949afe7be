/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a rank has to say is kept until all of them are asked: rank 0 prints for everybody, in order of rank, so that two runs
 * can be compared line by line.
 */
#ifndef SAY_H
#define SAY_H

#include <mpi.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define SAY_SIZE 65536 /* bytes of one rank between two say_all() */

static char say_text[SAY_SIZE];
static size_t say_used;

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_used += (size_t)vsnprintf(say_text + say_used, SAY_SIZE - say_used, fmt, ap);
	va_end(ap);
	if (say_used >= SAY_SIZE - 1)
		MPI_Abort(MPI_COMM_WORLD, 3);
	say_text[say_used++] = '\n';
}

static inline void say_status(const char *what, int rc, const MPI_Status *s)
{
	int class = 0, n = -1, cancelled = 0;

	if (rc)
		MPI_Error_class(rc, &class);
	MPI_Get_count(s, MPI_INT, &n);
	MPI_Test_cancelled(s, &cancelled);
	say("%s: class %d source %d tag %d count %d cancelled %d", what, class, s->MPI_SOURCE, s->MPI_TAG,
	    n == MPI_UNDEFINED ? -1 : n, cancelled);
}

/* Collective over the world. */
static void say_all(void)
{
	int rank, size;
	char *all;

	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	all = rank ? NULL : malloc((size_t)size * SAY_SIZE);
	say_text[say_used] = '\0';
	MPI_Gather(say_text, SAY_SIZE, MPI_CHAR, all, SAY_SIZE, MPI_CHAR, 0, MPI_COMM_WORLD);
	for (int r = 0; !rank && r < size; r++)
		printf("== rank %d\n%s", r, all + (size_t)r * SAY_SIZE);
	fflush(stdout);
	free(all);
	say_used = 0;
}

/* Each rank says so on standard error and waits for FILE.N outside MPI: the checkpoint comes in here. */
static inline void say_ready(const char *file, int n)
{
	struct stat st;
	char name[512];

	snprintf(name, sizeof(name), "%s.%d", file, n);
	fprintf(stderr, "READY %d\n", n);
	while (stat(name, &st))
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

#endif
