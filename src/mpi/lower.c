/* SPDX-License-Identifier: BSD-3-Clause */
#include "mpi/lower.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "mpi/env.h"
#include "mpi/gate.h"

struct rp_lower_table rp_lower;

/* What every pointer is until then: the functions that may be called earlier fill the table first. */
static void not_ready(void)
{
	rp_env_misuse("MPI");
}

static __attribute__((constructor(102))) void lower_init(void)
{
	void **slot = (void **)&rp_lower;

	for (int i = 0; i < RP_LOWER_COUNT; i++)
		slot[i] = (void *)not_ready;
}

int rp_lower_fill(char *name, uint32_t size)
{
	void **slot = (void **)&rp_lower;
	int rc;

	for (int i = 0; i < RP_LOWER_COUNT; i++) {
		slot[i] = rp_arena()->lower_dlsym(rp_lower_names[i]);
		if (!slot[i]) {
			strncpy(name, rp_lower_names[i], size - 1);
			name[size - 1] = '\0';
			return -ENOENT;
		}
	}
	rc = rp_predefined_fill();
	if (rc < 0) {
		strncpy(name, "a predefined handle", size - 1);
		return rc;
	}
	rp_stub.lower_ready = rp_arena()->generation;
	return 0;
}

static void die(const char *text, const char *what)
{
	static const char start[] = "reprise: ";

	rp_sys6(SYS_write, 2, (long)start, sizeof(start) - 1, 0, 0, 0);
	rp_sys6(SYS_write, 2, (long)text, (long)strlen(text), 0, 0, 0);
	rp_sys6(SYS_write, 2, (long)what, (long)strlen(what), 0, 0, 0);
	rp_sys6(SYS_write, 2, (long)"\n", 1, 0, 0, 0);
	rp_sys6(SYS_exit_group, 125, 0, 0, 0, 0, 0);
}

void rp_lower_need(void)
{
	char name[64] = "";
	struct rp_thread *t;
	int rc = 0;

	if (rp_stub.lower_ready)
		return;
	if (!rp_is_rank())
		die("MPI is called in a process that the launcher did not start (a child of a rank)", "");
	t = rp_mpi_enter();
	if (!rp_stub.lower_ready)
		rc = rp_lower_fill(name, sizeof(name));
	rp_leave(t);
	if (rc < 0)
		die("the MPI library lacks ", name);
}
