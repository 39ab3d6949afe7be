/* SPDX-License-Identifier: BSD-3-Clause */
#include "restart_check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <gnu/libc-version.h>

#include "engine/restore.h"
#include "job/world.h"
#include "util/array.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/str.h"

static bool has_word(char *const *v, const char *word)
{
	for (; *v; v++)
		if (rp_streq(*v, word))
			return true;
	return false;
}

/* Programs choose their code by the instruction sets that they find when they start. */
static int check_cpu(const struct rp_store *s, const struct rp_gen *gen, struct rp_error *err)
{
	char **here = rp_world_cpu_features();
	struct rp_str missing RP_AUTOSTR = RP_STR_INIT;

	if (!here)
		return rp_error(err, -ENOMEM, "out of memory");
	for (size_t i = 0; here[0] && gen->cpu_features[i]; i++)
		if (!has_word(here, gen->cpu_features[i]))
			rp_str_addf(&missing, "%s%s", missing.len ? ", " : "", gen->cpu_features[i]);
	rp_strv_free(here);
	if (!missing.len)
		return 0;
	return rp_error(err, -ENOTSUP, "%s/%u: its job ran on a CPU with %.150s, which this one lacks", s->path,
			gen->seq, missing.text);
}

static int check_library(const struct rp_store *s, const struct rp_gen *gen, struct rp_error *err)
{
	char here[64];
	int rc = gen->mpi_library[0] ? rp_world_mpi_library(here, sizeof(here), err) : 0;

	if (rc || !gen->mpi_library[0] || rp_streq(here, gen->mpi_library))
		return rc;
	return rp_error(err, -EINVAL, "%s/%u was taken with %s; the MPI library here is %s", s->path, gen->seq,
			gen->mpi_library, here[0] ? here : "not found");
}

static void warn_of_system(const struct rp_gen *gen, const struct utsname *u)
{
	char *kernel RP_AUTOFREE = rp_strf("%s %s", u->sysname, u->release);
	char *libc RP_AUTOFREE = rp_strf("glibc %s", gnu_get_libc_version());

	if (kernel && gen->kernel[0] && !rp_streq(kernel, gen->kernel))
		rp_warn("the checkpoint was taken under %s, this is %s", gen->kernel, kernel);
	if (libc && gen->libc[0] && !rp_streq(libc, gen->libc))
		rp_warn("the checkpoint was taken with %s, here is %s", gen->libc, libc);
}

static int check_system(const struct rp_store *s, const struct rp_gen *gen, const struct utsname *u,
			struct rp_error *err)
{
	int rc;

	if (gen->machine[0] && !rp_streq(gen->machine, u->machine))
		return rp_error(err, -EINVAL, "%s/%u was taken on %s; this is %s", s->path, gen->seq, gen->machine,
				u->machine);
	rc = check_cpu(s, gen, err);
	if (!rc)
		rc = check_library(s, gen, err);
	if (!rc)
		warn_of_system(gen, u);
	return rc;
}

static int check_sizes(const struct rp_store *s, uint32_t seq, const struct rp_gen_rank *rank, struct rp_error *err)
{
	int dir RP_AUTOCLOSE = rp_store_open_rank(s, seq, rank->rank, err);
	struct stat st;

	if (dir < 0)
		return dir;
	for (size_t f = 0; f < rank->nfiles; f++) {
		const char *name = rank->files[f].name;

		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) {
			int error = errno;

			return rp_error(err, error == ENOENT ? -EBADMSG : -error, "%s/%u/rank-%d/%s: %s", s->path, seq,
					rank->rank, name, strerror(error));
		}
		if ((uint64_t)st.st_size != rank->files[f].bytes)
			return rp_error(err, -EBADMSG, "%s/%u/rank-%d/%s: has %lld bytes where the manifest says %llu",
					s->path, seq, rank->rank, name, (long long)st.st_size,
					(unsigned long long)rank->files[f].bytes);
	}
	return 0;
}

/* What the rank itself will check first, here already: one line instead of one per rank and the launcher's own. */
static int check_image(const struct rp_gen_rank *rank, const char *path, struct restart_ids *ids, struct rp_error *err)
{
	const struct rp_restore_opts opts = { .images_dir = path,
					      .attach = RP_ATTACH_INPLACE,
					      .job = true,
					      .only_check = true,
					      .boot_path = "reprise-boot" };
	struct rp_restore *r;
	int rc = rp_restore_new(&r, &opts, err);

	if (rc)
		return rp_error_prefix(err, rc == -ENOENT ? -ESTALE : rc, "rank %d: ", rank->rank);
	for (size_t i = 0; !rc && i < r->tasks[0].nthreads; i++) {
		int *slot = RP_ARRAY_PUSH(ids);

		if (slot)
			*slot = r->tasks[0].threads[i].tid;
		else
			rc = rp_error(err, -ENOMEM, "out of memory");
	}
	rp_restore_free(r);
	return rc;
}

int restart_check(const struct rp_store *s, const struct rp_gen *gen, struct restart_ids *ids, struct rp_error *err)
{
	struct utsname u;
	int rc;

	if (uname(&u))
		return rp_error(err, -errno, "uname: %s", strerror(errno));
	rc = check_system(s, gen, &u, err);
	if (!rc)
		rc = rp_store_check_pids(s, gen, err);
	for (size_t i = 0; !rc && i < gen->nranks; i++) {
		char *path RP_AUTOFREE = rp_store_rank_path(s, gen->seq, gen->ranks[i].rank);

		rc = path ? check_sizes(s, gen->seq, &gen->ranks[i], err) : rp_error(err, -ENOMEM, "out of memory");
		if (!rc && rp_streq(gen->ranks[i].host, u.nodename))
			rc = check_image(&gen->ranks[i], path, ids, err);
	}
	return rc;
}
