/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fortran: the conversion of handles, and the functions and data of Open MPI's C library that Debian's libmpi_mpifh and
 * libmpi_usempif08 import besides MPI's own. Those two libraries run unchanged on the stub.
 */
#include <stdlib.h>
#include <string.h>

#include "mpi/fortran.h"
#include "mpi/wrap.h"

RP_EXPORT MPI_Fint PMPI_Comm_c2f(MPI_Comm handle)
{
	return rp_c2f(handle);
}
RP_ALIAS(MPI_Comm_c2f);

RP_EXPORT MPI_Comm PMPI_Comm_f2c(MPI_Fint index)
{
	return rp_f2c(RP_COMM, index);
}
RP_ALIAS(MPI_Comm_f2c);

RP_EXPORT MPI_Fint PMPI_Group_c2f(MPI_Group handle)
{
	return rp_c2f(handle);
}
RP_ALIAS(MPI_Group_c2f);

RP_EXPORT MPI_Group PMPI_Group_f2c(MPI_Fint index)
{
	return rp_f2c(RP_GROUP, index);
}
RP_ALIAS(MPI_Group_f2c);

RP_EXPORT MPI_Fint PMPI_Type_c2f(MPI_Datatype handle)
{
	return rp_c2f(handle);
}
RP_ALIAS(MPI_Type_c2f);

RP_EXPORT MPI_Datatype PMPI_Type_f2c(MPI_Fint index)
{
	return rp_f2c(RP_TYPE, index);
}
RP_ALIAS(MPI_Type_f2c);

RP_EXPORT MPI_Fint PMPI_Op_c2f(MPI_Op handle)
{
	return rp_c2f(handle);
}
RP_ALIAS(MPI_Op_c2f);

RP_EXPORT MPI_Op PMPI_Op_f2c(MPI_Fint index)
{
	return rp_f2c(RP_OP, index);
}
RP_ALIAS(MPI_Op_f2c);

RP_EXPORT MPI_Fint PMPI_Errhandler_c2f(MPI_Errhandler handle)
{
	return rp_c2f(handle);
}
RP_ALIAS(MPI_Errhandler_c2f);

RP_EXPORT MPI_Errhandler PMPI_Errhandler_f2c(MPI_Fint index)
{
	return rp_f2c(RP_ERRHANDLER, index);
}
RP_ALIAS(MPI_Errhandler_f2c);

RP_EXPORT MPI_Fint PMPI_Info_c2f(MPI_Info handle)
{
	return rp_c2f(handle);
}
RP_ALIAS(MPI_Info_c2f);

RP_EXPORT MPI_Info PMPI_Info_f2c(MPI_Fint index)
{
	return rp_f2c(RP_INFO, index);
}
RP_ALIAS(MPI_Info_f2c);

RP_EXPORT MPI_Fint PMPI_Request_c2f(MPI_Request handle)
{
	return rp_c2f(handle);
}
RP_ALIAS(MPI_Request_c2f);

RP_EXPORT MPI_Request PMPI_Request_f2c(MPI_Fint index)
{
	return rp_f2c(RP_REQUEST, index);
}
RP_ALIAS(MPI_Request_f2c);

RP_EXPORT MPI_Fint PMPI_Message_c2f(MPI_Message handle)
{
	return rp_c2f(handle);
}
RP_ALIAS(MPI_Message_c2f);

RP_EXPORT MPI_Message PMPI_Message_f2c(MPI_Fint index)
{
	return rp_f2c(RP_MESSAGE, index);
}
RP_ALIAS(MPI_Message_f2c);

RP_EXPORT MPI_Fint PMPI_Win_c2f(MPI_Win handle)
{
	return rp_c2f(handle);
}
RP_ALIAS(MPI_Win_c2f);

RP_EXPORT MPI_Win PMPI_Win_f2c(MPI_Fint index)
{
	return rp_f2c(RP_WIN, index);
}
RP_ALIAS(MPI_Win_f2c);

RP_EXPORT MPI_Fint PMPI_File_c2f(MPI_File handle)
{
	return rp_c2f(handle);
}
RP_ALIAS(MPI_File_c2f);

RP_EXPORT MPI_File PMPI_File_f2c(MPI_Fint index)
{
	return rp_f2c(RP_FILE, index);
}
RP_ALIAS(MPI_File_f2c);

/* A Fortran status is the C one seen as integers (MPI-3.1, section 17.2.5). */
RP_EXPORT int PMPI_Status_c2f(const MPI_Status *c_status, MPI_Fint *f_status)
{
	if (!c_status || c_status == MPI_STATUS_IGNORE || !f_status)
		return rp_comm_raise(NULL, MPI_ERR_IN_STATUS, "MPI_Status_c2f");
	memcpy(f_status, c_status, sizeof(*c_status));
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Status_c2f);

RP_EXPORT int PMPI_Status_f2c(const MPI_Fint *f_status, MPI_Status *c_status)
{
	if (!f_status || f_status == MPI_F_STATUS_IGNORE || f_status == MPI_F_STATUSES_IGNORE || !c_status)
		return rp_comm_raise(NULL, MPI_ERR_IN_STATUS, "MPI_Status_f2c");
	memcpy(c_status, f_status, sizeof(*c_status));
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Status_f2c);

/* ---- strings: blank-padded, length beside ---- */

RP_EXPORT int ompi_fortran_string_f2c(const char *fstr, int len, char **cstr)
{
	int from = 0;

	while (from < len && fstr[from] == ' ')
		from++;
	while (len > from && fstr[len - 1] == ' ')
		len--;
	*cstr = malloc((size_t)(len - from) + 1);
	if (!*cstr)
		return OMPI_OUT_OF_RESOURCE;
	memcpy(*cstr, fstr + from, (size_t)(len - from));
	(*cstr)[len - from] = '\0';
	return MPI_SUCCESS;
}

RP_EXPORT int ompi_fortran_string_c2f(const char *cstr, char *fstr, int len)
{
	int n = (int)strnlen(cstr, (size_t)len);

	memcpy(fstr, cstr, (size_t)n);
	memset(fstr + n, ' ', (size_t)(len - n));
	return MPI_SUCCESS;
}

/* count strings, `advance` bytes apart; count < 0: up to a blank one. The result is freed by opal_argv_free(). */
static int argv_f2c(const char *array, int count, int len, int advance, char ***argv_out)
{
	char **argv = NULL, **grown, *s;
	int n;

	for (n = 0; count < 0 || n < count; n++) {
		int rc = ompi_fortran_string_f2c(array + (size_t)n * (size_t)advance, len, &s);

		grown = rc == MPI_SUCCESS ? realloc(argv, (size_t)(n + 2) * sizeof(*argv)) : NULL;
		if (!grown) {
			free(argv);
			return OMPI_OUT_OF_RESOURCE;
		}
		argv = grown;
		argv[n] = s;
		argv[n + 1] = NULL;
		if (count < 0 && !*s) {
			free(s);
			argv[n] = NULL;
			break;
		}
	}
	*argv_out = argv;
	return MPI_SUCCESS;
}

RP_EXPORT int ompi_fortran_argv_blank_f2c(char *array, int len, int advance, char ***argv)
{
	return argv_f2c(array, -1, len, advance, argv);
}

RP_EXPORT int ompi_fortran_argv_count_f2c(char *array, int count, int len, int advance, char ***argv)
{
	return argv_f2c(array, count, len, advance, argv);
}

RP_EXPORT int ompi_fortran_multiple_argvs_f2c(int count, char *array, int len, char ****argv)
{
	char ***argvs = calloc((size_t)count + 1, sizeof(*argvs));

	if (!argvs)
		return OMPI_OUT_OF_RESOURCE;
	for (int i = 0; i < count; i++)
		if (argv_f2c(array + (size_t)i * (size_t)len, -1, len, count * len, &argvs[i]) != MPI_SUCCESS)
			return OMPI_OUT_OF_RESOURCE;
	*argv = argvs;
	return MPI_SUCCESS;
}

/* ---- the library's inner state, as far as the bindings look at it ---- */

RP_EXPORT volatile int32_t ompi_mpi_state; /* enum rp_mpi_state has Open MPI's values up to READY */
RP_EXPORT _Bool ompi_mpi_param_check = 1;
RP_EXPORT MPI_Status ompi_status_empty = { .MPI_SOURCE = MPI_ANY_SOURCE, .MPI_TAG = MPI_ANY_TAG };
/* Table of internal error codes: empty, so that a negative code becomes MPI_ERR_UNKNOWN. */
RP_EXPORT char ompi_errcodes_intern[120];
RP_EXPORT int ompi_errcode_intern_lastused;
/* A list: 16 bytes of class and count, then its sentinel (16 bytes, next, prev). The bindings append to it. */
RP_EXPORT void *ompi_registered_datareps[8];

static __attribute__((constructor(102))) void datareps_empty(void)
{
	ompi_registered_datareps[4] = ompi_registered_datareps[5] = &ompi_registered_datareps[2];
}

RP_EXPORT MPI_Datatype ompi_datatype_match_size(int size, uint16_t class, uint16_t language)
{
	MPI_Datatype (*match)(int size, uint16_t class, uint16_t language), lower, type = MPI_DATATYPE_NULL;
	struct rp_thread *t = rp_mpi_enter();

	match = (MPI_Datatype(*)(int, uint16_t, uint16_t))rp_arena()->lower_dlsym("ompi_datatype_match_size");
	lower = match ? match(size, class, language) : NULL;
	if (lower)
		type = rp_type_adopt(lower);
	rp_leave(t);
	return type;
}

/* mpi.h makes macros of the upper-case names, for the C forms below. */
#undef MPI_DUP_FN
#undef MPI_NULL_COPY_FN
#undef MPI_NULL_DELETE_FN
#undef MPI_COMM_DUP_FN
#undef MPI_COMM_NULL_COPY_FN
#undef MPI_COMM_NULL_DELETE_FN
#undef MPI_TYPE_DUP_FN
#undef MPI_TYPE_NULL_COPY_FN
#undef MPI_TYPE_NULL_DELETE_FN
#undef MPI_WIN_DUP_FN
#undef MPI_WIN_NULL_COPY_FN
#undef MPI_WIN_NULL_DELETE_FN
#undef MPI_CONVERSION_FN_NULL

/* ---- Fortran entry points of the C library itself: one function, the names that compilers make of it ---- */

#define FORTRAN(lower, UPPER) \
	extern __typeof__(f_##lower) lower __attribute__((weak, alias("f_" #lower), visibility("default"))); \
	extern __typeof__(f_##lower) lower##_ __attribute__((weak, alias("f_" #lower), visibility("default"))); \
	extern __typeof__(f_##lower) lower##__ __attribute__((weak, alias("f_" #lower), visibility("default"))); \
	extern __typeof__(f_##lower) UPPER __attribute__((weak, alias("f_" #lower), visibility("default")))

static void __attribute__((used)) f_mpi_wtime_f90(double *w)
{
	*w = PMPI_Wtime();
}
FORTRAN(mpi_wtime_f90, MPI_WTIME_F90);

static void __attribute__((used)) f_mpi_wtick_f90(double *w)
{
	*w = PMPI_Wtick();
}
FORTRAN(mpi_wtick_f90, MPI_WTICK_F90);

static void __attribute__((used)) f_mpi_aint_add_f90(MPI_Aint *base, MPI_Aint *disp, MPI_Aint *sum)
{
	*sum = *base + *disp;
}
FORTRAN(mpi_aint_add_f90, MPI_AINT_ADD_F90);

static void __attribute__((used)) f_mpi_aint_diff_f90(MPI_Aint *a, MPI_Aint *b, MPI_Aint *diff)
{
	*diff = *a - *b;
}
FORTRAN(mpi_aint_diff_f90, MPI_AINT_DIFF_F90);

static void __attribute__((used)) f_mpi_conversion_fn_null(void)
{
}
FORTRAN(mpi_conversion_fn_null, MPI_CONVERSION_FN_NULL);

static void __attribute__((used)) f_mpi_dup_fn(MPI_Fint *object, MPI_Fint *key, MPI_Fint *extra, MPI_Fint *in,
					       MPI_Fint *out, MPI_Fint *flag, MPI_Fint *ierr)
{
	*out = *in;
	*flag = 1;
	*ierr = MPI_SUCCESS;
}
FORTRAN(mpi_dup_fn, MPI_DUP_FN);

static void __attribute__((used)) f_mpi_null_copy_fn(MPI_Fint *object, MPI_Fint *key, MPI_Fint *extra, MPI_Fint *in,
						     MPI_Fint *out, MPI_Fint *flag, MPI_Fint *ierr)
{
	*flag = 0;
	*ierr = MPI_SUCCESS;
}
FORTRAN(mpi_null_copy_fn, MPI_NULL_COPY_FN);

static void __attribute__((used))
f_mpi_null_delete_fn(MPI_Fint *object, MPI_Fint *key, MPI_Fint *value, MPI_Fint *extra, MPI_Fint *ierr)
{
	*ierr = MPI_SUCCESS;
}
FORTRAN(mpi_null_delete_fn, MPI_NULL_DELETE_FN);

static void __attribute__((used)) f_mpi_comm_dup_fn(MPI_Fint *object, MPI_Fint *key, MPI_Aint *extra, MPI_Aint *in,
						    MPI_Aint *out, MPI_Fint *flag, MPI_Fint *ierr)
{
	*out = *in;
	*flag = 1;
	*ierr = MPI_SUCCESS;
}
FORTRAN(mpi_comm_dup_fn, MPI_COMM_DUP_FN);

static void __attribute__((used)) f_mpi_comm_null_copy_fn(MPI_Fint *object, MPI_Fint *key, MPI_Aint *extra,
							  MPI_Aint *in, MPI_Aint *out, MPI_Fint *flag, MPI_Fint *ierr)
{
	*flag = 0;
	*ierr = MPI_SUCCESS;
}
FORTRAN(mpi_comm_null_copy_fn, MPI_COMM_NULL_COPY_FN);

static void __attribute__((used))
f_mpi_comm_null_delete_fn(MPI_Fint *object, MPI_Fint *key, MPI_Aint *value, MPI_Aint *extra, MPI_Fint *ierr)
{
	*ierr = MPI_SUCCESS;
}
FORTRAN(mpi_comm_null_delete_fn, MPI_COMM_NULL_DELETE_FN);

static void __attribute__((used)) f_mpi_type_dup_fn(MPI_Fint *object, MPI_Fint *key, MPI_Aint *extra, MPI_Aint *in,
						    MPI_Aint *out, MPI_Fint *flag, MPI_Fint *ierr)
{
	*out = *in;
	*flag = 1;
	*ierr = MPI_SUCCESS;
}
FORTRAN(mpi_type_dup_fn, MPI_TYPE_DUP_FN);

static void __attribute__((used)) f_mpi_type_null_copy_fn(MPI_Fint *object, MPI_Fint *key, MPI_Aint *extra,
							  MPI_Aint *in, MPI_Aint *out, MPI_Fint *flag, MPI_Fint *ierr)
{
	*flag = 0;
	*ierr = MPI_SUCCESS;
}
FORTRAN(mpi_type_null_copy_fn, MPI_TYPE_NULL_COPY_FN);

static void __attribute__((used))
f_mpi_type_null_delete_fn(MPI_Fint *object, MPI_Fint *key, MPI_Aint *value, MPI_Aint *extra, MPI_Fint *ierr)
{
	*ierr = MPI_SUCCESS;
}
FORTRAN(mpi_type_null_delete_fn, MPI_TYPE_NULL_DELETE_FN);

static void __attribute__((used)) f_mpi_win_dup_fn(MPI_Fint *object, MPI_Fint *key, MPI_Aint *extra, MPI_Aint *in,
						   MPI_Aint *out, MPI_Fint *flag, MPI_Fint *ierr)
{
	*out = *in;
	*flag = 1;
	*ierr = MPI_SUCCESS;
}
FORTRAN(mpi_win_dup_fn, MPI_WIN_DUP_FN);

static void __attribute__((used)) f_mpi_win_null_copy_fn(MPI_Fint *object, MPI_Fint *key, MPI_Aint *extra, MPI_Aint *in,
							 MPI_Aint *out, MPI_Fint *flag, MPI_Fint *ierr)
{
	*flag = 0;
	*ierr = MPI_SUCCESS;
}
FORTRAN(mpi_win_null_copy_fn, MPI_WIN_NULL_COPY_FN);

static void __attribute__((used))
f_mpi_win_null_delete_fn(MPI_Fint *object, MPI_Fint *key, MPI_Aint *value, MPI_Aint *extra, MPI_Fint *ierr)
{
	*ierr = MPI_SUCCESS;
}
FORTRAN(mpi_win_null_delete_fn, MPI_WIN_NULL_DELETE_FN);

/* ---- the C forms, under the names that mpi.h's macros give them ---- */

RP_EXPORT int OMPI_C_MPI_COMM_DUP_FN(MPI_Comm object, int key, void *extra, void *in, void *out, int *flag)
{
	*(void **)out = in;
	*flag = 1;
	return MPI_SUCCESS;
}

RP_EXPORT int OMPI_C_MPI_COMM_NULL_COPY_FN(MPI_Comm object, int key, void *extra, void *in, void *out, int *flag)
{
	*flag = 0;
	return MPI_SUCCESS;
}

RP_EXPORT int OMPI_C_MPI_COMM_NULL_DELETE_FN(MPI_Comm object, int key, void *value, void *extra)
{
	return MPI_SUCCESS;
}

RP_EXPORT int OMPI_C_MPI_TYPE_DUP_FN(MPI_Datatype object, int key, void *extra, void *in, void *out, int *flag)
{
	*(void **)out = in;
	*flag = 1;
	return MPI_SUCCESS;
}

RP_EXPORT int OMPI_C_MPI_TYPE_NULL_COPY_FN(MPI_Datatype object, int key, void *extra, void *in, void *out, int *flag)
{
	*flag = 0;
	return MPI_SUCCESS;
}

RP_EXPORT int OMPI_C_MPI_TYPE_NULL_DELETE_FN(MPI_Datatype object, int key, void *value, void *extra)
{
	return MPI_SUCCESS;
}

RP_EXPORT int OMPI_C_MPI_WIN_DUP_FN(MPI_Win object, int key, void *extra, void *in, void *out, int *flag)
{
	*(void **)out = in;
	*flag = 1;
	return MPI_SUCCESS;
}

RP_EXPORT int OMPI_C_MPI_WIN_NULL_COPY_FN(MPI_Win object, int key, void *extra, void *in, void *out, int *flag)
{
	*flag = 0;
	return MPI_SUCCESS;
}

RP_EXPORT int OMPI_C_MPI_WIN_NULL_DELETE_FN(MPI_Win object, int key, void *value, void *extra)
{
	return MPI_SUCCESS;
}

RP_EXPORT int OMPI_C_MPI_DUP_FN(MPI_Comm object, int key, void *extra, void *in, void *out, int *flag)
{
	*(void **)out = in;
	*flag = 1;
	return MPI_SUCCESS;
}

RP_EXPORT int OMPI_C_MPI_NULL_COPY_FN(MPI_Comm object, int key, void *extra, void *in, void *out, int *flag)
{
	*flag = 0;
	return MPI_SUCCESS;
}

RP_EXPORT int OMPI_C_MPI_NULL_DELETE_FN(MPI_Comm object, int key, void *value, void *extra)
{
	return MPI_SUCCESS;
}
