/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The one list of kinds. Descriptor kinds: the first whose fd_is() says yes takes the descriptor. State of a process: hooks
 * run in this order, so what other hooks need comes first and what takes something away (root, limits) last.
 */
#include "kind/kind.h"

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

const struct rp_kind *const rp_kinds[] = {
	/* descriptors */
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
	NULL,
};
