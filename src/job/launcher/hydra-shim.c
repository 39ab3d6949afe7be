/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libreprise-hydra.so: preloaded into mpiexec.hydra by `reprise restart`. In hydra_pmi_proxy, which starts the ranks of
 * a host, it stands in front of fork() and execvp(): the child execs reprise-pid, and fork() returns in the proxy only
 * when the rank's process exists, with that process's pid. Everywhere else, and in ranks, it does nothing; ranks do not
 * inherit it. The proxy has one thread.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "job/launcher/wanted.h"

#define REPORT_FD_MIN 700 /* above what the proxy hands out itself */

static int report_fd = -1; /* in a child of the proxy between fork() and execvp() */

static int in_proxy(void)
{
	return getenv("REPRISE_RESTART") && !strcmp(program_invocation_short_name, "hydra_pmi_proxy");
}

/* Takes this library out of LD_PRELOAD and leaves the user's entries. */
static void drop_preload(void)
{
	const char *list = getenv("LD_PRELOAD");
	char *copy = list ? strdup(list) : NULL, *out = list ? calloc(1, strlen(list) + 1) : NULL, *save = NULL;

	if (copy && out) {
		for (char *p = strtok_r(copy, ": ", &save); p; p = strtok_r(NULL, ": ", &save)) {
			if (strstr(p, "libreprise-hydra.so"))
				continue;
			if (*out)
				strcat(out, ":");
			strcat(out, p);
		}
		if (*out)
			setenv("LD_PRELOAD", out, 1);
		else
			unsetenv("LD_PRELOAD");
	}
	free(copy);
	free(out);
}

static _Noreturn void child_fails(uint32_t event, int error, const char *text)
{
	struct rp_pid_report r = { .magic = RP_PID_REPORT_MAGIC, .event = event, .error = error };

	snprintf(r.text, sizeof(r.text), "%s", text);
	(void)send(report_fd, &r, sizeof(r), MSG_NOSIGNAL);
	_exit(125);
}

int execvp(const char *file, char *const argv[])
{
	int (*next)(const char *, char *const[]) = dlsym(RTLD_NEXT, "execvp");
	const char *rank = getenv("PMI_RANK");
	struct rp_wanted wanted;
	char numbers[2][12], text[240] = "", **v;

	if (report_fd < 0 || !rank)
		return next(file, argv);
	drop_preload();
	if (rp_wanted_find(atol(rank), &wanted, text, sizeof(text)))
		child_fails(RP_PID_FAILED, EINVAL, text);
	if (!wanted.pid)
		return next(file, argv); /* the socket closes: the proxy goes on with this process */
	v = rp_wanted_argv(&wanted, report_fd, numbers, file, argv);
	if (!v)
		child_fails(RP_PID_FAILED, ENOMEM, "out of memory");
	fcntl(report_fd, F_SETFD, 0);
	execv(wanted.program, v);
	snprintf(text, sizeof(text), "cannot run %.180s: %s", wanted.program, strerror(errno));
	child_fails(RP_PID_FAILED, errno, text);
}

/* The proxy's half: the pid of the rank, or of the child itself when it has no other. */
static pid_t follow(pid_t child, int fd)
{
	struct rp_pid_report r;
	pid_t pid = child;

	while (rp_wanted_read(fd, &r) > 0) {
		if (r.event == RP_PID_RUNS) {
			pid = r.pid;
			(void)send(fd, "g", 1, MSG_NOSIGNAL);
		} else {
			fprintf(stderr, "reprise: %s\n", r.text);
		}
	}
	if (pid != child) /* hydra does not know it and would not reap it */
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	return pid;
}

pid_t fork(void)
{
	pid_t (*next)(void) = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
	int pair[2];
	pid_t pid;

	if (!in_proxy() || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return next();
	pid = next();
	if (pid == 0) {
		close(pair[0]);
		report_fd = fcntl(pair[1], F_DUPFD_CLOEXEC, REPORT_FD_MIN);
		if (report_fd < 0)
			report_fd = pair[1];
		else
			close(pair[1]);
		return 0;
	}
	close(pair[1]);
	if (pid > 0)
		pid = follow(pid, pair[0]);
	close(pair[0]);
	return pid;
}
