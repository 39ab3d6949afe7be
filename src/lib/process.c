/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The public API over the engine: translates options, owns no state.
 */
#include "reprise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "engine/dump.h"
#include "engine/restore.h"
#include "util/fd.h"

#define EXPORT __attribute__((visibility("default")))

static int give(struct rp_process_error *out, const struct rp_error *err, int rc)
{
	if (out)
		memcpy(out->text, rc ? err->text : "", rc ? sizeof(out->text) : 1);
	return rc;
}

EXPORT const char *rp_process_version(void)
{
	return RP_VERSION;
}

EXPORT int rp_process_dump(const struct rp_process_dump_options *options, struct rp_process_error *out)
{
	static const enum rp_dump_after after[] = { RP_DUMP_KILL, RP_DUMP_LEAVE_RUNNING, RP_DUMP_LEAVE_STOPPED };
	struct rp_dump_opts opts = { 0 };
	struct rp_error err = { "" };
	int dir RP_AUTOCLOSE = -1;

	if (options->size != sizeof(*options) || options->pid <= 0 || !options->images_dir ||
	    (unsigned)options->after > 2)
		return give(out, &err, rp_error(&err, -EINVAL, "rp_process_dump: options are not valid"));
	dir = open(options->images_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return give(out, &err, rp_error(&err, -errno, "%s: %s", options->images_dir, strerror(errno)));
	opts.pid = options->pid;
	opts.dir_fd = dir;
	opts.after = after[options->after];
	opts.no_sync = options->no_sync;
	return give(out, &err, rp_dump(&opts, NULL, &err));
}

/* opts->inherit is the caller's to free, also after a failure. */
static int translate(const struct rp_process_restore_options *options, struct rp_restore_opts *opts,
		     struct rp_error *err)
{
	static const enum rp_pid_policy pid[] = { RP_PID_EXACT, RP_PID_PREFER, RP_PID_ANY };
	static const enum rp_stdio stdio[] = { RP_STDIO_DEFAULT, RP_STDIO_INHERIT, RP_STDIO_IMAGE };

	if (options->size != sizeof(*options) || !options->images_dir || (unsigned)options->attach > 1 ||
	    (unsigned)options->pid > 2 || (unsigned)options->stdio > 2 || (options->inherit_count && !options->inherit))
		return rp_error(err, -EINVAL, "options are not valid");
	opts->images_dir = options->images_dir;
	opts->attach = options->attach == RP_PROCESS_SIBLING ? RP_ATTACH_SIBLING : RP_ATTACH_DETACHED;
	opts->pid = pid[options->pid];
	opts->stdio = stdio[options->stdio];
	opts->inherit = calloc(options->inherit_count + 1, sizeof(*opts->inherit));
	if (!opts->inherit)
		return rp_error(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < options->inherit_count; i++)
		opts->inherit[opts->ninherit++] =
			(struct rp_inherit){ .fd = options->inherit[i].fd,
					     .resource = (char *)options->inherit[i].resource };
	return 0;
}

EXPORT int rp_process_restore(const struct rp_process_restore_options *options, pid_t *out_pid, int *out_pidfd,
			      struct rp_process_error *out)
{
	struct rp_restore_opts opts = { 0 };
	struct rp_restore *r = NULL;
	struct rp_error err = { "" };
	int pidfd = -1, rc = translate(options, &opts, &err);

	if (!rc)
		rc = rp_restore_new(&r, &opts, &err);
	if (!rc) {
		rc = rp_restore_run(r, out_pid, &pidfd);
		err = r->err;
	}
	rp_restore_free(r);
	free(opts.inherit);
	if (!rc && out_pidfd)
		*out_pidfd = pidfd;
	else if (!rc)
		close(pidfd);
	return give(out, &err, rc);
}

EXPORT int rp_process_become(const struct rp_process_restore_options *options, struct rp_process_error *out)
{
	struct rp_restore_opts opts = { 0 };
	struct rp_restore *r = NULL;
	struct rp_error err = { "" };
	int rc = translate(options, &opts, &err);

	opts.attach = RP_ATTACH_INPLACE;
	if (!rc)
		rc = rp_restore_new(&r, &opts, &err);
	if (!rc && r->tasks[0].pid != getpid() && opts.pid == RP_PID_EXACT)
		rc = rp_error(&err, -EEXIST, "this process is %d, the image is of process %d", getpid(),
			      r->tasks[0].pid);
	if (!rc) {
		r->pid_any = r->tasks[0].pid != getpid();
		rc = rp_restore_exec(r);
		err = r->err;
	}
	rp_restore_free(r);
	free(opts.inherit);
	return give(out, &err, rc);
}
