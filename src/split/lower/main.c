/* SPDX-License-Identifier: BSD-3-Clause */
#include "split/lower/lower.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define RP_MPI_LIBRARY "libmpi.so.40"

/* "Open MPI v4.1.4, package: ..." becomes "Open MPI 4.1.4". Both functions may be called before MPI_Init. */
static void name_library(void *handle)
{
	int (*version)(char *, int *) = (int (*)(char *, int *))dlsym(handle, "MPI_Get_library_version");
	char text[8192] = "", *v, *out = rp_arena()->mpi_library;
	size_t size = sizeof(rp_arena()->mpi_library);
	int len = 0;

	if (!version || version(text, &len))
		return;
	text[strcspn(text, ",\n")] = 0;
	v = strstr(text, " v");
	if (v)
		memmove(v + 1, v + 2, strlen(v + 2) + 1);
	snprintf(out, size, "%.60s", text);
}

static void *open_mpi(void)
{
	static void *handle;

	if (handle)
		return handle;
	/* global: Open MPI's components find its symbols that way */
	handle = dlopen(RP_MPI_LIBRARY, RTLD_NOW | RTLD_GLOBAL);
	if (!handle) {
		fprintf(stderr, "reprise: cannot open the MPI library: %s\n", dlerror());
		return NULL;
	}
	name_library(handle);
	rp_arena()->flags |= RP_ARENA_MPI;
	return handle;
}

static void *lower_dlsym(const char *name)
{
	void *handle = open_mpi();

	return handle ? dlsym(handle, name) : NULL;
}

/* A restart, after the upper half was filled: MPI as far as it was initialised, then the stub's objects. */
static void restart(struct rp_arena *a)
{
	struct rp_stub_ops *ops = (struct rp_stub_ops *)a->saved.stub_ops;
	int32_t level = ops ? ops->thread_level(a) : -1;
	int (*init)(int *, char ***, int, int *);
	char text[256] = "the MPI objects cannot be made again";
	struct timespec now;
	int got = -1;

	if (!ops)
		return;
	if (level >= 0) {
		ops->environment(a);
		init = (int (*)(int *, char ***, int, int *))lower_dlsym("MPI_Init_thread");
		if (!init || init(NULL, NULL, level, &got) || got < level)
			rp_boot_ops()->die("MPI_Init failed in the restarted rank");
		clock_gettime(CLOCK_MONOTONIC, &now);
		a->mpi_ready_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	}
	if (ops->replay(a, text, sizeof(text)))
		rp_boot_ops()->die(text);
}

int main(void)
{
	struct rp_arena *a = rp_arena();
	const char *escaped = rp_lower_probe();
	char line[256];

	if (escaped) {
		snprintf(line, sizeof(line),
			 "the C library of this system makes system calls that cannot be confined (%s)", escaped);
		rp_boot_ops()->die(line);
	}
	a->lower_dlsym = lower_dlsym;
	a->twin_get = rp_twin_get;
	a->twin_put = rp_twin_put;
	if (rp_twin_start() < 0 || rp_control_start() < 0)
		rp_boot_ops()->die("cannot start the lower half's threads");
	if (rp_boot_ops()->fill())
		restart(a);
	rp_boot_ops()->run();
	return 125;
}
