/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of all MPI functions as data: which are carried across a restart. Made from src/mpi/functions.txt by
 * generate.py; linked into the host program (mpi_functions_dep), which looks a program's imports up in it.
 */
#ifndef RP_ABI_MPI_FUNCTIONS_H
#define RP_ABI_MPI_FUNCTIONS_H

struct rp_mpi_function {
	const char *name;  /* MPI_Xxx; NULL ends the table */
	const char *class; /* "p2p", "coll", "rma" ... (functions.txt) */
	int carried;
	const char *refusal; /* not carried: what a checkpoint would be refused for, and what to do */
};

extern const struct rp_mpi_function rp_mpi_functions[];

#endif
