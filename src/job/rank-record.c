/* SPDX-License-Identifier: BSD-3-Clause */
#include "job/rank-record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "abi/arena.h"
#include "image/image.h"
#include "job/process.h"
#include "util/array.h"
#include "util/fd.h"
#include "util/str.h"

struct fd_list {
	RpLaunchFd **items;
	size_t count, room;
};

static void free_fds(struct fd_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
}

static int list_fds(struct fd_list *list, int limit)
{
	DIR *d RP_AUTOCLOSEDIR = opendir("/proc/self/fd");
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		RpLaunchFd *f, **slot;
		struct stat st;
		int64_t fd;

		if (rp_parse_i64(e->d_name, 10, 0, INT32_MAX, &fd) || fd == dirfd(d) || (limit && fd >= limit) ||
		    fstat((int)fd, &st))
			continue;
		f = malloc(sizeof(*f));
		slot = f ? RP_ARRAY_PUSH(list) : NULL;
		if (!slot) {
			free(f);
			return -ENOMEM;
		}
		*f = (RpLaunchFd)RP_LAUNCH_FD__INIT;
		f->fd = (uint32_t)fd;
		f->dev = st.st_dev;
		f->ino = st.st_ino;
		f->has_mode = f->has_rdev = 1;
		f->mode = st.st_mode;
		f->rdev = st.st_rdev;
		*slot = f;
	}
	return 0;
}

static int read_oom_score(int32_t *out)
{
	char *text RP_AUTOFREE = NULL;

	if (rp_read_file_at(AT_FDCWD, "/proc/self/oom_score_adj", 64, &text, NULL))
		return 0;
	*out = atoi(text);
	return 1;
}

struct attributes {
	RpLaunchState state;
	cpu_set_t cpus;
	uint64_t cur[RLIM_NLIMITS], max[RLIM_NLIMITS];
};

static void read_attributes(struct attributes *a)
{
	RpLaunchState *s = &a->state;
	mode_t mask = umask(0);

	umask(mask);
	*s = (RpLaunchState)RP_LAUNCH_STATE__INIT;
	s->has_nice = s->has_umask = s->has_pgid = s->has_sid = 1;
	s->nice = getpriority(PRIO_PROCESS, 0);
	s->umask = mask;
	s->pgid = (uint32_t)getpgrp();
	s->sid = (uint32_t)getsid(0);
	s->has_oom_score_adj = read_oom_score(&s->oom_score_adj);
	if (!sched_getaffinity(0, sizeof(a->cpus), &a->cpus)) {
		s->has_affinity = 1;
		s->affinity = (ProtobufCBinaryData){ sizeof(a->cpus), (uint8_t *)&a->cpus };
	}
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };

		(void)getrlimit((__rlimit_resource_t)i, &lim);
		a->cur[i] = lim.rlim_cur;
		a->max[i] = lim.rlim_max;
	}
	s->n_rlimit_cur = s->n_rlimit_max = RLIM_NLIMITS;
	s->rlimit_cur = a->cur;
	s->rlimit_max = a->max;
}

static int pack(const RpRankEntry *e)
{
	size_t len = rp_rank_entry__get_packed_size(e);
	uint8_t *buf RP_AUTOFREE = malloc(len);
	int fd RP_AUTOCLOSE = memfd_create("reprise-record", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	if (!buf)
		return -ENOMEM;
	if (fd < 0)
		return -errno;
	rp_rank_entry__pack(e, buf);
	rc = rp_write_all(fd, buf, len);
	if (!rc && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		rc = -errno;
	return rc ? rc : rp_fd_take(&fd);
}

int rp_rank_record_make(const struct rp_join_request *req, const struct rp_rank_identity *id, struct rp_error *err)
{
	RpRankEntry e = RP_RANK_ENTRY__INIT;
	struct fd_list fds = { 0 };
	struct attributes a;
	struct utsname host;
	int rc = list_fds(&fds, req->fd_limit);

	read_attributes(&a);
	e.version = 1;
	e.world_rank = (uint32_t)id->rank;
	e.world_size = (uint32_t)id->size;
	e.launch_fds = fds.items;
	e.n_launch_fds = fds.count;
	e.launch = &a.state;
	e.argv = (char **)req->argv;
	while (req->argv[e.n_argv])
		e.n_argv++;
	if (!uname(&host))
		e.host = host.nodename;
	e.launcher = (char *)id->launcher;
	if (!rc)
		rc = pack(&e);
	free_fds(&fds);
	return rc < 0 ? rp_error(err, rc, "cannot record what the launcher gave: %s", strerror(-rc)) : rc;
}

int rp_rank_record_keep_launch(const void *old, size_t old_len, void **record, size_t *len)
{
	RpRankEntry *was = rp_rank_entry__unpack(NULL, old_len, old), *now = rp_rank_entry__unpack(NULL, *len, *record),
		    mixed;
	uint8_t *packed = NULL;
	size_t size;
	int rc = was && now ? 0 : -EBADMSG;

	if (!rc) {
		mixed = *now;
		mixed.launch = was->launch;
		mixed.launch_fds = was->launch_fds;
		mixed.n_launch_fds = was->n_launch_fds;
		size = rp_rank_entry__get_packed_size(&mixed);
		packed = malloc(size);
		rc = packed ? 0 : -ENOMEM;
	}
	if (!rc) {
		rp_rank_entry__pack(&mixed, packed);
		free(*record);
		*record = packed;
		*len = size;
	}
	if (was)
		rp_rank_entry__free_unpacked(was, NULL);
	if (now)
		rp_rank_entry__free_unpacked(now, NULL);
	return rc;
}

static int64_t now_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int rp_rank_record_put(struct rp_dump *d, const struct rp_task *t, const void *record, size_t len, int rank, int size)
{
	RpRankEntry *e = rp_rank_entry__unpack(NULL, len, record), copy;
	struct rp_arena_saved saved = t->arena->saved;
	char library[sizeof(t->arena->mpi_library) + 1] = "", *exe RP_AUTOFREE = rp_process_link(t->pid, "exe");
	int rc;

	if (!e)
		return rp_error(&d->err, -EBADMSG, "pid %d: the record of its launch is damaged", t->pid);
	memcpy(library, t->arena->mpi_library, sizeof(t->arena->mpi_library));
	copy = *e; /* what is added here is not the unpacker's */
	copy.arena_saved = (ProtobufCBinaryData){ sizeof(saved), (uint8_t *)&saved };
	copy.world_rank = (uint32_t)rank;
	copy.world_size = (uint32_t)size;
	copy.mpi_library = library;
	copy.exe = exe;
	copy.has_lower_sigmask = 1;
	copy.lower_sigmask = saved.sigact_lower;
	copy.has_dump_mono_ns = copy.has_dump_raw_ns = copy.has_dump_boot_ns = 1;
	copy.dump_mono_ns = now_of(CLOCK_MONOTONIC) + saved.mono_offset_ns;
	copy.dump_raw_ns = now_of(CLOCK_MONOTONIC_RAW) + saved.raw_offset_ns;
	copy.dump_boot_ns = now_of(CLOCK_BOOTTIME) + saved.boot_offset_ns;
	if (t->extra && t->extra->has_gadget) {
		copy.n_gadgets = 1;
		copy.gadgets = &t->extra->gadget;
	}
	rc = rp_writer_put(d->writer, RP_IMG_RANK, (uint64_t)t->pid, &copy, &d->err);
	rp_rank_entry__free_unpacked(e, NULL);
	return rc;
}
