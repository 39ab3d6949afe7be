/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What requests, point-to-point, collectives and the control thread offer to the rest of the stub.
 */
#ifndef RP_MPI_MESSAGE_H
#define RP_MPI_MESSAGE_H

#include "object.h"

/* At the entry of every collective on comm, creation and freeing of communicators included: counts on its collective
 * clock, then looks at the request flag and may park. Upper FS, depth 0. */
RP_HIDE void rp_coll_enter(struct rp_comm *comm);

#endif
