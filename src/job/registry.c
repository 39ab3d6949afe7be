/* SPDX-License-Identifier: BSD-3-Clause */
#include "job/registry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "job/adapter.h"
#include "job/process.h"
#include "util/array.h"
#include "util/fd.h"
#include "util/json.h"
#include "util/str.h"

void rp_job_info_done(struct rp_job_info *info)
{
	free(info->dir);
	free(info->name);
	free(info->store);
	free(info->launcher);
	free(info->command);
	free(info->space);
	free(info->session);
	memset(info, 0, sizeof(*info));
}

static const char *env_get(char *const *envp, const char *name)
{
	size_t len = strlen(name);

	for (; *envp; envp++)
		if (!strncmp(*envp, name, len) && (*envp)[len] == '=' && (*envp)[len + 1])
			return *envp + len + 1;
	return NULL;
}

int rp_registry_key(char *const *envp, char *buf, size_t size)
{
	const char *space = env_get(envp, "PMIX_NAMESPACE"), *uri = env_get(envp, "PMIX_SERVER_URI2");
	pid_t pid = env_get(envp, "PMI_RANK") ? getppid() : getpid();
	uint64_t start;
	int n, rc;

	if (space) {
		/* The server's address tells a new launcher with an old job number from the old one. */
		const char *port = uri ? strrchr(uri, ':') : NULL;

		n = snprintf(buf, size, "pmix-%s%s%s", space, port ? "-" : "", port ? port + 1 : "");
	} else {
		rc = rp_process_start(pid, &start);
		if (rc)
			return rc;
		n = snprintf(buf, size, "pid-%d-%llu", pid, (unsigned long long)start);
	}
	if ((size_t)n >= size)
		return -ENAMETOOLONG;
	for (char *p = buf; *p; p++)
		if (*p == '/' || *p == '.')
			*p = '_';
	return 0;
}

/* The i-th place for BASE; NULL: no more. */
static char *base_path(int i)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR"), *own = getenv("REPRISE_RUNTIME_DIR");

	if (own && own[0] == '/')
		return i == 0 ? strdup(own) : NULL;
	if (!xdg || xdg[0] != '/')
		i++;
	if (i == 0)
		return rp_strf("%s/reprise", xdg);
	return i == 1 ? rp_strf("/tmp/reprise-%u", (unsigned)geteuid()) : NULL;
}

/* A directory that is ours alone, or -errno: anybody may put something of that name into /tmp. */
static int open_owned(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || st.st_uid != geteuid() || (st.st_mode & 077)) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

/* The same, made when it is missing. */
static int open_private(int at, const char *path)
{
	return mkdirat(at, path, 0700) && errno != EEXIST ? -errno : open_owned(at, path);
}

int rp_registry_open(const char *key, char **out_path, struct rp_error *err)
{
	char *base RP_AUTOFREE = NULL;
	int base_fd RP_AUTOCLOSE = -1;
	int fd = -ENOENT;

	for (int i = 0; base_fd < 0 && (free(base), base = base_path(i)); i++) {
		base_fd = open_private(AT_FDCWD, base);
		fd = base_fd;
	}
	if (base_fd >= 0)
		fd = open_private(base_fd, key);
	if (fd == -EPERM)
		return rp_error(err, fd, "%s is not a directory that only this user may enter", base ? base : "/tmp");
	if (fd < 0)
		return rp_error(err, fd, "cannot make the job's directory: %s", strerror(-fd));
	*out_path = rp_strf("%s/%s", base, key);
	if (!*out_path) {
		close(fd);
		return rp_error(err, -ENOMEM, "out of memory");
	}
	return fd;
}

int rp_registry_lock(int dir_fd)
{
	struct stat mine, theirs;
	int fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	while (flock(fd, LOCK_EX))
		if (errno != EINTR) {
			int rc = -errno;

			close(fd);
			return rc;
		}
	if (fstat(fd, &mine) || fstatat(dir_fd, "lock", &theirs, AT_SYMLINK_NOFOLLOW) || mine.st_ino != theirs.st_ino) {
		close(fd);
		return -ESTALE;
	}
	return fd;
}

int rp_registry_secret(int dir_fd, bool make, unsigned char secret[RP_SECRET_LEN])
{
	int flags = make ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY;
	int fd RP_AUTOCLOSE = openat(dir_fd, "secret", flags | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	if (!make)
		return rp_read_all(fd, secret, RP_SECRET_LEN);
	if (getrandom(secret, RP_SECRET_LEN, 0) != RP_SECRET_LEN)
		return -EIO;
	return rp_write_all(fd, secret, RP_SECRET_LEN);
}

/* The address of `sock`: through the descriptor, whatever the length of the directory's name. */
static void sock_address(int dir_fd, struct sockaddr_un *sa)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/sock", dir_fd);
}

int rp_registry_connect(int dir_fd)
{
	int fd RP_AUTOCLOSE = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;

	if (fd < 0)
		return -errno;
	sock_address(dir_fd, &sa);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return -errno;
	return rp_fd_take(&fd);
}

int rp_registry_listen(int dir_fd)
{
	int fd RP_AUTOCLOSE = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa;

	if (fd < 0)
		return -errno;
	sock_address(dir_fd, &sa);
	(void)unlinkat(dir_fd, "sock", 0);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 512))
		return -errno;
	return rp_fd_take(&fd);
}

void rp_registry_hide(int dir_fd)
{
	(void)unlinkat(dir_fd, "job.json", 0);
}

void rp_registry_remove(int dir_fd, const char *path)
{
	static const char *const names[] = { "sock", "secret", "job.json", ".job.json.new", "log", "lock" };

	for (size_t i = 0; i < RP_COUNT(names); i++)
		(void)unlinkat(dir_fd, names[i], 0);
	(void)rmdir(path);
}

int rp_registry_write(int dir_fd, const struct rp_job_info *info)
{
	struct json_object *o RP_AUTOJSON = json_object_new_object();
	int fd RP_AUTOCLOSE =
		openat(dir_fd, ".job.json.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc;

	if (fd < 0)
		return -errno;
	if (rp_json_set_str(o, "name", info->name) || rp_json_set_str(o, "store", info->store) ||
	    rp_json_set_str(o, "launcher", info->launcher) || rp_json_set_str(o, "command", info->command) ||
	    rp_json_set_i64(o, "agent_pid", info->agent_pid) ||
	    rp_json_set_i64(o, "launcher_pid", info->launcher_pid) || rp_json_set_i64(o, "np", info->np) ||
	    rp_json_set_i64(o, "joined", info->joined) || rp_json_set_i64(o, "started", info->started) ||
	    rp_json_set_i64(o, "generations", info->generations) ||
	    rp_json_set_i64(o, "launcher_start", info->launcher_start) ||
	    (info->space && rp_json_set_str(o, "space", info->space)) ||
	    (info->session && rp_json_set_str(o, "session", info->session)))
		return -ENOMEM;
	rc = rp_json_write(fd, o);
	if (!rc && renameat(dir_fd, ".job.json.new", dir_fd, "job.json"))
		rc = -errno;
	return rc;
}

static int dup_str(struct json_object *o, const char *name, char **out)
{
	const char *s;
	int rc = rp_json_str(o, name, &s, NULL);

	if (!rc)
		*out = strdup(s);
	return rc ? rc : *out ? 0 : -ENOMEM;
}

static int read_job(int base_fd, const char *base, const char *key, struct rp_job_info *out)
{
	struct json_object *o RP_AUTOJSON = NULL;
	char *file RP_AUTOFREE = rp_strf("%s/job.json", key), *text RP_AUTOFREE = NULL;
	struct rp_job_info info = { 0 };
	int64_t agent, launcher, np, joined, generations;
	size_t len;
	int rc = file ? rp_read_file_at(base_fd, file, 1 << 20, &text, &len) : -ENOMEM;

	if (!rc)
		rc = rp_json_parse(text, len, &o, NULL);
	if (rc)
		return rc;
	info.dir = rp_strf("%s/%s", base, key);
	(void)dup_str(o, "space", &info.space);
	(void)dup_str(o, "session", &info.session);
	(void)rp_json_i64(o, "launcher_start", 0, INT64_MAX, &info.launcher_start, NULL);
	if ((rc = dup_str(o, "name", &info.name)) || (rc = dup_str(o, "store", &info.store)) ||
	    (rc = dup_str(o, "launcher", &info.launcher)) || (rc = dup_str(o, "command", &info.command)) ||
	    (rc = rp_json_i64(o, "agent_pid", 1, INT32_MAX, &agent, NULL)) ||
	    (rc = rp_json_i64(o, "launcher_pid", 0, INT32_MAX, &launcher, NULL)) ||
	    (rc = rp_json_i64(o, "np", 0, INT32_MAX, &np, NULL)) ||
	    (rc = rp_json_i64(o, "joined", 0, INT32_MAX, &joined, NULL)) ||
	    (rc = rp_json_i64(o, "generations", 0, INT32_MAX, &generations, NULL)) ||
	    (rc = rp_json_i64(o, "started", 0, INT64_MAX, &info.started, NULL)) || !info.dir) {
		rp_job_info_done(&info);
		return rc ? rc : -ENOMEM;
	}
	info.agent_pid = (int)agent;
	info.launcher_pid = (int)launcher;
	info.np = (int)np;
	info.joined = (int)joined;
	info.generations = (unsigned)generations;
	*out = info;
	return 0;
}

/* Does somebody listen on the socket? What a killed agent left behind goes when its ranks are gone as well: nobody is left
 * to ask. */
static bool is_alive(int base_fd, const char *key)
{
	int dir_fd RP_AUTOCLOSE = open_owned(base_fd, key);
	int fd = dir_fd >= 0 ? rp_registry_connect(dir_fd) : -1;

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool rp_registry_launcher_gone(const struct rp_job_info *info)
{
	uint64_t start;
	int rc = info->launcher_pid ? rp_process_start(info->launcher_pid, &start) : -ESRCH;

	return rc == -ESRCH || (!rc && info->launcher_start && start != (uint64_t)info->launcher_start);
}

/* Agent and launcher were killed, and the ranks with them. */
static void bury(int base_fd, const char *key, const struct rp_job_info *info)
{
	const struct rp_adapter *adapter = rp_adapter_by_name(info->launcher);
	int dir_fd RP_AUTOCLOSE = open_owned(base_fd, key);

	if (adapter && adapter->sweep)
		adapter->sweep(info);
	if (dir_fd >= 0)
		rp_registry_remove(dir_fd, info->dir);
}

struct job_list {
	struct rp_job_info *items;
	size_t count, room;
};

static int list_base(const char *base, struct job_list *list)
{
	int base_fd RP_AUTOCLOSE = open_owned(AT_FDCWD, base);
	DIR *d RP_AUTOCLOSEDIR = base_fd >= 0 ? opendir(base) : NULL;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		struct rp_job_info info, *slot;

		if (e->d_name[0] == '.' || read_job(base_fd, base, e->d_name, &info))
			continue;
		info.alive = is_alive(base_fd, e->d_name);
		if (!info.alive && rp_registry_launcher_gone(&info)) {
			bury(base_fd, e->d_name, &info);
			rp_job_info_done(&info);
			continue;
		}
		slot = RP_ARRAY_PUSH(list);
		if (!slot) {
			rp_job_info_done(&info);
			return -ENOMEM;
		}
		*slot = info;
	}
	return 0;
}

int rp_registry_list(struct rp_job_info **out, size_t *n, struct rp_error *err)
{
	struct job_list list = { 0 };
	int rc = 0;

	for (int i = 0; !rc; i++) {
		char *base RP_AUTOFREE = base_path(i);

		if (!base)
			break;
		rc = list_base(base, &list);
	}
	if (rc) {
		for (size_t i = 0; i < list.count; i++)
			rp_job_info_done(&list.items[i]);
		free(list.items);
		return rp_error(err, rc, "cannot list the jobs: %s", strerror(-rc));
	}
	*out = list.items;
	*n = list.count;
	return 0;
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return rp_streq(a, b) || (!stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

bool rp_registry_writer(const char *store, struct rp_job_info *out)
{
	struct rp_job_info *jobs = NULL;
	size_t n = 0;
	bool found = false;

	if (rp_registry_list(&jobs, &n, NULL))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!found && jobs[i].alive && jobs[i].joined && is_same_file(jobs[i].store, store)) {
			found = true;
			*out = jobs[i];
		} else {
			rp_job_info_done(&jobs[i]);
		}
	}
	free(jobs);
	return found;
}

static bool is_meant(const struct rp_job_info *info, const char *job)
{
	int64_t pid;

	return !job || rp_streq(info->name, job) ||
	       (rp_parse_i64(job, 10, 1, INT32_MAX, &pid) == 0 &&
		(pid == info->launcher_pid || pid == info->agent_pid));
}

/* A job that lost its agent, or whose ranks have not started or have all ended, is meant only when no livelier one can be. */
static int liveliness(const struct rp_job_info *info)
{
	return info->alive ? 1 + (info->joined > 0) : 0;
}

int rp_registry_find(const char *job, struct rp_job_info *out, struct rp_error *err)
{
	struct rp_job_info *jobs = NULL, found = { 0 };
	struct rp_str names RP_AUTOSTR = RP_STR_INIT;
	size_t n = 0, hits = 0;
	int rc = rp_registry_list(&jobs, &n, err), most = 0;

	for (size_t i = 0; !rc && i < n; i++)
		if (is_meant(&jobs[i], job) && liveliness(&jobs[i]) > most)
			most = liveliness(&jobs[i]);
	for (size_t i = 0; !rc && i < n; i++) {
		bool hit = liveliness(&jobs[i]) == most && is_meant(&jobs[i], job);

		if (hit)
			rp_str_addf(&names, "%s%s (%d)", hits ? ", " : "", jobs[i].name,
				    jobs[i].launcher_pid ? jobs[i].launcher_pid : jobs[i].agent_pid);
		if (hit && ++hits == 1)
			found = jobs[i];
		else
			rp_job_info_done(&jobs[i]);
	}
	free(jobs);
	if (rc)
		return rc;
	if (hits == 1) {
		*out = found;
		return 0;
	}
	rp_job_info_done(&found);
	if (!hits && job)
		return rp_error(err, -ESRCH, "no job '%s' runs under Reprise here; `reprise ps` lists them", job);
	if (!hits)
		return rp_error(err, -ESRCH, "no job runs under Reprise here: start it with `reprise run mpirun ...`");
	return rp_error(err, -ENOTUNIQ, "%zu jobs run, say which by its name or number: %.300s", hits,
			names.text ? names.text : "");
}
