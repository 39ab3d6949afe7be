/* SPDX-License-Identifier: BSD-3-Clause */
#include "job/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "job/store-files.h"
#include "util/fd.h"
#include "util/json.h"
#include "util/str.h"

#define MANIFEST "manifest.json"
#define MANIFEST_NEW ".manifest.json.new"
#define MANIFEST_MAX (256U << 20)

static int step(const struct rp_store *s, const char *what)
{
	return s->step ? s->step(s->step_arg, what) : 0;
}

void rp_store_free(struct rp_store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->ngens; i++)
		rp_gen_done(&s->gens[i]);
	free(s->gens);
	if (s->fd >= 0)
		close(s->fd);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s->path);
	free(s);
}

static int parse_manifest(struct rp_store *s, struct json_object *o, struct rp_error *err)
{
	struct json_object *list;
	int64_t format;
	int rc = rp_json_i64(o, "format", 1, RP_MANIFEST_FORMAT, &format, err);
	size_t n;

	if (!rc)
		rc = rp_json_array(o, "generations", &list, err);
	if (rc)
		return rc;
	n = json_object_array_length(list);
	s->gens = calloc(n + 1, sizeof(*s->gens));
	if (!s->gens)
		return rp_error(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		rc = rp_gen_from_json(json_object_array_get_idx(list, i), &s->gens[i], err);
		if (rc)
			return rp_error_prefix(err, rc, "generation %zu: ", i);
		s->ngens++;
		if (i && s->gens[i].seq <= s->gens[i - 1].seq)
			return rp_error(err, -EINVAL, "generation %zu: seq does not grow", i);
	}
	return 0;
}

/* Reads the manifest; none is an empty store when allowed. */
static int load(struct rp_store *s, bool may_be_missing, struct rp_error *err)
{
	struct json_object *o RP_AUTOJSON = NULL;
	char *text RP_AUTOFREE = NULL;
	int fd RP_AUTOCLOSE = rp_store_open_file(s->fd, MANIFEST, err);
	size_t len;
	int rc;

	if (fd == -ENOENT && may_be_missing)
		return 0;
	if (fd == -ENOENT)
		return rp_error(err, fd, "%s: no snapshot there (no manifest.json)", s->path);
	if (fd < 0)
		return rp_error_prefix(err, fd, "%s/", s->path);
	rc = rp_read_file(fd, MANIFEST_MAX, &text, &len);
	if (rc)
		return rp_error(err, rc, "%s/%s: %s", s->path, MANIFEST, strerror(-rc));
	rc = rp_json_parse(text, len, &o, err);
	if (!rc)
		rc = parse_manifest(s, o, err);
	return rc ? rp_error_prefix(err, rc, "%s/%s: ", s->path, MANIFEST) : 0;
}

static int open_dir(struct rp_store **out, const char *path, struct rp_error *err)
{
	struct rp_store *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return rp_error(err, -ENOMEM, "out of memory");
	s->lock_fd = -1;
	s->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0) {
		rc = rp_error(err, -errno, "%s: %s", path, strerror(errno));
		rp_store_free(s);
		return rc;
	}
	s->path = realpath(path, NULL);
	if (!s->path) {
		rp_store_free(s);
		return rp_error(err, -ENOMEM, "out of memory");
	}
	*out = s;
	return 0;
}

int rp_store_open_read(struct rp_store **out, const char *path, struct rp_error *err)
{
	struct rp_store *s;
	int rc = open_dir(&s, path, err);

	if (rc)
		return rc;
	rc = load(s, false, err);
	if (rc) {
		rp_store_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

int rp_store_open_write(struct rp_store **out, const char *path, struct rp_error *err)
{
	struct rp_store *s;
	int rc = rp_mkdir_all(path, 0700);

	if (rc)
		return rp_error(err, rc, "cannot make %s: %s", path, strerror(-rc));
	rc = open_dir(&s, path, err);
	if (rc)
		return rc;
	s->lock_fd = openat(s->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		rc = rp_error(err, -errno, "%s/lock: %s", s->path, strerror(errno));
	else if (flock(s->lock_fd, LOCK_EX | LOCK_NB))
		rc = errno == EWOULDBLOCK
			     ? rp_error(err, -EBUSY, "%s: another checkpoint is being written there", s->path)
			     : rp_error(err, -errno, "%s/lock: %s", s->path, strerror(errno));
	if (!rc)
		rc = load(s, true, err);
	if (rc) {
		rp_store_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

int rp_store_begin(struct rp_store *s, struct rp_store_new *out, struct rp_error *err)
{
	uint32_t seq = s->ngens ? s->gens[s->ngens - 1].seq : 0, found = rp_store_highest_dir(s->fd);
	char name[16];
	int rc, fd;

	/* We have the lock: whoever wrote there was killed. Its room may be what this one needs. */
	rp_store_remove_unlisted(s->fd, s->gens, s->ngens, seq + 1, UINT32_MAX);
	seq = (found > seq ? found : seq) + 1;
	snprintf(name, sizeof(name), "%u", seq);
	rc = step(s, "mkdir generation");
	if (!rc && mkdirat(s->fd, name, 0700))
		rc = -errno;
	if (rc)
		return rp_error(err, rc, "cannot make %s/%s: %s", s->path, name, strerror(-rc));
	fd = openat(s->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return rp_error(err, -errno, "%s/%s: %s", s->path, name, strerror(errno));
	*out = (struct rp_store_new){ .store = s, .seq = seq, .fd = fd };
	return 0;
}

int rp_store_rank_dir(struct rp_store_new *n, int rank, int *out_fd, struct rp_error *err)
{
	char name[24];
	int fd, rc = step(n->store, "mkdir rank");

	snprintf(name, sizeof(name), "rank-%d", rank);
	if (!rc && mkdirat(n->fd, name, 0700))
		rc = -errno;
	if (rc)
		return rp_error(err, rc, "cannot make %s/%u/%s: %s", n->store->path, n->seq, name, strerror(-rc));
	fd = openat(n->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return rp_error(err, -errno, "%s/%u/%s: %s", n->store->path, n->seq, name, strerror(errno));
	*out_fd = fd;
	return 0;
}

void rp_store_abort(struct rp_store_new *n)
{
	char name[16];

	if (!n->store)
		return;
	close(n->fd);
	snprintf(name, sizeof(name), "%u", n->seq);
	rp_store_remove_tree(n->store->fd, name);
	memset(n, 0, sizeof(*n));
}

static int write_pids(const struct rp_store_new *n, const struct rp_gen *gen)
{
	struct rp_str text RP_AUTOSTR = RP_STR_INIT;
	int fd RP_AUTOCLOSE = openat(n->fd, "pids", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0)
		return -errno;
	rp_store_pids_text(gen, &text);
	if (text.oom)
		return -ENOMEM;
	rc = rp_write_all(fd, text.text, text.len);
	return !rc && fsync(fd) ? -errno : rc;
}

/* Sizes and checksums of what lies in each rank's directory, made durable on the way. */
static int seal_ranks(struct rp_store_new *n, struct rp_gen *gen, struct rp_error *err)
{
	for (size_t i = 0; i < gen->nranks; i++) {
		char name[24];
		int fd RP_AUTOCLOSE = -1;
		int rc = step(n->store, "fsync rank");

		snprintf(name, sizeof(name), "rank-%d", gen->ranks[i].rank);
		fd = openat(n->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (!rc && fd < 0)
			rc = -errno;
		if (!rc)
			rc = rp_store_seal_dir(fd, &gen->ranks[i]);
		if (rc)
			return rp_error(err, rc, "%s/%u/%s: %s", n->store->path, n->seq, name, strerror(-rc));
	}
	return 0;
}

/* Writes a manifest with the newest keep - (extra ? 1 : 0) generations of the store and, last, extra. */
static int write_manifest(struct rp_store *s, const struct rp_gen *extra, unsigned keep, struct rp_error *err)
{
	struct json_object *o RP_AUTOJSON = json_object_new_object();
	struct json_object *list = json_object_new_array();
	size_t room = keep - (extra ? 1 : 0), first = s->ngens > room ? s->ngens - room : 0;
	int fd RP_AUTOCLOSE = -1;
	int rc = rp_json_set_i64(o, "format", RP_MANIFEST_FORMAT);

	for (size_t i = first; !rc && i < s->ngens + (extra ? 1 : 0); i++) {
		struct json_object *g = rp_gen_to_json(i < s->ngens ? &s->gens[i] : extra);

		rc = !g || json_object_array_add(list, g) ? -ENOMEM : 0;
	}
	json_object_object_add(o, "generations", list);
	if (!rc)
		rc = step(s, "write manifest");
	if (!rc) {
		fd = openat(s->fd, MANIFEST_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
		rc = fd < 0 ? -errno : rp_json_write(fd, o);
	}
	if (!rc)
		rc = step(s, "fsync manifest");
	if (!rc && fsync(fd))
		rc = -errno;
	if (!rc)
		rc = step(s, "rename manifest");
	if (!rc && renameat(s->fd, MANIFEST_NEW, s->fd, MANIFEST))
		rc = -errno;
	if (!rc)
		rc = step(s, "fsync store");
	if (!rc && fsync(s->fd))
		rc = -errno;
	if (rc)
		(void)unlinkat(s->fd, MANIFEST_NEW, 0);
	return rc ? rp_error(err, rc, "%s/%s: %s", s->path, MANIFEST, strerror(-rc)) : 0;
}

/* Is the generation in the manifest on disk? After a failure the answer decides whether its files may go. */
static bool is_listed(const struct rp_store *s, uint32_t seq)
{
	struct rp_store *now;
	bool found = false;
	int rc = rp_store_open_read(&now, s->path, NULL);

	if (rc)
		return rc != -ENOENT; /* cannot tell: keep the files */
	for (size_t i = 0; i < now->ngens; i++)
		found |= now->gens[i].seq == seq;
	rp_store_free(now);
	return found;
}

/* Before the first generation of a store: its name, and that of the directory of stores, may be as new as itself. */
static int sync_names(const struct rp_store *s)
{
	int up RP_AUTOCLOSE = openat(s->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int top RP_AUTOCLOSE = up < 0 ? -1 : openat(up, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* One that may not be read was not made by us. */
	return (up >= 0 && fsync(up)) || (top >= 0 && fsync(top)) ? -errno : 0;
}

int rp_store_commit(struct rp_store_new *n, struct rp_gen *gen, unsigned keep, struct rp_error *err)
{
	struct rp_store *s = n->store;
	int rc;

	gen->seq = n->seq;
	gen->time = (int64_t)time(NULL);
	rc = seal_ranks(n, gen, err);
	if (!rc) {
		rc = step(s, "write pids");
		if (!rc)
			rc = write_pids(n, gen);
		if (!rc && (fsync(n->fd) || fsync(s->fd)))
			rc = -errno;
		if (!rc && !s->ngens)
			rc = sync_names(s);
		if (rc)
			rp_error(err, rc, "%s/%u: %s", s->path, n->seq, strerror(-rc));
	}
	if (!rc)
		rc = write_manifest(s, gen, keep ? keep : 1, err);
	if (rc) {
		if (!is_listed(s, n->seq))
			rp_store_abort(n);
		else
			close(n->fd); /* the new manifest is in place, though perhaps not yet durable */
		memset(n, 0, sizeof(*n));
		return rc;
	}
	close(n->fd);
	memset(n, 0, sizeof(*n));
	return 0;
}

void rp_store_sweep(const char *path)
{
	struct rp_store *s;

	if (rp_store_open_read(&s, path, NULL))
		return;
	if (s->ngens)
		rp_store_remove_unlisted(s->fd, s->gens, s->ngens, 0, s->gens[s->ngens - 1].seq);
	rp_store_free(s);
}

int rp_store_prune(struct rp_store *s, unsigned keep, size_t *removed, struct rp_error *err)
{
	size_t first = s->ngens > keep ? s->ngens - keep : 0;
	int rc = first ? write_manifest(s, NULL, keep, err) : 0;

	if (rc)
		return rc;
	rp_store_remove_unlisted(s->fd, s->gens + first, s->ngens - first, 0, UINT32_MAX);
	(void)unlinkat(s->fd, MANIFEST_NEW, 0);
	if (removed)
		*removed = first;
	return 0;
}

char *rp_store_rank_path(const struct rp_store *s, uint32_t seq, int rank)
{
	return rp_strf("%s/%u/rank-%d", s->path, seq, rank);
}

char *rp_store_default_dir(void)
{
	const char *dir = getenv("REPRISE_DIR");

	return strdup(dir && *dir ? dir : "reprise-snapshots");
}
