/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The functions of the lower library, by pointer: rp_lower.MPI_Send(...). Filled by dlsym in the lower half before the
 * first call and again after a restart; the pointers are read inside (after rp_mpi_enter()), as lower handles are.
 */
#ifndef RP_MPI_LOWER_H
#define RP_MPI_LOWER_H

#include "mpi/object.h"
#include "mpi_lower.h"

extern RP_HIDE struct rp_lower_table rp_lower;
extern RP_HIDE const char *const rp_lower_names[RP_LOWER_COUNT];

/* Fills rp_lower and the predefined handles for this incarnation. Inside (lower FS). 0, or -ENOENT: name[size] is the
 * symbol that the lower library lacks. */
RP_HIDE int rp_lower_fill(char *name, uint32_t size);

/* Makes sure that rp_lower is filled: for the functions that may be called before MPI_Init. Upper FS, depth 0; ends the
 * process with one line when the lower library is not there. */
RP_HIDE void rp_lower_need(void);

#endif
