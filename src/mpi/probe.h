/* SPDX-License-Identifier: BSD-3-Clause
 *
 * MPI_Message of the application: a message that was matched and not yet received, in the lower library or, drained by
 * a checkpoint, here.
 */
#ifndef RP_MPI_PROBE_H
#define RP_MPI_PROBE_H

#include "mpi/request.h"

struct rp_matched {
	struct rp_object o;	/* o.lower: the lower message, NULL: entry holds it. o.link: in rp_msg.messages */
	struct rp_entry *entry; /* owned */
	MPI_Status status;	/* of the probe */
	struct rp_comm *comm;	/* borrowed: the application may not free it before it receives */
};

_Static_assert(sizeof(struct rp_matched) <= sizeof(struct rp_message), "overlay of struct rp_message");

#endif
