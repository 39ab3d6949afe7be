/* SPDX-License-Identifier: BSD-3-Clause */
#include "rank_launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/str.h"

static uint64_t add(struct rp_str *s, const char *text)
{
	uint64_t at = s->len;

	if (!text)
		return 0;
	rp_str_addn(s, text, strlen(text) + 1);
	return at;
}

/* Strings, then the array of their offsets, aligned. */
static uint64_t add_array(struct rp_str *s, char *const *v, uint64_t count)
{
	uint64_t *offs = calloc(count + 1, sizeof(*offs)), at;
	static const char zeros[8];

	if (!offs) {
		s->oom = true;
		return 0;
	}
	for (uint64_t i = 0; i < count; i++)
		offs[i] = add(s, v[i]);
	rp_str_addn(s, zeros, -s->len & 7);
	at = s->len;
	rp_str_addn(s, offs, count * sizeof(*offs));
	free(offs);
	return at;
}

/* The environment without some names, with some entries at the end. Entries are borrowed, the array is new. */
static char **edit_env(char **envp, const char *const *drop, char **extra, uint64_t *count)
{
	uint64_t n = 0, k = 0;
	char **out;

	while (envp[n])
		n++;
	out = calloc(n + 8, sizeof(*out));
	if (!out)
		return NULL;
	for (uint64_t i = 0; i < n; i++) {
		bool skip = false;

		for (int d = 0; drop[d]; d++)
			skip |= rp_str_has_prefix(envp[i], drop[d]);
		if (!skip)
			out[k++] = envp[i];
	}
	for (int i = 0; extra[i]; i++)
		out[k++] = extra[i];
	*count = k;
	return out;
}

static const char *find_env(char **envp, const char *prefix)
{
	for (; *envp; envp++)
		if (rp_str_has_prefix(*envp, prefix))
			return *envp + strlen(prefix);
	return NULL;
}

/* The run path that ld.so does not find is before or behind the user's path, as ld.so would have it. */
static char *join_library_path(const struct rank_launch *in)
{
	const char *users = find_env(in->envp, "LD_LIBRARY_PATH="), *ours = in->library_path ? in->library_path : "";
	bool is_last = in->head.flags & RP_LAUNCH_PATH_LAST;

	if (!users || !*users)
		return rp_strf("LD_LIBRARY_PATH=%s", ours);
	return rp_strf("LD_LIBRARY_PATH=%s:%s", is_last ? users : ours, is_last ? ours : users);
}

/* The user's preloads stay in front of the stub. */
static int add_app_env(const struct rank_launch *in, struct rp_str *s, struct rp_launch *l)
{
	static const char *const drop[] = { "LD_PRELOAD=", NULL }, *const none[] = { NULL },
				 *const drop_both[] = { "LD_PRELOAD=", "LD_LIBRARY_PATH=", NULL };
	const char *users = find_env(in->envp, "LD_PRELOAD=");
	char *preload RP_AUTOFREE =
		rp_strf("LD_PRELOAD=%s%s%s", users ? users : "", users && *users ? ":" : "", in->stub);
	char *library_path RP_AUTOFREE = join_library_path(in);
	char *extra[] = { preload, in->library_path ? library_path : NULL, NULL }, *nothing[] = { NULL };
	bool stub = in->program->is_dynamic;
	char **env RP_AUTOFREE = edit_env(in->envp,
					  !stub		     ? none
					  : in->library_path ? drop_both
							     : drop,
					  stub ? extra : nothing, &l->envc);

	if (!env || !preload || !library_path)
		return -ENOMEM;
	l->envp = add_array(s, env, l->envc);
	return 0;
}

/* No preloads of the user in the lower half, and its threads leave rseq to the application's libc. */
static int add_lower_env(const struct rank_launch *in, struct rp_str *s, struct rp_launch *l)
{
	static const char *const drop[] = { "LD_PRELOAD=", "LD_AUDIT=",	      "LD_DEBUG=",
					    "LD_PROFILE=", "GLIBC_TUNABLES=", NULL };
	char tunables[] = "GLIBC_TUNABLES=glibc.pthread.rseq=0";
	char *extra[] = { tunables, NULL };
	char **env RP_AUTOFREE = edit_env(in->envp, drop, extra, &l->lower_envc);

	if (!env)
		return -ENOMEM;
	l->lower_envp = add_array(s, env, l->lower_envc);
	return 0;
}

int rank_launch_build(const struct rank_launch *in, void **out, size_t *size, struct rp_error *err)
{
	struct rp_str s RP_AUTOSTR = RP_STR_INIT;
	struct rp_launch l = in->head;
	int r = 0;

	l.magic = RP_LAUNCH_MAGIC;
	l.version = RP_LAUNCH_VERSION;
	rp_str_addn(&s, &l, sizeof(l));
	l.lower = add(&s, in->lower);
	l.stub = add(&s, in->stub);
	l.reprise = add(&s, in->reprise);
	l.library_path = add(&s, in->library_path);
	l.snapshot_dir = add(&s, in->snapshot_dir);
	if (in->program) {
		const char *base = strrchr(in->program->execfn, '/');
		char comm[16];

		snprintf(comm, sizeof(comm), "%.15s", base ? base + 1 : in->program->execfn);
		l.app = add(&s, in->program->path);
		l.execfn = add(&s, in->program->execfn);
		l.comm = add(&s, comm);
		while (in->program->argv[l.argc])
			l.argc++;
		l.argv = add_array(&s, in->program->argv, l.argc);
		r = add_app_env(in, &s, &l);
	}
	if (!r)
		r = add_lower_env(in, &s, &l);
	l.size = s.len;
	if (r || s.oom)
		return rp_error(err, -ENOMEM, "out of memory");
	memcpy(s.text, &l, sizeof(l));
	*size = s.len;
	*out = rp_str_take(&s);
	return 0;
}

int rank_launch_memfd(const struct rank_launch *in, int min, struct rp_error *err)
{
	void *data RP_AUTOFREE = NULL;
	int fd RP_AUTOCLOSE = -1;
	size_t size = 0;
	int r = rank_launch_build(in, &data, &size, err);

	if (r)
		return r;
	fd = memfd_create("reprise-launch", 0);
	if (fd < 0)
		return rp_error(err, -errno, "memfd_create: %s", strerror(errno));
	r = rp_write_all(fd, data, size);
	if (!r)
		r = rp_fd_move_above(&fd, min);
	if (r < 0)
		return rp_error(err, r, "launch record: %s", strerror(-r));
	return rp_fd_take(&fd);
}
