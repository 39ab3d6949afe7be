/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What messages need once per incarnation of the lower library: two private communicators, and after a restart the
 * receives that were open.
 */
#include "mpi/request.h"

#include <errno.h>

#include "mpi/control.h"

static int duplicate(MPI_Comm of, MPI_Comm *out)
{
	int rc = rp_lower.MPI_Comm_dup(of, out);

	if (rc == MPI_SUCCESS)
		rc = rp_lower.MPI_Comm_set_errhandler(*out, rp_real(MPI_ERRORS_RETURN));
	return rc;
}

/* Open MPI gives one request that is never freed to everybody whose send is complete at once; a send to nobody always is. A
 * library that does not has two requests here. */
static void learn_complete(void)
{
	MPI_Request r[2];

	rp_msg.complete = NULL;
	for (int i = 0; i < 2; i++)
		if (rp_lower.MPI_Isend(NULL, 0, RP_LOWER_TYPE(MPI_BYTE), MPI_PROC_NULL, 0, rp_msg.world, &r[i]))
			return;
	if (r[0] == r[1])
		rp_msg.complete = r[0];
	else
		rp_lower.MPI_Waitall(2, r, MPI_STATUSES_IGNORE);
}

/* Programs of one job may ask for different levels; what the members of a communicator do together must not differ. */
static int learn_threads(void)
{
	int level = rp_stub.thread_provided, highest = level;
	int rc =
		rp_lower.MPI_Allreduce(&level, &highest, 1, RP_LOWER_TYPE(MPI_INT), RP_LOWER_OP(MPI_MAX), rp_msg.world);

	rp_msg.threaded = level == MPI_THREAD_MULTIPLE;
	rp_msg.threaded_in_job = highest == MPI_THREAD_MULTIPLE;
	return rc;
}

int rp_messages_init(void)
{
	int rc = duplicate(RP_LOWER_COMM(MPI_COMM_WORLD), &rp_msg.world);

	if (rc == MPI_SUCCESS)
		rc = learn_threads();
	if (rc == MPI_SUCCESS)
		rc = duplicate(RP_LOWER_COMM(MPI_COMM_SELF), &rp_msg.self);
	if (rc == MPI_SUCCESS)
		learn_complete();
	rp_msg.ready = rc == MPI_SUCCESS;
	return rc;
}

void rp_messages_done(void)
{
	if (!rp_msg.ready)
		return;
	rp_msg.ready = 0;
	rp_lower.MPI_Comm_free(&rp_msg.world);
	rp_lower.MPI_Comm_free(&rp_msg.self);
}

/* After a drain every send is complete; open are receives that nothing had matched. */
static int post_again(struct rp_req *r)
{
	MPI_Request lower = NULL;
	int rc;

	if (r->kind != RP_REQ_RECV || !(r->flags & RP_REQ_ACTIVE) || (r->flags & RP_REQ_DONE))
		return MPI_SUCCESS;
	rc = rp_lower.MPI_Irecv(r->buf, r->count, RP_LOWER_TYPE(r->type), r->peer, r->tag, RP_LOWER_COMM(r->comm),
				&lower);
	if (rc == MPI_SUCCESS)
		r->o.lower = lower;
	return rc;
}

int rp_messages_replay(char *text, uint32_t size)
{
	rp_msg.ready = 0;
	if (rp_messages_init() != MPI_SUCCESS) {
		rp_text(text, size, "the private communicators could not be made again", NULL, NULL);
		return -EIO;
	}
	for (struct rp_link *l = rp_msg.live.next; l != &rp_msg.live; l = l->next)
		if (post_again(rp_req_of_link(l)) != MPI_SUCCESS) {
			rp_text(text, size, "an open receive could not be posted again", NULL, NULL);
			return -EIO;
		}
	return 0;
}
