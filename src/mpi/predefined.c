/* SPDX-License-Identifier: BSD-3-Clause */
#include "mpi/predefined.h"

#include <errno.h>

#include "mpi/comm.h"
#include "mpi/export.h"
#include "mpi/lower.h"
#include "split/switch.h"

/* mpi.h declares these structs and leaves them incomplete; sizes are those of Open MPI 4.1's symbols. */
#define SIZED(tag, object, size) \
	struct tag { \
		struct object o; \
		unsigned char pad[(size) - sizeof(struct object)]; \
	}
SIZED(ompi_predefined_communicator_t, rp_comm, 512);
SIZED(ompi_predefined_datatype_t, rp_type, 512);
SIZED(ompi_predefined_group_t, rp_group, 256);
SIZED(ompi_predefined_info_t, rp_info, 256);
SIZED(ompi_predefined_op_t, rp_op, 2048);
SIZED(ompi_predefined_errhandler_t, rp_errhandler, 1024);
SIZED(ompi_predefined_win_t, rp_win, 512);
SIZED(ompi_predefined_file_t, rp_file, 1536);
struct ompi_predefined_request_t {
	struct rp_request o;
};
struct ompi_predefined_message_t {
	struct rp_message o;
};
_Static_assert(sizeof(struct ompi_predefined_request_t) == 256, "size of ompi_request_null");
_Static_assert(sizeof(struct ompi_predefined_message_t) == 256, "size of ompi_message_null");
_Static_assert(offsetof(struct rp_comm, native_flags) == 232, "c_flags");
_Static_assert(offsetof(struct rp_comm, native_local_group) == 248, "c_local_group");
_Static_assert(offsetof(struct rp_comm, native_remote_group) == 256, "c_remote_group");
_Static_assert(offsetof(struct rp_comm, native_keyhash) == 272, "c_keyhash");
_Static_assert(offsetof(struct rp_comm, native_error_handler) == 312, "error_handler");
_Static_assert(offsetof(struct rp_comm, native_errhandler_type) == 320, "errhandler_type");
_Static_assert(offsetof(struct rp_object, word) == 16, "grp_proc_count");
_Static_assert(offsetof(struct rp_type, native_keyhash) == 208, "d_keyhash");
_Static_assert(offsetof(struct rp_op, native_flags) == 84, "o_flags");
_Static_assert(offsetof(struct rp_win, native_keyhash) == 240, "w_keyhash");
_Static_assert(offsetof(struct rp_request, native_greq_is_c) == 192, "greq_funcs_are_c");

#define COMMS(X) X(comm_world, 0) X(comm_self, 0) X(comm_null, RP_NULL_HANDLE)
#define GROUPS(X) X(group_empty, 0) X(group_null, RP_NULL_HANDLE)
/* clang-format off */
#define INFOS(X) X(info_env, 0) X(info_null, RP_NULL_HANDLE)
#define ERRHANDLERS(X)                                                                                                \
	X(errhandler_null, RP_NULL_HANDLE) X(errors_are_fatal, 0) X(errors_return, 0) X(errors_throw_exceptions, 0)
#define WINS(X) X(win_null, RP_NULL_HANDLE)
#define FILES(X) X(file_null, RP_NULL_HANDLE)
#define OPS(X)                                                                                                        \
	X(op_null, RP_NULL_HANDLE) X(op_min, RP_COMMUTATIVE) X(op_max, RP_COMMUTATIVE) X(op_sum, RP_COMMUTATIVE)      \
	X(op_prod, RP_COMMUTATIVE) X(op_land, RP_COMMUTATIVE) X(op_band, RP_COMMUTATIVE) X(op_lor, RP_COMMUTATIVE)    \
	X(op_bor, RP_COMMUTATIVE) X(op_lxor, RP_COMMUTATIVE) X(op_bxor, RP_COMMUTATIVE)                               \
	X(op_maxloc, RP_COMMUTATIVE) X(op_minloc, RP_COMMUTATIVE) X(op_replace, RP_COMMUTATIVE)                       \
	X(op_no_op, RP_COMMUTATIVE)
#define TYPES(X)                                                                                                      \
	X(2cplex, 0) X(2dblcplex, 0) X(2dblprec, 0) X(2int, 0) X(2integer, 0) X(2real, 0) X(aint, 0) X(byte, 0)       \
	X(c_bool, 0) X(c_complex, 0) X(c_double_complex, 0) X(c_float_complex, 0) X(c_long_double_complex, 0)         \
	X(char, 0) X(character, 0) X(complex16, 0) X(complex32, 0) X(complex8, 0) X(count, 0) X(cplex, 0)             \
	X(cxx_bool, 0) X(cxx_cplex, 0) X(cxx_dblcplex, 0) X(cxx_ldblcplex, 0) X(datatype_null, RP_NULL_HANDLE)        \
	X(dblcplex, 0) X(dblprec, 0) X(double, 0) X(double_int, 0) X(float, 0) X(float_int, 0) X(int, 0)              \
	X(int16_t, 0) X(int32_t, 0) X(int64_t, 0) X(int8_t, 0) X(integer, 0) X(integer1, 0) X(integer16, 0)           \
	X(integer2, 0) X(integer4, 0) X(integer8, 0) X(lb, 0) X(ldblcplex, 0) X(logical, 0) X(logical1, 0)            \
	X(logical2, 0) X(logical4, 0) X(logical8, 0) X(long, 0) X(long_double, 0) X(long_int, 0) X(long_long_int, 0)  \
	X(longdbl_int, 0) X(offset, 0) X(packed, 0) X(real, 0) X(real16, 0) X(real2, 0) X(real4, 0) X(real8, 0)       \
	X(short, 0) X(short_int, 0) X(signed_char, 0) X(ub, 0) X(uint16_t, 0) X(uint32_t, 0) X(uint64_t, 0)           \
	X(uint8_t, 0) X(unavailable, 0) X(unsigned, 0) X(unsigned_char, 0) X(unsigned_long, 0)                        \
	X(unsigned_long_long, 0) X(unsigned_short, 0) X(wchar, 0)
/* clang-format on */

#define HEAD(k, f) .kind = (k), .flags = RP_PREDEFINED | (f), .refs = 1, .f_index = -1
#define COMM_DEF(n, f) \
	RP_EXPORT struct ompi_predefined_communicator_t ompi_mpi_##n = { .o = { .o = { HEAD(RP_COMM, f) }, \
										.rank = MPI_UNDEFINED } };
#define TYPE_DEF(n, f) \
	extern struct ompi_predefined_datatype_t ompi_mpi_##n; \
	RP_EXPORT struct ompi_predefined_datatype_t ompi_mpi_##n = { \
		.o = { .o = { HEAD(RP_TYPE, (f) | RP_COMMITTED) }, .combiner = MPI_COMBINER_NAMED } \
	};
#define GROUP_DEF(n, f) \
	RP_EXPORT struct ompi_predefined_group_t ompi_mpi_##n = { .o = { .o = { HEAD(RP_GROUP, f) }, \
									 .my_rank = MPI_UNDEFINED } };
#define INFO_DEF(n, f) RP_EXPORT struct ompi_predefined_info_t ompi_mpi_##n = { .o = { .o = { HEAD(RP_INFO, f) } } };
#define OP_DEF(n, f) \
	RP_EXPORT struct ompi_predefined_op_t ompi_mpi_##n = { .o = { .o = { HEAD(RP_OP, f) }, .slot = -1 } };
#define ERRHANDLER_DEF(n, f) \
	extern struct ompi_predefined_errhandler_t ompi_mpi_##n; \
	RP_EXPORT struct ompi_predefined_errhandler_t ompi_mpi_##n = { .o = { .o = { HEAD(RP_ERRHANDLER, f) }, \
									      .object_kind = -1 } };
#define WIN_DEF(n, f) RP_EXPORT struct ompi_predefined_win_t ompi_mpi_##n = { .o = { .o = { HEAD(RP_WIN, f) } } };
#define FILE_DEF(n, f) RP_EXPORT struct ompi_predefined_file_t ompi_mpi_##n = { .o = { .o = { HEAD(RP_FILE, f) } } };

COMMS(COMM_DEF)
TYPES(TYPE_DEF)
GROUPS(GROUP_DEF)
INFOS(INFO_DEF)
OPS(OP_DEF)
ERRHANDLERS(ERRHANDLER_DEF)
WINS(WIN_DEF)
FILES(FILE_DEF)
RP_EXPORT struct ompi_predefined_request_t ompi_request_null = { .o = { .o = { HEAD(RP_REQUEST, RP_NULL_HANDLE) } } };
RP_EXPORT struct ompi_predefined_message_t ompi_message_null = { .o = { .o = { HEAD(RP_MESSAGE, RP_NULL_HANDLE) } } };
RP_EXPORT struct ompi_predefined_message_t ompi_message_no_proc = { .o = { .o = { HEAD(RP_MESSAGE, 0) } } };

static struct rp_predefined table[RP_NPREDEFINED_MAX];

static __attribute__((constructor(101))) void predefined_table(void)
{
	struct rp_predefined *p = table;

	if (table[0].symbol)
		return;
		/* clang-format off */
#define ROW(n, f) *p++ = (struct rp_predefined){ "ompi_mpi_" #n, &ompi_mpi_##n };
	COMMS(ROW) GROUPS(ROW) TYPES(ROW) OPS(ROW) ERRHANDLERS(ROW) INFOS(ROW) WINS(ROW) FILES(ROW)
#undef ROW
		/* clang-format on */
		*p++ = (struct rp_predefined){ "ompi_request_null", &ompi_request_null };
	*p++ = (struct rp_predefined){ "ompi_message_null", &ompi_message_null };
	*p++ = (struct rp_predefined){ "ompi_message_no_proc", &ompi_message_no_proc };
}

const struct rp_predefined *rp_predefined(void)
{
	if (!table[0].symbol)
		predefined_table();
	return table;
}

int rp_predefined_fill(void)
{
	const struct rp_predefined *p;

	for (p = rp_predefined(); p->symbol; p++) {
		struct rp_object *o = p->object;

		o->lower = rp_arena()->lower_dlsym(p->symbol);
		if (!o->lower)
			return -ENOENT;
	}
	return 0;
}

static int32_t native_index(const struct rp_object *o)
{
	switch (o->kind) {
	case RP_COMM:
		return rp_lower.MPI_Comm_c2f(o->lower);
	case RP_GROUP:
		return rp_lower.MPI_Group_c2f(o->lower);
	case RP_TYPE:
		return rp_lower.MPI_Type_c2f(o->lower);
	case RP_OP:
		return rp_lower.MPI_Op_c2f(o->lower);
	case RP_ERRHANDLER:
		return rp_lower.MPI_Errhandler_c2f(o->lower);
	case RP_INFO:
		return rp_lower.MPI_Info_c2f(o->lower);
	case RP_REQUEST:
		return rp_lower.MPI_Request_c2f(o->lower);
	case RP_MESSAGE:
		return rp_lower.MPI_Message_c2f(o->lower);
	case RP_WIN:
		return rp_lower.MPI_Win_c2f(o->lower);
	case RP_FILE:
		return rp_lower.MPI_File_c2f(o->lower);
	default:
		return -1;
	}
}

void rp_predefined_f_index(void)
{
	const struct rp_predefined *p;

	for (p = rp_predefined(); p->symbol; p++)
		rp_f_predefine(p->object, native_index(p->object));
}

void *rp_null_object(enum rp_object_kind kind)
{
	switch (kind) {
	case RP_COMM:
		return &ompi_mpi_comm_null;
	case RP_GROUP:
		return &ompi_mpi_group_null;
	case RP_TYPE:
		return &ompi_mpi_datatype_null;
	case RP_OP:
		return &ompi_mpi_op_null;
	case RP_ERRHANDLER:
		return &ompi_mpi_errhandler_null;
	case RP_INFO:
		return &ompi_mpi_info_null;
	case RP_REQUEST:
		return &ompi_request_null;
	case RP_MESSAGE:
		return &ompi_message_null;
	case RP_WIN:
		return &ompi_mpi_win_null;
	case RP_FILE:
		return &ompi_mpi_file_null;
	default:
		return NULL;
	}
}

void *rp_object_of(enum rp_object_kind kind, const void *lower)
{
	const struct rp_predefined *p;
	struct rp_object *o;

	for (p = rp_predefined(); p->symbol; p++) {
		o = p->object;
		if (o->kind == kind && o->lower == lower)
			return o;
	}
	rp_lock();
	for (o = rp_first(kind); o; o = rp_next(o))
		if (o->lower == lower)
			break;
	rp_unlock();
	return o;
}

/* The rest of the library's data that programs or the Fortran bindings import. */
RP_EXPORT MPI_Fint mpi_fortran_bottom_;
RP_EXPORT MPI_Fint mpi_fortran_in_place_;
RP_EXPORT MPI_Fint mpi_fortran_unweighted_;
RP_EXPORT MPI_Fint mpi_fortran_weights_empty_;
RP_EXPORT MPI_Fint mpi_fortran_errcodes_ignore_;
RP_EXPORT char mpi_fortran_argv_null_;
RP_EXPORT char mpi_fortran_argvs_null_;
RP_EXPORT double mpi_fortran_status_ignore_;
RP_EXPORT double mpi_fortran_statuses_ignore_;
RP_EXPORT MPI_Fint *MPI_F_STATUS_IGNORE = (MPI_Fint *)&mpi_fortran_status_ignore_;
RP_EXPORT MPI_Fint *MPI_F_STATUSES_IGNORE = (MPI_Fint *)&mpi_fortran_statuses_ignore_;
