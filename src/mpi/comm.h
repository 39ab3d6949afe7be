/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Communicators and groups: how a new lower communicator becomes an object of the stub, and what its key is.
 */
#ifndef RP_MPI_COMM_H
#define RP_MPI_COMM_H

#include "mpi/object.h"

/* A clock that the members of one group share under a communicator, while the parent's other members know nothing of what
 * it counts: calls of MPI_Comm_create_group, communicators freed. */
struct rp_comm_calls {
	struct rp_comm_calls *next;
	uint64_t group_hash;
	uint64_t key; /* of the clock */
	uint64_t seq, mark;
};

/* 64-bit keys, derived by every member from what all of them know; never 0. */
RP_HIDE uint64_t rp_key_mix(uint64_t a, uint64_t b);
RP_HIDE uint64_t rp_key_ranks(const int32_t *world, int32_t n);
RP_HIDE uint64_t rp_key_child(uint64_t parent, uint64_t nth, int32_t first_member);

/* Sets up COMM_WORLD and COMM_SELF after MPI_Init (inside). 0 or -ENOMEM. */
RP_HIDE int rp_comm_world_init(void);
/* A new object that inherits from parent (may be NULL). Upper FS. */
RP_HIDE struct rp_comm *rp_comm_new(const struct rp_comm *parent);
/* After a lower call stored comm->o.lower (inside): learns members, rank, name and topology, gets its key and is linked.
 * nth: which creation on the parent this is. Returns 0 when the lower handle is MPI_COMM_NULL (nothing is linked). */
RP_HIDE int rp_comm_learn(struct rp_comm *comm, uint64_t parent_key, uint64_t nth);
/* The same for MPI_Intercomm_create on `local`: both sides derive the key from both groups. Collective over both in a job
 * with threads. */
RP_HIDE int rp_comm_learn_inter(struct rp_comm *comm, const struct rp_comm *local);
/* The same for a duplicate that the lower library has not finished: from its parent. */
RP_HIDE void rp_comm_like(struct rp_comm *comm, const struct rp_comm *parent, uint64_t nth);
/* Keeps a copy of the hints that the application gave. Upper FS. */
RP_HIDE void rp_comm_keep_info(struct rp_comm *comm, MPI_Info info);
RP_HIDE struct rp_comm_calls *rp_comm_calls(struct rp_comm *comm, uint64_t group_hash);
/* How many communicators with these members were freed, and the sum of their keys, as a clock that all members have from the
 * first one's making: the own clock of one goes with it, and a restart would wait for those who have it no more. NULL:
 * nobody else has it. */
RP_HIDE struct rp_comm_calls *rp_comm_freed(const struct rp_comm *comm);
RP_HIDE void rp_comm_release(struct rp_comm *comm); /* memory behind a communicator */
/* The topology of a lower communicator (inside), NULL: none. */
RP_HIDE struct rp_topo *rp_topo_learn(MPI_Comm lower, uint32_t *kind);
/* A communicator like `lower` with this topology, same ranks (inside); collective over it. MPI error code. */
RP_HIDE int rp_topo_build(MPI_Comm lower, const struct rp_topo *topo, uint32_t kind, MPI_Comm *out);
RP_HIDE void rp_topo_free(struct rp_topo *topo);

/* Group of n world ranks; takes world (rp_heap). Not linked. */
RP_HIDE struct rp_group *rp_group_of(int32_t *world, int32_t n);

/* ---- type.c, op.c, info.c ---- */
RP_HIDE void rp_type_release(struct rp_type *type);
RP_HIDE void rp_op_release(struct rp_op *op);
RP_HIDE void rp_info_release(struct rp_info *info);
RP_HIDE void rp_types_init(void);		   /* predefined types' sizes; inside */
RP_HIDE int rp_type_rebuild(struct rp_type *type); /* replay, inside: lower type again; MPI error code */
RP_HIDE int rp_op_rebuild(struct rp_op *op);	   /* the same */
RP_HIDE int rp_errors_rebuild(void);		   /* user error classes, codes, strings; inside */
RP_HIDE struct rp_info *rp_info_new(void);	   /* empty, linked */
RP_HIDE struct rp_info *rp_info_copy(const struct rp_info *info);
RP_HIDE int rp_info_put(struct rp_info *info, const char *key, const char *value);

/* A type's reference given back. _inside: called between rp_mpi_enter() and rp_leave(); frees the lower type with the
 * last reference. */
RP_HIDE void rp_type_put_inside(struct rp_type *type);
RP_HIDE void rp_type_put(struct rp_type *type);

#endif
