/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Completion of requests (MPI 3.1, sections 3.7.3 to 3.7.5), MPI_Cancel and MPI_Request_free. A request that has
 * completed keeps its status here until the application takes it, so a test of many that fails loses nothing.
 */
#include "mpi/export.h"
#include "mpi/request.h"

#define CHUNK 64

static inline int is_inactive(MPI_Request h)
{
	return h == MPI_REQUEST_NULL || !(RP_Q(h)->flags & RP_REQ_ACTIVE);
}

static inline int is_sent(MPI_Request h)
{
	return (void *)h == &rp_req_sent;
}

/* A plain receive from its test to its end in one go. 1: taken; 0: not complete, or something is to be said about it:
 * the long way. */
static inline int take_recv(MPI_Request *request, MPI_Status *status)
{
	struct rp_req *r = RP_Q(*request);
	MPI_Request lower = r->o.lower;
	MPI_Status st;
	int flag = 0, rc;

	if (r->kind != RP_REQ_RECV || r->flags != RP_REQ_ACTIVE)
		return 0;
	rc = rp_lower.MPI_Test(&lower, &flag, &st);
	if (__builtin_expect(rc != MPI_SUCCESS || !flag, 0)) {
		if (rc != MPI_SUCCESS)
			rp_req_complete(r, rc, &st, 0);
		return 0;
	}
	if (__builtin_expect(!st._cancelled, 1))
		rp_count_received(&st);
	rp_status_give(status, &st);
	*request = MPI_REQUEST_NULL;
	rp_req_free(r);
	return 1;
}

/* Takes one completion; *comm is where an error belongs, referenced when there is one. */
static int take(MPI_Request *request, MPI_Status *status, struct rp_comm **comm)
{
	struct rp_req *r = RP_Q(*request);

	if (__builtin_expect(r->rc != MPI_SUCCESS, 0) && r->comm) {
		rp_object_ref(r->comm);
		*comm = r->comm;
	}
	return rp_req_take(request, r, status);
}

static int fail(struct rp_comm *comm, int rc)
{
	rc = rp_comm_error(comm, rc);
	if (comm)
		rp_object_unref(comm);
	return rc;
}

RP_EXPORT int PMPI_Wait(MPI_Request *request, MPI_Status *status)
{
	struct rp_comm *comm = NULL;
	struct rp_thread *t;
	int rc;

	if (is_inactive(*request)) {
		rp_status_empty(status);
		return MPI_SUCCESS;
	}
	if (is_sent(*request))
		return rp_req_take(request, RP_Q(*request), status);
	t = rp_mpi_enter();
	rp_req_wait(t, RP_Q(*request));
	rc = take(request, status, &comm);
	rp_leave(t);
	return rc == MPI_SUCCESS ? rc : fail(comm, rc);
}
RP_ALIAS(MPI_Wait);

RP_EXPORT int PMPI_Test(MPI_Request *request, int *flag, MPI_Status *status)
{
	struct rp_comm *comm = NULL;
	struct rp_thread *t;
	int rc = MPI_SUCCESS;

	*flag = 1;
	if (is_inactive(*request)) {
		rp_status_empty(status);
		return MPI_SUCCESS;
	}
	t = rp_mpi_enter();
	*flag = rp_req_poll(RP_Q(*request));
	if (*flag)
		rc = take(request, status, &comm);
	rp_leave(t);
	return rc == MPI_SUCCESS ? rc : fail(comm, rc);
}
RP_ALIAS(MPI_Test);

RP_EXPORT int PMPI_Request_get_status(MPI_Request request, int *flag, MPI_Status *status)
{
	struct rp_thread *t;

	*flag = 1;
	if (!request)
		return rp_comm_raise(NULL, MPI_ERR_REQUEST, "MPI_Request_get_status");
	if (is_inactive(request)) {
		rp_status_empty(status);
		return MPI_SUCCESS;
	}
	t = rp_mpi_enter();
	*flag = rp_req_poll(RP_Q(request));
	if (*flag)
		rp_status_give(status, &RP_Q(request)->status);
	rp_leave(t);
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Request_get_status);

/* ---- many ---- */

struct failures {
	struct rp_comm *comm; /* of the first one, referenced */
	int n;
};

/* Takes one of many. */
static inline void take_one(MPI_Request *request, MPI_Status *status, struct failures *f)
{
	struct rp_comm *c = NULL;
	int rc = MPI_SUCCESS;

	if (is_inactive(*request))
		rp_status_empty(status);
	else
		rc = take(request, status, &c);
	if (status)
		status->MPI_ERROR = rc;
	if (__builtin_expect(rc == MPI_SUCCESS, 1))
		return;
	if (!f->n++)
		f->comm = c;
	else if (c)
		rp_object_unref(c);
}

static int finish_all(struct rp_thread *t, const struct failures *f)
{
	rp_leave(t);
	return f->n ? fail(f->comm, MPI_ERR_IN_STATUS) : MPI_SUCCESS;
}

RP_EXPORT int PMPI_Waitall(int count, MPI_Request requests[], MPI_Status statuses[])
{
	struct rp_thread *t = rp_mpi_enter();
	struct failures f = { 0 };

	for (int i = 0; i < count; i++) {
		MPI_Status *status = statuses ? &statuses[i] : NULL;

		if (!is_inactive(requests[i])) {
			if (take_recv(&requests[i], status)) {
				if (status)
					status->MPI_ERROR = MPI_SUCCESS;
				continue;
			}
			rp_req_wait(t, RP_Q(requests[i]));
		}
		take_one(&requests[i], status, &f);
	}
	return finish_all(t, &f);
}
RP_ALIAS(MPI_Waitall);

RP_EXPORT int PMPI_Testall(int count, MPI_Request requests[], int *flag, MPI_Status statuses[])
{
	struct rp_thread *t = rp_mpi_enter();
	struct failures f = { 0 };

	*flag = 1;
	for (int i = 0; i < count && *flag; i++)
		if (!is_inactive(requests[i]))
			*flag = rp_req_poll(RP_Q(requests[i]));
	for (int i = 0; i < count && *flag; i++)
		take_one(&requests[i], statuses ? &statuses[i] : NULL, &f);
	return finish_all(t, &f);
}
RP_ALIAS(MPI_Testall);

/* One turn for up to CHUNK requests that are open in the lower library. */
static void poll_chunk(int n, MPI_Request lower[], struct rp_req *reqs[])
{
	MPI_Status statuses[CHUNK];
	int indices[CHUNK], out = 0, rc;

	rc = rp_lower.MPI_Testsome(n, lower, &out, indices, statuses);
	if (out == MPI_UNDEFINED)
		return;
	for (int i = 0; i < out; i++)
		rp_req_complete(reqs[indices[i]], rc == MPI_ERR_IN_STATUS ? statuses[i].MPI_ERROR : MPI_SUCCESS,
				&statuses[i], 0);
}

/* One turn for all. Returns how many are complete; *active: how many are neither null nor inactive. */
static int poll_many(int count, MPI_Request requests[], int *active)
{
	struct rp_req *reqs[CHUNK];
	MPI_Request lower[CHUNK];
	int done = 0, n = 0;

	*active = 0;
	for (int i = 0; i < count; i++) {
		struct rp_req *r = RP_Q(requests[i]);

		if (is_inactive(requests[i]))
			continue;
		++*active;
		if (r->flags & (RP_REQ_DONE | RP_REQ_HELD | RP_REQ_SUSPECT)) {
			done += rp_req_poll(r);
			continue;
		}
		reqs[n] = r;
		lower[n++] = r->o.lower;
		if (n == CHUNK) {
			poll_chunk(n, lower, reqs);
			n = 0;
		}
	}
	if (n)
		poll_chunk(n, lower, reqs);
	if (!done)
		for (int i = 0; i < count; i++)
			done += !is_inactive(requests[i]) && (RP_Q(requests[i])->flags & RP_REQ_DONE);
	return done;
}

/* Until one is complete; 0: none is active. */
static int wait_many(struct rp_thread *t, int count, MPI_Request requests[])
{
	int active, done;

	while ((done = poll_many(count, requests, &active)) == 0 && active)
		if (rp_gate_wants(t)) {
			rp_leave(t);
			rp_mpi_enter();
		}
	return done;
}

static int take_any(struct rp_thread *t, int count, MPI_Request requests[], int *index, MPI_Status *status)
{
	struct rp_comm *comm = NULL;
	int rc = MPI_SUCCESS;

	*index = MPI_UNDEFINED;
	for (int i = 0; i < count; i++) {
		if (is_inactive(requests[i]) || !(RP_Q(requests[i])->flags & RP_REQ_DONE))
			continue;
		*index = i;
		rc = take(&requests[i], status, &comm);
		break;
	}
	if (*index == MPI_UNDEFINED)
		rp_status_empty(status);
	rp_leave(t);
	return rc == MPI_SUCCESS ? rc : fail(comm, rc);
}

RP_EXPORT int PMPI_Waitany(int count, MPI_Request requests[], int *index, MPI_Status *status)
{
	struct rp_thread *t = rp_mpi_enter();

	wait_many(t, count, requests);
	return take_any(t, count, requests, index, status);
}
RP_ALIAS(MPI_Waitany);

RP_EXPORT int PMPI_Testany(int count, MPI_Request requests[], int *index, int *flag, MPI_Status *status)
{
	struct rp_thread *t = rp_mpi_enter();
	int active;

	*flag = poll_many(count, requests, &active) > 0 || !active;
	if (*flag)
		return take_any(t, count, requests, index, status);
	*index = MPI_UNDEFINED;
	rp_leave(t);
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Testany);

static int take_some(struct rp_thread *t, int count, MPI_Request requests[], int *outcount, int indices[],
		     MPI_Status statuses[])
{
	struct rp_comm *comm = NULL;
	int failed = 0, n = 0;

	for (int i = 0; i < count; i++) {
		MPI_Status *status = statuses ? &statuses[n] : NULL;
		struct rp_comm *c = NULL;
		int rc;

		if (is_inactive(requests[i]) || !(RP_Q(requests[i])->flags & RP_REQ_DONE))
			continue;
		rc = take(&requests[i], status, &c);
		if (status)
			status->MPI_ERROR = rc;
		indices[n++] = i;
		if (rc != MPI_SUCCESS && !failed++)
			comm = c;
		else if (c)
			rp_object_unref(c);
	}
	*outcount = n;
	rp_leave(t);
	return failed ? fail(comm, MPI_ERR_IN_STATUS) : MPI_SUCCESS;
}

static int some(int count, MPI_Request requests[], int *outcount, int indices[], MPI_Status statuses[], int wait)
{
	struct rp_thread *t = rp_mpi_enter();
	int active = 1;

	if (wait)
		active = wait_many(t, count, requests);
	else
		poll_many(count, requests, &active);
	if (active)
		return take_some(t, count, requests, outcount, indices, statuses);
	*outcount = MPI_UNDEFINED;
	rp_leave(t);
	return MPI_SUCCESS;
}

RP_EXPORT int PMPI_Waitsome(int incount, MPI_Request requests[], int *outcount, int indices[], MPI_Status statuses[])
{
	return some(incount, requests, outcount, indices, statuses, 1);
}
RP_ALIAS(MPI_Waitsome);

RP_EXPORT int PMPI_Testsome(int incount, MPI_Request requests[], int *outcount, int indices[], MPI_Status statuses[])
{
	return some(incount, requests, outcount, indices, statuses, 0);
}
RP_ALIAS(MPI_Testsome);

/* ---- the end of a request ---- */

/* An active operation goes on as an orphan: the drain must still see it end. */
RP_EXPORT int PMPI_Request_free(MPI_Request *request)
{
	struct rp_req *r = request ? RP_Q(*request) : NULL;
	struct rp_thread *t;
	MPI_Request lower;

	if (!request || !r || *request == MPI_REQUEST_NULL)
		return rp_comm_raise(NULL, MPI_ERR_REQUEST, "MPI_Request_free");
	t = rp_mpi_enter();
	if (r->kind == RP_REQ_OTHER && r->o.lower && !(r->flags & RP_REQ_ACTIVE)) {
		lower = r->o.lower;
		rp_lower.MPI_Request_free(&lower);
	}
	if ((r->flags & (RP_REQ_ACTIVE | RP_REQ_DONE)) == RP_REQ_ACTIVE) {
		rp_msg_lock();
		r->flags |= RP_REQ_ORPHAN;
		rp_msg.orphans++;
		rp_msg_unlock();
		rp_req_reap();
	} else {
		rp_req_free(r);
	}
	*request = MPI_REQUEST_NULL;
	rp_leave(t);
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Request_free);

/* What is complete already, here or in the receiver's queue, is too late to cancel. */
RP_EXPORT int PMPI_Cancel(MPI_Request *request)
{
	struct rp_req *r = request ? RP_Q(*request) : NULL;
	struct rp_thread *t;
	MPI_Request lower;
	int rc = MPI_SUCCESS;

	if (!request || !r || *request == MPI_REQUEST_NULL)
		return rp_comm_raise(NULL, MPI_ERR_REQUEST, "MPI_Cancel");
	t = rp_mpi_enter();
	if (r->o.lower && (r->flags & RP_REQ_ACTIVE)) {
		lower = r->o.lower;
		rc = rp_lower.MPI_Cancel(&lower);
		r->flags |= RP_REQ_CANCEL;
	}
	rp_leave(t);
	return rc == MPI_SUCCESS ? rc : rp_comm_error(r->comm, rc);
}
RP_ALIAS(MPI_Cancel);
