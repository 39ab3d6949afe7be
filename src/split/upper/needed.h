/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Says one line when a forked child of a rank is about to exec an MPI program. Called after fork and vfork: system calls
 * and the stack only.
 */
#ifndef RP_SPLIT_NEEDED_H
#define RP_SPLIT_NEEDED_H

#include "split/switch.h"

RP_HIDDEN void rp_needed_warn(const char *path);

#endif
