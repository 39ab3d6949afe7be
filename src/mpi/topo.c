/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Topologies: read back from the lower communicator when it was made, whichever call made it, and attached again at a
 * restart with reorder = 0, so that ranks stay.
 */
#include "mpi/comm.h"
#include "mpi/wrap.h"

static int32_t *ints(int n)
{
	return rp_heap_alloc((size_t)(n > 0 ? n : 1) * sizeof(int32_t));
}

static void learn_cart(MPI_Comm lower, struct rp_topo *topo)
{
	int32_t *coords;

	rp_lower.MPI_Cartdim_get(lower, &topo->ndims);
	topo->dims = ints(topo->ndims);
	topo->periods = ints(topo->ndims);
	coords = ints(topo->ndims);
	if (topo->dims && topo->periods && coords)
		rp_lower.MPI_Cart_get(lower, topo->ndims, topo->dims, topo->periods, coords);
	rp_heap_free(coords);
}

static void learn_graph(MPI_Comm lower, struct rp_topo *topo)
{
	rp_lower.MPI_Graphdims_get(lower, &topo->ndims, &topo->nedges);
	topo->index = ints(topo->ndims);
	topo->edges = ints(topo->nedges);
	if (topo->index && topo->edges)
		rp_lower.MPI_Graph_get(lower, topo->ndims, topo->nedges, topo->index, topo->edges);
}

static void learn_dist(MPI_Comm lower, struct rp_topo *topo)
{
	int *in_weights = MPI_UNWEIGHTED, *out_weights = MPI_UNWEIGHTED;

	rp_lower.MPI_Dist_graph_neighbors_count(lower, &topo->indegree, &topo->outdegree, &topo->weighted);
	topo->sources = ints(topo->indegree);
	topo->destinations = ints(topo->outdegree);
	if (topo->weighted) {
		in_weights = topo->source_weights = ints(topo->indegree);
		out_weights = topo->dest_weights = ints(topo->outdegree);
	}
	if (topo->sources && topo->destinations && in_weights && out_weights)
		rp_lower.MPI_Dist_graph_neighbors(lower, topo->indegree, topo->sources, in_weights, topo->outdegree,
						  topo->destinations, out_weights);
}

struct rp_topo *rp_topo_learn(MPI_Comm lower, uint32_t *kind)
{
	struct rp_topo *topo;
	int status = MPI_UNDEFINED;

	*kind = RP_TOPO_NONE;
	rp_lower.MPI_Topo_test(lower, &status);
	if (status != MPI_CART && status != MPI_GRAPH && status != MPI_DIST_GRAPH)
		return NULL;
	topo = rp_heap_alloc(sizeof(*topo));
	if (!topo)
		return NULL;
	if (status == MPI_CART) {
		*kind = RP_TOPO_CART;
		learn_cart(lower, topo);
	} else if (status == MPI_GRAPH) {
		*kind = RP_TOPO_GRAPH;
		learn_graph(lower, topo);
	} else {
		*kind = RP_TOPO_DIST;
		learn_dist(lower, topo);
	}
	return topo;
}

int rp_topo_build(MPI_Comm lower, const struct rp_topo *topo, uint32_t kind, MPI_Comm *out)
{
	if (kind == RP_TOPO_CART)
		return rp_lower.MPI_Cart_create(lower, topo->ndims, topo->dims, topo->periods, 0, out);
	if (kind == RP_TOPO_GRAPH)
		return rp_lower.MPI_Graph_create(lower, topo->ndims, topo->index, topo->edges, 0, out);
	return rp_lower.MPI_Dist_graph_create_adjacent(lower, topo->indegree, topo->sources,
						       topo->weighted ? topo->source_weights : MPI_UNWEIGHTED,
						       topo->outdegree, topo->destinations,
						       topo->weighted ? topo->dest_weights : MPI_UNWEIGHTED,
						       rp_real(MPI_INFO_NULL), 0, out);
}

void rp_topo_free(struct rp_topo *topo)
{
	if (!topo)
		return;
	rp_heap_free(topo->dims);
	rp_heap_free(topo->periods);
	rp_heap_free(topo->index);
	rp_heap_free(topo->edges);
	rp_heap_free(topo->sources);
	rp_heap_free(topo->source_weights);
	rp_heap_free(topo->destinations);
	rp_heap_free(topo->dest_weights);
	rp_heap_free(topo);
}
