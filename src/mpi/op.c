/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reduction operations of the application. The lower library calls fn(in, inout, len, type) with nothing that tells
 * which operation it is, so each one owns a trampoline that loads its number and jumps to op_call(); there the thread
 * goes to its own FS and the lower datatype handle becomes the application's.
 */
#include "mpi/comm.h"
#include "mpi/fortran.h"
#include "mpi/wrap.h"

#define NSLOTS 1024
#define SLOT_BYTES 16
#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define OP_FORTRAN 2U /* bit of native_flags */

static struct rp_op *slots[NSLOTS];

/* Arguments stay where they are: rdi, rsi, rdx, rcx; the number is the fifth, r8. */
__asm__(".text\n"
	".balign 16\n"
	".hidden rp_op_slots\n"
	".globl rp_op_slots\n"
	"rp_op_slots:\n"
	".set slot, 0\n"
	".rept " STRING(NSLOTS) "\n"
				".balign " STRING(SLOT_BYTES) "\n"
							      "movl $slot, %r8d\n"
							      "jmp rp_op_call\n"
							      ".set slot, slot + 1\n"
							      ".endr\n");
extern char rp_op_slots[] RP_HIDE;
RP_HIDE void rp_op_call(void *in, void *inout, int *len, MPI_Datatype *type, uint32_t slot);

/* On the application's FS. */
static __attribute__((noinline)) void op_user(const struct rp_op *op, void *in, void *inout, int *len,
					      MPI_Datatype type)
{
	if (op->native_flags & OP_FORTRAN) {
		MPI_Fint f_len = *len, f_type = rp_c2f(type);

		((void (*)(void *, void *, MPI_Fint *, MPI_Fint *))(void (*)(void))op->fn)(in, inout, &f_len, &f_type);
		return;
	}
	if (op->cxx)
		((void (*)(void *, void *, int *, MPI_Datatype *, MPI_User_function *))(
			 void (*)(void))op->fn)(in, inout, len, &type, op->cxx);
	else
		op->fn(in, inout, len, &type);
}

/* The C++ bindings create an operation with a function of their own, and name the application's here. */
RP_EXPORT void ompi_op_set_cxx_callback(MPI_Op op, MPI_User_function *fn)
{
	RP_O(op)->cxx = fn;
}

void rp_op_call(void *in, void *inout, int *len, MPI_Datatype *type, uint32_t slot)
{
	const struct rp_op *op = slots[slot];
	MPI_Datatype upper = rp_object_of(RP_TYPE, *type);
	struct rp_thread *t = rp_upcall_begin();

	if (!t)
		return; /* a helper of the lower half: such a library would have to be refused at launch */
	op_user(op, in, inout, len, upper ? upper : MPI_DATATYPE_NULL);
	rp_upcall_end(t);
}

static MPI_User_function *op_entry(int32_t slot)
{
	return (MPI_User_function *)(void *)(rp_op_slots + (size_t)slot * SLOT_BYTES);
}

static int32_t slot_take(struct rp_op *op)
{
	int32_t i;

	rp_lock();
	for (i = 0; i < NSLOTS && slots[i]; i++)
		;
	if (i < NSLOTS)
		slots[i] = op;
	rp_unlock();
	return i < NSLOTS ? i : -1;
}

void rp_op_release(struct rp_op *op)
{
	if (op->slot >= 0)
		slots[op->slot] = NULL;
}

int rp_op_rebuild(struct rp_op *op)
{
	return rp_lower.MPI_Op_create(op_entry(op->slot), !!(op->o.flags & RP_COMMUTATIVE), (MPI_Op *)&op->o.lower);
}

RP_EXPORT int PMPI_Op_create(MPI_User_function *function, int commute, MPI_Op *out)
{
	struct rp_op *op;
	struct rp_thread *t;
	int rc;

	if (!function || !out)
		return rp_comm_raise(NULL, MPI_ERR_ARG, "MPI_Op_create");
	op = rp_object_new(RP_OP, sizeof(*op));
	if (!op)
		return rp_comm_raise(NULL, MPI_ERR_NO_MEM, "MPI_Op_create");
	op->fn = function;
	op->o.flags = commute ? RP_COMMUTATIVE : 0;
	op->slot = slot_take(op);
	if (op->slot < 0) {
		rp_object_discard(op);
		return rp_comm_raise(NULL, MPI_ERR_NO_MEM, "MPI_Op_create");
	}
	t = rp_mpi_enter();
	rc = rp_op_rebuild(op);
	if (rc == MPI_SUCCESS)
		rp_object_link(op);
	rp_leave(t);
	if (rc != MPI_SUCCESS) {
		rp_object_discard(op);
		return rp_comm_error(NULL, rc);
	}
	*out = (MPI_Op)op;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Op_create);

RP_EXPORT int PMPI_Op_free(MPI_Op *op)
{
	struct rp_op *o = op ? RP_O(*op) : NULL;
	struct rp_thread *t;
	int rc = MPI_SUCCESS;

	if (!o || o->o.flags & RP_PREDEFINED)
		return rp_comm_raise(NULL, MPI_ERR_OP, "MPI_Op_free");
	t = rp_mpi_enter();
	if (o->o.refs == 1)
		rc = rp_lower.MPI_Op_free((MPI_Op *)&o->o.lower);
	rp_object_unref(o);
	rp_leave(t);
	*op = MPI_OP_NULL;
	return rc == MPI_SUCCESS ? rc : rp_comm_error(NULL, rc);
}
RP_ALIAS(MPI_Op_free);

RP_EXPORT int PMPI_Op_commutative(MPI_Op op, int *commute)
{
	if (!op || RP_OBJ(op)->flags & RP_NULL_HANDLE || !commute)
		return rp_comm_raise(NULL, commute ? MPI_ERR_OP : MPI_ERR_ARG, "MPI_Op_commutative");
	*commute = !!(RP_OBJ(op)->flags & RP_COMMUTATIVE);
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Op_commutative);
