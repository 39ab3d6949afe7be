/* SPDX-License-Identifier: BSD-3-Clause */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "job/launcher/wanted.h"

static int find_program(char *out, size_t size, char *text, size_t text_size)
{
	const char *dir = getenv("REPRISE_LIBEXECDIR");
	const char *slash;
	Dl_info info;

	if (dir) {
		if ((size_t)snprintf(out, size, "%s/reprise-pid", dir) < size)
			return 0;
	} else if (dladdr((void *)&rp_wanted_read, &info) && info.dli_fname && (slash = strrchr(info.dli_fname, '/'))) {
		if ((size_t)snprintf(out, size, "%.*s/reprise-pid", (int)(slash - info.dli_fname), info.dli_fname) <
		    size)
			return 0;
	}
	snprintf(text, text_size, "cannot find reprise-pid: set REPRISE_LIBEXECDIR");
	return -ENOENT;
}

int rp_wanted_find(long rank, struct rp_wanted *out, char *text, size_t size)
{
	const char *dir = getenv("REPRISE_RESTART"), *policy = getenv("REPRISE_PID");
	char path[4096], line[128];
	long r;
	int pid;
	FILE *f;

	memset(out, 0, sizeof(*out));
	if (!dir || (policy && !strcmp(policy, "any")))
		return 0;
	out->prefer = policy && !strcmp(policy, "prefer");
	if ((size_t)snprintf(path, sizeof(path), "%s/pids", dir) >= sizeof(path))
		return -ENAMETOOLONG;
	f = fopen(path, "re");
	if (!f) {
		int err = -errno;

		snprintf(text, size, "cannot read %s: %s", path, strerror(errno));
		return err;
	}
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%ld %d", &r, &pid) == 2 && r == rank && pid > 1)
			out->pid = pid;
	fclose(f);
	return out->pid ? find_program(out->program, sizeof(out->program), text, size) : 0;
}

char **rp_wanted_argv(const struct rp_wanted *wanted, int fd, char numbers[2][12], const char *path, char *const *argv)
{
	size_t n = 0, i = 0;
	char **v;

	while (argv[n])
		n++;
	v = calloc(n + 6, sizeof(*v));
	if (!v)
		return NULL;
	snprintf(numbers[0], 12, "%d", wanted->pid);
	snprintf(numbers[1], 12, "%d", fd);
	v[i++] = (char *)"reprise-pid";
	if (wanted->prefer)
		v[i++] = (char *)"-p";
	v[i++] = numbers[0];
	v[i++] = numbers[1];
	v[i++] = (char *)path;
	memcpy(v + i, argv, n * sizeof(*v));
	return v;
}

int rp_wanted_read(int fd, struct rp_pid_report *out)
{
	for (;;) {
		ssize_t n = recv(fd, out, sizeof(*out), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == ECONNRESET ? 0 : -errno;
		if (n == 0)
			return 0;
		if ((size_t)n < sizeof(*out) || out->magic != RP_PID_REPORT_MAGIC)
			return -EPROTO;
		out->text[sizeof(out->text) - 1] = 0;
		return 1;
	}
}
