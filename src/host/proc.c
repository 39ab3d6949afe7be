/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/array.h"
#include "util/fd.h"
#include "util/str.h"

#define TEXT_MAX ((size_t)16 << 20)

/* Text of /proc/PID/NAME, or of /proc/PID/task/TID/NAME when tid is not 0. */
static int read_text(pid_t pid, pid_t tid, const char *name, char **text, struct rp_error *err)
{
	char path[96];
	int r;

	if (tid)
		snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid, name);
	else
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	r = rp_read_file_at(AT_FDCWD, path, TEXT_MAX, text, NULL);
	if (r == -ENOENT)
		r = -ESRCH;
	return r < 0 ? rp_error(err, r, "%s: %s", path, strerror(-r)) : 0;
}

/* The line after this one; at the end, the final NUL. */
static const char *next_line(const char *s)
{
	s += strcspn(s, "\n");
	return *s ? s + 1 : s;
}

static int parse_groups(const char *s, struct rp_proc_status *out)
{
	struct {
		uint32_t *items;
		size_t count, room;
	} list = { 0 };

	for (;;) {
		uint32_t *slot;

		s += strspn(s, " \t");
		if (*s < '0' || *s > '9')
			break;
		slot = list.count < RP_GROUPS_MAX ? RP_ARRAY_PUSH(&list) : NULL;
		if (!slot) {
			free(list.items);
			return -ENOMEM;
		}
		*slot = strtoul(s, (char **)&s, 10);
	}
	free(out->groups);
	out->groups = list.items;
	out->ngroups = list.count;
	return 0;
}

static void parse_name(const char *s, struct rp_proc_status *out)
{
	size_t n = strcspn(s, "\n");

	snprintf(out->name, sizeof(out->name), "%.*s", (int)n, s);
}

static void parse_nspid(const char *s, struct rp_proc_status *out)
{
	out->nspid_levels = 0;
	for (;;) {
		s += strspn(s, " \t");
		if (*s < '0' || *s > '9')
			break;
		out->nspid = strtol(s, (char **)&s, 10);
		out->nspid_levels++;
	}
}

/* Plain numbers of status: where they go and their base; kB are turned into bytes. */
enum number { U32, I32, U64, KB };
static const struct {
	const char *name;
	enum number type;
	int base;
	size_t off;
} numbers[] = {
#define FIELD(name, type, base, member) \
	{ \
		name, type, base, offsetof(struct rp_proc_status, member) \
	}
	FIELD("Umask", U32, 8, umask),
	FIELD("Tgid", I32, 10, tgid),
	FIELD("Pid", I32, 10, pid),
	FIELD("PPid", I32, 10, ppid),
	FIELD("TracerPid", I32, 10, tracer_pid),
	FIELD("Threads", U32, 10, threads),
	FIELD("SigPnd", U64, 16, sig_pending),
	FIELD("ShdPnd", U64, 16, shared_pending),
	FIELD("SigBlk", U64, 16, sig_blocked),
	FIELD("SigIgn", U64, 16, sig_ignored),
	FIELD("SigCgt", U64, 16, sig_caught),
	FIELD("CapInh", U64, 16, cap_inh),
	FIELD("CapPrm", U64, 16, cap_prm),
	FIELD("CapEff", U64, 16, cap_eff),
	FIELD("CapBnd", U64, 16, cap_bnd),
	FIELD("CapAmb", U64, 16, cap_amb),
	FIELD("NoNewPrivs", U32, 10, no_new_privs),
	FIELD("Seccomp", U32, 10, seccomp),
	FIELD("Seccomp_filters", U32, 10, seccomp_filters),
	FIELD("VmRSS", KB, 10, vm_rss),
	FIELD("VmLck", KB, 10, vm_locked),
#undef FIELD
};

static void parse_number(const char *name, size_t len, const char *value, struct rp_proc_status *out)
{
	size_t i;

	for (i = 0; i < RP_COUNT(numbers); i++) {
		void *to = (char *)out + numbers[i].off;
		uint64_t v;

		if (strlen(numbers[i].name) != len || memcmp(numbers[i].name, name, len))
			continue;
		v = strtoull(value, NULL, numbers[i].base);
		if (numbers[i].type == U64 || numbers[i].type == KB)
			*(uint64_t *)to = numbers[i].type == KB ? v << 10 : v;
		else
			*(uint32_t *)to = v;
	}
}

int rp_proc_status_parse(const char *text, struct rp_proc_status *out, struct rp_error *err)
{
	struct rp_proc_status s = { 0 };
	bool has_uid = false;
	int r = 0;

	for (; *text && r == 0; text = next_line(text)) {
		size_t n = strcspn(text, ":\n");
		const char *value = text + n;

		if (*value != ':')
			continue;
		value += 1 + strspn(value + 1, " \t");
		if (rp_str_has_prefix(text, "Name:"))
			parse_name(value, &s);
		else if (rp_str_has_prefix(text, "State:"))
			s.state = *value;
		else if (rp_str_has_prefix(text, "Uid:"))
			has_uid = sscanf(value, "%u %u %u %u", &s.uid, &s.euid, &s.suid, &s.fsuid) == 4;
		else if (rp_str_has_prefix(text, "Gid:"))
			sscanf(value, "%u %u %u %u", &s.gid, &s.egid, &s.sgid, &s.fsgid);
		else if (rp_str_has_prefix(text, "Groups:"))
			r = parse_groups(value, &s);
		else if (rp_str_has_prefix(text, "NSpid:"))
			parse_nspid(value, &s);
		else
			parse_number(text, n, value, &s);
	}
	if (r == 0 && (!has_uid || !s.pid))
		r = -EINVAL;
	if (r < 0) {
		rp_proc_status_done(&s);
		return rp_error(err, r, "status: %s", r == -EINVAL ? "lines are missing" : strerror(-r));
	}
	*out = s;
	return 0;
}

void rp_proc_status_done(struct rp_proc_status *s)
{
	free(s->groups);
	s->groups = NULL;
	s->ngroups = 0;
}

int rp_proc_status_read(pid_t pid, pid_t tid, struct rp_proc_status *out, struct rp_error *err)
{
	char *text RP_AUTOFREE = NULL;
	int r = read_text(pid, tid, "status", &text, err);

	return r < 0 ? r : rp_proc_status_parse(text, out, err);
}

int rp_proc_stat_parse(const char *text, struct rp_proc_stat *out, struct rp_error *err)
{
	struct rp_proc_stat s = { 0 };
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	uint64_t v[53] = { 0 }; /* numbered as in the man page, from 4 */
	int i;

	/* The name may hold blanks and parentheses: the last one closes it. */
	if (!open || !close || close < open || close[1] != ' ' || !close[2])
		return rp_error(err, -EINVAL, "stat: not understood");
	s.pid = strtol(text, NULL, 10);
	snprintf(s.comm, sizeof(s.comm), "%.*s", (int)(close - open - 1), open + 1);
	s.state = close[2];
	text = close + 3;
	for (i = 4; i <= 52; i++) {
		char *end;

		v[i] = *(text + strspn(text, " ")) == '-' ? (uint64_t)strtoll(text, &end, 10)
							  : strtoull(text, &end, 10);
		if (end == text)
			return rp_error(err, -EINVAL, "stat: only %d fields", i - 1);
		text = end;
	}
	s.ppid = v[4];
	s.pgid = v[5];
	s.sid = v[6];
	s.tty_nr = v[7];
	s.tpgid = v[8];
	s.flags = v[9];
	s.priority = v[18];
	s.nice = v[19];
	s.threads = v[20];
	s.starttime = v[22];
	s.start_code = v[26];
	s.end_code = v[27];
	s.start_stack = v[28];
	s.exit_signal = v[38];
	s.rt_priority = v[40];
	s.policy = v[41];
	s.start_data = v[45];
	s.end_data = v[46];
	s.start_brk = v[47];
	s.arg_start = v[48];
	s.arg_end = v[49];
	s.env_start = v[50];
	s.env_end = v[51];
	s.exit_code = v[52];
	*out = s;
	return 0;
}

int rp_proc_stat_read(pid_t pid, pid_t tid, struct rp_proc_stat *out, struct rp_error *err)
{
	char *text RP_AUTOFREE = NULL;
	int r = read_text(pid, tid, "stat", &text, err);

	return r < 0 ? r : rp_proc_stat_parse(text, out, err);
}

static const char *const limit_names[RLIM_NLIMITS] = {
	[RLIMIT_CPU] = "Max cpu time",
	[RLIMIT_FSIZE] = "Max file size",
	[RLIMIT_DATA] = "Max data size",
	[RLIMIT_STACK] = "Max stack size",
	[RLIMIT_CORE] = "Max core file size",
	[RLIMIT_RSS] = "Max resident set",
	[RLIMIT_NPROC] = "Max processes",
	[RLIMIT_NOFILE] = "Max open files",
	[RLIMIT_MEMLOCK] = "Max locked memory",
	[RLIMIT_AS] = "Max address space",
	[RLIMIT_LOCKS] = "Max file locks",
	[RLIMIT_SIGPENDING] = "Max pending signals",
	[RLIMIT_MSGQUEUE] = "Max msgqueue size",
	[RLIMIT_NICE] = "Max nice priority",
	[RLIMIT_RTPRIO] = "Max realtime priority",
	[RLIMIT_RTTIME] = "Max realtime timeout",
};

static rlim64_t parse_limit(const char **s)
{
	*s += strspn(*s, " ");
	if (rp_str_has_prefix(*s, "unlimited")) {
		*s += strlen("unlimited");
		return RLIM64_INFINITY;
	}
	return strtoull(*s, (char **)s, 10);
}

int rp_proc_limits_parse(const char *text, struct rlimit64 limits[RLIM_NLIMITS], struct rp_error *err)
{
	unsigned seen = 0;
	size_t i;

	for (; *text; text = next_line(text)) {
		for (i = 0; i < RLIM_NLIMITS; i++) {
			const char *s = text;

			if (!rp_str_has_prefix(text, limit_names[i]))
				continue;
			s += strlen(limit_names[i]);
			limits[i].rlim_cur = parse_limit(&s);
			limits[i].rlim_max = parse_limit(&s);
			seen |= 1u << i;
		}
	}
	for (i = 0; i < RLIM_NLIMITS; i++)
		if (!(seen & 1u << i))
			return rp_error(err, -EINVAL, "limits: no line '%s'", limit_names[i]);
	return 0;
}

int rp_proc_limits_read(pid_t pid, struct rlimit64 limits[RLIM_NLIMITS], struct rp_error *err)
{
	char *text RP_AUTOFREE = NULL;
	int r = read_text(pid, 0, "limits", &text, err);

	return r < 0 ? r : rp_proc_limits_parse(text, limits, err);
}

static int ascending(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* Numeric names of a directory of /proc/PID. */
static int read_numbers(pid_t pid, const char *name, int **out, size_t *count, struct rp_error *err)
{
	struct {
		int *items;
		size_t count, room;
	} list = { 0 };
	char path[64];
	DIR *dir RP_AUTOCLOSEDIR = NULL;
	struct dirent *e;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	dir = opendir(path);
	if (!dir) {
		r = errno == ENOENT ? -ESRCH : -errno;
		return rp_error(err, r, "%s: %s", path, strerror(-r));
	}
	while (r == 0 && (errno = 0, e = readdir(dir))) {
		int64_t n;
		int *slot;

		if (rp_parse_i64(e->d_name, 10, 0, INT32_MAX, &n) < 0)
			continue;
		slot = RP_ARRAY_PUSH(&list);
		if (slot)
			*slot = n;
		else
			r = -ENOMEM;
	}
	if (r == 0 && errno)
		r = errno == ENOENT ? -ESRCH : -errno;
	if (r < 0) {
		free(list.items);
		return rp_error(err, r, "%s: %s", path, strerror(-r));
	}
	if (list.count)
		qsort(list.items, list.count, sizeof(int), ascending);
	*out = list.items;
	*count = list.count;
	return 0;
}

int rp_proc_tasks(pid_t pid, pid_t **tids, size_t *count, struct rp_error *err)
{
	return read_numbers(pid, "task", tids, count, err);
}

int rp_proc_fds(pid_t pid, int **fds, size_t *count, struct rp_error *err)
{
	return read_numbers(pid, "fd", fds, count, err);
}

bool rp_fdinfo_find(const char *text, const char *name, const char **value)
{
	size_t n = strlen(name);

	for (; *text; text = next_line(text)) {
		if (strncmp(text, name, n) || text[n] != ':')
			continue;
		*value = text + n + 1 + strspn(text + n + 1, " \t");
		return true;
	}
	return false;
}

int rp_fdinfo_parse(const char *text, struct rp_fdinfo *out, struct rp_error *err)
{
	struct rp_fdinfo f = { 0 };
	const char *v;

	if (!rp_fdinfo_find(text, "flags", &v))
		return rp_error(err, -EINVAL, "fdinfo: no line 'flags'");
	f.flags = strtoul(v, NULL, 8);
	if (rp_fdinfo_find(text, "pos", &v))
		f.pos = strtoll(v, NULL, 10);
	if (rp_fdinfo_find(text, "mnt_id", &v))
		f.mnt_id = strtol(v, NULL, 10);
	if (rp_fdinfo_find(text, "ino", &v))
		f.ino = strtoull(v, NULL, 10);
	*out = f;
	return 0;
}

int rp_fdinfo_read(pid_t pid, int fd, char **text, struct rp_fdinfo *out, struct rp_error *err)
{
	char name[32], *buf;
	int r;

	snprintf(name, sizeof(name), "fdinfo/%d", fd);
	r = read_text(pid, 0, name, &buf, err);
	if (r < 0)
		return r;
	r = rp_fdinfo_parse(buf, out, err);
	if (r < 0)
		free(buf);
	else
		*text = buf;
	return r;
}
