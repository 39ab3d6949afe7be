/* SPDX-License-Identifier: BSD-3-Clause */
#include "mpi/env.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "mpi/attr.h"
#include "mpi/comm.h"
#include "mpi/compat.h"
#include "mpi/fortran.h"
#include "mpi/message.h"
#include "mpi/wrap.h"

static void say(const char *text)
{
	rp_sys6(SYS_write, 2, (long)text, (long)strlen(text), 0, 0, 0);
}

void rp_env_misuse(const char *function)
{
	say("*** The ");
	say(function);
	say(rp_stub.state < RP_MPI_READY ? "() function was called before MPI_INIT was invoked.\n"
					 : "() function was called after MPI_FINALIZE was invoked.\n");
	say("*** This is disallowed by the MPI standard.\n*** Your MPI job will now abort.\n");
	rp_sys6(SYS_exit_group, 1, 0, 0, 0, 0, 0);
	__builtin_unreachable();
}

void rp_env_note(const char *function)
{
	say("*** reprise: error found in ");
	say(function);
	say("\n");
}

static void set_state(enum rp_mpi_state state)
{
	rp_stub.state = state;
	ompi_mpi_state = state == RP_MPI_FINALIZED ? 5 : (int32_t)state;
}

/* After the lower MPI_Init. Inside. 0 or an MPI error code. */
static int world_made(void)
{
	rp_predefined_f_index();
	rp_types_init();
	if (rp_comm_world_init() < 0)
		return MPI_ERR_NO_MEM;
	rp_info_env_init();
	return rp_messages_init();
}

static int init(int *argc, char ***argv, int threads, int required, int *provided)
{
	struct rp_thread *t;
	int rc, level = MPI_THREAD_SINGLE;

	if (rp_stub.state != RP_MPI_NONE) {
		say("*** MPI_INIT was called more than once, or after MPI_FINALIZE.\n*** Your MPI job will now "
		    "abort.\n");
		rp_sys6(SYS_exit_group, 1, 0, 0, 0, 0, 0);
	}
	rp_lower_need();
	rp_env_take();
	t = rp_mpi_enter();
	set_state(RP_MPI_IN_INIT);
	rp_env_give(rp_arena());
	rp_stub.thread_required = required;
	rp_stub.main_tid = (int32_t)rp_sys6(SYS_gettid, 0, 0, 0, 0, 0, 0);
	rc = threads ? rp_lower.MPI_Init_thread(argc, argv, required, &level) : rp_lower.MPI_Init(argc, argv);
	if (rc == MPI_SUCCESS) {
		rp_lower.MPI_Query_thread(&level);
		rp_stub.thread_provided = level;
		rc = world_made();
	}
	set_state(rc == MPI_SUCCESS ? RP_MPI_READY : RP_MPI_NONE);
	rp_leave(t);
	if (rc == MPI_SUCCESS)
		rp_attr_init();
	if (provided)
		*provided = level;
	return rc;
}

RP_EXPORT int PMPI_Init(int *argc, char ***argv)
{
	return init(argc, argv, 0, MPI_THREAD_SINGLE, NULL);
}
RP_ALIAS(MPI_Init);

RP_EXPORT int PMPI_Init_thread(int *argc, char ***argv, int required, int *provided)
{
	return init(argc, argv, 1, required, provided);
}
RP_ALIAS(MPI_Init_thread);

RP_EXPORT int PMPI_Initialized(int *flag)
{
	*flag = rp_stub.state >= RP_MPI_READY;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Initialized);

RP_EXPORT int PMPI_Finalized(int *flag)
{
	*flag = rp_stub.state == RP_MPI_FINALIZED;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Finalized);

RP_EXPORT int PMPI_Finalize(void)
{
	struct rp_comm *world = RP_C(MPI_COMM_WORLD);
	struct rp_thread *t;
	int rc;

	if (rp_stub.state != RP_MPI_READY)
		rp_env_misuse("MPI_Finalize");
	/* the way in which a library learns of the end (MPI-3.1, section 8.7.1) */
	rp_attr_delete_all(RP_OBJ(MPI_COMM_SELF));
	t = rp_coll_enter_at(world->key, &world->seq);
	set_state(RP_MPI_IN_FINALIZE);
	rp_messages_done();
	rc = rp_lower.MPI_Finalize();
	set_state(RP_MPI_FINALIZED);
	rp_coll_leave(t);
	return rc;
}
RP_ALIAS(MPI_Finalize);

/* Does not wait at the gate: the job ends, whatever a checkpoint is doing. */
RP_EXPORT int PMPI_Abort(MPI_Comm comm, int code)
{
	struct rp_thread *t;
	int rc;

	rp_lower_need();
	t = rp_enter();
	rc = rp_lower.MPI_Abort(RP_LOWER_COMM(comm), code);
	rp_leave(t);
	return rc;
}
RP_ALIAS(MPI_Abort);

RP_EXPORT int PMPI_Get_version(int *version, int *subversion)
{
	*version = MPI_VERSION;
	*subversion = MPI_SUBVERSION;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Get_version);

RP_EXPORT int PMPI_Get_library_version(char *version, int *len)
{
	struct rp_thread *t;
	int rc;

	rp_lower_need();
	t = rp_mpi_enter();
	rc = rp_lower.MPI_Get_library_version(version, len);
	rp_leave(t);
	return rc;
}
RP_ALIAS(MPI_Get_library_version);

/* Of Open MPI's extension to ask for CUDA. */
RP_EXPORT int MPIX_Query_cuda_support(void)
{
	int (*query)(void), yes;
	struct rp_thread *t;

	rp_lower_need();
	t = rp_mpi_enter();
	query = (int (*)(void))rp_arena()->lower_dlsym("MPIX_Query_cuda_support");
	yes = query ? query() : 0;
	rp_leave(t);
	return yes;
}

/* The application's monotonic clock, which the stand-in vDSO keeps from going back over a restart. Counted from the first
 * call, as Open MPI does. */
RP_EXPORT double PMPI_Wtime(void)
{
	static struct timespec origin;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!origin.tv_sec)
		origin = now;
	return (double)(now.tv_sec - origin.tv_sec) + (double)(now.tv_nsec - origin.tv_nsec) * 1e-9;
}
RP_ALIAS(MPI_Wtime);

RP_EXPORT int PMPI_Pcontrol(const int level, ...)
{
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Pcontrol);

RP_EXPORT int PMPI_Get_address(const void *location, MPI_Aint *address)
{
	*address = (MPI_Aint)location;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Get_address);

RP_EXPORT MPI_Aint PMPI_Aint_add(MPI_Aint base, MPI_Aint disp)
{
	return base + disp;
}
RP_ALIAS(MPI_Aint_add);

RP_EXPORT MPI_Aint PMPI_Aint_diff(MPI_Aint a, MPI_Aint b)
{
	return a - b;
}
RP_ALIAS(MPI_Aint_diff);

/* Memory of the application: it has to be saved. */
RP_EXPORT int PMPI_Alloc_mem(MPI_Aint size, MPI_Info info, void *baseptr)
{
	void *p = NULL;

	if (size < 0 || !baseptr)
		return rp_comm_raise(NULL, size < 0 ? MPI_ERR_SIZE : MPI_ERR_ARG, "MPI_Alloc_mem");
	if (!info)
		return rp_comm_raise(NULL, MPI_ERR_INFO, "MPI_Alloc_mem");
	if (size && posix_memalign(&p, 64, (size_t)size))
		return rp_comm_raise(NULL, MPI_ERR_NO_MEM, "MPI_Alloc_mem");
	*(void **)baseptr = p;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Alloc_mem);

RP_EXPORT int PMPI_Free_mem(void *base)
{
	free(base);
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Free_mem);

/* ---- error classes, codes and strings of the application: the same numbers after a restart ---- */

/* Inside. An MPI error code. */
static int add(struct rp_error_user *e, int *number)
{
	if (e->what == 0)
		return rp_lower.MPI_Add_error_class(number);
	if (e->what == 1)
		return rp_lower.MPI_Add_error_code(e->of_class, number);
	return rp_lower.MPI_Add_error_string(e->number, e->string);
}

static int remember(struct rp_error_user *e, const char *function)
{
	struct rp_error_user **at;
	struct rp_thread *t;
	int rc;

	if (!e)
		return rp_comm_raise(NULL, MPI_ERR_NO_MEM, function);
	t = rp_mpi_enter();
	rc = add(e, &e->number);
	if (rc == MPI_SUCCESS) {
		rp_lock();
		for (at = &rp_stub.error_users; *at; at = &(*at)->next)
			;
		*at = e;
		rp_unlock();
	}
	rp_leave(t);
	if (rc != MPI_SUCCESS) {
		rp_heap_free(e);
		return rp_comm_error(NULL, rc);
	}
	if (e->what < 2)
		rp_attr_lastusedcode(e->number);
	return MPI_SUCCESS;
}

int rp_errors_rebuild(void)
{
	struct rp_error_user *e;
	int number, rc;

	for (e = rp_stub.error_users; e; e = e->next) {
		number = e->number;
		rc = add(e, &number);
		if (rc != MPI_SUCCESS || number != e->number)
			return rc != MPI_SUCCESS ? rc : MPI_ERR_INTERN;
	}
	return MPI_SUCCESS;
}

RP_EXPORT int PMPI_Add_error_class(int *errorclass)
{
	struct rp_error_user *e = rp_heap_alloc(sizeof(*e));
	int rc = remember(e, "MPI_Add_error_class");

	if (rc == MPI_SUCCESS)
		*errorclass = e->number;
	return rc;
}
RP_ALIAS(MPI_Add_error_class);

RP_EXPORT int PMPI_Add_error_code(int errorclass, int *errorcode)
{
	struct rp_error_user *e = rp_heap_alloc(sizeof(*e));
	int rc;

	if (e) {
		e->what = 1;
		e->of_class = errorclass;
	}
	rc = remember(e, "MPI_Add_error_code");
	if (rc == MPI_SUCCESS)
		*errorcode = e->number;
	return rc;
}
RP_ALIAS(MPI_Add_error_code);

RP_EXPORT int PMPI_Add_error_string(int errorcode, const char *string)
{
	struct rp_error_user *e = rp_heap_alloc(sizeof(*e));

	if (e) {
		e->what = 2;
		e->number = errorcode;
		strncpy(e->string, string, sizeof(e->string) - 1);
	}
	return remember(e, "MPI_Add_error_string");
}
RP_ALIAS(MPI_Add_error_string);
