/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libreprise: checkpoint and restore of a process from C. Link with `pkg-config --libs reprise`.
 *
 * Functions return 0, or a negative errno value with one line of text in err->text. Structs of options begin with their
 * size, so that members can be added later: set them up with the initialisers below and assign what you need.
 * The library keeps no state between calls, prints nothing and is not to be called from several threads at once:
 * rp_process_restore() copies the calling process as fork() does.
 */
#ifndef REPRISE_H
#define REPRISE_H

#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rp_process_error {
	char text[512]; /* no newline; empty after success */
};

/* "0.1.0" */
const char *rp_process_version(void);

/* ---- dump ---- */

enum rp_process_after {
	RP_PROCESS_KILL,	  /* end the process once its image is complete */
	RP_PROCESS_LEAVE_RUNNING, /* let it go on */
	RP_PROCESS_LEAVE_STOPPED, /* leave it stopped by SIGSTOP */
};

struct rp_process_dump_options {
	size_t size;
	pid_t pid;
	const char *images_dir; /* an existing directory */
	enum rp_process_after after;
	int no_sync; /* do not wait until the files are durable */
};
#define RP_PROCESS_DUMP_OPTIONS \
	{ \
		sizeof(struct rp_process_dump_options), 0, NULL, RP_PROCESS_KILL, 0 \
	}

/* Writes the image of a process into images_dir. After a failure the process goes on unharmed and images_dir holds no
 * image. -ENOTSUP: something of it cannot be carried (the text says what and what to do). */
int rp_process_dump(const struct rp_process_dump_options *options, struct rp_process_error *err);

/* ---- restore ---- */

enum rp_process_attach {
	RP_PROCESS_CHILD,   /* child of the caller */
	RP_PROCESS_SIBLING, /* child of the caller's parent */
};

enum rp_process_pid {
	RP_PROCESS_PID_EXACT,  /* the ids of the image, or -EEXIST */
	RP_PROCESS_PID_PREFER, /* the ids of the image where they are free */
	RP_PROCESS_PID_ANY,    /* new ids */
};

enum rp_process_stdio {
	RP_PROCESS_STDIO_DEFAULT, /* of the image, but terminals and pipes to others are the caller's; in place: the caller's */
	RP_PROCESS_STDIO_INHERIT, /* descriptors 0-2 are the caller's */
	RP_PROCESS_STDIO_IMAGE,
};

/* Descriptor fd of the caller stands in for what the image names `resource`: a path, "pipe:[INODE]" or "fd[NUMBER]". */
struct rp_process_inherit {
	int fd;
	const char *resource;
};

struct rp_process_restore_options {
	size_t size;
	const char *images_dir;
	enum rp_process_attach attach;
	enum rp_process_pid pid;
	enum rp_process_stdio stdio;
	const struct rp_process_inherit *inherit;
	size_t inherit_count;
};
#define RP_PROCESS_RESTORE_OPTIONS \
	{ \
		sizeof(struct rp_process_restore_options), NULL, RP_PROCESS_CHILD, RP_PROCESS_PID_EXACT, \
			RP_PROCESS_STDIO_DEFAULT, NULL, 0 \
	}

/* Makes the process of an image and returns once it runs. *out_pidfd (may be NULL) is the caller's. The image is
 * checked whole before anything is made; a restore that fails leaves nothing behind. */
int rp_process_restore(const struct rp_process_restore_options *options, pid_t *out_pid, int *out_pidfd,
		       struct rp_process_error *err);

/* Turns the calling process into the one of the image, as execve() would; its pid has to be the image's unless options->pid
 * allows another. attach is not looked at. Returns only after a failure: while the image is checked nothing is
 * changed, but when a later step fails, descriptors of the caller may have been closed already. */
int rp_process_become(const struct rp_process_restore_options *options, struct rp_process_error *err);

#ifdef __cplusplus
}
#endif

#endif
