/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Unit test of registry.c: what somebody else has put where jobs are listed is neither believed nor touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "job/registry.h"

static const char dead_job[] =
	"{\"name\":\"dead\",\"store\":\"/s\",\"launcher\":\"none\",\"command\":\"c\",\"agent_pid\":1,"
	"\"launcher_pid\":0,\"np\":1,\"joined\":0,\"started\":0,\"generations\":0}";

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static int is_there(const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

static size_t count_jobs(void)
{
	struct rp_job_info *jobs = NULL;
	struct rp_error err = { "" };
	size_t n = 0;

	assert_int_equal(rp_registry_list(&jobs, &n, &err), 0);
	for (size_t i = 0; i < n; i++)
		rp_job_info_done(&jobs[i]);
	free(jobs);
	return n;
}

static char top[64], base[80], other[80];

static int set_up(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/reprise-test-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(base, sizeof(base), "%s/base", top);
	snprintf(other, sizeof(other), "%s/other", top);
	mkdir(base, 0700);
	mkdir(other, 0700);
	put(other, "job.json", dead_job);
	put(other, "lock", "");
	put(other, "log", "");
	return setenv("REPRISE_RUNTIME_DIR", base, 1);
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", top);
	return system(command);
}

/* What a killed agent has left of a job is removed, of ours. */
static void test_own_leftovers(void **state)
{
	char job[96];

	(void)state;
	snprintf(job, sizeof(job), "%s/job", base);
	assert_int_equal(rename(other, job), 0);
	assert_int_equal(count_jobs(), 0);
	assert_false(is_there(base, "job"));
}

static void test_link_to_elsewhere(void **state)
{
	char job[96];

	(void)state;
	snprintf(job, sizeof(job), "%s/job", base);
	assert_int_equal(symlink(other, job), 0);
	count_jobs();
	assert_true(is_there(other, "lock"));
	assert_true(is_there(other, "log"));
	assert_true(is_there(other, "job.json"));
}

static void test_open_to_others(void **state)
{
	char job[96];

	(void)state;
	snprintf(job, sizeof(job), "%s/job", base);
	assert_int_equal(rename(other, job), 0);
	assert_int_equal(chmod(base, 0777), 0);
	assert_int_equal(count_jobs(), 0);
	assert_true(is_there(job, "lock"));
}

/* A job "same" whose agent answers, with so many ranks. Returns the socket. */
static int start_job(const char *key, int joined)
{
	char dir[96], text[256];
	int dir_fd, fd;

	snprintf(dir, sizeof(dir), "%s/%s", base, key);
	assert_int_equal(mkdir(dir, 0700), 0);
	snprintf(text, sizeof(text),
		 "{\"name\":\"same\",\"store\":\"/%s\",\"launcher\":\"none\",\"command\":\"c\",\"agent_pid\":1,"
		 "\"launcher_pid\":1,\"np\":2,\"joined\":%d,\"started\":0,\"generations\":0}",
		 key, joined);
	put(dir, "job.json", text);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir_fd >= 0);
	fd = rp_registry_listen(dir_fd);
	assert_true(fd >= 0);
	close(dir_fd);
	return fd;
}

/* A job that was killed a moment ago does not stand in the way of its own restart. */
static void test_ended_job_is_not_meant(void **state)
{
	int old = start_job("old", 0), now = start_job("now", 2), third;
	struct rp_job_info info;
	struct rp_error err = { "" };

	(void)state;
	assert_int_equal(count_jobs(), 2);
	assert_int_equal(rp_registry_find("same", &info, &err), 0);
	assert_string_equal(info.store, "/now");
	rp_job_info_done(&info);
	third = start_job("third", 1);
	assert_int_equal(rp_registry_find("same", &info, &err), -ENOTUNIQ);
	assert_null(strstr(err.text, "3 jobs"));
	close(third);
	close(now);
	close(old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_own_leftovers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_link_to_elsewhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_open_to_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ended_job_is_not_meant, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
