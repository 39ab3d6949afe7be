/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Objects that are not carried across a restart yet: windows, files, communicators with processes outside of the world,
 * handles of the tool interface. They work; a checkpoint while one is alive is refused by name.
 */
#include <string.h>

#include "mpi/comm.h"
#include "mpi/wrap.h"

void *rp_foreign_new(enum rp_object_kind kind, const char *made_by, struct rp_comm *comm)
{
	static const size_t sizes[RP_NKINDS] = { [RP_WIN] = sizeof(struct rp_win), [RP_FILE] = sizeof(struct rp_file) };
	void *o = kind == RP_COMM ? (void *)rp_comm_new(comm) : rp_object_new(kind, sizes[kind]);

	if (!o)
		rp_comm_raise(comm, MPI_ERR_NO_MEM, made_by);
	if (o && kind == RP_WIN) {
		((struct rp_win *)o)->made_by = made_by;
		((struct rp_win *)o)->native_keyhash = o;
	}
	if (o && kind == RP_FILE) {
		((struct rp_file *)o)->made_by = made_by;
		((struct rp_file *)o)->errhandler = RP_F(MPI_FILE_NULL)->errhandler;
	}
	return o;
}

void rp_foreign_made(void *object)
{
	struct rp_object *o = object;

	if (o->kind == RP_COMM) {
		struct rp_comm *c = object;

		if (rp_comm_learn(c, 4, 0) > 0)
			c->native_local_group->foreign = 1;
		return;
	}
	rp_object_link(o);
}

void *rp_foreign_handle(void *object)
{
	struct rp_object *o = object;

	if (o->link.next)
		return o;
	rp_object_discard(o);
	return rp_null_object(RP_COMM);
}

void rp_foreign_freed(void *object)
{
	rp_object_unref(object);
}

void rp_foreign_counted(const char *made_by)
{
	rp_stub.tool_by = made_by;
	__atomic_add_fetch(&rp_stub.tool_sessions, 1, __ATOMIC_RELAXED);
}

void rp_foreign_uncounted(void)
{
	__atomic_sub_fetch(&rp_stub.tool_sessions, 1, __ATOMIC_RELAXED);
}

/* ---- the tool interface: its handles are the lower library's; an MPI handle is handed to it by address ---- */

RP_EXPORT int PMPI_T_init_thread(int required, int *provided)
{
	struct rp_thread *t;
	int rc;

	rp_lower_need();
	rp_env_take();
	t = rp_mpi_enter();
	rp_env_give(rp_arena());
	rc = rp_lower.MPI_T_init_thread(required, provided);
	rp_leave(t);
	return rc;
}
RP_ALIAS(MPI_T_init_thread);

RP_EXPORT int PMPI_T_cvar_handle_alloc(int index, void *object, MPI_T_cvar_handle *handle, int *count)
{
	struct rp_thread *t = rp_mpi_enter();
	void *lower = object ? rp_real(*(void **)object) : NULL;
	int rc = rp_lower.MPI_T_cvar_handle_alloc(index, object ? &lower : NULL, handle, count);

	if (rc == MPI_SUCCESS)
		rp_foreign_counted("MPI_T_cvar_handle_alloc");
	rp_leave(t);
	return rc;
}
RP_ALIAS(MPI_T_cvar_handle_alloc);

RP_EXPORT int PMPI_T_pvar_handle_alloc(MPI_T_pvar_session session, int index, void *object, MPI_T_pvar_handle *handle,
				       int *count)
{
	struct rp_thread *t = rp_mpi_enter();
	void *lower = object ? rp_real(*(void **)object) : NULL;
	int rc = rp_lower.MPI_T_pvar_handle_alloc(session, index, object ? &lower : NULL, handle, count);

	rp_leave(t);
	return rc;
}
RP_ALIAS(MPI_T_pvar_handle_alloc);

/* ---- user-defined data representations: three callbacks that are given extra_state ---- */

struct datarep {
	MPI_Datarep_conversion_function *read, *write;
	MPI_Datarep_extent_function *extent;
	void *extra;
};

static int datarep_convert(MPI_Datarep_conversion_function *fn, struct datarep *d, void *userbuf, MPI_Datatype type,
			   int count, void *filebuf, MPI_Offset position)
{
	void *upper = rp_object_of(RP_TYPE, type);
	struct rp_thread *t = rp_upcall_begin();
	int rc = MPI_ERR_CONVERSION;

	if (t) {
		rc = fn(userbuf, upper ? upper : MPI_DATATYPE_NULL, count, filebuf, position, d->extra);
		rp_upcall_end(t);
	}
	return rc;
}

static int datarep_read(void *userbuf, MPI_Datatype type, int count, void *filebuf, MPI_Offset position, void *extra)
{
	return datarep_convert(((struct datarep *)extra)->read, extra, userbuf, type, count, filebuf, position);
}

static int datarep_write(void *userbuf, MPI_Datatype type, int count, void *filebuf, MPI_Offset position, void *extra)
{
	return datarep_convert(((struct datarep *)extra)->write, extra, userbuf, type, count, filebuf, position);
}

static int datarep_extent(MPI_Datatype type, MPI_Aint *extent, void *extra)
{
	struct datarep *d = extra;
	void *upper = rp_object_of(RP_TYPE, type);
	struct rp_thread *t = rp_upcall_begin();
	int rc = MPI_ERR_CONVERSION;

	if (t) {
		rc = d->extent(upper ? upper : MPI_DATATYPE_NULL, extent, d->extra);
		rp_upcall_end(t);
	}
	return rc;
}

RP_EXPORT int PMPI_Register_datarep(const char *name, MPI_Datarep_conversion_function *read,
				    MPI_Datarep_conversion_function *write, MPI_Datarep_extent_function *extent,
				    void *extra)
{
	struct datarep *d = rp_heap_alloc(sizeof(*d)); /* for the life of the process: it cannot be unregistered */
	struct rp_thread *t;
	int rc;

	if (!d)
		return rp_comm_raise(NULL, MPI_ERR_NO_MEM, "MPI_Register_datarep");
	*d = (struct datarep){ read, write, extent, extra };
	t = rp_mpi_enter();
	rc = rp_lower.MPI_Register_datarep(name, read ? datarep_read : NULL, write ? datarep_write : NULL,
					   datarep_extent, d);
	rp_leave(t);
	return rc == MPI_SUCCESS ? rc : rp_file_error(NULL, rc);
}
RP_ALIAS(MPI_Register_datarep);

/* ---- generalized requests: the same, and the Fortran bindings mark theirs in the request ---- */

struct grequest {
	MPI_Grequest_query_function *query;
	MPI_Grequest_free_function *free;
	MPI_Grequest_cancel_function *cancel;
	void *extra;
	struct rp_request *request;
};

typedef void greq_query_fortran(void *extra, MPI_Fint *status, MPI_Fint *ierr);
typedef void greq_free_fortran(void *extra, MPI_Fint *ierr);
typedef void greq_cancel_fortran(void *extra, MPI_Fint *complete, MPI_Fint *ierr);

static int greq_query(void *extra, MPI_Status *status)
{
	struct grequest *g = extra;
	struct rp_thread *t = rp_upcall_begin();
	MPI_Fint ierr = MPI_SUCCESS;
	int rc;

	if (!t)
		return MPI_ERR_OTHER;
	if (g->request->native_greq_is_c) {
		rc = g->query(g->extra, status);
	} else {
		((greq_query_fortran *)(void (*)(void))g->query)(g->extra, (MPI_Fint *)status, &ierr);
		rc = ierr;
	}
	rp_upcall_end(t);
	return rc;
}

static int greq_free(void *extra)
{
	struct grequest *g = extra;
	struct rp_thread *t = rp_upcall_begin();
	MPI_Fint ierr = MPI_SUCCESS;
	int rc;

	if (!t)
		return MPI_ERR_OTHER;
	if (g->request->native_greq_is_c) {
		rc = g->free(g->extra);
	} else {
		((greq_free_fortran *)(void (*)(void))g->free)(g->extra, &ierr);
		rc = ierr;
	}
	rp_upcall_end(t);
	return rc;
}

static int greq_cancel(void *extra, int complete)
{
	struct grequest *g = extra;
	struct rp_thread *t = rp_upcall_begin();
	MPI_Fint ierr = MPI_SUCCESS, f_complete = complete;
	int rc;

	if (!t)
		return MPI_ERR_OTHER;
	if (g->request->native_greq_is_c) {
		rc = g->cancel(g->extra, complete);
	} else {
		((greq_cancel_fortran *)(void (*)(void))g->cancel)(g->extra, &f_complete, &ierr);
		rc = ierr;
	}
	rp_upcall_end(t);
	return rc;
}

RP_EXPORT int PMPI_Grequest_start(MPI_Grequest_query_function *query, MPI_Grequest_free_function *free_fn,
				  MPI_Grequest_cancel_function *cancel, void *extra, MPI_Request *request)
{
	struct grequest *g = rp_heap_alloc(sizeof(*g));
	MPI_Request lower = NULL;
	struct rp_thread *t;
	int rc;

	if (!g)
		return rp_comm_raise(NULL, MPI_ERR_NO_MEM, "MPI_Grequest_start");
	t = rp_mpi_enter();
	*g = (struct grequest){ query, free_fn, cancel, extra, rp_request_begin() };
	g->request->native_greq_is_c = 1;
	rp_request_attach(g->request, g);
	rc = rp_lower.MPI_Grequest_start(greq_query, greq_free, greq_cancel, g, &lower);
	*request = rp_request_other(g->request, rc, lower, RP_OTHER_REFUSE, "MPI_Grequest_start", NULL);
	rp_leave(t);
	return rc == MPI_SUCCESS ? rc : rp_comm_error(NULL, rc);
}
RP_ALIAS(MPI_Grequest_start);
