/* SPDX-License-Identifier: BSD-3-Clause */
#include "job/agent-client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "job/agent.h"
#include "job/agent-proto.h"
#include "job/rank-record.h"
#include "job/registry.h"
#include "util/fd.h"
#include "util/str.h"

/* ---- identity ---- */

static const char *env_find(char *const *envp, const char *name)
{
	size_t len = strlen(name);

	for (; *envp; envp++)
		if (!strncmp(*envp, name, len) && (*envp)[len] == '=')
			return *envp + len + 1;
	return NULL;
}

static bool env_int(char *const *envp, const char *name, int32_t *out)
{
	const char *s = env_find(envp, name);
	int64_t v;

	if (!s || rp_parse_i64(s, 10, 0, INT32_MAX, &v))
		return false;
	*out = (int32_t)v;
	return true;
}

void rp_rank_identity(char *const *envp, struct rp_rank_identity *out)
{
	*out = (struct rp_rank_identity){ .size = 1, .local_size = 1, .launcher = "none" };
	if (env_int(envp, "OMPI_COMM_WORLD_RANK", &out->rank) && env_int(envp, "OMPI_COMM_WORLD_SIZE", &out->size)) {
		out->launcher = "openmpi";
		env_int(envp, "OMPI_COMM_WORLD_LOCAL_RANK", &out->local_rank);
		if (!env_int(envp, "OMPI_COMM_WORLD_LOCAL_SIZE", &out->local_size))
			out->local_size = out->size;
	} else if (env_int(envp, "PMI_RANK", &out->rank) && env_int(envp, "PMI_SIZE", &out->size)) {
		out->launcher = "mpich";
		env_int(envp, "MPI_LOCALRANKID", &out->local_rank);
		if (!env_int(envp, "MPI_LOCALNRANKS", &out->local_size))
			out->local_size = out->size;
	} else {
		out->rank = 0;
		out->size = 1;
	}
}

/* ---- starting the agent ---- */

/* In the grandchild: the three descriptors that it needs at 3, 4 and 5, nothing else, 0 to 2 on /dev/null. */
static void agent_descriptors(int dir_fd, int listen_fd, int ready_fd)
{
	int fds[3], null;

	fds[0] = fcntl(dir_fd, F_DUPFD, 64);
	fds[1] = fcntl(listen_fd, F_DUPFD, 64);
	fds[2] = fcntl(ready_fd, F_DUPFD, 64);
	for (int i = 0; i < 3; i++)
		if (fds[i] < 0 || dup2(fds[i], 3 + i) < 0)
			_exit(1);
	null = open("/dev/null", O_RDWR);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	closefrom(6);
}

static _Noreturn void become_agent(const char *exe, const char *path, int dir_fd, int listen_fd, int ready_fd)
{
	sigset_t none;

	setsid();
	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			(void)signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	agent_descriptors(dir_fd, listen_fd, ready_fd);
	if (exe)
		execl(exe, "reprise", "agent", path, (char *)NULL);
	else
		_exit(rp_agent_main(path, 3, 4, 5));
	_exit(127);
}

/* Starts it as an orphan in a session of its own and waits until it is ready. */
static int start_agent(const char *exe, const char *path, int dir_fd, struct rp_error *err)
{
	int listen_fd RP_AUTOCLOSE = rp_registry_listen(dir_fd), rc = 0;
	int ready[2], status;
	unsigned char secret[RP_SECRET_LEN];
	sigset_t all, old;
	char byte;
	pid_t pid;

	if (listen_fd < 0)
		return rp_error(err, listen_fd, "%s/sock: %s", path, strerror(-listen_fd));
	rc = rp_registry_secret(dir_fd, true, secret);
	if (!rc && pipe2(ready, O_CLOEXEC))
		rc = -errno;
	if (rc)
		return rp_error(err, rc, "%s: %s", path, strerror(-rc));
	sigfillset(&all); /* no handler of the caller may run in the copies */
	sigprocmask(SIG_BLOCK, &all, &old);
	pid = fork();
	if (pid == 0) {
		if (fork() == 0)
			become_agent(exe, path, dir_fd, listen_fd, ready[1]);
		_exit(0);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(ready[1]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0 || rp_read_all(ready[0], &byte, 1))
		rc = rp_error(err, -ECHILD, "the agent of this job could not be started");
	close(ready[0]);
	return rc;
}

/* A connection to the job's agent; starts it when nobody answers. *secret as its file has it. */
static int find_agent(const struct rp_join_request *req, unsigned char *secret, struct rp_error *err)
{
	char key[160], *path RP_AUTOFREE = NULL;
	int rc = rp_registry_key(req->envp, key, sizeof(key));

	if (rc)
		return rp_error(err, rc, "cannot name the job: %s", strerror(-rc));
	for (int tries = 0; tries < 100; tries++) {
		int dir_fd RP_AUTOCLOSE = (free(path), path = NULL, rp_registry_open(key, &path, err));
		int lock RP_AUTOCLOSE = dir_fd < 0 ? dir_fd : rp_registry_lock(dir_fd);
		int sock;

		if (dir_fd < 0)
			return dir_fd;
		if (lock == -ESTALE)
			continue;
		if (lock < 0)
			return rp_error(err, lock, "%s/lock: %s", path, strerror(-lock));
		sock = rp_registry_connect(dir_fd);
		if (sock == -ECONNREFUSED || sock == -ENOENT) {
			rc = start_agent(req->agent_exe, path, dir_fd, err);
			if (rc)
				return rc;
			sock = rp_registry_connect(dir_fd);
		}
		if (sock >= 0)
			rc = rp_registry_secret(dir_fd, false, secret);
		if (sock < 0 || rc) {
			if (sock >= 0)
				close(sock);
			return rp_error(err, sock < 0 ? sock : rc, "%s: %s", path, strerror(sock < 0 ? -sock : -rc));
		}
		return sock;
	}
	return rp_error(err, -ESTALE, "%s: the job's directory keeps vanishing", path ? path : key);
}

static int take_answer(const struct rp_msg *m, struct rp_join *out, struct rp_error *err)
{
	if (m->type != RP_MSG_JOINED)
		return rp_error(err, -EPROTO, "the agent answers with message %u", m->type);
	if (m->code)
		return rp_error(err, m->code, "%s", m->text);
	out->ctl_size = m->u.joined.ctl_size;
	out->slot = m->u.joined.slot;
	out->agent_pid = m->u.joined.agent_pid;
	out->world_rank = m->u.joined.rank;
	out->world_size = m->u.joined.size;
	out->snapshot_dir = strndup(m->u.joined.snapshot_dir, sizeof(m->u.joined.snapshot_dir) - 1);
	return out->snapshot_dir ? 0 : rp_error(err, -ENOMEM, "out of memory");
}

int rp_agent_join(const struct rp_join_request *req, struct rp_join *out, struct rp_error *err)
{
	struct rp_rank_identity id;
	struct rp_join join = { .ctl_fd = -1, .agent_fd = -1 };
	struct rp_msg m = { .magic = RP_MSG_MAGIC, .type = RP_MSG_JOIN };
	int record RP_AUTOCLOSE = -1, sock RP_AUTOCLOSE = -1;
	int rc;

	rp_rank_identity(req->envp, &id);
	record = rp_rank_record_make(req, &id, err);
	if (record < 0)
		return record;
	sock = find_agent(req, m.secret, err);
	if (sock < 0)
		return sock;
	m.u.join.rank = id.rank;
	m.u.join.size = id.size;
	m.u.join.local_rank = id.local_rank;
	m.u.join.local_size = id.local_size;
	rc = rp_msg_send(sock, &m, record);
	if (!rc)
		rc = rp_msg_recv(sock, &m, &join.ctl_fd);
	if (rc <= 0)
		return rp_error(err, rc ? rc : -ECONNRESET, "the agent of this job does not answer");
	rc = take_answer(&m, &join, err);
	if (rc || join.ctl_fd < 0) {
		rp_join_done(&join);
		return rc ? rc : rp_error(err, -EPROTO, "the agent of this job sent no control page");
	}
	join.agent_fd = rp_fd_take(&sock);
	rc = rp_fd_move_above(&join.ctl_fd, 3);
	if (!rc)
		rc = rp_fd_move_above(&join.agent_fd, 3);
	if (rc) {
		rp_join_done(&join);
		return rp_error(err, rc, "no descriptors left");
	}
	*out = join;
	return 0;
}

void rp_join_done(struct rp_join *join)
{
	if (join->ctl_fd > 0)
		close(join->ctl_fd);
	if (join->agent_fd > 0)
		close(join->agent_fd);
	free(join->snapshot_dir);
	*join = (struct rp_join){ .ctl_fd = -1, .agent_fd = -1 };
}

/* ---- checkpoint ---- */

#define ANSWER_MS 10000 /* after the time limit, for an agent that keeps no time */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int connect_job(const char *dir, struct rp_msg *m, struct rp_error *err)
{
	int dir_fd RP_AUTOCLOSE = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int sock = dir_fd < 0 ? -errno : rp_registry_connect(dir_fd);
	int rc;

	if (sock < 0)
		return rp_error(err, -ECONNREFUSED,
				"the agent of this job has ended: it can no longer be checkpointed");
	rc = rp_registry_secret(dir_fd, false, m->secret);
	if (rc) {
		close(sock);
		return rp_error(err, rc, "%s/secret: %s", dir, strerror(-rc));
	}
	return sock;
}

/* One message of the agent; 1: it was the last. */
static int next_message(int sock, struct rp_msg *m, const struct rp_checkpoint_options *opts, struct rp_error *err)
{
	int rc = rp_msg_recv(sock, m, NULL);

	if (rc == 0)
		return rp_error(err, -ECONNRESET,
				"the agent ended during the checkpoint; the job can no longer be checkpointed");
	if (rc < 0)
		return rp_error(err, rc, "connection to the agent: %s", strerror(-rc));
	if ((m->type == RP_MSG_PROGRESS || m->type == RP_MSG_COMMIT) && opts->progress)
		opts->progress(opts->arg, m->text);
	return m->type == RP_MSG_RESULT;
}

static void cancel(int sock)
{
	const struct rp_msg m = { .magic = RP_MSG_MAGIC, .type = RP_MSG_CANCEL };

	(void)rp_msg_send(sock, &m, -1);
}

/* An agent that is stopped keeps no time: the client does not wait for it for ever. A commit that has begun is not cut short:
 * it takes as long as the disk does, and who ends the job after it must hear of it. */
static int give_up(const struct rp_checkpoint_options *opts, bool commits, int64_t waited_ms, struct rp_error *err)
{
	if (opts->cancel && *opts->cancel > 1)
		return rp_error(err, RP_CHECKPOINT_CANCELLED, "not waited for: the agent has not answered");
	if (opts->timeout_ms && !commits && waited_ms > (int64_t)opts->timeout_ms + ANSWER_MS)
		return rp_error(err, RP_CHECKPOINT_TIMEOUT, "timed out: the agent does not answer");
	return 0;
}

int rp_agent_checkpoint(const char *dir, const struct rp_checkpoint_options *opts, struct rp_checkpoint_result *res,
			struct rp_error *err)
{
	struct rp_msg m = { .magic = RP_MSG_MAGIC, .type = RP_MSG_CHECKPOINT };
	int sock RP_AUTOCLOSE = connect_job(dir, &m, err);
	bool cancelled = false, commits = false;
	int64_t start = now_ms();
	int rc, silent = 0;

	if (sock < 0)
		return sock;
	m.u.checkpoint.then = opts->then;
	m.u.checkpoint.timeout_ms = opts->timeout_ms;
	rc = rp_msg_send(sock, &m, -1);
	if (rc)
		return rp_error(err, rc, "connection to the agent: %s", strerror(-rc));
	while (rc == 0 && !silent) {
		struct pollfd p = { .fd = sock, .events = POLLIN };

		if (opts->cancel && *opts->cancel && !cancelled) {
			cancelled = true;
			cancel(sock);
		}
		if (poll(&p, 1, 200) > 0)
			rc = next_message(sock, &m, opts, err);
		else
			silent = give_up(opts, commits, now_ms() - start, err);
		commits |= m.type == RP_MSG_COMMIT;
	}
	if (silent) {
		cancel(sock); /* for when it wakes up */
		return silent;
	}
	if (rc < 0)
		return rc;
	if (m.code)
		return rp_error(err, m.code, "%s", m.text);
	*res = m.u.result;
	return 0;
}
