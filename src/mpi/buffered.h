/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Buffered sends (MPI 3.1, section 3.6). The stub copies the message itself and sends the copy; the buffer that the
 * application attached is only a measure of how much may be pending. So nothing of it lies in the lower library, and a
 * restart has nothing to attach again.
 */
#ifndef RP_MPI_BUFFERED_H
#define RP_MPI_BUFFERED_H

#include "mpi/request.h"

/* Starts a persistent buffered send: complete at once. Inside. MPI error code. */
RP_HIDDEN int rp_buffered_start(struct rp_req *r);

#endif
