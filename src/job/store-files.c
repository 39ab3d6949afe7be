/* SPDX-License-Identifier: BSD-3-Clause */
#include "job/store-files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/store.h"
#include "util/array.h"
#include "util/fd.h"
#include "util/hash.h"
#include "util/str.h"

#define CHUNK (1U << 20)

static DIR *open_list(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (!d && fd >= 0)
		close(fd);
	return d;
}

static bool is_seq(const char *name, uint32_t *seq)
{
	int64_t v;

	if (name[0] < '1' || name[0] > '9' || rp_parse_i64(name, 10, 1, INT32_MAX, &v))
		return false;
	*seq = (uint32_t)v;
	return true;
}

uint32_t rp_store_highest_dir(int dir_fd)
{
	DIR *d RP_AUTOCLOSEDIR = open_list(dir_fd);
	uint32_t highest = 0, seq;
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (is_seq(e->d_name, &seq) && seq > highest)
			highest = seq;
	return highest;
}

int rp_store_open_file(int dir_fd, const char *name, struct rp_error *err)
{
	int fd RP_AUTOCLOSE = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		int error = errno;

		return rp_error(err, -error, "%s: %s", name, strerror(error));
	}
	if (!S_ISREG(st.st_mode))
		return rp_error(err, -EBADMSG, "%s: not a regular file", name);
	return rp_fd_take(&fd);
}

int rp_store_sum(int fd, uint64_t *bytes, uint32_t *crc, struct rp_count *count)
{
	char *buf RP_AUTOFREE = malloc(CHUNK);
	uint64_t total = 0;
	uint32_t sum = 0;
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		n = pread(fd, buf, CHUNK, (off_t)total);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		sum = rp_crc32c(sum, buf, (size_t)n);
		total += (uint64_t)n;
		rp_count_add(count, (uint64_t)n);
	}
	*bytes = total;
	*crc = sum;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct rp_gen_file *)a)->name, ((const struct rp_gen_file *)b)->name);
}

static int seal_file(int dir_fd, const char *name, struct rp_gen_file *f)
{
	int fd RP_AUTOCLOSE = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int rc;

	if (fd < 0)
		return -errno;
	f->name = strdup(name);
	if (!f->name)
		return -ENOMEM;
	rc = rp_store_sum(fd, &f->bytes, &f->crc32c, NULL);
	return !rc && fsync(fd) ? -errno : rc;
}

int rp_store_seal_dir(int dir_fd, struct rp_gen_rank *r)
{
	struct {
		struct rp_gen_file *items;
		size_t count, room;
	} list = { 0 };
	DIR *d RP_AUTOCLOSEDIR = open_list(dir_fd);
	struct dirent *e;
	int rc = d ? 0 : -errno;

	r->bytes = 0;
	while (!rc && (e = readdir(d))) {
		struct rp_gen_file *f;

		if (e->d_name[0] == '.')
			continue;
		f = RP_ARRAY_PUSH(&list);
		rc = f ? seal_file(dir_fd, e->d_name, f) : -ENOMEM;
		if (!rc)
			r->bytes += f->bytes;
	}
	if (!rc && fsync(dir_fd))
		rc = -errno;
	if (list.count)
		qsort(list.items, list.count, sizeof(*list.items), by_name);
	r->files = list.items; /* the generation owns them, also after a failure */
	r->nfiles = list.count;
	return rc;
}

void rp_store_pids_text(const struct rp_gen *gen, struct rp_str *out)
{
	for (size_t i = 0; i < gen->nranks; i++)
		rp_str_addf(out, "%d %d\n", gen->ranks[i].rank, gen->ranks[i].pid);
}

void rp_store_remove_tree(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d RP_AUTOCLOSEDIR = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		else
			(void)unlinkat(dir_fd, name, 0); /* a link, say */
		return;
	}
	while ((e = readdir(d))) {
		if (rp_streq(e->d_name, ".") || rp_streq(e->d_name, ".."))
			continue;
		if (unlinkat(fd, e->d_name, 0) && (errno == EISDIR || errno == EPERM))
			rp_store_remove_tree(fd, e->d_name);
	}
	(void)unlinkat(dir_fd, name, AT_REMOVEDIR);
}

void rp_store_remove_unlisted(int dir_fd, const struct rp_gen *gens, size_t ngens, uint32_t from, uint32_t below)
{
	DIR *d RP_AUTOCLOSEDIR = open_list(dir_fd);
	struct dirent *e;
	uint32_t seq;

	while (d && (e = readdir(d))) {
		bool listed = false;

		if (!is_seq(e->d_name, &seq) || seq < from || seq >= below)
			continue;
		for (size_t i = 0; i < ngens; i++)
			listed |= gens[i].seq == seq;
		if (!listed)
			rp_store_remove_tree(dir_fd, e->d_name);
	}
}
