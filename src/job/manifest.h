/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The metadata of a snapshot: DIR/NAME/manifest.json, one record per committed generation. Plain structs here; the JSON
 * is read with bounds (it is untrusted like every image) and written whole. docs/format.md describes the members.
 */
#ifndef RP_JOB_MANIFEST_H
#define RP_JOB_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "util/error.h"

#define RP_MANIFEST_FORMAT 1
#define RP_MANIFEST_MAX_RANKS 65536

struct rp_gen_file {
	char *name; /* without directory */
	uint64_t bytes;
	uint32_t crc32c;
};

struct rp_gen_rank {
	int rank, pid;
	int max_id; /* highest process or thread id of its image */
	char *host;
	char *exe;
	uint64_t bytes;
	struct rp_gen_file *files;
	size_t nfiles;
};

/* One generation. All strings and arrays are owned; string vectors are NULL-terminated and never NULL after reading. */
struct rp_gen {
	uint32_t seq;
	int64_t time; /* seconds since 1970, of the commit */
	int np;
	char *launcher;	    /* "openmpi", "mpich", "none": the adapter */
	char **launch_argv; /* the launcher's own command line */
	char **launch_env;  /* launcher settings of its environment: OMPI_MCA_* and so on, NAME=VALUE */
	char *cwd;	    /* the launcher's working directory */
	char *mpi_library;  /* "Open MPI 4.1.4", "" for programs without MPI */
	char *kernel, *libc, *machine;
	char **cpu_features;	   /* instruction sets that programs may use, as /proc/cpuinfo names them */
	struct rp_gen_rank *ranks; /* np of them, by rank */
	size_t nranks;
};

void rp_gen_done(struct rp_gen *gen);

/* New JSON object of a generation; NULL: no memory. */
struct json_object *rp_gen_to_json(const struct rp_gen *gen);

/* Returns 0 or -EINVAL with text naming the member. *out is set on success only. */
int rp_gen_from_json(struct json_object *o, struct rp_gen *out, struct rp_error *err);

/* Copies a NULL-terminated vector; NULL: no memory. rp_strv_free() accepts NULL. */
char **rp_strv_dup(char *const *v);
void rp_strv_free(char **v);

#endif
