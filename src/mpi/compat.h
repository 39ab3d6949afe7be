/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Functions that Open MPI 4.1 exports and its mpi.h no longer declares (MPI-1, removed by MPI-3.0),
 * or hides behind macros.
 */
#ifndef RP_MPI_COMPAT_H
#define RP_MPI_COMPAT_H

#include <mpi.h>

/* mpi.h makes macros of these names that refuse to compile. */
#undef PMPI_Aint_add
#undef MPI_Aint_add
#undef PMPI_Aint_diff
#undef MPI_Aint_diff
#undef MPI_Address
#undef MPI_Type_struct
#undef MPI_Type_hindexed
#undef MPI_Type_hvector
#undef MPI_Type_extent
#undef MPI_Type_lb
#undef MPI_Type_ub
#undef MPI_Errhandler_create
#undef MPI_Errhandler_get
#undef MPI_Errhandler_set

MPI_Aint PMPI_Aint_add(MPI_Aint base, MPI_Aint disp);
MPI_Aint PMPI_Aint_diff(MPI_Aint a, MPI_Aint b);
int PMPI_Address(void *location, MPI_Aint *address);
int PMPI_Type_struct(int count, int *lengths, MPI_Aint *displs, MPI_Datatype *types, MPI_Datatype *out);
int PMPI_Type_hindexed(int count, int *lengths, MPI_Aint *displs, MPI_Datatype old, MPI_Datatype *out);
int PMPI_Type_hvector(int count, int length, MPI_Aint stride, MPI_Datatype old, MPI_Datatype *out);
int PMPI_Type_extent(MPI_Datatype type, MPI_Aint *extent);
int PMPI_Type_lb(MPI_Datatype type, MPI_Aint *lb);
int PMPI_Type_ub(MPI_Datatype type, MPI_Aint *ub);
int PMPI_Errhandler_create(MPI_Comm_errhandler_function *function, MPI_Errhandler *errhandler);
int PMPI_Errhandler_get(MPI_Comm comm, MPI_Errhandler *errhandler);
int PMPI_Errhandler_set(MPI_Comm comm, MPI_Errhandler errhandler);

#endif
