/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Attributes and keyvals of communicators, datatypes and windows: kept and run by the stub alone, so that copy and delete
 * callbacks are ordinary calls of the application. C and Fortran forms of a value as MPI-3.1, section 17.2.7, has them.
 */
#ifndef RP_MPI_ATTR_H
#define RP_MPI_ATTR_H

#include "mpi/object.h"

enum rp_attr_form {
	RP_ATTR_C,    /* a pointer */
	RP_ATTR_INT,  /* set by the library as int: C reads its address */
	RP_ATTR_FINT, /* MPI-1 Fortran: INTEGER */
	RP_ATTR_AINT, /* MPI-2 Fortran: INTEGER(MPI_ADDRESS_KIND) */
};

struct rp_attr {
	struct rp_attr *next; /* in order of setting */
	int32_t keyval;
	uint32_t form; /* enum rp_attr_form */
	union {
		void *p;
		int32_t i;
		MPI_Aint a;
	} value;
};

struct rp_keyval {
	uint32_t used;
	uint16_t kind;	  /* RP_COMM, RP_TYPE, RP_WIN */
	uint16_t fortran; /* callbacks are: 0 C, 1 MPI-1 Fortran, 2 MPI-2 Fortran */
	uint32_t freed;	  /* the application freed it; attributes still use it */
	uint32_t users;	  /* attributes with this key */
	void (*copy)(void);
	void (*delete)(void);
	union {
		void *p;
		int32_t i;
		MPI_Aint a;
	} extra;
};

RP_HIDE void rp_attr_init(void); /* predefined attributes of MPI_COMM_WORLD; upper FS, after MPI_Init */
/* Copies old's attributes to fresh (upper FS, runs callbacks). MPI error code. */
RP_HIDE int rp_attr_copy(struct rp_object *old, struct rp_object *fresh);
/* Deletes all attributes with their callbacks, as the freeing of an object does (upper FS). MPI error code. */
RP_HIDE int rp_attr_delete_all(struct rp_object *o);
RP_HIDE void rp_attr_release(struct rp_attr *list); /* memory only */
RP_HIDE void rp_attr_lastusedcode(int code);

#endif
