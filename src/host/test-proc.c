/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/kernel.h"
#include "host/proc.h"

static void test_status_text(void **state)
{
	struct rp_proc_status s;

	assert_int_equal(rp_proc_status_parse("Name:\ta (b) c\nUmask:\t0027\nState:\tt (tracing "
					      "stop)\nTgid:\t7\nPid:\t8\n"
					      "PPid:\t1\nTracerPid:\t99\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n"
					      "Groups:\t10 20 4294967294 \nNSpid:\t8\t3\nThreads:\t5\n"
					      "SigBlk:\t8000000000000001\nCapEff:\t000001ffffffffff\nNoNewPrivs:\t1\n"
					      "Seccomp:\t2\nVmRSS:\t  12 kB\n",
					      &s, NULL),
			 0);
	assert_string_equal(s.name, "a (b) c");
	assert_int_equal(s.umask, 027);
	assert_int_equal(s.state, 't');
	assert_int_equal(s.tracer_pid, 99);
	assert_int_equal(s.suid, 3);
	assert_int_equal(s.fsgid, 8);
	assert_int_equal(s.ngroups, 3);
	assert_true(s.groups[2] == 4294967294u);
	assert_int_equal(s.nspid_levels, 2);
	assert_int_equal(s.nspid, 3);
	assert_true(s.sig_blocked == 0x8000000000000001ULL);
	assert_true(s.cap_eff == 0x1ffffffffffULL);
	assert_int_equal(s.no_new_privs, 1);
	assert_int_equal(s.seccomp, 2);
	assert_int_equal(s.vm_rss, 12288);
	rp_proc_status_done(&s);
	assert_int_equal(rp_proc_status_parse("Name:\tx\n", &s, NULL), -EINVAL);
}

static void test_status_self(void **state)
{
	struct rp_proc_status s;
	mode_t old = umask(037);

	assert_int_equal(rp_proc_status_read(getpid(), getpid(), &s, NULL), 0);
	assert_int_equal(s.umask, 037);
	assert_int_equal(s.ppid, getppid());
	assert_int_equal(s.euid, geteuid());
	assert_int_equal((int)s.ngroups, getgroups(0, NULL));
	rp_proc_status_done(&s);
	umask(old);
}

static void test_stat(void **state)
{
	struct rp_proc_stat s;

	assert_int_equal(rp_proc_stat_read(getpid(), 0, &s, NULL), 0);
	assert_int_equal(s.pid, getpid());
	assert_int_equal(s.pgid, getpgrp());
	assert_int_equal(s.sid, getsid(0));
	assert_true(s.arg_start < s.arg_end);
	assert_true(s.start_stack > s.start_code);
	assert_int_equal(rp_proc_stat_parse("12 (a) b) S 3 4 5", &s, NULL), -EINVAL);
	assert_int_equal(rp_proc_stat_parse("12", &s, NULL), -EINVAL);
}

static void test_stat_name_with_parenthesis(void **state)
{
	char text[600] = "12 (a) b (c) S -3";
	struct rp_proc_stat s;
	int i;

	for (i = 5; i <= 52; i++)
		sprintf(text + strlen(text), " %d", i);
	assert_int_equal(rp_proc_stat_parse(text, &s, NULL), 0);
	assert_string_equal(s.comm, "a) b (c");
	assert_int_equal(s.ppid, -3);
	assert_int_equal(s.starttime, 22);
	assert_int_equal(s.env_end, 51);
}

static void test_limits(void **state)
{
	struct rlimit64 l[RLIM_NLIMITS];
	struct rlimit r;
	int i;

	assert_int_equal(rp_proc_limits_read(getpid(), l, NULL), 0);
	for (i = 0; i < RLIM_NLIMITS; i++) {
		assert_int_equal(getrlimit(i, &r), 0);
		assert_true(l[i].rlim_cur == r.rlim_cur);
		assert_true(l[i].rlim_max == r.rlim_max);
	}
	assert_int_equal(rp_proc_limits_parse("Max cpu time 1 2\n", l, NULL), -EINVAL);
}

static void test_lists(void **state)
{
	struct rp_error err = { "" };
	pid_t *tids;
	int *fds, fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	size_t n, i;
	bool found = false;

	assert_int_equal(rp_proc_tasks(getpid(), &tids, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(tids[0], getpid());
	free(tids);
	assert_int_equal(rp_proc_fds(getpid(), &fds, &n, NULL), 0);
	for (i = 0; i < n; i++) {
		found |= fds[i] == fd;
		assert_true(i == 0 || fds[i] > fds[i - 1]);
	}
	assert_true(found);
	free(fds);
	close(fd);
	assert_int_equal(rp_proc_tasks(0x7fffffff, &tids, &n, &err), -ESRCH);
	assert_non_null(strstr(err.text, "task"));
}

static void test_fdinfo(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct rp_fdinfo info;
	struct stat st;
	const char *v;
	char *text;

	assert_int_equal(lseek(fd, 100, SEEK_SET), 100);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(rp_fdinfo_read(getpid(), fd, &text, &info, NULL), 0);
	assert_int_equal(info.pos, 100);
	assert_true(info.flags & O_CLOEXEC);
	assert_true(!info.ino || info.ino == st.st_ino);
	free(text);
	close(fd);
	assert_true(rp_fdinfo_find("flags:\t02\neventfd-count:    2a\n", "eventfd-count", &v));
	assert_int_equal(strtol(v, NULL, 16), 42);
	assert_false(rp_fdinfo_find("flags:\t02\n", "flag", &v));
	assert_int_equal(rp_fdinfo_parse("pos: 1\n", &info, NULL), -EINVAL);
}

static void test_kernel(void **state)
{
	const struct rp_kernel *k = rp_kernel();

	assert_true(k->major >= 5);
	assert_true(k->pid_max > 300);
	assert_true(k->clone3);
	assert_ptr_equal(k, rp_kernel());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_text), cmocka_unit_test(test_status_self),
		cmocka_unit_test(test_stat),	    cmocka_unit_test(test_stat_name_with_parenthesis),
		cmocka_unit_test(test_limits),	    cmocka_unit_test(test_lists),
		cmocka_unit_test(test_fdinfo),	    cmocka_unit_test(test_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
