/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "job/store.h"
#include "util/fd.h"

#define NP 2

struct fault {
	int at; /* step at which it strikes, -1: never */
	int seen;
	int kill; /* SIGKILL instead of an error */
};

static char root[64];

static int strike(void *arg, const char *what)
{
	struct fault *f = arg;

	if (f->seen++ != f->at)
		return 0;
	if (f->kill)
		kill(getpid(), SIGKILL);
	return -ENOSPC;
}

static int setup(void **state)
{
	snprintf(root, sizeof(root), "/tmp/test-store-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", root);
	return system(cmd);
}

static const char *store_path(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/dir/job", root);
	return path;
}

static void fill(struct rp_gen *gen)
{
	static char *argv[] = { "mpirun", "-n", "2", "./app", NULL }, *env[] = { NULL };

	memset(gen, 0, sizeof(*gen));
	gen->np = NP;
	gen->launcher = strdup("openmpi");
	gen->launch_argv = rp_strv_dup(argv);
	gen->launch_env = rp_strv_dup(env);
	gen->cwd = strdup("/");
	gen->ranks = calloc(NP, sizeof(*gen->ranks));
	gen->nranks = NP;
	for (int r = 0; r < NP; r++) {
		gen->ranks[r].rank = r;
		gen->ranks[r].pid = gen->ranks[r].max_id = 1000 + r;
		gen->ranks[r].host = strdup("here");
	}
}

/* One generation whose files hold `word`. Returns the commit's status. */
static int write_generation(const char *word, struct fault *fault, unsigned keep)
{
	struct rp_error err = { "" };
	struct rp_store_new n = { 0 };
	struct rp_store *s;
	struct rp_gen gen;
	int rc = rp_store_open_write(&s, store_path(), &err);

	if (rc)
		return rc;
	s->step = strike;
	s->step_arg = fault;
	fill(&gen);
	rc = rp_store_begin(s, &n, &err);
	for (int r = 0; !rc && r < NP; r++) {
		int dir, fd;

		rc = rp_store_rank_dir(&n, r, &dir, &err);
		if (rc)
			break;
		fd = openat(dir, "core-1.img", O_WRONLY | O_CREAT, 0600);
		assert_true(fd >= 0);
		assert_int_equal(rp_write_all(fd, word, strlen(word)), 0);
		close(fd);
		close(dir);
	}
	if (!rc)
		rc = rp_store_commit(&n, &gen, keep, &err);
	rp_store_abort(&n);
	rp_gen_done(&gen);
	rp_store_free(s);
	return rc;
}

/* The newest generation is whole and holds one of two words (b may be NULL). Returns 1 when it is b. */
static int newest_is(const char *a, const char *b)
{
	const struct rp_gen *gen;
	struct rp_store *s;
	struct rp_error err = { "" };
	char *path, *text = NULL;
	int which;

	assert_int_equal(rp_store_find(root, store_path(), 0, &s, &gen, &err), 0);
	if (rp_store_verify(s, gen, NULL, &err))
		fail_msg("%s", err.text);
	path = rp_store_rank_path(s, gen->seq, 1);
	strcat(path = realloc(path, strlen(path) + 20), "/core-1.img");
	assert_int_equal(rp_read_file_at(AT_FDCWD, path, 100, &text, NULL), 0);
	which = b && !strcmp(text, b);
	assert_true(which || !strcmp(text, a));
	free(text);
	free(path);
	rp_store_free(s);
	return which;
}

/* The store holds its lock, the manifest, and the generations that this one lists. */
static void assert_only_listed(void)
{
	DIR *d = opendir(store_path());
	struct rp_store *s;
	size_t n = 0;

	for (struct dirent *e; (e = readdir(d));)
		n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	closedir(d);
	assert_int_equal(rp_store_open_read(&s, store_path(), NULL), 0);
	assert_int_equal(n, 2 + s->ngens);
	rp_store_free(s);
}

static void test_commit_and_keep(void **state)
{
	struct fault none = { .at = -1 };
	struct rp_store *s;
	struct stat st;

	for (int i = 0; i < 5; i++)
		assert_int_equal(write_generation(i == 4 ? "last" : "word", &none, 3), 0);
	assert_int_equal(newest_is("last", NULL), 0);
	assert_int_equal(rp_store_open_read(&s, store_path(), NULL), 0);
	assert_int_equal(mkdirat(s->fd, "9", 0700), 0); /* of a writer that is at work */
	assert_int_equal(fstatat(s->fd, "2", &st, 0), 0);
	rp_store_sweep(store_path());
	assert_int_equal(fstatat(s->fd, "9", &st, 0), 0);
	assert_int_equal(s->ngens, 3);
	assert_int_equal(s->gens[0].seq, 3);
	assert_int_equal(fstatat(s->fd, "2", &st, 0), -1);
	assert_int_equal(fstatat(s->fd, "3", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fstatat(s->fd, "5/pids", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* Of a killed one: gone before the next is written, which has a number of its own. */
	assert_int_equal(mkdirat(s->fd, "9/rank-0", 0700), 0);
	assert_int_equal(write_generation("last", &none, 3), 0);
	assert_int_equal(fstatat(s->fd, "9", &st, 0), -1);
	assert_int_equal(fstatat(s->fd, "10", &st, 0), 0);
	rp_store_free(s);
}

static void test_one_writer(void **state)
{
	struct rp_store *s, *t;

	assert_int_equal(rp_store_open_write(&s, store_path(), NULL), 0);
	assert_int_equal(rp_store_open_write(&t, store_path(), NULL), -EBUSY);
	rp_store_free(s);
	assert_int_equal(rp_store_open_write(&t, store_path(), NULL), 0);
	rp_store_free(t);
}

/* Strikes at every step of a commit, as an error or as kill -9: the store always has a whole newest generation. */
static void test_strikes(void **state)
{
	struct fault none = { .at = -1 };
	int steps, committed = 0;

	assert_int_equal(write_generation("old", &none, 3), 0);
	steps = none.seen;
	assert_true(steps > 6);
	for (int kill_it = 0; kill_it < 2; kill_it++) {
		for (int at = 0; at < steps + 1; at++) {
			struct fault f = { .at = at, .kill = kill_it };
			pid_t pid = fork();
			int status;

			if (pid == 0)
				_exit(write_generation("new", &f, 3) ? 1 : 0);
			assert_int_equal(waitpid(pid, &status, 0), pid);
			if (at < steps)
				assert_true(kill_it ? WIFSIGNALED(status) : WEXITSTATUS(status) == 1);
			committed += newest_is("old", "new");
			f = (struct fault){ .at = -1 };
			assert_int_equal(write_generation("old", &f, 3), 0);
			rp_store_sweep(store_path());
			assert_int_equal(newest_is("old", NULL), 0);
			assert_only_listed();
		}
	}
	assert_true(committed >= 2);
}

static void test_damage(void **state)
{
	struct fault none = { .at = -1 };
	const struct rp_gen *gen;
	struct rp_store *s;
	struct rp_error err = { "" };
	int fd;

	assert_int_equal(write_generation("sound", &none, 3), 0);
	assert_int_equal(rp_store_find(root, store_path(), 1, &s, &gen, &err), 0);
	assert_int_equal(rp_store_verify(s, gen, NULL, &err), 0);
	fd = openat(s->fd, "1/rank-0/core-1.img", O_WRONLY);
	assert_int_equal(rp_pwrite_all(fd, "S", 1, 0), 0);
	assert_int_equal(rp_store_verify(s, gen, NULL, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "rank-0/core-1.img: checksum"));
	assert_int_equal(ftruncate(fd, 3), 0);
	assert_int_equal(rp_store_verify(s, gen, NULL, &err), -EBADMSG);
	close(fd);
	assert_int_equal(unlinkat(s->fd, "1/rank-0/core-1.img", 0), 0);
	assert_int_equal(rp_store_verify(s, gen, NULL, &err), -EBADMSG);
	rp_store_free(s);
}

static void test_find(void **state)
{
	struct fault none = { .at = -1 };
	const struct rp_gen *gen;
	struct rp_store *s;
	struct rp_error err = { "" };
	char ref[160], dir[128];

	snprintf(dir, sizeof(dir), "%s/dir", root);
	assert_int_equal(rp_store_find(dir, NULL, 0, &s, &gen, &err), -ENOENT);
	assert_int_equal(write_generation("a", &none, 3), 0);
	assert_int_equal(write_generation("b", &none, 3), 0);
	snprintf(ref, sizeof(ref), "%s/1/", store_path());
	assert_int_equal(rp_store_find(dir, ref, 0, &s, &gen, &err), 0);
	assert_int_equal(gen->seq, 1);
	rp_store_free(s);
	assert_int_equal(rp_store_find(dir, "job", 0, &s, &gen, &err), 0);
	assert_int_equal(gen->seq, 2);
	rp_store_free(s);
	assert_int_equal(rp_store_find(dir, NULL, 0, &s, &gen, &err), 0);
	assert_int_equal(gen->seq, 2);
	rp_store_free(s);
	assert_int_equal(rp_store_find(dir, "job", 7, &s, &gen, &err), -ENOENT);
	assert_int_equal(rp_store_find(dir, "nosuch", 0, &s, &gen, &err), -ENOENT);
}

/* A manifest is untrusted: names that leave the directory, wrong counts and types are refused. */
static void test_hostile(void **state)
{
	static const char *const from[] = { "core-1.img", "\"np\":2", "\"seq\":1,", "\"pid\":1000", "[" };
	static const char *const to[] = { "../../etcX", "\"np\":3", "\"seq\":\"\",", "\"pid\":-1", "" };
	struct fault none = { .at = -1 };
	char path[200], *text = NULL, *at;

	assert_int_equal(write_generation("a", &none, 3), 0);
	snprintf(path, sizeof(path), "%s/manifest.json", store_path());
	assert_int_equal(rp_read_file_at(AT_FDCWD, path, 1 << 20, &text, NULL), 0);
	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		struct rp_error err = { "" };
		struct rp_store *s;
		FILE *f = fopen(path, "w");

		at = strstr(text, from[i]);
		assert_non_null(at);
		fprintf(f, "%.*s%s%s", (int)(at - text), text, to[i], at + strlen(from[i]));
		fclose(f);
		if (!rp_store_open_read(&s, store_path(), &err))
			fail_msg("taken with '%s' for '%s'", to[i], from[i]);
		assert_true(strlen(err.text) > 10);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_commit_and_keep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_writer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strikes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
