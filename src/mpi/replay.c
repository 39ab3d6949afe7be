/* SPDX-License-Identifier: BSD-3-Clause
 *
 * After a restart: every live object again in the new lower library, in place. Order: functions and predefined handles,
 * error codes, types (parts are older than wholes), operations, then communicators by key, so that all members make them
 * in the same order; topologies and handlers on each. Groups and infos are made again when a call needs them.
 */
#include <errno.h>
#include <string.h>

#include "mpi/comm.h"
#include "mpi/wrap.h"

/* text = "what: detail". */
static int fail(char *text, uint32_t size, const char *what, const char *detail)
{
	uint32_t n = 0;

	for (; *what && n + 1 < size; what++)
		text[n++] = *what;
	for (; *detail && n + 1 < size; detail++)
		text[n++] = *detail;
	if (size)
		text[n] = '\0';
	return -EIO;
}

static int replay_types(char *text, uint32_t size)
{
	struct rp_object *o;

	for (o = rp_first(RP_TYPE); o; o = rp_next(o))
		if (rp_type_rebuild((struct rp_type *)o) != MPI_SUCCESS)
			return fail(text, size, "a datatype cannot be made again", "");
	for (o = rp_first(RP_OP); o; o = rp_next(o))
		if (rp_op_rebuild((struct rp_op *)o) != MPI_SUCCESS)
			return fail(text, size, "a reduction operation cannot be made again", "");
	return 0;
}

static void forget_lower(enum rp_object_kind kind)
{
	struct rp_object *o;

	for (o = rp_first(kind); o; o = rp_next(o))
		o->lower = NULL;
}

/* ---- communicators ---- */

/* The next in the order of keys; ties cannot be (a key is a communicator). */
static struct rp_comm *next_by_key(uint64_t after, int first)
{
	struct rp_comm *best = NULL;
	struct rp_object *o;

	for (o = rp_first(RP_COMM); o; o = rp_next(o)) {
		struct rp_comm *c = (struct rp_comm *)o;

		if ((first || c->key > after) && (!best || c->key < best->key))
			best = c;
	}
	return best;
}

/* Collective over the local group alone. */
static int make_intra(struct rp_comm *c, MPI_Comm *out)
{
	MPI_Comm world = RP_LOWER_COMM(MPI_COMM_WORLD);
	MPI_Group all, members;
	int rc;

	rc = rp_lower.MPI_Comm_group(world, &all);
	if (rc != MPI_SUCCESS)
		return rc;
	rc = rp_lower.MPI_Group_incl(all, c->size, c->world, &members);
	if (rc == MPI_SUCCESS) {
		rc = rp_lower.MPI_Comm_create_group(world, members, (int)(c->key & 0x7fff), out);
		rp_lower.MPI_Group_free(&members);
	}
	rp_lower.MPI_Group_free(&all);
	return rc;
}

static int make_inter(struct rp_comm *c, MPI_Comm *out)
{
	MPI_Comm local;
	int rc = make_intra(c, &local);

	if (rc != MPI_SUCCESS)
		return rc;
	rc = rp_lower.MPI_Intercomm_create(local, 0, RP_LOWER_COMM(MPI_COMM_WORLD), c->remote_world[0],
					   (int)(c->key & 0x7fff), out);
	rp_lower.MPI_Comm_free(&local);
	return rc;
}

static int make_comm(struct rp_comm *c)
{
	MPI_Comm made = MPI_COMM_NULL, plain;
	int rc = c->o.flags & RP_INTER ? make_inter(c, &made) : make_intra(c, &made);

	if (rc == MPI_SUCCESS && c->topo) {
		plain = made;
		rc = rp_topo_build(plain, c->topo, c->topology, &made);
		rp_lower.MPI_Comm_free(&plain);
	}
	if (rc == MPI_SUCCESS)
		rc = rp_lower.MPI_Comm_set_errhandler(made, rp_errhandler_lower(c->errhandler));
	if (rc == MPI_SUCCESS && c->info)
		rp_lower.MPI_Comm_set_info(made, rp_info_lower(c->info));
	c->o.lower = made;
	return rc;
}

/* While objects are made again an error comes back instead of ending the process. */
static int replay_comms(char *text, uint32_t size)
{
	MPI_Comm own[2] = { MPI_COMM_WORLD, MPI_COMM_SELF };
	struct rp_comm *c;
	uint64_t key = 0;
	int first = 1;

	while ((c = next_by_key(key, first))) {
		if (make_comm(c) != MPI_SUCCESS)
			return fail(text, size, "a communicator cannot be made again: ", c->name);
		key = c->key;
		first = 0;
	}
	for (int i = 0; i < 2; i++)
		rp_lower.MPI_Comm_set_errhandler(RP_LOWER_COMM(own[i]), rp_errhandler_lower(RP_C(own[i])->errhandler));
	return 0;
}

/* The job has to have the shape that it had. */
static int check_shape(char *text, uint32_t size)
{
	MPI_Comm world = RP_LOWER_COMM(MPI_COMM_WORLD);
	int rank = -1, n = -1;

	if (rp_lower.MPI_Comm_set_errhandler(world, rp_real(MPI_ERRORS_RETURN)) != MPI_SUCCESS ||
	    rp_lower.MPI_Comm_rank(world, &rank) != MPI_SUCCESS || rp_lower.MPI_Comm_size(world, &n) != MPI_SUCCESS)
		return fail(text, size, "MPI_COMM_WORLD of the new job does not answer", "");
	if (n != rp_stub.world_size)
		return fail(text, size, "the new job has another number of ranks", "");
	if (rank != rp_stub.world_rank)
		return fail(text, size, "the new job gave this rank another number", "");
	return 0;
}

int rp_objects_replay(char *text, uint32_t size)
{
	char name[64] = "";
	int rc = rp_lower_fill(name, sizeof(name));

	if (rc < 0)
		return fail(text, size, "the MPI library lacks ", name);
	forget_lower(RP_GROUP);
	forget_lower(RP_INFO);
	rc = check_shape(text, size);
	if (rc < 0)
		return rc;
	if (rp_errors_rebuild() != MPI_SUCCESS)
		return fail(text, size, "error codes of the application get other numbers", "");
	rc = replay_types(text, size);
	return rc < 0 ? rc : replay_comms(text, size);
}

int rp_objects_refuse(char *text, uint32_t size)
{
	struct rp_object *o = rp_first(RP_WIN);

	if (o) {
		fail(text, size, ((struct rp_win *)o)->made_by, ": a window is open; free it before the checkpoint");
		return 1;
	}
	o = rp_first(RP_FILE);
	if (o) {
		fail(text, size, ((struct rp_file *)o)->made_by,
		     ": a file is open by MPI-IO; close it before the checkpoint");
		return 1;
	}
	if (rp_stub.tool_sessions > 0) {
		fail(text, size, rp_stub.tool_by,
		     ": a handle or session of the tool interface is open; free it before the checkpoint");
		return 1;
	}
	for (o = rp_first(RP_COMM); o; o = rp_next(o)) {
		const struct rp_comm *c = (const struct rp_comm *)o;

		if (c->native_local_group->foreign) {
			fail(text, size, "a communicator with processes outside MPI_COMM_WORLD exists; ",
			     "disconnect it before the checkpoint");
			return 1;
		}
		if (o->flags & RP_FREED) {
			fail(text, size, "MPI_Comm_free: ",
			     "a communicator was freed while requests on it are pending; complete them before the "
			     "checkpoint");
			return 1;
		}
	}
	for (o = rp_first(RP_GROUP); o; o = rp_next(o))
		if (((const struct rp_group *)o)->foreign) {
			fail(text, size, "a group with processes outside MPI_COMM_WORLD exists; ",
			     "free it before the checkpoint");
			return 1;
		}
	return 0;
}
