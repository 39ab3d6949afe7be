/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names that Debian's Fortran and C++ bindings of Open MPI 4.1 import from the C library. Their prototypes are facts of that
 * binary interface (its devel headers), given here because mpi.h does not have them.
 */
#ifndef RP_MPI_FORTRAN_H
#define RP_MPI_FORTRAN_H

#include <mpi.h>
#include <stdint.h>

#define OMPI_OUT_OF_RESOURCE (-2)

int ompi_fortran_string_f2c(const char *fstr, int len, char **cstr);
int ompi_fortran_string_c2f(const char *cstr, char *fstr, int len);
int ompi_fortran_argv_blank_f2c(char *array, int len, int advance, char ***argv);
int ompi_fortran_argv_count_f2c(char *array, int count, int len, int advance, char ***argv);
int ompi_fortran_multiple_argvs_f2c(int count, char *array, int len, char ****argv);
MPI_Datatype ompi_datatype_match_size(int size, uint16_t kind, uint16_t language);
int ompi_attr_create_keyval(int type, void (*copy)(void), void (*del)(void), int *key, void *extra, int flags,
			    void *bindings_state);
int ompi_attr_create_keyval_fint(int type, void (*copy)(void), void (*del)(void), int *key, MPI_Fint extra, int flags,
				 void *bindings_state);
int ompi_attr_create_keyval_aint(int type, void (*copy)(void), void (*del)(void), int *key, MPI_Aint extra, int flags,
				 void *bindings_state);
int ompi_attr_set_fint(int type, void *object, void **hash, int key, MPI_Fint value, _Bool predefined);
int ompi_attr_set_aint(int type, void *object, void **hash, int key, MPI_Aint value, _Bool predefined);
int ompi_attr_get_fint(void *hash, int key, MPI_Fint *value, int *flag);
int ompi_attr_get_aint(void *hash, int key, MPI_Aint *value, int *flag);
void *ompi_errhandler_create(int type, void (*fn)(void), int language);
int ompi_errhandler_invoke(void *handler, void *object, int type, int code, const char *message);
void ompi_mpi_errors_are_fatal_comm_handler(MPI_Comm *comm, int *code, ...);

void ompi_op_set_cxx_callback(MPI_Op op, MPI_User_function *fn);

extern volatile int32_t ompi_mpi_state;

#endif
