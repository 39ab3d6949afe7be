/* SPDX-License-Identifier: BSD-3-Clause */
#include "mpi/comm.h"
#include "mpi/request.h"

#include <errno.h>
#include <string.h>

#include "mpi/attr.h"
#include "mpi/wrap.h"

/* World ranks of a lower group, in memory of the heap; members outside this world: *foreign = 1. Inside. */
static int32_t *lower_members(MPI_Group g, int32_t *n_out, uint32_t *foreign)
{
	MPI_Group world;
	int32_t *from, *to = NULL;
	int n = 0;

	rp_lower.MPI_Group_size(g, &n);
	*n_out = n;
	*foreign = 0;
	from = rp_heap_alloc((size_t)(n + 1) * sizeof(*from));
	to = rp_heap_alloc((size_t)(n + 1) * sizeof(*to));
	if (from && to && n > 0 && rp_lower.MPI_Comm_group(RP_LOWER_COMM(MPI_COMM_WORLD), &world) == MPI_SUCCESS) {
		for (int i = 0; i < n; i++)
			from[i] = i;
		rp_lower.MPI_Group_translate_ranks(g, n, from, world, to);
		rp_lower.MPI_Group_free(&world);
		for (int i = 0; i < n; i++)
			*foreign |= to[i] == MPI_UNDEFINED;
	}
	rp_heap_free(from);
	return to;
}

struct rp_group *rp_group_of(int32_t *world, int32_t n)
{
	struct rp_group *g = rp_object_new(RP_GROUP, sizeof(*g));

	if (!g)
		return NULL;
	g->o.word = n;
	g->world = world;
	g->hash = rp_key_ranks(world, n);
	g->my_rank = MPI_UNDEFINED;
	for (int32_t i = 0; i < n; i++)
		if (world[i] == rp_stub.world_rank)
			g->my_rank = i;
	return g;
}

MPI_Group rp_group_adopt(MPI_Group lower)
{
	struct rp_group *g;
	int32_t *world, n;
	uint32_t foreign;

	if (!lower || lower == rp_real(MPI_GROUP_NULL))
		return MPI_GROUP_NULL;
	if (lower == rp_real(MPI_GROUP_EMPTY))
		return MPI_GROUP_EMPTY;
	world = lower_members(lower, &n, &foreign);
	g = world ? rp_group_of(world, n) : NULL;
	if (!g)
		return MPI_GROUP_NULL;
	g->o.lower = lower;
	g->foreign = foreign;
	rp_object_link(g);
	return (MPI_Group)g;
}

MPI_Group rp_group_lower(struct rp_group *g)
{
	MPI_Group world, lower = NULL;

	if (!g || g->o.lower)
		return g ? g->o.lower : NULL;
	if (rp_lower.MPI_Comm_group(RP_LOWER_COMM(MPI_COMM_WORLD), &world) != MPI_SUCCESS)
		return rp_real(MPI_GROUP_NULL);
	rp_lower.MPI_Group_incl(world, g->o.word, g->world, &lower);
	rp_lower.MPI_Group_free(&world);
	g->o.lower = lower;
	return lower;
}

RP_EXPORT int PMPI_Group_free(MPI_Group *group)
{
	struct rp_group *g = group ? RP_G(*group) : NULL;
	struct rp_thread *t;
	int rc = MPI_SUCCESS;

	if (!g || g->o.flags & RP_NULL_HANDLE)
		return rp_comm_raise(NULL, MPI_ERR_GROUP, "MPI_Group_free");
	if (!(g->o.flags & RP_PREDEFINED)) {
		t = rp_mpi_enter();
		if (g->o.lower && g->o.refs == 1)
			rc = rp_lower.MPI_Group_free((MPI_Group *)&g->o.lower);
		rp_object_unref(g);
		rp_leave(t);
	}
	*group = MPI_GROUP_NULL;
	return rc;
}
RP_ALIAS(MPI_Group_free);

RP_EXPORT int PMPI_Group_size(MPI_Group group, int *size)
{
	if (!group || RP_OBJ(group)->flags & RP_NULL_HANDLE || !size)
		return rp_comm_raise(NULL, size ? MPI_ERR_GROUP : MPI_ERR_ARG, "MPI_Group_size");
	*size = RP_G(group)->o.word;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Group_size);

RP_EXPORT int PMPI_Group_rank(MPI_Group group, int *rank)
{
	if (!group || RP_OBJ(group)->flags & RP_NULL_HANDLE || !rank)
		return rp_comm_raise(NULL, rank ? MPI_ERR_GROUP : MPI_ERR_ARG, "MPI_Group_rank");
	*rank = RP_G(group)->my_rank;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Group_rank);

/* ---- communicators ---- */

struct rp_comm *rp_comm_new(const struct rp_comm *parent)
{
	struct rp_comm *c = rp_object_new(RP_COMM, sizeof(*c));

	if (!c)
		return NULL;
	c->native_keyhash = c;
	c->native_errhandler_type = 1;
	c->errhandler = parent && parent->errhandler ? parent->errhandler : RP_E(MPI_ERRORS_ARE_FATAL);
	rp_object_ref(c->errhandler);
	return c;
}

static int comm_members(struct rp_comm *c)
{
	MPI_Comm lower = c->o.lower;
	MPI_Group g;
	int32_t *world, n;
	uint32_t foreign, remote_foreign;
	int inter = 0;

	rp_lower.MPI_Comm_test_inter(lower, &inter);
	rp_lower.MPI_Comm_group(lower, &g);
	world = lower_members(g, &n, &foreign);
	rp_lower.MPI_Group_free(&g);
	c->native_local_group = c->native_remote_group = world ? rp_group_of(world, n) : NULL;
	if (!c->native_local_group)
		return -ENOMEM;
	c->world = c->native_local_group->world;
	c->size = n;
	rp_lower.MPI_Comm_rank(lower, &c->rank);
	if (!inter)
		return (int)foreign;
	c->o.flags |= RP_INTER;
	c->native_flags = 1;
	rp_lower.MPI_Comm_remote_group(lower, &g);
	world = lower_members(g, &n, &remote_foreign);
	rp_lower.MPI_Group_free(&g);
	c->native_remote_group = world ? rp_group_of(world, n) : NULL;
	if (!c->native_remote_group)
		return -ENOMEM;
	c->native_remote_group->foreign = remote_foreign;
	c->remote_world = c->native_remote_group->world;
	c->remote_size = n;
	return (int)(foreign | remote_foreign);
}

/* First member of both groups: the same number on both sides of an intercommunicator. */
static int32_t comm_first(const struct rp_comm *c)
{
	int32_t first = c->size ? c->world[0] : -1;

	return c->remote_size && c->remote_world[0] < first ? c->remote_world[0] : first;
}

struct rp_comm_calls *rp_comm_freed(const struct rp_comm *c)
{
	uint64_t a = c->native_local_group->hash, b = c->native_remote_group->hash;

	if (c->size + c->remote_size == 1 || c->native_local_group->foreign)
		return NULL;
	return rp_comm_calls(RP_C(MPI_COMM_WORLD), rp_key_mix(rp_key_mix(a < b ? a : b, a < b ? b : a), 0x66726565UL));
}

int rp_comm_learn(struct rp_comm *c, uint64_t parent_key, uint64_t nth)
{
	int len, foreign;

	if (c->o.lower == rp_real(MPI_COMM_NULL))
		return 0;
	foreign = comm_members(c);
	if (foreign < 0)
		return foreign;
	if (foreign)
		c->native_local_group->foreign = 1;
	c->key = rp_key_child(parent_key, nth, comm_first(c));
	c->topo = rp_topo_learn(c->o.lower, &c->topology);
	rp_lower.MPI_Comm_get_name(c->o.lower, c->name, &len);
	rp_comm_freed(c);
	rp_object_link(c);
	return 1;
}

/* Which intercommunicator between its two groups this is: with threads the members may count two in different order, so the
 * number is the one that the first member of both has counted. It goes to the other group through the new
 * intercommunicator, and in its own through `local`, whose other collectives wait for this one. */
static uint64_t inter_agreed(const struct rp_comm *c, uint64_t nth, MPI_Comm local)
{
	MPI_Datatype type = RP_LOWER_TYPE(MPI_UINT64_T);

	if (__builtin_expect(!rp_msg.threaded_in_job, 1))
		return nth;
	if (c->world[0] > c->remote_world[0]) {
		rp_lower.MPI_Bcast(&nth, 1, type, 0, c->o.lower);
		return nth;
	}
	rp_lower.MPI_Bcast(&nth, 1, type, c->rank ? MPI_PROC_NULL : MPI_ROOT, c->o.lower);
	rp_lower.MPI_Bcast(&nth, 1, type, 0, local);
	return nth;
}

int rp_comm_learn_inter(struct rp_comm *c, const struct rp_comm *local)
{
	struct rp_comm_calls *e;
	uint64_t a, b, nth;
	int foreign;

	foreign = comm_members(c);
	if (foreign < 0)
		return foreign;
	a = c->native_local_group->hash;
	b = c->native_remote_group->hash;
	e = rp_comm_calls(RP_C(MPI_COMM_WORLD), rp_key_mix(a < b ? a : b, a < b ? b : a));
	if (!e)
		return -ENOMEM;
	nth = __atomic_add_fetch(&e->seq, 1, __ATOMIC_RELAXED);
	if (foreign)
		c->native_local_group->foreign = 1;
	else
		nth = inter_agreed(c, nth, local->o.lower);
	c->key = rp_key_child(e->key, nth, comm_first(c));
	rp_lower.MPI_Comm_get_name(c->o.lower, c->name, &(int){ 0 });
	rp_comm_freed(c);
	rp_object_link(c);
	return 1;
}

void rp_comm_like(struct rp_comm *c, const struct rp_comm *parent, uint64_t nth)
{
	const struct rp_group *g = parent->native_local_group;

	c->native_local_group = rp_group_of(rp_heap_dup(g->world, (size_t)g->o.word * sizeof(int32_t)), g->o.word);
	c->native_remote_group = c->native_local_group;
	if (c->native_local_group)
		c->world = c->native_local_group->world;
	if (parent->o.flags & RP_INTER) {
		g = parent->native_remote_group;
		c->native_remote_group =
			rp_group_of(rp_heap_dup(g->world, (size_t)g->o.word * sizeof(int32_t)), g->o.word);
		c->o.flags |= RP_INTER;
		c->native_flags = 1;
		c->remote_world = c->native_remote_group->world;
	}
	c->size = parent->size;
	c->rank = parent->rank;
	c->remote_size = parent->remote_size;
	c->topology = parent->topology;
	c->topo = rp_topo_learn(parent->o.lower, &c->topology);
	c->key = rp_key_child(parent->key, nth, comm_first(c));
	rp_comm_freed(c);
	rp_object_link(c);
}

void rp_comm_keep_info(struct rp_comm *c, MPI_Info info)
{
	struct rp_info *copy = info && info != MPI_INFO_NULL ? rp_info_copy(RP_I(info)) : NULL;

	if (c->info)
		rp_object_unref(c->info);
	c->info = copy;
}

RP_EXPORT int PMPI_Comm_set_info(MPI_Comm comm, MPI_Info info)
{
	struct rp_thread *t;
	int rc;

	if (!comm || RP_OBJ(comm)->flags & RP_NULL_HANDLE)
		return rp_comm_raise(NULL, MPI_ERR_COMM, "MPI_Comm_set_info");
	rp_comm_keep_info(RP_C(comm), info);
	t = rp_mpi_enter();
	rc = rp_lower.MPI_Comm_set_info(RP_LOWER_COMM(comm), RP_LOWER_INFO(info));
	rp_leave(t);
	return rc == MPI_SUCCESS ? rc : rp_comm_error(RP_C(comm), rc);
}
RP_ALIAS(MPI_Comm_set_info);

int rp_comm_world_init(void)
{
	static const struct {
		MPI_Comm comm;
		uint64_t key;
	} own[] = { { MPI_COMM_WORLD, 1 }, { MPI_COMM_SELF, 2 } };

	for (int i = 0; i < 2; i++) {
		struct rp_comm *c = RP_C(own[i].comm);
		int len;

		if (comm_members(c) < 0)
			return -ENOMEM;
		c->key = rp_key_child(0, own[i].key, i ? c->world[0] : 0);
		c->errhandler = RP_E(MPI_ERRORS_ARE_FATAL);
		c->native_keyhash = c;
		c->native_errhandler_type = 1;
		rp_lower.MPI_Comm_get_name(c->o.lower, c->name, &len);
		if (!i) { /* world's list was made before the own rank was known */
			rp_stub.world_rank = c->rank;
			rp_stub.world_size = c->size;
			c->native_local_group->my_rank = c->rank;
		}
	}
	RP_C(MPI_COMM_NULL)->native_keyhash = RP_C(MPI_COMM_NULL);
	RP_C(MPI_COMM_NULL)->native_local_group = RP_C(MPI_COMM_NULL)->native_remote_group = RP_G(MPI_GROUP_NULL);
	return 0;
}

void rp_comm_release(struct rp_comm *c)
{
	struct rp_comm_calls *calls, *next;

	if (c->native_remote_group && c->native_remote_group != c->native_local_group)
		rp_object_unref(c->native_remote_group);
	if (c->native_local_group)
		rp_object_unref(c->native_local_group);
	if (c->errhandler)
		rp_object_unref(c->errhandler);
	if (c->info)
		rp_object_unref(c->info);
	for (calls = c->group_calls; calls; calls = next) {
		next = calls->next;
		rp_heap_free(calls);
	}
	rp_topo_free(c->topo);
	rp_attr_release(c->attrs);
}

static int is_comm(MPI_Comm comm)
{
	return comm && !(RP_OBJ(comm)->flags & RP_NULL_HANDLE) && rp_stub.state == RP_MPI_READY;
}

RP_EXPORT int PMPI_Comm_rank(MPI_Comm comm, int *rank)
{
	if (__builtin_expect(!is_comm(comm) || !rank, 0))
		return rp_comm_raise(NULL, rank ? MPI_ERR_COMM : MPI_ERR_ARG, "MPI_Comm_rank");
	*rank = RP_C(comm)->rank;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Comm_rank);

RP_EXPORT int PMPI_Comm_size(MPI_Comm comm, int *size)
{
	if (__builtin_expect(!is_comm(comm) || !size, 0))
		return rp_comm_raise(NULL, size ? MPI_ERR_COMM : MPI_ERR_ARG, "MPI_Comm_size");
	*size = RP_C(comm)->size;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Comm_size);

RP_EXPORT int PMPI_Comm_test_inter(MPI_Comm comm, int *flag)
{
	if (!is_comm(comm) || !flag)
		return rp_comm_raise(NULL, flag ? MPI_ERR_COMM : MPI_ERR_ARG, "MPI_Comm_test_inter");
	*flag = !!(RP_C(comm)->o.flags & RP_INTER);
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Comm_test_inter);

RP_EXPORT int PMPI_Comm_set_name(MPI_Comm comm, const char *name)
{
	struct rp_comm *c = RP_C(comm);

	if (!is_comm(comm) || !name)
		return rp_comm_raise(NULL, name ? MPI_ERR_COMM : MPI_ERR_ARG, "MPI_Comm_set_name");
	strncpy(c->name, name, sizeof(c->name) - 1);
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Comm_set_name);

RP_EXPORT int PMPI_Comm_get_name(MPI_Comm comm, char *name, int *len)
{
	if (!is_comm(comm) || !name || !len)
		return rp_comm_raise(NULL, is_comm(comm) ? MPI_ERR_ARG : MPI_ERR_COMM, "MPI_Comm_get_name");
	strcpy(name, RP_C(comm)->name);
	*len = (int)strlen(name);
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Comm_get_name);

/* A handle of the application's own for a group that a communicator holds. */
static int give_group(const struct rp_group *g, MPI_Group *group)
{
	struct rp_group *copy = rp_group_of(rp_heap_dup(g->world, (size_t)g->o.word * sizeof(int32_t)), g->o.word);

	if (!copy)
		return MPI_ERR_NO_MEM;
	rp_object_link(copy);
	*group = (MPI_Group)copy;
	return MPI_SUCCESS;
}

RP_EXPORT int PMPI_Comm_group(MPI_Comm comm, MPI_Group *group)
{
	struct rp_thread *t;
	MPI_Group lower;
	int rc;

	if (!is_comm(comm) || !group)
		return rp_comm_raise(NULL, group ? MPI_ERR_COMM : MPI_ERR_ARG, "MPI_Comm_group");
	if (!RP_C(comm)->native_local_group->foreign)
		return give_group(RP_C(comm)->native_local_group, group);
	t = rp_mpi_enter();
	rc = rp_lower.MPI_Comm_group(RP_LOWER_COMM(comm), &lower);
	*group = rp_group_adopt(lower);
	rp_leave(t);
	return rc;
}
RP_ALIAS(MPI_Comm_group);

RP_EXPORT int PMPI_Comm_remote_group(MPI_Comm comm, MPI_Group *group)
{
	struct rp_thread *t;
	MPI_Group lower;
	int rc;

	if (!is_comm(comm) || !group || !(RP_C(comm)->o.flags & RP_INTER))
		return rp_comm_raise(NULL, group ? MPI_ERR_COMM : MPI_ERR_ARG, "MPI_Comm_remote_group");
	if (!RP_C(comm)->native_remote_group->foreign)
		return give_group(RP_C(comm)->native_remote_group, group);
	t = rp_mpi_enter();
	rc = rp_lower.MPI_Comm_remote_group(RP_LOWER_COMM(comm), &lower);
	*group = rp_group_adopt(lower);
	rp_leave(t);
	return rc;
}
RP_ALIAS(MPI_Comm_remote_group);

int rp_comm_peers(MPI_Comm comm)
{
	const struct rp_comm *c = RP_C(comm);

	return c->o.flags & RP_INTER ? c->remote_size : c->size;
}

int rp_comm_indegree(MPI_Comm comm)
{
	const struct rp_comm *c = RP_C(comm);
	int nneighbors = 0;

	switch (c->topology) {
	case RP_TOPO_CART:
		return 2 * c->topo->ndims;
	case RP_TOPO_DIST:
		return c->topo->indegree;
	case RP_TOPO_GRAPH:
		nneighbors = c->topo->index[c->rank] - (c->rank ? c->topo->index[c->rank - 1] : 0);
		break;
	}
	return nneighbors;
}

int rp_comm_outdegree(MPI_Comm comm)
{
	const struct rp_comm *c = RP_C(comm);

	return c->topology == RP_TOPO_DIST ? c->topo->outdegree : rp_comm_indegree(comm);
}
