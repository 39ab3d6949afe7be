/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The one list of kinds. Descriptor kinds: the first whose fd_is() says yes takes the descriptor. State of a process:
 * hooks run in this order, so what other hooks need comes first and what takes something away (root, limits) last.
 */
#include "kind/kind.h"

extern const struct rp_kind rp_kind_external;
extern const struct rp_kind rp_kind_memfd;
extern const struct rp_kind rp_kind_regfile;
extern const struct rp_kind rp_kind_chardev;
extern const struct rp_kind rp_kind_tty;
extern const struct rp_kind rp_kind_pipe;
extern const struct rp_kind rp_kind_fifo;
extern const struct rp_kind rp_kind_eventfd;
extern const struct rp_kind rp_kind_timerfd;
extern const struct rp_kind rp_kind_signalfd;
extern const struct rp_kind rp_kind_epoll;
extern const struct rp_kind rp_kind_inotify;
extern const struct rp_kind rp_kind_thread;
extern const struct rp_kind rp_kind_creds;
extern const struct rp_kind rp_kind_seccomp;
extern const struct rp_kind rp_kind_mm;
extern const struct rp_kind rp_kind_sharing;
extern const struct rp_kind rp_kind_vma;
extern const struct rp_kind rp_kind_vdso;
extern const struct rp_kind rp_kind_sigaction;
extern const struct rp_kind rp_kind_itimer;
extern const struct rp_kind rp_kind_posixtimer;
extern const struct rp_kind rp_kind_fs;
extern const struct rp_kind rp_kind_filelock;
extern const struct rp_kind rp_kind_limits;
extern const struct rp_kind rp_kind_sigpending;

const struct rp_kind *const rp_kinds[] = {
	/* descriptors */
	&rp_kind_external,
	&rp_kind_memfd,
	&rp_kind_regfile,
	&rp_kind_chardev,
	&rp_kind_tty,
	&rp_kind_pipe,
	&rp_kind_fifo,
	&rp_kind_eventfd,
	&rp_kind_timerfd,
	&rp_kind_signalfd,
	&rp_kind_epoll,
	&rp_kind_inotify,
	/* state of a process */
	&rp_kind_thread, /* first: the others add to its rows of the plan */
	&rp_kind_creds,
	&rp_kind_seccomp,
	&rp_kind_mm,
	&rp_kind_sharing,
	&rp_kind_vma,
	&rp_kind_vdso, /* after the mappings, where it is found */
	&rp_kind_sigaction,
	&rp_kind_itimer,
	&rp_kind_posixtimer,
	&rp_kind_filelock,
	&rp_kind_limits,
	&rp_kind_fs,	     /* after those that open something by name: the root changes */
	&rp_kind_sigpending, /* last: after every injected call */
	NULL,
};
