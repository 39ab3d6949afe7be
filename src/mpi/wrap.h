/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a wrapper of an MPI function needs, generated or written by hand: objects, the lower functions, the gate, and how
 * objects of the lower library become the stub's.
 */
#ifndef RP_MPI_WRAP_H
#define RP_MPI_WRAP_H

#include "mpi/export.h"
#include "mpi/gate.h"
#include "mpi/lower.h"
#include "mpi/message.h"
#include "mpi/object.h"

/* MPI_IN_PLACE and its like in place of an array. */
static inline int rp_absent(const void *array)
{
	return (uintptr_t)array < 4096;
}

/* Lengths of arrays that a communicator decides. */
RP_HIDE int rp_comm_peers(MPI_Comm comm); /* size, of the remote group in an intercommunicator */
RP_HIDE int rp_comm_indegree(MPI_Comm comm);
RP_HIDE int rp_comm_outdegree(MPI_Comm comm);

/* May a reduction with this operation call the application's code? */
static inline int rp_op_runs_code(MPI_Op op)
{
	return op && !(RP_OBJ(op)->flags & RP_PREDEFINED);
}

/* ---- foreign.c: objects that a lower call makes and that are not (or not yet) carried ---- */

/* Before the call: an object for the result; made_by is the MPI function's name (static). comm may be NULL. */
RP_HIDE void *rp_foreign_new(enum rp_object_kind kind, const char *made_by, struct rp_comm *comm);
/* After it succeeded, still inside: the object has its lower handle; it becomes known. */
RP_HIDE void rp_foreign_made(void *object);
/* The handle to give to the application (the null handle when the lower one is: a communicator one is not member of). */
RP_HIDE void *rp_foreign_handle(void *object);
/* The lower object is gone. */
RP_HIDE void rp_foreign_freed(void *object);

/* For what has no object of its own (handles of the tool interface): made by this function (static name), and freed. */
RP_HIDE void rp_foreign_counted(const char *made_by);
RP_HIDE void rp_foreign_uncounted(void);

/* Lower group, info or datatype that a call returned: the stub's own object for it. Inside. */
RP_HIDE MPI_Group rp_group_adopt(MPI_Group lower);
RP_HIDE MPI_Info rp_info_adopt(MPI_Info lower);
RP_HIDE MPI_Datatype rp_type_adopt(MPI_Datatype lower);

#endif
