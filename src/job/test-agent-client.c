/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Unit test of agent-client.c: how long it waits for an agent that says nothing.
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
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "job/agent-proto.h"

#define SILENCE_S 12 /* longer than the client waits for an agent beyond its time limit */

static char dir[] = "/tmp/reprise-client.XXXXXX";

static int set_up(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "sock", "secret" };
	char path[128];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
	return rmdir(dir);
}

/* An agent whose commit takes its time. */
static _Noreturn void commit_slowly(int listen_fd)
{
	int sock = accept(listen_fd, NULL, NULL);
	struct rp_msg m;

	if (sock < 0 || rp_msg_recv(sock, &m, NULL) <= 0)
		_exit(1);
	m = (struct rp_msg){ .magic = RP_MSG_MAGIC, .type = RP_MSG_COMMIT, .text = "writing" };
	if (rp_msg_send(sock, &m, -1))
		_exit(1);
	sleep(SILENCE_S);
	m = (struct rp_msg){ .magic = RP_MSG_MAGIC, .type = RP_MSG_RESULT, .u.result.seq = 7 };
	_exit(rp_msg_send(sock, &m, -1) ? 1 : 0);
}

static void test_slow_commit(void **state)
{
	const struct rp_checkpoint_options opts = { .then = RP_THEN_TERM, .timeout_ms = 1 };
	struct rp_checkpoint_result res = { 0 };
	unsigned char secret[RP_SECRET_LEN];
	struct rp_error err = { "" };
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY), listen_fd = rp_registry_listen(dir_fd), status;
	pid_t pid;

	assert_true(listen_fd >= 0);
	assert_int_equal(rp_registry_secret(dir_fd, true, secret), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		commit_slowly(listen_fd);
	close(listen_fd);
	assert_int_equal(rp_agent_checkpoint(dir, &opts, &res, &err), 0);
	assert_int_equal(res.seq, 7);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(dir_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_slow_commit) };

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
