/* SPDX-License-Identifier: BSD-3-Clause */
#include "rank_join.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "abi/ctl.h"
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

static struct rp_ctl *map_ctl(const struct rp_join *j)
{
	void *p = MAP_FAILED;

	if (j->ctl_fd >= 0)
		p = mmap(NULL, j->ctl_size, PROT_READ | PROT_WRITE, MAP_SHARED, j->ctl_fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

bool rank_join_tells(const struct rp_join *j, uint32_t what)
{
	struct rp_ctl *ctl = map_ctl(j);
	const char *rank = getenv("OMPI_COMM_WORLD_RANK");
	uint32_t was;

	if (!ctl) {
		rank = rank ? rank : getenv("PMI_RANK");
		return !rank || !strcmp(rank, "0");
	}
	was = __atomic_fetch_or(&ctl->told, what, __ATOMIC_RELAXED);
	munmap(ctl, j->ctl_size);
	return !(was & what);
}

void rank_join_refuse(const struct rp_join *j, const char *text)
{
	struct rp_ctl *ctl = map_ctl(j);
	struct rp_slot *slot;

	if (!ctl)
		return;
	slot = rp_ctl_slot(ctl, j->slot);
	snprintf(slot->text, sizeof(slot->text), "%s", text);
	__atomic_store_n(&slot->state, RP_RANK_REFUSED, __ATOMIC_RELEASE);
	munmap(ctl, j->ctl_size);
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
