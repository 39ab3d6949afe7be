/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "job/store-files.h"
#include "job/store.h"
#include "util/fd.h"
#include "util/str.h"

/* Links are not followed: what is sealed is what lies in the store. */
static int open_dir(const struct rp_store *s, const char *seq, const char *name, struct rp_error *err)
{
	int gen RP_AUTOCLOSE = openat(s->fd, seq, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int fd = gen < 0 ? -1 : openat(gen, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), error = errno;

	if (fd < 0)
		return rp_error(err, error == ENOENT ? -EBADMSG : -error, "%s/%s%s%s: %s", s->path, seq,
				gen < 0 ? "" : "/", gen < 0 ? "" : name, strerror(error));
	return fd;
}

int rp_store_open_rank(const struct rp_store *s, uint32_t seq, int rank, struct rp_error *err)
{
	char gen[16], name[24];

	snprintf(gen, sizeof(gen), "%u", seq);
	snprintf(name, sizeof(name), "rank-%d", rank);
	return open_dir(s, gen, name, err);
}

int rp_store_check_pids(const struct rp_store *s, const struct rp_gen *gen, struct rp_error *err)
{
	struct rp_str want RP_AUTOSTR = RP_STR_INIT;
	char seq[16], *text RP_AUTOFREE = NULL;
	int dir RP_AUTOCLOSE = -1, fd RP_AUTOCLOSE = -1;
	int rc;

	snprintf(seq, sizeof(seq), "%u", gen->seq);
	dir = open_dir(s, seq, ".", err);
	if (dir < 0)
		return dir;
	fd = rp_store_open_file(dir, "pids", err);
	if (fd < 0)
		return rp_error_prefix(err, fd == -ENOENT ? -EBADMSG : fd, "%s/%s/", s->path, seq);
	rp_store_pids_text(gen, &want);
	rc = want.oom ? -ENOMEM : rp_read_file(fd, want.len, &text, NULL);
	if (rc == -EFBIG || (!rc && !rp_streq(text, want.text)))
		return rp_error(err, -EBADMSG, "%s/%s/pids: differs from the manifest", s->path, seq);
	return rc ? rp_error(err, rc, "%s/%s/pids: %s", s->path, seq, strerror(-rc)) : 0;
}

static int verify_file(int dir_fd, const struct rp_gen_file *f, struct rp_count *count, struct rp_error *err)
{
	int fd RP_AUTOCLOSE = rp_store_open_file(dir_fd, f->name, err);
	uint64_t bytes;
	uint32_t crc;
	int rc;

	if (fd < 0)
		return fd == -ENOENT ? -EBADMSG : fd;
	rc = rp_store_sum(fd, &bytes, &crc, count);
	if (rc)
		return rp_error(err, rc, "%s: %s", f->name, strerror(-rc));
	if (bytes != f->bytes)
		return rp_error(err, -EBADMSG, "%s: has %llu bytes where the manifest says %llu", f->name,
				(unsigned long long)bytes, (unsigned long long)f->bytes);
	if (crc != f->crc32c)
		return rp_error(err, -EBADMSG, "%s: checksum differs from the manifest's", f->name);
	return 0;
}

static uint64_t bytes_of(const struct rp_gen *gen)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < gen->nranks; i++)
		bytes += gen->ranks[i].bytes;
	return bytes;
}

int rp_store_verify(const struct rp_store *s, const struct rp_gen *gen, struct rp_count *count, struct rp_error *err)
{
	int rc = rp_store_check_pids(s, gen, err);

	if (count)
		atomic_store(&count->total, bytes_of(gen));
	for (size_t i = 0; !rc && i < gen->nranks; i++) {
		int fd RP_AUTOCLOSE = rp_store_open_rank(s, gen->seq, gen->ranks[i].rank, err);

		if (fd < 0)
			return fd;
		for (size_t j = 0; !rc && j < gen->ranks[i].nfiles; j++) {
			rc = verify_file(fd, &gen->ranks[i].files[j], count, err);
			if (rc)
				rp_error_prefix(err, rc, "%s/%u/rank-%d/", s->path, gen->seq, gen->ranks[i].rank);
		}
	}
	return rc;
}

static int pick(struct rp_store *s, uint32_t seq, const struct rp_gen **gen, struct rp_error *err)
{
	if (!s->ngens)
		return rp_error(err, -ENOENT, "%s: no committed generation", s->path);
	if (!seq) {
		*gen = &s->gens[s->ngens - 1];
		return 0;
	}
	for (size_t i = 0; i < s->ngens; i++) {
		if (s->gens[i].seq == seq) {
			*gen = &s->gens[i];
			return 0;
		}
	}
	return rp_error(err, -ENOENT, "%s: no generation %u; there are %u to %u", s->path, seq, s->gens[0].seq,
			s->gens[s->ngens - 1].seq);
}

bool rp_store_is_name(const char *name)
{
	if (!*name || *name == '.' || strlen(name) > NAME_MAX)
		return false;
	for (; *name; name++)
		if (*name == '/' || iscntrl((unsigned char)*name))
			return false;
	return true;
}

/* The newest commit of any store in dir. */
static int find_latest(const char *dir, struct rp_store **out, struct rp_error *err)
{
	DIR *d RP_AUTOCLOSEDIR = opendir(dir);
	struct rp_store *best = NULL;
	struct dirent *e;

	if (!d)
		return rp_error(err, -errno, "%s: %s", dir, strerror(errno));
	while ((e = readdir(d))) {
		char *path RP_AUTOFREE = e->d_name[0] == '.' ? NULL : rp_strf("%s/%s", dir, e->d_name);
		struct rp_store *s;

		if (!path || rp_store_open_read(&s, path, NULL))
			continue;
		if (s->ngens && (!best || s->gens[s->ngens - 1].time > best->gens[best->ngens - 1].time)) {
			rp_store_free(best);
			best = s;
		} else {
			rp_store_free(s);
		}
	}
	if (!best)
		return rp_error(err, -ENOENT, "%s: no snapshot there", dir);
	*out = best;
	return 0;
}

/* path, or path without a last component that is a sequence number. */
static int open_ref(char *path, uint32_t *seq, struct rp_store **out, struct rp_error *err)
{
	char *slash;
	int64_t v;
	int rc;

	while ((slash = strrchr(path, '/')) && !slash[1] && slash != path)
		*slash = 0;
	rc = rp_store_open_read(out, path, err);
	if ((rc != -ENOENT && rc != -ENOTDIR) || !slash || rp_parse_i64(slash + 1, 10, 1, INT32_MAX, &v))
		return rc;
	*slash = 0;
	rc = rp_store_open_read(out, path, err);
	if (!rc && !*seq)
		*seq = (uint32_t)v;
	return rc;
}

int rp_store_find(const char *dir, const char *ref, uint32_t seq, struct rp_store **store, const struct rp_gen **gen,
		  struct rp_error *err)
{
	struct rp_store *s = NULL;
	int rc;

	if (!ref) {
		rc = find_latest(dir, &s, err);
	} else {
		char *named RP_AUTOFREE = ref[0] == '/' ? NULL : rp_strf("%s/%s", dir, ref);
		char *direct RP_AUTOFREE = strdup(ref);
		uint32_t from_path = 0;

		if (!direct)
			return rp_error(err, -ENOMEM, "out of memory");
		rc = named ? open_ref(named, &from_path, &s, err) : -ENOENT;
		if (rc == -ENOENT || rc == -ENOTDIR)
			rc = open_ref(direct, &from_path, &s, err);
		if (!seq)
			seq = from_path;
		if (rc == -ENOENT || rc == -ENOTDIR)
			return rp_error(err, -ENOENT,
					"%s: No such file or directory, neither in the store %s nor as a path", ref,
					dir);
	}
	if (rc)
		return rc;
	rc = pick(s, seq, gen, err);
	if (rc) {
		rp_store_free(s);
		return rc;
	}
	*store = s;
	return 0;
}
