/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What maker.c can make, by the sort of thing: processes and threads, descriptors, memory.
 */
#ifndef RP_TESTS_MAKER_H
#define RP_TESTS_MAKER_H

#include <stdlib.h>

#define MISSING 77

/* Ends the program when this kernel or machine does not have what is to be made. */
static inline void need(int ok)
{
	if (!ok)
		exit(MISSING);
}

/* clang-format off */
#define MAKER_KINDS(X) \
	X(child) X(zombie) X(traced) X(vfork) X(notify) X(cpu_timer) \
	X(thread_fs) X(thread_files) X(thread_net) X(semaphores) X(semaphores_plain) X(at_memlock) \
	X(ns_cgroup) X(ns_ipc) X(ns_mnt) X(ns_net) X(ns_pid) X(ns_time) X(ns_user) X(ns_uts) \
	X(socket) X(uffd) X(lease) X(mqueue) X(pty) X(terminal) X(proc_other) X(proc_thread) X(proc_memory) X(epoll_reused) X(owner) X(inotify) \
	X(sysv) X(uring) X(aio) X(pkey) X(guard) X(device) X(sealed) X(shared_memfd) X(shared_deleted) X(shared_anonymous)
/* clang-format on */

#define MAKER_DECLARE(name) void make_##name(void);
MAKER_KINDS(MAKER_DECLARE)

#endif
