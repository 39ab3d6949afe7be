/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which MPI functions a program and the libraries that it is linked with import, and which of them make things that a
 * checkpoint cannot carry yet. Reads ELF symbol tables (also the Fortran names); runs nothing. Libraries are looked for in
 * LD_LIBRARY_PATH and the system's directories; those of the MPI library itself are left out, and what is loaded with
 * dlopen() is not seen.
 */
#ifndef RP_CMD_MPI_IMPORTS_H
#define RP_CMD_MPI_IMPORTS_H

#include <stdbool.h>
#include <stddef.h>

#include "abi/mpi_functions.h"
#include "util/error.h"

struct mpi_imports {
	size_t used;   /* MPI functions imported */
	size_t later;  /* of these, not carried */
	bool *is_used; /* per row of rp_mpi_functions; owned */
};

/* 0, or -errno with text when the program cannot be read; a library that is not found is passed over. */
int mpi_imports_read(struct mpi_imports *m, const char *program, struct rp_error *err);
void mpi_imports_done(struct mpi_imports *m);

/* "MPI_Win_create, MPI_Put, ...": at most max names that are not carried, 0: all. Returns text. */
const char *mpi_imports_list(const struct mpi_imports *m, char *text, size_t size, size_t max);

/* A warning when the program imports such functions; with -v all their names. Never fails. */
void mpi_imports_tell(const struct mpi_imports *m, const char *program);

#endif
