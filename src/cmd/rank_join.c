/* SPDX-License-Identifier: BSD-3-Clause */
#include "rank_join.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "abi/layout.h"
#include "cmd.h"
#include "util/pieces.h"

int rank_lower_fd_min(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) || lim.rlim_cur >= 2 * RP_LOWER_FD_MIN)
		return RP_LOWER_FD_MIN;
	return (int)lim.rlim_cur / 2;
}

static int keep_fd(int fd, int min, struct rp_error *err)
{
	int up = fcntl(fd, F_DUPFD, min);

	return up < 0 ? rp_error(err, -errno, "descriptor %d: %s", fd, strerror(errno)) : up;
}

void rank_join_none(struct rank_launch *l)
{
	l->head.agent_fd = l->head.ctl_fd = l->head.world_rank = -1;
}

int rank_join(struct rank_launch *l, struct rp_join *j, char **argv, int min, struct rp_error *err)
{
	struct rp_join_request req = { .argv = argv, .envp = environ };
	char self[PATH_MAX];
	int r;

	rank_join_none(l);
	r = rp_self_path(self, sizeof(self), err);
	if (r)
		return r;
	req.agent_exe = self;
	r = rp_agent_join(&req, j, err);
	if (r) {
		cmd_fail(0, "%s; this process cannot be checkpointed", err->text);
		return 0;
	}
	l->head.ctl_size = j->ctl_size;
	l->head.slot = j->slot;
	l->head.agent_pid = j->agent_pid;
	l->head.world_rank = j->world_rank;
	l->head.world_size = j->world_size;
	l->snapshot_dir = j->snapshot_dir;
	l->head.agent_fd = keep_fd(j->agent_fd, min, err);
	l->head.ctl_fd = keep_fd(j->ctl_fd, min, err);
	return l->head.agent_fd < 0 || l->head.ctl_fd < 0 ? -EMFILE : 0;
}
