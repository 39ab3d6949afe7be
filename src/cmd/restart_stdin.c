/* SPDX-License-Identifier: BSD-3-Clause */
#include "restart_stdin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image/image.h"
#include "kind/pipebuf.h"
#include "util/fd.h"
#include "util/str.h"

/* The bytes that the image has of the launcher's pipe. */
static int read_unread(const char *images, struct rp_str *out, struct rp_error *err)
{
	struct rp_image *im;
	const struct rp_img_file *f = NULL;
	int rc = rp_image_open(&im, images, err);

	if (rc)
		return rc;
	if (rp_image_has(im, RP_IMG_PIPES_DATA, 0))
		rc = rp_image_load(im, RP_IMG_PIPES_DATA, 0, &f, err);
	for (size_t i = 0; !rc && f && i < f->count; i++) {
		size_t len = (size_t)f->entries[i].extra_len;
		char *buf RP_AUTOFREE = NULL;

		if (((const PipeDataEntry *)f->entries[i].msg)->pipe_id != RP_PIPE_LAUNCHED || !len)
			continue;
		buf = malloc(len);
		rc = buf ? rp_img_extra(f, i, 0, buf, len, err) : rp_error(err, -ENOMEM, "out of memory");
		if (!rc)
			rp_str_addn(out, buf, len);
	}
	rp_image_close(im);
	return !rc && out->oom ? rp_error(err, -ENOMEM, "out of memory") : rc;
}

/* Ends with its input, or when nobody reads any more. */
static _Noreturn void feed(const struct rp_str *first, int in, int out)
{
	char buf[65536];
	ssize_t n = 1;

	(void)signal(SIGPIPE, SIG_IGN);
	if (rp_write_all(out, first->text, first->len))
		_exit(0);
	while (n > 0) {
		struct pollfd p[2] = { { .fd = in, .events = POLLIN }, { .fd = out } };

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[1].revents & POLLERR)
			break;
		if (!p[0].revents)
			continue;
		n = read(in, buf, sizeof(buf));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			n = 1;
		else if (n > 0 && rp_write_all(out, buf, (size_t)n))
			break;
	}
	_exit(0);
}

/* Joins the two by a process of its own, which is nobody's child when the launcher looks. Returns the descriptor to read. */
static int start_feeder(const struct rp_str *first, int in, struct rp_error *err)
{
	int ends[2], status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return rp_error(err, -errno, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		if (setsid() < 0 || fork() != 0)
			_exit(0);
		close(ends[0]);
		feed(first, in, ends[1]);
	}
	close(ends[1]);
	if (pid > 0 && waitpid(pid, &status, 0) == pid)
		return ends[0];
	close(ends[0]);
	return rp_error(err, -errno, "fork: %s", strerror(errno));
}

int restart_stdin(const char *images, const char *path, struct rp_error *err)
{
	struct rp_str unread RP_AUTOSTR = RP_STR_INIT;
	int fd RP_AUTOCLOSE = open(path ? path : "/dev/null", O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return rp_error(err, -errno, "%s: %s", path ? path : "/dev/null", strerror(errno));
	rc = read_unread(images, &unread, err);
	if (!rc && unread.len) {
		int joined = start_feeder(&unread, fd, err);

		if (joined < 0)
			return joined;
		close(fd);
		fd = joined;
	}
	if (!rc && fd == STDIN_FILENO) /* it was closed: stay, and over the exec */
		return rp_fd_cloexec(rp_fd_take(&fd), 0);
	if (!rc && dup2(fd, STDIN_FILENO) < 0)
		rc = rp_error(err, -errno, "standard input: %s", strerror(errno));
	return rc;
}
