/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The least stub that shows the switch: a few MPI functions by lower_dlsym, for tests of the split process alone. Takes
 * the place of libmpi.so.40, with mpi.h not used: handles are fetched from the lower library by name.
 */
#include <stdio.h>

#include "ministub.h"
#include "split/switch.h"

#define PUBLIC __attribute__((visibility("default")))

#ifdef OLD_OPS
extern struct rp_stub_ops rp_stub_ops __attribute__((visibility("hidden")));

/* A stub of another release; the lower half calls none of its functions. */
struct rp_stub_ops rp_stub_ops = { .version = RP_STUB_OPS_VERSION - 1, .size = sizeof(rp_stub_ops) };
#endif

static void *find(const char *name)
{
	struct rp_thread *t = rp_enter();
	void *p = rp_arena()->lower_dlsym(name);

	rp_leave(t);
	return p;
}

#define CALL(ret, name, params, args) \
	PUBLIC ret name params \
	{ \
		static ret(*fn) params; \
		struct rp_thread *self_; \
		ret ret_; \
		if (!fn) \
			fn = (ret(*) params)find(#name); \
		self_ = rp_enter(); \
		ret_ = fn args; \
		rp_leave(self_); \
		return ret_; \
	}

static void *world(void)
{
	static void *w;

	return w ? w : (w = find("ompi_mpi_comm_world"));
}

static void *type_int(void)
{
	static void *w;

	return w ? w : (w = find("ompi_mpi_int"));
}

CALL(int, MPI_Init_thread, (int *argc, char ***argv, int want, int *got), (argc, argv, want, got))
CALL(int, MPI_Finalize, (void), ())
CALL(int, MPI_Comm_rank, (void *c, int *r), (c, r))
CALL(int, MPI_Comm_size, (void *c, int *r), (c, r))
CALL(int, MPI_Barrier, (void *c), (c))
CALL(int, MPI_Send, (const void *b, int n, void *t_, int p, int tag, void *c), (b, n, t_, p, tag, c))
CALL(int, MPI_Recv, (void *b, int n, void *t_, int p, int tag, void *c, void *s), (b, n, t_, p, tag, c, s))
CALL(int, MPI_Op_create, (void *f, int commute, void **op), (f, commute, op))
CALL(int, MPI_Allreduce, (const void *a, void *b, int n, void *t_, void *op, void *c), (a, b, n, t_, op, c))

PUBLIC void *mini_world(void)
{
	return world();
}

PUBLIC void *mini_int(void)
{
	return type_int();
}

/* A user operation: the lower half calls back here, and this calls the application. */
static void (*user_op)(void *, void *, int *, void *);

static void __attribute__((noinline)) call_user(void *in, void *inout, int *len, void *type)
{
	user_op(in, inout, len, type);
}

static void op_callback(void *in, void *inout, int *len, void *type)
{
	struct rp_thread *t = rp_upcall_begin();

	if (t) {
		call_user(in, inout, len, type);
		rp_upcall_end(t);
	}
}

PUBLIC int mini_op(void (*fn)(void *, void *, int *, void *), void **op)
{
	user_op = fn;
	return MPI_Op_create((void *)op_callback, 1, op);
}

PUBLIC int mini_depth(void)
{
	return (int)rp_thread_mine()->depth;
}
