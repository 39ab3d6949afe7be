/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Creation and freeing of communicators. All are collective: they count on the parent's clock, and on its count of
 * creations, from which every member derives the same key for the new one.
 */
#include <string.h>

#include "mpi/attr.h"
#include "mpi/comm.h"
#include "mpi/request.h"
#include "mpi/wrap.h"

struct creation {
	struct rp_comm *parent, *fresh;
	uint64_t nth;
	struct rp_thread *t;
};

/* Checks the parent and makes the object. An MPI error code, already raised. */
static int prepare(struct creation *n, MPI_Comm parent, MPI_Comm *out, const char *function)
{
	*n = (struct creation){ .parent = RP_C(parent) };
	if (!parent || n->parent->o.flags & RP_NULL_HANDLE || !out)
		return rp_comm_raise(NULL, out ? MPI_ERR_COMM : MPI_ERR_ARG, function);
	n->fresh = rp_comm_new(n->parent);
	if (!n->fresh)
		return rp_comm_raise(n->parent, MPI_ERR_NO_MEM, function);
	n->nth = ++n->parent->created;
	return MPI_SUCCESS;
}

/* The same, and enters. */
static int begin(struct creation *n, MPI_Comm parent, MPI_Comm *out, const char *function)
{
	int rc = prepare(n, parent, out, function);

	if (rc == MPI_SUCCESS)
		n->t = rp_coll_enter_at(n->parent->key, &n->parent->seq);
	return rc;
}

/* Leaves and gives the handle out. */
static int end(struct creation *n, int rc, MPI_Comm *out)
{
	int made = 0;

	if (rc == MPI_SUCCESS)
		made = rp_comm_learn(n->fresh, n->parent->key, n->nth);
	rp_coll_leave(n->t);
	if (made <= 0)
		rp_object_discard(n->fresh);
	if (rc == MPI_SUCCESS && made < 0)
		rc = MPI_ERR_NO_MEM;
	if (rc != MPI_SUCCESS)
		return rp_comm_error(n->parent, rc);
	*out = made ? (MPI_Comm)n->fresh : MPI_COMM_NULL;
	return MPI_SUCCESS;
}

#define FRESH(n) ((MPI_Comm *)&(n).fresh->o.lower)

/* A duplicate has the attributes that their callbacks copy; one that fails takes the duplicate with it. */
static int dup_attributes(struct creation *n, int rc, MPI_Comm *out)
{
	if (rc != MPI_SUCCESS)
		return rc;
	rc = rp_attr_copy(&n->parent->o, &n->fresh->o);
	if (rc == MPI_SUCCESS)
		return rc;
	PMPI_Comm_free(out);
	return rp_comm_error(n->parent, rc);
}

RP_EXPORT int PMPI_Comm_dup(MPI_Comm comm, MPI_Comm *newcomm)
{
	struct creation n;
	int rc = begin(&n, comm, newcomm, "MPI_Comm_dup");

	if (rc != MPI_SUCCESS)
		return rc;
	rc = rp_lower.MPI_Comm_dup(RP_LOWER_COMM(comm), FRESH(n));
	rc = end(&n, rc, newcomm);
	return dup_attributes(&n, rc, newcomm);
}
RP_ALIAS(MPI_Comm_dup);

RP_EXPORT int PMPI_Comm_dup_with_info(MPI_Comm comm, MPI_Info info, MPI_Comm *newcomm)
{
	struct creation n;
	int rc = begin(&n, comm, newcomm, "MPI_Comm_dup_with_info");

	if (rc != MPI_SUCCESS)
		return rc;
	rc = rp_lower.MPI_Comm_dup_with_info(RP_LOWER_COMM(comm), RP_LOWER_INFO(info), FRESH(n));
	rc = end(&n, rc, newcomm);
	if (rc == MPI_SUCCESS)
		rp_comm_keep_info(RP_C(*newcomm), info);
	return dup_attributes(&n, rc, newcomm);
}
RP_ALIAS(MPI_Comm_dup_with_info);

/* The duplicate has its parent's members, so all is known before the lower library has finished. */
RP_EXPORT int PMPI_Comm_idup(MPI_Comm comm, MPI_Comm *newcomm, MPI_Request *request)
{
	MPI_Request lower = NULL;
	struct rp_request *req;
	struct creation n;
	int rc = prepare(&n, comm, newcomm, "MPI_Comm_idup");

	if (rc != MPI_SUCCESS)
		return rc;
	n.t = rp_nbcoll_enter(n.parent);
	req = rp_request_begin();
	rc = rp_lower.MPI_Comm_idup(RP_LOWER_COMM(comm), FRESH(n), &lower);
	if (rc == MPI_SUCCESS)
		rp_comm_like(n.fresh, n.parent, n.nth);
	*request = rp_request_other(req, rc, lower, RP_OTHER_COLL, "MPI_Comm_idup", n.parent);
	rp_leave(n.t);
	if (rc != MPI_SUCCESS) {
		rp_object_discard(n.fresh);
		return rp_comm_error(n.parent, rc);
	}
	*newcomm = (MPI_Comm)n.fresh;
	return rp_attr_copy(&n.parent->o, &n.fresh->o);
}
RP_ALIAS(MPI_Comm_idup);

RP_EXPORT int PMPI_Comm_split(MPI_Comm comm, int color, int key, MPI_Comm *newcomm)
{
	struct creation n;
	int rc = begin(&n, comm, newcomm, "MPI_Comm_split");

	if (rc != MPI_SUCCESS)
		return rc;
	rc = rp_lower.MPI_Comm_split(RP_LOWER_COMM(comm), color, key, FRESH(n));
	return end(&n, rc, newcomm);
}
RP_ALIAS(MPI_Comm_split);

RP_EXPORT int PMPI_Comm_split_type(MPI_Comm comm, int type, int key, MPI_Info info, MPI_Comm *newcomm)
{
	struct creation n;
	int rc = begin(&n, comm, newcomm, "MPI_Comm_split_type");

	if (rc != MPI_SUCCESS)
		return rc;
	rc = rp_lower.MPI_Comm_split_type(RP_LOWER_COMM(comm), type, key, RP_LOWER_INFO(info), FRESH(n));
	return end(&n, rc, newcomm);
}
RP_ALIAS(MPI_Comm_split_type);

RP_EXPORT int PMPI_Comm_create(MPI_Comm comm, MPI_Group group, MPI_Comm *newcomm)
{
	struct creation n;
	int rc = begin(&n, comm, newcomm, "MPI_Comm_create");

	if (rc != MPI_SUCCESS)
		return rc;
	rc = rp_lower.MPI_Comm_create(RP_LOWER_COMM(comm), RP_LOWER_GROUP(group), FRESH(n));
	return end(&n, rc, newcomm);
}
RP_ALIAS(MPI_Comm_create);

/* The entry of a group under a communicator, made at its first use. */
struct rp_comm_calls *rp_comm_calls(struct rp_comm *comm, uint64_t group_hash)
{
	struct rp_comm_calls *e;

	rp_lock();
	for (e = comm->group_calls; e && e->group_hash != group_hash;)
		e = e->next;
	if (!e) {
		e = rp_heap_alloc(sizeof(*e));
		if (e) {
			e->group_hash = group_hash;
			e->key = rp_key_mix(rp_key_mix(comm->key, group_hash), 0x100000000UL);
			e->next = comm->group_calls;
			comm->group_calls = e;
		}
	}
	rp_unlock();
	return e;
}

/* The clock of such calls. Threads tell theirs apart by tag and come in any order, so that one count of all would hide who
 * is behind. One for each tag would grow with a program that uses a new tag each time: so many share. */
#define TAGS 16

static struct rp_comm_calls *create_calls(struct rp_comm *parent, const struct rp_group *group, int tag)
{
	return rp_comm_calls(parent, rp_key_mix(group->hash, (uint32_t)tag % TAGS));
}

/* Which call of the group this was: with threads the members may count two calls in different order, so the first one's
 * count is told. In every job with threads, whatever the own program asked for; members of other jobs know nothing of
 * this one. Inside. */
static uint64_t agreed(uint64_t seq, int tag, MPI_Group group, MPI_Comm lower)
{
	uint64_t nth = rp_key_mix(seq, (uint32_t)tag);

	if (__builtin_expect(rp_msg.threaded_in_job, 0) && !RP_G(group)->foreign)
		rp_lower.MPI_Bcast(&nth, 1, RP_LOWER_TYPE(MPI_UINT64_T), 0, lower);
	return nth;
}

/* Collective over the group alone: the clock, the count and the key are the group's. */
RP_EXPORT int PMPI_Comm_create_group(MPI_Comm comm, MPI_Group group, int tag, MPI_Comm *newcomm)
{
	struct creation n = { .parent = RP_C(comm) };
	struct rp_comm_calls *e;
	int rc, made = 0;

	if (!comm || n.parent->o.flags & RP_NULL_HANDLE)
		return rp_comm_raise(NULL, MPI_ERR_COMM, "MPI_Comm_create_group");
	if (!group || !newcomm)
		return rp_comm_raise(n.parent, group ? MPI_ERR_ARG : MPI_ERR_GROUP, "MPI_Comm_create_group");
	if (RP_G(group)->my_rank == MPI_UNDEFINED) {
		*newcomm = MPI_COMM_NULL;
		return MPI_SUCCESS;
	}
	e = create_calls(n.parent, RP_G(group), tag);
	n.fresh = rp_comm_new(n.parent);
	if (!e || !n.fresh)
		return rp_comm_raise(n.parent, MPI_ERR_NO_MEM, "MPI_Comm_create_group");
	n.t = rp_coll_enter_shared(e->key, &e->seq, &n.nth);
	rc = rp_lower.MPI_Comm_create_group(RP_LOWER_COMM(comm), RP_LOWER_GROUP(group), tag, FRESH(n));
	if (rc == MPI_SUCCESS)
		made = rp_comm_learn(n.fresh, e->key, agreed(n.nth, tag, group, n.fresh->o.lower));
	rp_coll_leave(n.t);
	if (made <= 0)
		rp_object_discard(n.fresh);
	if (rc != MPI_SUCCESS)
		return rp_comm_error(n.parent, rc);
	*newcomm = made > 0 ? (MPI_Comm)n.fresh : MPI_COMM_NULL;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Comm_create_group);

RP_EXPORT int PMPI_Cart_create(MPI_Comm comm, int ndims, const int dims[], const int periods[], int reorder,
			       MPI_Comm *newcomm)
{
	struct creation n;
	int rc = begin(&n, comm, newcomm, "MPI_Cart_create");

	if (rc != MPI_SUCCESS)
		return rc;
	rc = rp_lower.MPI_Cart_create(RP_LOWER_COMM(comm), ndims, dims, periods, reorder, FRESH(n));
	return end(&n, rc, newcomm);
}
RP_ALIAS(MPI_Cart_create);

RP_EXPORT int PMPI_Cart_sub(MPI_Comm comm, const int remain[], MPI_Comm *newcomm)
{
	struct creation n;
	int rc = begin(&n, comm, newcomm, "MPI_Cart_sub");

	if (rc != MPI_SUCCESS)
		return rc;
	rc = rp_lower.MPI_Cart_sub(RP_LOWER_COMM(comm), remain, FRESH(n));
	return end(&n, rc, newcomm);
}
RP_ALIAS(MPI_Cart_sub);

RP_EXPORT int PMPI_Graph_create(MPI_Comm comm, int nnodes, const int index[], const int edges[], int reorder,
				MPI_Comm *newcomm)
{
	struct creation n;
	int rc = begin(&n, comm, newcomm, "MPI_Graph_create");

	if (rc != MPI_SUCCESS)
		return rc;
	rc = rp_lower.MPI_Graph_create(RP_LOWER_COMM(comm), nnodes, index, edges, reorder, FRESH(n));
	return end(&n, rc, newcomm);
}
RP_ALIAS(MPI_Graph_create);

RP_EXPORT int PMPI_Dist_graph_create(MPI_Comm comm, int nnodes, const int nodes[], const int degrees[],
				     const int targets[], const int weights[], MPI_Info info, int reorder,
				     MPI_Comm *newcomm)
{
	struct creation n;
	int rc = begin(&n, comm, newcomm, "MPI_Dist_graph_create");

	if (rc != MPI_SUCCESS)
		return rc;
	rc = rp_lower.MPI_Dist_graph_create(RP_LOWER_COMM(comm), nnodes, nodes, degrees, targets, weights,
					    RP_LOWER_INFO(info), reorder, FRESH(n));
	return end(&n, rc, newcomm);
}
RP_ALIAS(MPI_Dist_graph_create);

RP_EXPORT int PMPI_Dist_graph_create_adjacent(MPI_Comm comm, int indegree, const int sources[],
					      const int sourceweights[], int outdegree, const int destinations[],
					      const int destweights[], MPI_Info info, int reorder, MPI_Comm *newcomm)
{
	struct creation n;
	int rc = begin(&n, comm, newcomm, "MPI_Dist_graph_create_adjacent");

	if (rc != MPI_SUCCESS)
		return rc;
	rc = rp_lower.MPI_Dist_graph_create_adjacent(RP_LOWER_COMM(comm), indegree, sources, sourceweights, outdegree,
						     destinations, destweights, RP_LOWER_INFO(info), reorder, FRESH(n));
	return end(&n, rc, newcomm);
}
RP_ALIAS(MPI_Dist_graph_create_adjacent);

RP_EXPORT int PMPI_Intercomm_create(MPI_Comm local, int leader, MPI_Comm peer, int remote_leader, int tag,
				    MPI_Comm *newcomm)
{
	struct creation n;
	int rc, made = 0;

	rc = begin(&n, local, newcomm, "MPI_Intercomm_create");
	if (rc != MPI_SUCCESS)
		return rc;
	/* The clock is the local group's; the other group has to come, too. */
	if (n.parent->rank == leader && peer)
		rp_msg_awaits(rp_peer_world(RP_C(peer), remote_leader));
	rc = rp_lower.MPI_Intercomm_create(RP_LOWER_COMM(local), leader, RP_LOWER_COMM(peer), remote_leader, tag,
					   FRESH(n));
	if (rc == MPI_SUCCESS)
		made = rp_comm_learn_inter(n.fresh, n.parent);
	rp_msg_awaits(-1);
	rp_coll_leave(n.t);
	if (made <= 0)
		rp_object_discard(n.fresh);
	if (rc != MPI_SUCCESS || made <= 0)
		return rp_comm_error(n.parent, rc != MPI_SUCCESS ? rc : MPI_ERR_NO_MEM);
	*newcomm = (MPI_Comm)n.fresh;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Intercomm_create);

RP_EXPORT int PMPI_Intercomm_merge(MPI_Comm inter, int high, MPI_Comm *newcomm)
{
	struct creation n;
	int rc = begin(&n, inter, newcomm, "MPI_Intercomm_merge");

	if (rc != MPI_SUCCESS)
		return rc;
	rc = rp_lower.MPI_Intercomm_merge(RP_LOWER_COMM(inter), high, FRESH(n));
	return end(&n, rc, newcomm);
}
RP_ALIAS(MPI_Intercomm_merge);

/* ---- freeing ---- */

static int comm_gone(MPI_Comm *comm, int disconnect, const char *function)
{
	struct rp_comm *c = comm ? RP_C(*comm) : NULL;
	struct rp_comm_calls *freed;
	struct rp_thread *t;
	MPI_Comm lower;
	int rc;

	if (!c || c->o.flags & RP_NULL_HANDLE || c == RP_C(MPI_COMM_WORLD) || c == RP_C(MPI_COMM_SELF))
		return rp_comm_raise(NULL, MPI_ERR_COMM, function);
	rc = rp_attr_delete_all(&c->o);
	if (rc != MPI_SUCCESS)
		return rp_comm_error(c, rc);
	freed = rp_comm_freed(c);
	t = rp_coll_enter_at(c->key, &c->seq);
	rp_messages_comm_gone(c);
	lower = c->o.lower;
	rc = disconnect ? rp_lower.MPI_Comm_disconnect(&lower) : rp_lower.MPI_Comm_free(&lower);
	if (rc == MPI_SUCCESS)
		c->o.flags |= RP_FREED;
	if (rc == MPI_SUCCESS && freed) {
		__atomic_add_fetch(&freed->mark, c->key, __ATOMIC_RELAXED);
		__atomic_add_fetch(&freed->seq, 1, __ATOMIC_RELAXED);
	}
	rp_coll_leave(t);
	if (rc != MPI_SUCCESS)
		return rp_comm_error(c, rc);
	rp_object_unref(c);
	*comm = MPI_COMM_NULL;
	return MPI_SUCCESS;
}

RP_EXPORT int PMPI_Comm_free(MPI_Comm *comm)
{
	return comm_gone(comm, 0, "MPI_Comm_free");
}
RP_ALIAS(MPI_Comm_free);

RP_EXPORT int PMPI_Comm_disconnect(MPI_Comm *comm)
{
	return comm_gone(comm, 1, "MPI_Comm_disconnect");
}
RP_ALIAS(MPI_Comm_disconnect);

/* A program that was spawned has a parent; the handle is the same at every call. */
RP_EXPORT int PMPI_Comm_get_parent(MPI_Comm *parent)
{
	static struct rp_comm *known;
	struct rp_comm *fresh = rp_comm_new(NULL);
	struct rp_thread *t = rp_mpi_enter();
	int rc = rp_lower.MPI_Comm_get_parent((MPI_Comm *)&fresh->o.lower);
	int made = 0;

	if (rc == MPI_SUCCESS && !known) {
		made = rp_comm_learn(fresh, 3, 0);
		if (made > 0)
			known = fresh;
	}
	rp_leave(t);
	if (known != fresh)
		rp_object_discard(fresh);
	*parent = known ? (MPI_Comm)known : MPI_COMM_NULL;
	return rc;
}
RP_ALIAS(MPI_Comm_get_parent);
