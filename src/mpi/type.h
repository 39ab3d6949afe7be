/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a datatype constructor is recorded and carried out (type.c), for the entry points (typemake.c).
 */
#ifndef RP_MPI_TYPE_H
#define RP_MPI_TYPE_H

#include "mpi/object.h"
#include "mpi/predefined.h"

/* A record with room for ni integers, na addresses and nd types; ni and na are set, parts are added one by one. NULL:
 * out of memory. */
RP_HIDE struct rp_type *rp_type_record(int combiner, int ni, int na, int nd);
RP_HIDE void rp_type_part(struct rp_type *t, MPI_Datatype part);
/* Makes the lower type and gives the handle out; on failure the record is gone and the error raised. */
RP_HIDE int rp_type_make(struct rp_type *record, MPI_Datatype *out);
/* The parametrised Fortran type that was made before with the same numbers, NULL: none. */
RP_HIDE struct rp_type *rp_type_f90_known(int combiner, int p, int r);
/* After MPI_Type_dup: copies attributes; a callback that fails takes the duplicate with it. */
RP_HIDE int rp_type_dup_attributes(MPI_Datatype old, MPI_Datatype *fresh);

#endif
