/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Says one line, once per job, when a child of a rank is about to exec an MPI program. Called after fork and vfork: system calls
 * and the stack only.
 */
#ifndef RP_SPLIT_NEEDED_H
#define RP_SPLIT_NEEDED_H

#include "split/switch.h"

/* 0: there is no such regular file; others are not opened. */
RP_HIDDEN int rp_needed_warn(const char *path);

#endif
