/* SPDX-License-Identifier: BSD-3-Clause */
#include "job/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "image/image.h"
#include "job/adapter.h"
#include "job/process.h"
#include "job/rank-record.h"
#include "job/store.h"
#include "util/array.h"
#include "util/fd.h"
#include "util/str.h"

#define SPARE_SLOTS 8 /* a rank that execs through a script keeps its slot; these are for late comers */
#define FIRST_JOIN_MS 20000
#define STOPPED_CHECK_MS 1000
#define LATE_JOIN_MS 1000 /* between connecting and the first word */

/* ---- the control page ---- */

/* The kernel marks ctl->agent_pid with FUTEX_OWNER_DIED when this process ends in whatever way, so that parked ranks
 * learn of it by a look at the page. glibc's own list of robust mutexes is not used by the agent. */
static void mark_owner(struct rp_ctl *ctl)
{
	static struct robust_list_head head;
	static struct robust_list entry;

	ctl->agent_pid = (uint32_t)getpid();
	head.list.next = &entry;
	entry.next = &head.list;
	head.futex_offset = (long)((char *)&ctl->agent_pid - (char *)&entry);
	head.list_op_pending = NULL;
	(void)syscall(SYS_set_robust_list, &head, sizeof(head));
}

static int make_page(struct rp_agent *a, uint32_t nslots)
{
	void *p;

	a->ctl_size = 4096 + (uint64_t)nslots * RP_SLOT_STRIDE;
	a->ctl_fd = memfd_create("reprise-ctl", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (a->ctl_fd < 0 || ftruncate(a->ctl_fd, (off_t)a->ctl_size) ||
	    fcntl(a->ctl_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	p = mmap(NULL, a->ctl_size, PROT_READ | PROT_WRITE, MAP_SHARED, a->ctl_fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	a->members = calloc(nslots, sizeof(*a->members));
	if (!a->members)
		return -ENOMEM;
	a->ctl = p;
	a->nslots = nslots;
	a->ctl->magic = RP_CTL_MAGIC;
	a->ctl->version = RP_CTL_VERSION;
	a->ctl->nslots = nslots;
	mark_owner(a->ctl);
	return 0;
}

/* ---- what the job is ---- */

static char **keep_settings(const struct rp_adapter *adapter, char **env)
{
	char **kept = calloc(1, sizeof(*kept));
	size_t n = 0;

	for (size_t i = 0; env && kept && env[i]; i++) {
		char **more;

		if (!adapter || !adapter->keeps_env(env[i]))
			continue;
		more = realloc(kept, (n + 2) * sizeof(*kept));
		if (!more)
			break;
		kept = more;
		kept[n++] = strdup(env[i]);
		kept[n] = NULL;
	}
	return kept;
}

static char *join_words(char *const *argv, size_t n)
{
	struct rp_str s RP_AUTOSTR = RP_STR_INIT;

	for (size_t i = 0; argv && i < n && argv[i]; i++) {
		rp_str_add(&s, i ? " " : "");
		rp_str_add(&s, argv[i]);
	}
	return rp_str_take(&s);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* DIR/NAME of the job's store, absolute: relative names are the launcher's. */
static char *store_path(const struct rp_agent *a, const char *name)
{
	const char *dir = getenv("REPRISE_DIR");

	if (!dir || !*dir)
		dir = "reprise-snapshots";
	return dir[0] == '/' ? rp_strf("%s/%s", dir, name) : rp_strf("%s/%s/%s", a->launch_cwd, dir, name);
}

/* A rank that the launcher bound to one CPU started the agent: not the place to copy the pages of all ranks. */
static void run_where_launcher_may(pid_t launcher)
{
	cpu_set_t cpus;

	if (!sched_getaffinity(launcher, sizeof(cpus), &cpus))
		(void)sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* Ranks that wait for a message spin, with as many sched_yield(2) as they can make, and then the scheduler lets a runnable
 * process of another session wait for seconds. The agent sleeps but for a checkpoint, when all wait for it: it goes first, and so
 * do the dumpers, for as long as a rank is held. */
void rp_agent_go_first(bool first)
{
	const struct sched_param param = { .sched_priority = first };

	(void)sched_setscheduler(0, first ? SCHED_RR : SCHED_OTHER, &param);
}

/* The directory in which the launcher was started. What its environment says of it may be stale, and is taken only where the
 * launcher has left it. */
static char *start_directory(const struct rp_adapter *adapter, pid_t pid, char *const *argv, char *const *env)
{
	static const char name[] = "PWD=";
	char *now = rp_process_link(pid, "cwd");

	for (; now && env && *env && argv && adapter && adapter->moves && adapter->moves(argv); env++) {
		if (!rp_str_has_prefix(*env, name) || (*env)[sizeof(name) - 1] != '/')
			continue;
		free(now);
		return strdup(*env + sizeof(name) - 1);
	}
	return now;
}

/* Learned from the first rank: who launched it, how, and where its snapshots go. */
static int learn_job(struct rp_agent *a, const struct rp_msg *m, pid_t pid, const void *record, size_t len)
{
	int launcher_pid = 0;
	const struct rp_adapter *adapter = rp_adapter_above(pid, &launcher_pid);
	char **env = rp_process_strings(launcher_pid ? launcher_pid : pid, "environ");
	RpRankEntry *e = rp_rank_entry__unpack(NULL, len, record);
	uint64_t start = 0;
	const char *name = getenv("REPRISE_NAME");
	int rc = -ENOMEM;

	a->world_size = m->u.join.size;
	a->local_size = m->u.join.local_size;
	a->launch_argv = launcher_pid ? rp_process_strings(launcher_pid, "cmdline") : NULL;
	if (!a->launch_argv && e)
		a->launch_argv = rp_strv_dup((char *[]){ NULL });
	a->launch_env = keep_settings(adapter, env);
	a->launch_cwd = start_directory(adapter, launcher_pid ? launcher_pid : pid, a->launch_argv, env);
	a->info.launcher = strdup(adapter ? adapter->name : "none");
	a->info.launcher_pid = launcher_pid;
	a->info.np = a->world_size;
	a->info.agent_pid = getpid();
	a->info.started = (int64_t)time(NULL);
	if (adapter && adapter->note)
		adapter->note(&a->info);
	if (launcher_pid) {
		(void)rp_process_start(launcher_pid, &start);
		run_where_launcher_may(launcher_pid);
	}
	a->info.launcher_start = (int64_t)start;
	if (e && a->launch_argv && a->launch_cwd) {
		a->info.command =
			a->launch_argv[0] ? join_words(a->launch_argv, SIZE_MAX) : join_words(e->argv, e->n_argv);
		a->info.name = name && rp_store_is_name(name)
				       ? strdup(name)
				       : rp_strf("%.200s-%d", e->n_argv ? base_name(e->argv[0]) : "job",
						 launcher_pid ? launcher_pid : pid);
		a->info.store = a->info.name ? store_path(a, a->info.name) : NULL;
		rc = a->info.store && a->info.command && a->info.launcher && a->launch_env ? 0 : -ENOMEM;
	}
	if (e)
		rp_rank_entry__free_unpacked(e, NULL);
	rp_strv_free(env);
	if (!rc)
		rc = make_page(a, (uint32_t)a->local_size + SPARE_SLOTS);
	return rc;
}

/* ---- members ---- */

struct rp_member *rp_agent_rank(struct rp_agent *a, int32_t rank)
{
	for (uint32_t i = 0; i < a->nslots; i++)
		if (a->members[i].pid && a->members[i].pidfd >= 0 && a->members[i].rank == rank)
			return &a->members[i];
	return NULL;
}

static uint32_t count_live(const struct rp_agent *a)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < a->nslots; i++)
		n += a->members[i].pid && a->members[i].pidfd >= 0;
	return n;
}

static void publish_info(struct rp_agent *a)
{
	a->info.joined = (int)count_live(a);
	(void)rp_registry_write(a->dir_fd, &a->info);
}

static void member_gone(struct rp_agent *a, uint32_t slot)
{
	struct rp_member *m = &a->members[slot];
	struct rp_slot *s = rp_ctl_slot(a->ctl, slot);

	close(m->pidfd);
	m->pidfd = -1;
	free(m->record);
	m->record = NULL;
	__atomic_store_n(&s->state, RP_RANK_GONE, __ATOMIC_RELEASE);
	publish_info(a);
}

static uint32_t free_slot(const struct rp_agent *a)
{
	for (uint32_t i = 0; i < a->nslots; i++)
		if (!a->members[i].pid)
			return i;
	for (uint32_t i = 0; i < a->nslots; i++)
		if (a->members[i].pidfd < 0)
			return i;
	return a->nslots;
}

/* Gives the process its slot: the old one when it execed again. 0, RP_JOIN_TAKEN or -errno with text. */
static int admit(struct rp_agent *a, pid_t pid, int32_t rank, uint32_t *slot, char *text, size_t size)
{
	struct rp_member *old = rp_agent_rank(a, rank);
	int pidfd;

	if (old && old->pid == pid) {
		*slot = (uint32_t)(old - a->members);
		return 0;
	}
	if (old) {
		snprintf(text, size, "rank %d is process %d already, and process %d was started by it", rank, old->pid,
			 pid);
		return RP_JOIN_TAKEN;
	}
	*slot = free_slot(a);
	if (*slot == a->nslots) {
		snprintf(text, size, "the launcher announced %d ranks here; there is no room for more", a->local_size);
		return -ENOSPC;
	}
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		snprintf(text, size, "process %d: %s", pid, strerror(errno));
		return -errno;
	}
	a->members[*slot] = (struct rp_member){ .pid = pid, .pidfd = pidfd, .rank = rank };
	memset(rp_ctl_slot(a->ctl, *slot), 0, offsetof(struct rp_slot, waits));
	rp_ctl_slot(a->ctl, *slot)->world_rank = rank;
	rp_ctl_slot(a->ctl, *slot)->pid = pid;
	return 0;
}

static int read_record(int fd, void **out, size_t *len)
{
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	void *p;
	int rc;

	if (size <= 0 || size > RP_RECORD_MAX)
		return -EPROTO;
	p = malloc((size_t)size);
	if (!p)
		return -ENOMEM;
	rc = rp_pread_all(fd, p, (size_t)size, 0);
	if (rc) {
		free(p);
		return rc;
	}
	*out = p;
	*len = (size_t)size;
	return 0;
}

static void handle_join(struct rp_agent *a, struct rp_conn *c, const struct rp_msg *m, int record_fd, pid_t pid)
{
	struct rp_msg *answer = calloc(1, sizeof(*answer));
	void *record = NULL;
	uint32_t slot = 0;
	size_t len = 0;
	int rc = answer ? read_record(record_fd, &record, &len) : -ENOMEM;

	if (!answer)
		return;
	if (!rc && !a->joined)
		rc = learn_job(a, m, pid, record, len);
	if (!rc && (m->u.join.size != a->world_size || m->u.join.rank >= a->world_size))
		rc = -EINVAL;
	if (rc)
		snprintf(answer->text, sizeof(answer->text), "the agent cannot take process %d: %s", pid,
			 strerror(-rc));
	else
		rc = admit(a, pid, m->u.join.rank, &slot, answer->text, sizeof(answer->text));
	answer->magic = RP_MSG_MAGIC;
	answer->type = RP_MSG_JOINED;
	answer->code = rc;
	if (!rc) {
		a->joined = c->is_rank = true;
		if (a->members[slot].record)
			(void)rp_rank_record_keep_launch(a->members[slot].record, a->members[slot].record_len, &record,
							 &len);
		free(a->members[slot].record);
		a->members[slot].record = record;
		a->members[slot].record_len = len;
		record = NULL;
		answer->u.joined.ctl_size = a->ctl_size;
		answer->u.joined.slot = slot;
		answer->u.joined.agent_pid = getpid();
		answer->u.joined.rank = m->u.join.rank;
		answer->u.joined.size = a->world_size;
		snprintf(answer->u.joined.snapshot_dir, sizeof(answer->u.joined.snapshot_dir), "%s", a->info.store);
		publish_info(a);
	}
	(void)rp_msg_send(c->fd, answer, rc ? -1 : a->ctl_fd);
	free(record);
	free(answer);
}

/* ---- old generations ---- */

static void reap_sweeper(struct rp_agent *a, int flags)
{
	if (a->sweeper > 0 && waitpid(a->sweeper, NULL, flags) != 0)
		a->sweeper = 0;
}

/* Behind the answer, and beside the agent: on some disks it takes longer than the checkpoint. While one sweeper is at work there
 * is no other; the next checkpoint's takes what this one leaves. */
static void start_sweeper(struct rp_agent *a)
{
	reap_sweeper(a, WNOHANG);
	if (a->sweeper > 0)
		return;
	a->sweeper = fork(); /* none now: the next checkpoint tries again */
	if (a->sweeper)
		return;
	closefrom(3);
	rp_agent_go_first(false);
	rp_store_sweep(a->info.store);
	_exit(0);
}

/* ---- connections ---- */

static void handle_checkpoint(struct rp_agent *a, int fd, const struct rp_msg *m)
{
	struct rp_msg *answer = calloc(1, sizeof(*answer));

	if (!answer)
		return;
	answer->magic = RP_MSG_MAGIC;
	answer->type = RP_MSG_RESULT;
	if (a->busy || !a->joined) {
		answer->code = -EBUSY;
		snprintf(answer->text, sizeof(answer->text), "%s",
			 a->busy ? "a checkpoint of this job is on already" : "no rank of this job has started yet");
		(void)rp_msg_send(fd, answer, -1);
	} else {
		a->busy = true;
		a->cancel = false;
		a->client = fd;
		rp_attempt_run(a, m->u.checkpoint.then, m->u.checkpoint.timeout_ms, answer);
		if (a->client >= 0)
			(void)rp_msg_send(a->client, answer, -1);
		start_sweeper(a); /* after a failure too: perhaps the disk was full */
		a->busy = false;
		a->client = -1;
		publish_info(a);
	}
	free(answer);
}

static void drop(struct rp_agent *a, int fd)
{
	for (size_t i = 0; i < a->conns.count; i++) {
		if (a->conns.items[i].fd != fd)
			continue;
		if (a->client == fd)
			a->client = -1;
		close(fd);
		a->conns.items[i] = a->conns.items[--a->conns.count];
		return;
	}
}

static void handle_message(struct rp_agent *a, struct rp_conn *c)
{
	struct rp_msg *m = malloc(sizeof(*m));
	int fd = c->fd, record = -1, rc = m ? rp_msg_recv(fd, m, &record) : -ENOMEM;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	bool known;

	if (rc == -EAGAIN) {
		free(m);
		return;
	}
	known = rc == 1 && (m->type == RP_MSG_CANCEL || !memcmp(m->secret, a->secret, sizeof(a->secret))) &&
		!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) && (peer.uid == geteuid() || peer.uid == 0);
	if (!known)
		drop(a, fd);
	else if (m->type == RP_MSG_JOIN)
		handle_join(a, c, m, record, peer.pid);
	else if (m->type == RP_MSG_CHECKPOINT)
		handle_checkpoint(a, fd, m);
	else if (m->type == RP_MSG_CANCEL && fd == a->client)
		a->cancel = true;
	if (record >= 0)
		close(record);
	free(m);
}

static void handle_accept(struct rp_agent *a)
{
	int fd = accept4(a->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct rp_conn *c = fd >= 0 ? RP_ARRAY_PUSH(&a->conns) : NULL;

	if (c)
		c->fd = fd;
	else if (fd >= 0)
		close(fd);
}

void rp_agent_turn(struct rp_agent *a, int timeout_ms)
{
	size_t nconns = a->conns.count, n = 2 + nconns + a->nslots, k = 0;
	struct pollfd *p = calloc(n, sizeof(*p));

	if (!p) {
		poll(NULL, 0, 10);
		return;
	}
	p[k++] = (struct pollfd){ .fd = a->listen_fd, .events = POLLIN };
	p[k++] = (struct pollfd){ .fd = a->signal_fd, .events = POLLIN };
	for (size_t i = 0; i < nconns; i++)
		p[k++] = (struct pollfd){ .fd = a->conns.items[i].fd, .events = POLLIN };
	for (uint32_t i = 0; i < a->nslots; i++)
		p[k++] = (struct pollfd){ .fd = a->members[i].pid ? a->members[i].pidfd : -1, .events = POLLIN };
	if (poll(p, n, timeout_ms) > 0) {
		if (p[1].revents)
			a->ended = a->cancel = true;
		for (uint32_t i = 0; i + 2 + nconns < n; i++)
			if (p[2 + nconns + i].revents && a->members[i].pidfd == p[2 + nconns + i].fd)
				member_gone(a, i);
		for (size_t i = 0; i < nconns; i++)
			for (size_t j = 0; p[2 + i].revents && j < a->conns.count; j++)
				if (a->conns.items[j].fd == p[2 + i].fd) {
					p[2 + i].revents = 0;
					handle_message(a, &a->conns.items[j]);
				}
		if (p[0].revents)
			handle_accept(a);
	}
	free(p);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* The job has ended: what its launcher would have left behind goes too, and what is left of jobs that died with their
 * agents. */
static void sweep(const struct rp_agent *a)
{
	const struct rp_adapter *adapter = a->joined && !a->ended ? rp_adapter_by_name(a->info.launcher) : NULL;
	const struct timespec grace = { .tv_nsec = 200000000 };
	struct rp_job_info *others;
	size_t n;

	if (adapter && adapter->sweep) {
		nanosleep(&grace, NULL); /* a launcher that ends now removes it itself */
		adapter->sweep(&a->info);
	}
	if (rp_registry_list(&others, &n, NULL))
		return;
	for (size_t i = 0; i < n; i++)
		rp_job_info_done(&others[i]);
	free(others);
}

static bool is_needed(const struct rp_agent *a, int64_t start)
{
	return !a->ended && (a->joined ? count_live(a) > 0 : now_ms() - start < FIRST_JOIN_MS);
}

/* A rank that connected while the last one of the others ended counts on us. Nobody new can come: the lock is ours. */
static void hear_the_last(struct rp_agent *a)
{
	int64_t until = now_ms() + LATE_JOIN_MS;
	bool waiting;

	do {
		rp_agent_turn(a, 0);
		waiting = false;
		for (size_t i = 0; i < a->conns.count; i++)
			waiting |= !a->conns.items[i].is_rank;
		if (waiting)
			rp_agent_turn(a, 20);
	} while (!a->ended && waiting && !count_live(a) && now_ms() < until);
}

int rp_agent_main(const char *path, int dir_fd, int listen_fd, int ready_fd)
{
	struct rp_agent *a = calloc(1, sizeof(*a));
	int64_t start = now_ms();
	sigset_t ends;
	int lock;

	if (!a)
		return 1;
	a->path = path;
	a->dir_fd = dir_fd;
	a->listen_fd = listen_fd;
	a->client = -1;
	(void)prctl(PR_SET_NAME, "reprise-agent");
	rp_agent_go_first(true);
	for (int fd = 3; fd < 6; fd++)
		(void)rp_fd_cloexec(fd, 1);
	if (chdir("/") || rp_registry_secret(dir_fd, false, a->secret))
		return 1;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	a->signal_fd = signalfd(-1, &ends, SFD_CLOEXEC);
	if (a->signal_fd < 0 || rp_write_all(ready_fd, "r", 1))
		return 1;
	close(ready_fd);
	for (;;) {
		while (is_needed(a, start)) {
			rp_agent_turn(a, STOPPED_CHECK_MS);
			reap_sweeper(a, WNOHANG);
		}
		lock = rp_registry_lock(dir_fd);
		hear_the_last(a);
		if (a->ended || !count_live(a))
			break;
		if (lock >= 0)
			close(lock);
	}
	if (a->ctl)
		__atomic_store_n(&a->ctl->agent_gone, 1, __ATOMIC_RELEASE);
	/* Whoever restarts the job just now must not find two of it. */
	rp_registry_hide(dir_fd);
	sweep(a);
	rp_registry_remove(dir_fd, path);
	if (lock >= 0)
		close(lock);
	reap_sweeper(a, 0);
	return 0;
}
