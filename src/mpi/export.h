/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How an MPI function is exported: PMPI_X is defined, MPI_X is its weak alias, so that a profiling library in front may
 * define MPI_X and call PMPI_X. A definition begins its line with RP_EXPORT: that is how the generator sees it.
 */
#ifndef RP_MPI_EXPORT_H
#define RP_MPI_EXPORT_H

#include <mpi.h>
#include <mpi-ext.h>

#define RP_EXPORT __attribute__((visibility("default")))
#define RP_ALIAS(name) extern __typeof__(P##name) name __attribute__((weak, alias("P" #name), visibility("default")))

#endif
