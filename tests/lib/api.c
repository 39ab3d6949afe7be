/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The public API: a child is dumped and left running, killed, restored as child, ended; then restored over the process of
 * a child of ours (become). Run in a pid namespace of its own.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reprise.h"

#define MUST(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #cond, err.text); \
			return 1; \
		} \
	} while (0)

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	stop = sig;
}

static int victim(void)
{
	struct sigaction sa = { .sa_handler = on_term };
	pid_t me = getpid();

	sigaction(SIGTERM, &sa, NULL);
	while (!stop)
		usleep(5000);
	return getpid() == me ? 42 : 43;
}

static int ends_with(pid_t pid, int status)
{
	int got;

	usleep(50000);
	return !kill(pid, SIGTERM) && waitpid(pid, &got, 0) == pid && WIFEXITED(got) && WEXITSTATUS(got) == status;
}

static void set_cursor(pid_t last)
{
	FILE *f = fopen("/proc/sys/kernel/ns_last_pid", "w");

	if (f) {
		fprintf(f, "%d", last);
		fclose(f);
	}
}

int main(int argc, char **argv)
{
	struct rp_process_dump_options dump = RP_PROCESS_DUMP_OPTIONS;
	struct rp_process_restore_options restore = RP_PROCESS_RESTORE_OPTIONS;
	struct rp_process_error err = { "" };
	int pidfd = -1, status;
	pid_t pid, got;

	if (argc < 2)
		return 2;
	/* Only the standard descriptors: others may lead outside. */
	for (int fd = 3; fd < 256; fd++)
		close(fd);
	set_cursor(5000);
	pid = fork();
	if (pid == 0)
		_exit(victim());
	usleep(50000);

	MUST(strlen(rp_process_version()) >= 5);
	MUST(rp_process_dump(&dump, &err) == -EINVAL && err.text[0]);
	dump.pid = pid;
	dump.images_dir = "/nowhere";
	MUST(rp_process_dump(&dump, &err) == -ENOENT && strstr(err.text, "/nowhere"));
	dump.images_dir = argv[1];
	dump.after = RP_PROCESS_LEAVE_RUNNING;
	dump.no_sync = 1;
	MUST(!rp_process_dump(&dump, &err) && !err.text[0]);
	MUST(waitpid(pid, &status, WNOHANG) == 0);

	restore.images_dir = argv[1];
	set_cursor(20000);
	MUST(rp_process_restore(&restore, &got, &pidfd, &err) == -EEXIST && strstr(err.text, "5001"));
	MUST(!kill(pid, SIGKILL) && waitpid(pid, &status, 0) == pid);
	MUST(!rp_process_restore(&restore, &got, &pidfd, &err) && got == pid && pidfd >= 0);
	MUST(ends_with(pid, 42));
	MUST(rp_process_become(&restore, &err) == -EEXIST && err.text[0]);

	set_cursor(pid - 1);
	got = fork();
	if (got == 0) {
		rp_process_become(&restore, &err);
		fprintf(stderr, "become: %s\n", err.text);
		_exit(1);
	}
	MUST(got == pid);
	usleep(200000);
	MUST(ends_with(pid, 42));
	restore.size--;
	MUST(rp_process_restore(&restore, &got, NULL, &err) == -EINVAL);
	return 0;
}
