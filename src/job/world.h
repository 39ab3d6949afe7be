/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a job finds on a host besides its files, so that a checkpoint can record it and a restart compare: instruction sets of
 * the CPU that programs choose code by, and the MPI library. Sources: /proc/cpuinfo, MPI_Get_library_version().
 */
#ifndef RP_JOB_WORLD_H
#define RP_JOB_WORLD_H

#include <stddef.h>

#include "util/error.h"

/* NULL-terminated vector of flags as /proc/cpuinfo names them, only those that a program in user mode can depend on. Owned by
 * the caller (rp_strv_free()). NULL: no memory. */
char **rp_world_cpu_features(void);

/* The same from the text of a cpuinfo file. */
char **rp_world_cpu_features_of(const char *cpuinfo);

/* "Open MPI 4.1.4" of the library that a rank would load here and now, as the lower half writes it. "" when there is none.
 * A child process asks the library, nothing of it stays in this one. Returns 0 or -errno. */
int rp_world_mpi_library(char *out, size_t size, struct rp_error *err);

#endif
