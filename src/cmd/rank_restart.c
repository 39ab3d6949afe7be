/* SPDX-License-Identifier: BSD-3-Clause */
#include "rank_restart.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/arena.h"
#include "cmd.h"
#include "engine/plan.h"
#include "engine/supervise.h"
#include "rank_join.h"
#include "rank_launch.h"
#include "restore_common.h"
#include "util/fd.h"
#include "util/pieces.h"
#include "util/str.h"

extern char **environ;

struct state {
	const struct rank_restart *in;
	char dir[PATH_MAX], boot[PATH_MAX], lower[PATH_MAX], stub[PATH_MAX], self[PATH_MAX];
	struct rank_launch launch;
	struct rp_join join;
	struct rp_restore_opts opts;
	bool joined;
};

static int rank_entry(struct rp_restore *r, RpRankEntry **out, struct rp_error *err)
{
	struct rp_rank_identity id;
	RpRankEntry *e;
	int rc = rp_image_one(r->image, RP_IMG_RANK, (uint64_t)r->tasks[0].pid, &e, err);

	if (rc)
		return rc;
	rp_rank_identity(environ, &id);
	if (e->version != 1 || e->arena_saved.len != sizeof(struct rp_arena_saved))
		return rp_error(err, -EPROTONOSUPPORT,
				"the image of the rank was written by another version of Reprise");
	if (e->world_size != (uint32_t)id.size || e->world_rank != (uint32_t)id.rank)
		return rp_error(err, -EINVAL,
				"the snapshot is of rank %u of %u, this is rank %d of %d: a job restarts with as many "
				"ranks as it had",
				e->world_rank, e->world_size, id.rank, id.size);
	*out = e;
	return 0;
}

/* Above every descriptor of the image, so that none is in the way. */
static int first_free_number(const struct rp_restore *r)
{
	int min = rank_lower_fd_min();

	for (size_t i = 0; i < r->tasks[0].nfds; i++)
		if ((int)r->tasks[0].fds[i]->fd >= min)
			min = (int)r->tasks[0].fds[i]->fd + 1;
	return min;
}

static int join(struct rp_restore *r, struct state *s, struct rp_error *err)
{
	char *none[] = { NULL }, **argv = none;
	RpRankEntry *e;
	int rc = rank_entry(r, &e, err);

	if (rc || s->in->no_agent)
		return rc;
	if (e->n_argv) {
		argv = calloc(e->n_argv + 1, sizeof(*argv));
		if (!argv)
			return rp_error(err, -ENOMEM, "out of memory");
		memcpy(argv, e->argv, e->n_argv * sizeof(*argv));
	}
	rc = rank_join(&s->launch, &s->join, argv, first_free_number(r), err);
	if (argv != none)
		free(argv);
	s->joined = !rc;
	return rc;
}

static int keep_over_exec(int fd)
{
	return fd < 0 ? 0 : rp_fd_cloexec(fd, 0);
}

/* The rank's part of the plan; runs in the process that becomes the rank. */
static int fill(struct rp_restore *r, struct rp_rtask *t, void *arg)
{
	struct rp_plan *h = rp_planner_head(t->plan);
	void *launch RP_AUTOFREE = NULL;
	struct state *s = arg;
	int64_t saved_off, launch_off;
	RpRankEntry *e;
	size_t size;
	int rc = rank_entry(r, &e, &r->err);

	if (!rc && !s->joined)
		rc = join(r, s, &r->err);
	if (!rc)
		rc = keep_over_exec(s->launch.head.agent_fd);
	if (!rc)
		rc = keep_over_exec(s->launch.head.ctl_fd);
	if (!rc)
		rc = rank_launch_build(&s->launch, &launch, &size, &r->err);
	if (rc)
		return rc;
	saved_off = rp_planner_bytes(t->plan, e->arena_saved.data, e->arena_saved.len, 8);
	launch_off = rp_planner_bytes(t->plan, launch, size, 8);
	if (saved_off < 0 || launch_off < 0)
		return rp_error(&r->err, -ENOMEM, "out of memory");
	h = rp_planner_head(t->plan);
	h->saved_off = (uint64_t)saved_off;
	h->saved_len = e->arena_saved.len;
	h->launch_off = (uint64_t)launch_off;
	h->launch_len = size;
	h->dump_mono_ns = e->has_dump_mono_ns ? e->dump_mono_ns : 0;
	h->dump_raw_ns = e->has_dump_raw_ns ? e->dump_raw_ns : 0;
	h->dump_boot_ns = e->has_dump_boot_ns ? e->dump_boot_ns : 0;
	for (size_t i = 0; i < e->n_gadgets && i < sizeof(h->gadgets) / sizeof(h->gadgets[0]); i++)
		h->gadgets[i] = e->gadgets[i];
	return 0;
}

/* The snapshot's number of ranks, before anybody's image is opened. One rank speaks for all. */
static int check_size(const struct rank_restart *in, struct rp_error *err)
{
	char *path RP_AUTOFREE = rp_strf("%s/pids", in->generation), *text RP_AUTOFREE = NULL;
	struct rp_rank_identity id;
	int ranks = 0;

	rp_rank_identity(environ, &id);
	if (!path || rp_read_file_at(AT_FDCWD, path, 1 << 24, &text, NULL))
		return 0; /* not of a store: the image says it */
	for (const char *p = text; *p; p++)
		ranks += *p == '\n';
	if (ranks == id.size)
		return 0;
	rp_error(err, -EINVAL,
		 "the snapshot is of %d rank%s, this job has %d: a job restarts with as many ranks as it had", ranks,
		 ranks == 1 ? "" : "s", id.size);
	return id.rank == 0 ? -EINVAL : -ECANCELED;
}

static int find_pieces(struct state *s, struct rp_error *err)
{
	struct rp_rank_identity id;
	int rc;

	rp_rank_identity(environ, &id);
	if (snprintf(s->dir, sizeof(s->dir), "%s/rank-%d", s->in->generation, id.rank) >= (int)sizeof(s->dir))
		return rp_error(err, -ENAMETOOLONG, "%s: name too long", s->in->generation);
	rc = rp_piece_find("reprise-boot", s->boot, sizeof(s->boot), err);
	if (!rc)
		rc = rp_piece_find("reprise-lower", s->lower, sizeof(s->lower), err);
	if (!rc)
		rc = rp_piece_find("libmpi.so.40", s->stub, sizeof(s->stub), err);
	if (!rc)
		rc = rp_self_path(s->self, sizeof(s->self), err);
	s->launch.envp = environ;
	s->launch.lower = s->lower;
	s->launch.stub = s->stub;
	s->launch.reprise = s->self;
	s->launch.head.flags = RP_LAUNCH_RESTART;
	rank_join_none(&s->launch);
	s->launch.head.world_rank = id.rank;
	s->launch.head.world_size = id.size;
	return rc;
}

int rank_restart(const struct rank_restart *in)
{
	static struct state s;
	struct rp_error err = { "" };
	struct rp_restore *r;
	int pidfd, rc;
	pid_t pid;

	s.in = in;
	s.opts = (struct rp_restore_opts){ .attach = RP_ATTACH_INPLACE,
					   .pid = in->pid,
					   .keep_output = in->keep_output,
					   .job = true,
					   .fill = fill,
					   .fill_arg = &s };
	rc = check_size(in, &err);
	if (rc == -ECANCELED)
		return CMD_WRAP_FAILED;
	if (!rc)
		rc = find_pieces(&s, &err);
	if (rc)
		return cmd_fail_error(CMD_WRAP_FAILED, &err);
	s.opts.images_dir = s.dir;
	s.opts.boot_path = s.boot;
	rc = rp_restore_new(&r, &s.opts, &err);
	/* In its own place it joins while it still is an ordinary program; as a sibling it can do so only later. */
	if (!rc && (getpid() == r->tasks[0].pid || in->pid == RP_PID_ANY))
		rc = join(r, &s, &err);
	if (rc)
		return cmd_fail_error(CMD_WRAP_FAILED, &err);
	rp_supervise_block();
	rc = rp_restore_run(r, &pid, &pidfd);
	rc = rc ? cmd_fail_error(CMD_WRAP_FAILED, &r->err) : 0;
	rp_restore_free(r);
	if (rc)
		return rc;
	return cmd_stand_by(pid, pidfd, false, CMD_WRAP_FAILED);
}
