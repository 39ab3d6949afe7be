/* SPDX-License-Identifier: BSD-3-Clause */
#include "job/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/json.h"

char **rp_strv_dup(char *const *v)
{
	size_t n = 0;
	char **copy;

	while (v[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = strdup(v[i]);
		if (!copy[i]) {
			rp_strv_free(copy);
			return NULL;
		}
	}
	return copy;
}

void rp_strv_free(char **v)
{
	for (size_t i = 0; v && v[i]; i++)
		free(v[i]);
	free(v);
}

void rp_gen_done(struct rp_gen *gen)
{
	for (size_t i = 0; i < gen->nranks; i++) {
		struct rp_gen_rank *r = &gen->ranks[i];

		for (size_t j = 0; j < r->nfiles; j++)
			free(r->files[j].name);
		free(r->files);
		free(r->host);
		free(r->exe);
	}
	free(gen->ranks);
	free(gen->launcher);
	rp_strv_free(gen->launch_argv);
	rp_strv_free(gen->launch_env);
	free(gen->cwd);
	free(gen->mpi_library);
	free(gen->kernel);
	free(gen->libc);
	free(gen->machine);
	rp_strv_free(gen->cpu_features);
	memset(gen, 0, sizeof(*gen));
}

/* ---- writing: every step may run out of memory; one flag collects it ---- */

static void put_str(struct json_object *o, const char *name, const char *value, int *bad)
{
	*bad |= rp_json_set_str(o, name, value ? value : "") != 0;
}

static void put_i64(struct json_object *o, const char *name, int64_t value, int *bad)
{
	*bad |= rp_json_set_i64(o, name, value) != 0;
}

static struct json_object *put_array(struct json_object *o, const char *name, int *bad)
{
	struct json_object *a = json_object_new_array();

	if (!a || json_object_object_add(o, name, a)) {
		json_object_put(a);
		*bad = 1;
		return NULL;
	}
	return a;
}

static void put_strv(struct json_object *o, const char *name, char *const *v, int *bad)
{
	struct json_object *a = put_array(o, name, bad);

	for (size_t i = 0; a && v && v[i]; i++)
		*bad |= json_object_array_add(a, json_object_new_string(v[i])) != 0;
}

static struct json_object *rank_to_json(const struct rp_gen_rank *r, int *bad)
{
	struct json_object *o = json_object_new_object(), *files;

	put_i64(o, "rank", r->rank, bad);
	put_i64(o, "pid", r->pid, bad);
	put_i64(o, "max_id", r->max_id, bad);
	put_str(o, "host", r->host, bad);
	put_str(o, "exe", r->exe, bad);
	put_i64(o, "bytes", (int64_t)r->bytes, bad);
	files = put_array(o, "files", bad);
	for (size_t i = 0; files && i < r->nfiles; i++) {
		struct json_object *f = json_object_new_object();

		put_str(f, "name", r->files[i].name, bad);
		put_i64(f, "bytes", (int64_t)r->files[i].bytes, bad);
		put_i64(f, "crc32c", r->files[i].crc32c, bad);
		*bad |= json_object_array_add(files, f) != 0;
	}
	return o;
}

struct json_object *rp_gen_to_json(const struct rp_gen *gen)
{
	struct json_object *o = json_object_new_object(), *ranks;
	int bad = 0;

	put_i64(o, "seq", gen->seq, &bad);
	put_i64(o, "time", gen->time, &bad);
	put_i64(o, "np", gen->np, &bad);
	put_str(o, "launcher", gen->launcher, &bad);
	put_strv(o, "launch_argv", gen->launch_argv, &bad);
	put_strv(o, "launch_env", gen->launch_env, &bad);
	put_str(o, "cwd", gen->cwd, &bad);
	put_str(o, "mpi_library", gen->mpi_library, &bad);
	put_str(o, "kernel", gen->kernel, &bad);
	put_str(o, "libc", gen->libc, &bad);
	put_str(o, "machine", gen->machine, &bad);
	put_strv(o, "cpu_features", gen->cpu_features, &bad);
	ranks = put_array(o, "ranks", &bad);
	for (size_t i = 0; ranks && i < gen->nranks; i++)
		bad |= json_object_array_add(ranks, rank_to_json(&gen->ranks[i], &bad)) != 0;
	if (bad) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

/* ---- reading ---- */

static int get_str(struct json_object *o, const char *name, char **out, struct rp_error *err)
{
	const char *s;
	int rc = rp_json_str(o, name, &s, err);

	if (rc)
		return rc;
	*out = strdup(s);
	return *out ? 0 : rp_error(err, -ENOMEM, "out of memory");
}

static int get_int(struct json_object *o, const char *name, int64_t min, int64_t max, int *out, struct rp_error *err)
{
	int64_t v;
	int rc = rp_json_i64(o, name, min, max, &v, err);

	if (!rc)
		*out = (int)v;
	return rc;
}

static int get_strv(struct json_object *o, const char *name, char ***out, struct rp_error *err)
{
	struct json_object *a;
	int rc = rp_json_array(o, name, &a, err);
	size_t n;
	char **v;

	if (rc)
		return rc;
	n = json_object_array_length(a);
	v = calloc(n + 1, sizeof(*v));
	*out = v;
	if (!v)
		return rp_error(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		struct json_object *e = json_object_array_get_idx(a, i);

		if (!json_object_is_type(e, json_type_string))
			return rp_error(err, -EINVAL, "%s: element %zu is not a string", name, i);
		v[i] = strdup(json_object_get_string(e));
		if (!v[i])
			return rp_error(err, -ENOMEM, "out of memory");
	}
	return 0;
}

/* A manifest of an earlier release has none. */
static int get_features(struct json_object *o, char ***out, struct rp_error *err)
{
	if (json_object_object_get_ex(o, "cpu_features", NULL))
		return get_strv(o, "cpu_features", out, err);
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : rp_error(err, -ENOMEM, "out of memory");
}

static int file_from_json(struct json_object *o, struct rp_gen_file *f, struct rp_error *err)
{
	int64_t v;
	int rc = get_str(o, "name", &f->name, err);

	if (rc)
		return rc;
	if (!f->name[0] || f->name[0] == '.' || strchr(f->name, '/'))
		return rp_error(err, -EINVAL, "files: '%s' is not the name of a file", f->name);
	rc = rp_json_i64(o, "bytes", 0, INT64_MAX, &v, err);
	f->bytes = rc ? 0 : (uint64_t)v;
	if (!rc)
		rc = rp_json_i64(o, "crc32c", 0, UINT32_MAX, &v, err);
	f->crc32c = rc ? 0 : (uint32_t)v;
	return rc;
}

static int rank_from_json(struct json_object *o, int index, struct rp_gen_rank *r, struct rp_error *err)
{
	struct json_object *files;
	int64_t bytes;
	int rc;

	if ((rc = get_int(o, "rank", index, index, &r->rank, err)) ||
	    (rc = get_int(o, "pid", 2, 1 << 22, &r->pid, err)) ||
	    (rc = get_int(o, "max_id", 2, 1 << 22, &r->max_id, err)) || (rc = get_str(o, "host", &r->host, err)) ||
	    (rc = get_str(o, "exe", &r->exe, err)) || (rc = rp_json_i64(o, "bytes", 0, INT64_MAX, &bytes, err)) ||
	    (rc = rp_json_array(o, "files", &files, err)))
		return rc;
	r->bytes = (uint64_t)bytes;
	r->files = calloc(json_object_array_length(files) + 1, sizeof(*r->files));
	if (!r->files)
		return rp_error(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < json_object_array_length(files); i++) {
		r->nfiles++;
		rc = file_from_json(json_object_array_get_idx(files, i), &r->files[i], err);
		if (rc)
			return rc;
	}
	return 0;
}

static int ranks_from_json(struct json_object *o, struct rp_gen *gen, struct rp_error *err)
{
	struct json_object *ranks;
	int rc = rp_json_array(o, "ranks", &ranks, err);

	if (rc)
		return rc;
	if ((int)json_object_array_length(ranks) != gen->np)
		return rp_error(err, -EINVAL, "ranks: %zu of them where np is %d", json_object_array_length(ranks),
				gen->np);
	gen->ranks = calloc((size_t)gen->np, sizeof(*gen->ranks));
	if (!gen->ranks)
		return rp_error(err, -ENOMEM, "out of memory");
	for (int i = 0; i < gen->np; i++) {
		gen->nranks++;
		rc = rank_from_json(json_object_array_get_idx(ranks, (size_t)i), i, &gen->ranks[i], err);
		if (rc)
			return rp_error_prefix(err, rc, "rank %d: ", i);
	}
	return 0;
}

int rp_gen_from_json(struct json_object *o, struct rp_gen *out, struct rp_error *err)
{
	struct rp_gen gen = { 0 };
	int seq = 0, rc;

	if ((rc = get_int(o, "seq", 1, INT32_MAX, &seq, err)) ||
	    (rc = rp_json_i64(o, "time", 0, INT64_MAX, &gen.time, err)) ||
	    (rc = get_int(o, "np", 1, RP_MANIFEST_MAX_RANKS, &gen.np, err)) ||
	    (rc = get_str(o, "launcher", &gen.launcher, err)) ||
	    (rc = get_strv(o, "launch_argv", &gen.launch_argv, err)) ||
	    (rc = get_strv(o, "launch_env", &gen.launch_env, err)) || (rc = get_str(o, "cwd", &gen.cwd, err)) ||
	    (rc = get_str(o, "mpi_library", &gen.mpi_library, err)) || (rc = get_str(o, "kernel", &gen.kernel, err)) ||
	    (rc = get_str(o, "libc", &gen.libc, err)) || (rc = get_str(o, "machine", &gen.machine, err)) ||
	    (rc = get_features(o, &gen.cpu_features, err)) || (rc = ranks_from_json(o, &gen, err))) {
		rp_gen_done(&gen);
		return rc;
	}
	gen.seq = (uint32_t)seq;
	*out = gen;
	return 0;
}
