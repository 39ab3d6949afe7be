/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Error handlers. The lower objects only know "fatal" and "return"; a handler of the application runs here, after the
 * lower call has come back with its error, on the application's FS, as an ordinary call.
 */
#include "mpi/comm.h"
#include "mpi/compat.h"
#include "mpi/env.h"
#include "mpi/fortran.h"
#include "mpi/wrap.h"

/* Open MPI's own extra; C++ bindings used it. */
extern struct rp_errhandler ompi_mpi_errors_throw_exceptions;

typedef void handler_fn(void *object, int *code, ...);
typedef void fortran_fn(MPI_Fint *object, MPI_Fint *code);

static struct rp_errhandler *world_handler(void)
{
	struct rp_errhandler *e = RP_C(MPI_COMM_WORLD)->errhandler;

	return e ? e : RP_E(MPI_ERRORS_ARE_FATAL);
}

static int is_user(const struct rp_errhandler *e)
{
	return e && e->fn;
}

/* Runs the application's handler, if it is one. The object is what the handler is given. */
static int run(struct rp_errhandler *e, void *object, int rc)
{
	int code = rc;

	if (!is_user(e))
		return rc;
	rp_object_ref(e); /* the handler may free itself */
	if (e->fortran) {
		MPI_Fint f_object = rp_c2f(object), f_code = rc;

		((fortran_fn *)e->fn)(&f_object, &f_code);
	} else {
		((handler_fn *)e->fn)(&object, &code);
	}
	rp_object_unref(e);
	return rc;
}

int rp_comm_error(struct rp_comm *c, int rc)
{
	if (!c || c->o.flags & RP_NULL_HANDLE)
		c = RP_C(MPI_COMM_WORLD);
	return run(c->errhandler ? c->errhandler : world_handler(), c, rc);
}

int rp_win_error(struct rp_win *win, int rc)
{
	return run(win && win->errhandler ? win->errhandler : world_handler(), win, rc);
}

int rp_file_error(struct rp_file *file, int rc)
{
	if (!file)
		file = RP_F(MPI_FILE_NULL); /* holds the default: also that of a file that could not be opened */
	return run(file->errhandler, file, rc);
}

int rp_comm_raise(struct rp_comm *c, int code, const char *function)
{
	struct rp_thread *t;

	if (rp_stub.state != RP_MPI_READY)
		rp_env_misuse(function);
	if (!c || c->o.flags & RP_NULL_HANDLE)
		c = RP_C(MPI_COMM_WORLD);
	if (!is_user(c->errhandler) && c->errhandler != RP_E(MPI_ERRORS_RETURN)) {
		t = rp_mpi_enter(); /* prints what the library prints, and does not come back */
		rp_env_note(function);
		rp_lower.MPI_Comm_call_errhandler(RP_LOWER_COMM(c), code);
		rp_leave(t);
	}
	return rp_comm_error(c, code);
}

/* ---- handles ---- */

static int make(int kind, int fortran, void (*fn)(void), MPI_Errhandler *out)
{
	struct rp_errhandler *e;

	if (!fn || !out)
		return rp_comm_raise(NULL, MPI_ERR_ARG, "MPI_Errhandler_create");
	e = rp_object_new(RP_ERRHANDLER, sizeof(*e));
	if (!e)
		return rp_comm_raise(NULL, MPI_ERR_NO_MEM, "MPI_Errhandler_create");
	e->object_kind = kind;
	e->fortran = fortran;
	e->fn = fn;
	rp_object_link(e);
	*out = (MPI_Errhandler)e;
	return MPI_SUCCESS;
}

RP_EXPORT int PMPI_Comm_create_errhandler(MPI_Comm_errhandler_function *function, MPI_Errhandler *errhandler)
{
	return make(RP_COMM, 0, (void (*)(void))function, errhandler);
}
RP_ALIAS(MPI_Comm_create_errhandler);

RP_EXPORT int PMPI_Win_create_errhandler(MPI_Win_errhandler_function *function, MPI_Errhandler *errhandler)
{
	return make(RP_WIN, 0, (void (*)(void))function, errhandler);
}
RP_ALIAS(MPI_Win_create_errhandler);

RP_EXPORT int PMPI_File_create_errhandler(MPI_File_errhandler_function *function, MPI_Errhandler *errhandler)
{
	return make(RP_FILE, 0, (void (*)(void))function, errhandler);
}
RP_ALIAS(MPI_File_create_errhandler);

RP_EXPORT int PMPI_Errhandler_create(MPI_Comm_errhandler_function *function, MPI_Errhandler *errhandler)
{
	return make(RP_COMM, 0, (void (*)(void))function, errhandler);
}
RP_ALIAS(MPI_Errhandler_create);

/* What the Fortran bindings call; type 1 communicator, 2 window, 3 file; language 2 is Fortran. */
RP_EXPORT void *ompi_errhandler_create(int type, void (*fn)(void), int language)
{
	static const int kinds[] = { -1, RP_COMM, RP_WIN, RP_FILE };
	MPI_Errhandler e = MPI_ERRHANDLER_NULL;

	if (type >= 1 && type <= 3)
		make(kinds[type], language == 2, fn, &e);
	return e;
}

RP_EXPORT int PMPI_Errhandler_free(MPI_Errhandler *errhandler)
{
	if (!errhandler || !*errhandler || RP_OBJ(*errhandler)->flags & RP_NULL_HANDLE)
		return rp_comm_raise(NULL, MPI_ERR_ARG, "MPI_Errhandler_free");
	rp_object_unref(*errhandler);
	*errhandler = MPI_ERRHANDLER_NULL;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Errhandler_free);

/* Exchanges the handler that an object holds. */
static void hold(struct rp_errhandler **where, MPI_Errhandler errhandler)
{
	rp_object_ref(errhandler);
	if (*where)
		rp_object_unref(*where);
	*where = RP_E(errhandler);
}

static int handler_ok(MPI_Errhandler e, int kind)
{
	return e && !(RP_OBJ(e)->flags & RP_NULL_HANDLE) && (RP_E(e)->object_kind < 0 || RP_E(e)->object_kind == kind);
}

/* What the lower object is told. Inside. */
MPI_Errhandler rp_errhandler_lower(const struct rp_errhandler *e)
{
	return rp_real(e == RP_E(MPI_ERRORS_ARE_FATAL) ? MPI_ERRORS_ARE_FATAL : MPI_ERRORS_RETURN);
}

RP_EXPORT int PMPI_Comm_set_errhandler(MPI_Comm comm, MPI_Errhandler errhandler)
{
	struct rp_thread *t;
	int rc;

	if (!comm || RP_OBJ(comm)->flags & RP_NULL_HANDLE)
		return rp_comm_raise(NULL, MPI_ERR_COMM, "MPI_Comm_set_errhandler");
	if (!handler_ok(errhandler, RP_COMM))
		return rp_comm_raise(RP_C(comm), MPI_ERR_ARG, "MPI_Comm_set_errhandler");
	hold(&RP_C(comm)->errhandler, errhandler);
	t = rp_mpi_enter();
	rc = rp_lower.MPI_Comm_set_errhandler(RP_LOWER_COMM(comm), rp_errhandler_lower(RP_E(errhandler)));
	rp_leave(t);
	return rc;
}
RP_ALIAS(MPI_Comm_set_errhandler);

RP_EXPORT int PMPI_Comm_get_errhandler(MPI_Comm comm, MPI_Errhandler *errhandler)
{
	if (!comm || RP_OBJ(comm)->flags & RP_NULL_HANDLE || !errhandler)
		return rp_comm_raise(NULL, errhandler ? MPI_ERR_COMM : MPI_ERR_ARG, "MPI_Comm_get_errhandler");
	*errhandler = (MPI_Errhandler)(RP_C(comm)->errhandler ? RP_C(comm)->errhandler : world_handler());
	rp_object_ref(*errhandler);
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Comm_get_errhandler);

RP_EXPORT int PMPI_Errhandler_set(MPI_Comm comm, MPI_Errhandler errhandler)
{
	return PMPI_Comm_set_errhandler(comm, errhandler);
}
RP_ALIAS(MPI_Errhandler_set);

RP_EXPORT int PMPI_Errhandler_get(MPI_Comm comm, MPI_Errhandler *errhandler)
{
	return PMPI_Comm_get_errhandler(comm, errhandler);
}
RP_ALIAS(MPI_Errhandler_get);

RP_EXPORT int PMPI_Win_set_errhandler(MPI_Win win, MPI_Errhandler errhandler)
{
	struct rp_thread *t;
	int rc;

	if (!win || RP_OBJ(win)->flags & RP_NULL_HANDLE || !handler_ok(errhandler, RP_WIN))
		return rp_comm_raise(NULL, win && !(RP_OBJ(win)->flags & RP_NULL_HANDLE) ? MPI_ERR_ARG : MPI_ERR_WIN,
				     "MPI_Win_set_errhandler");
	hold(&RP_W(win)->errhandler, errhandler);
	t = rp_mpi_enter();
	rc = rp_lower.MPI_Win_set_errhandler(RP_LOWER_WIN(win), rp_errhandler_lower(RP_E(errhandler)));
	rp_leave(t);
	return rc;
}
RP_ALIAS(MPI_Win_set_errhandler);

RP_EXPORT int PMPI_Win_get_errhandler(MPI_Win win, MPI_Errhandler *errhandler)
{
	if (!win || RP_OBJ(win)->flags & RP_NULL_HANDLE || !errhandler)
		return rp_comm_raise(NULL, errhandler ? MPI_ERR_WIN : MPI_ERR_ARG, "MPI_Win_get_errhandler");
	*errhandler = RP_W(win)->errhandler ? (MPI_Errhandler)RP_W(win)->errhandler : MPI_ERRORS_ARE_FATAL;
	rp_object_ref(*errhandler);
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Win_get_errhandler);

/* MPI_FILE_NULL holds the default of files that are opened later (MPI-3.1, section 13.7). */
RP_EXPORT int PMPI_File_set_errhandler(MPI_File file, MPI_Errhandler errhandler)
{
	struct rp_thread *t;
	int rc;

	if (!file || !handler_ok(errhandler, RP_FILE))
		return rp_comm_raise(NULL, file ? MPI_ERR_ARG : MPI_ERR_FILE, "MPI_File_set_errhandler");
	hold(&RP_F(file)->errhandler, errhandler);
	t = rp_mpi_enter();
	rc = rp_lower.MPI_File_set_errhandler(RP_LOWER_FILE(file), rp_errhandler_lower(RP_E(errhandler)));
	rp_leave(t);
	return rc;
}
RP_ALIAS(MPI_File_set_errhandler);

RP_EXPORT int PMPI_File_get_errhandler(MPI_File file, MPI_Errhandler *errhandler)
{
	if (!file || !errhandler)
		return rp_comm_raise(NULL, errhandler ? MPI_ERR_FILE : MPI_ERR_ARG, "MPI_File_get_errhandler");
	*errhandler = RP_F(file)->errhandler ? (MPI_Errhandler)RP_F(file)->errhandler : MPI_ERRORS_RETURN;
	rp_object_ref(*errhandler);
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_File_get_errhandler);

/* ---- calling a handler ---- */

RP_EXPORT int PMPI_Comm_call_errhandler(MPI_Comm comm, int code)
{
	struct rp_thread *t;
	int rc;

	if (!comm || RP_OBJ(comm)->flags & RP_NULL_HANDLE)
		return rp_comm_raise(NULL, MPI_ERR_COMM, "MPI_Comm_call_errhandler");
	if (is_user(RP_C(comm)->errhandler)) {
		run(RP_C(comm)->errhandler, comm, code);
		return MPI_SUCCESS;
	}
	t = rp_mpi_enter();
	rc = rp_lower.MPI_Comm_call_errhandler(RP_LOWER_COMM(comm), code);
	rp_leave(t);
	return rc;
}
RP_ALIAS(MPI_Comm_call_errhandler);

RP_EXPORT int PMPI_Win_call_errhandler(MPI_Win win, int code)
{
	struct rp_thread *t;
	int rc;

	if (!win || RP_OBJ(win)->flags & RP_NULL_HANDLE)
		return rp_comm_raise(NULL, MPI_ERR_WIN, "MPI_Win_call_errhandler");
	if (is_user(RP_W(win)->errhandler)) {
		run(RP_W(win)->errhandler, win, code);
		return MPI_SUCCESS;
	}
	t = rp_mpi_enter();
	rc = rp_lower.MPI_Win_call_errhandler(RP_LOWER_WIN(win), code);
	rp_leave(t);
	return rc;
}
RP_ALIAS(MPI_Win_call_errhandler);

RP_EXPORT int PMPI_File_call_errhandler(MPI_File file, int code)
{
	struct rp_thread *t;
	int rc;

	if (!file)
		return rp_comm_raise(NULL, MPI_ERR_ARG, "MPI_File_call_errhandler");
	if (is_user(RP_F(file)->errhandler)) {
		run(RP_F(file)->errhandler, file, code);
		return MPI_SUCCESS;
	}
	t = rp_mpi_enter();
	rc = rp_lower.MPI_File_call_errhandler(RP_LOWER_FILE(file), code);
	rp_leave(t);
	return rc;
}
RP_ALIAS(MPI_File_call_errhandler);

/* The Fortran bindings' own errors (out of memory, a blank key): handler and kind come from the communicator's memory. */
RP_EXPORT int ompi_errhandler_invoke(void *handler, void *object, int type, int code, const char *message)
{
	return rp_comm_raise(type == 1 ? object : NULL, code, message);
}

RP_EXPORT void ompi_mpi_errors_are_fatal_comm_handler(MPI_Comm *comm, int *code, ...)
{
	rp_comm_raise(comm && *comm ? RP_C(*comm) : NULL, code ? *code : MPI_ERR_OTHER, "MPI");
	PMPI_Abort(MPI_COMM_WORLD, code ? *code : 1);
}
