/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The predefined handles: data symbols with Open MPI's names and sizes. Their lower counterparts are found by name.
 */
#ifndef RP_MPI_PREDEFINED_H
#define RP_MPI_PREDEFINED_H

#include "mpi/object.h"

struct rp_predefined {
	const char *symbol; /* the same in the lower library */
	void *object;
};

#define RP_NPREDEFINED_MAX 128

/* The table, NULL symbol at the end. Filled at load time, because an executable may hold the objects. Any FS. */
RP_HIDE const struct rp_predefined *rp_predefined(void);

#endif
