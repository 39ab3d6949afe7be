/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The environment: init and finalize, and what a call outside of them gets.
 */
#ifndef RP_MPI_ENV_H
#define RP_MPI_ENV_H

#include "mpi/object.h"

/* An MPI function was called before MPI_Init or after MPI_Finalize: says so as Open MPI does, and ends the process. */
RP_HIDE void rp_env_misuse(const char *function) __attribute__((noreturn));
/* Names the function in which the stub found an error; the lower library prints the rest. Any FS. */
RP_HIDE void rp_env_note(const char *function);
RP_HIDE void rp_info_env_init(void); /* contents of MPI_INFO_ENV; inside */

/* A class, code or string that the application added. */
struct rp_error_user {
	struct rp_error_user *next;
	int32_t what;	  /* 0 class, 1 code, 2 string */
	int32_t number;	  /* the class or code that was given, or for which the string is */
	int32_t of_class; /* code: its class */
	char string[MPI_MAX_ERROR_STRING];
};

#endif
