/* SPDX-License-Identifier: BSD-3-Clause
 *
 * usage: objects [TIMES [FILE]]
 * Makes every kind of MPI object that is carried across a restart; TIMES times each rank says READY and waits until FILE.1,
 * FILE.2 and so on exists (a checkpoint and a restart may come in between), then uses communicators and groups; in the end it
 * uses everything. What it prints is the same natively, under Reprise, and after any number of restarts. Rank 0 prints for
 * all, in order of rank. Needs at least 4 ranks.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../mpi/say.h"

static int rank, size;

/* ---- communicators ---- */

static MPI_Comm dup, odd, node, made, by_group, cart, cart_row, graph, dist, adjacent, inter, merged, named;
static MPI_Errhandler counting;
static int errors_seen;

static void on_error(MPI_Comm *comm, int *code, ...)
{
	int class;

	MPI_Error_class(*code, &class);
	errors_seen += *comm == named ? 1 : 100;
	say("handler: class %d, own communicator %d", class, *comm == named);
}

static void make_topologies(void)
{
	int dims[2] = { 2, size / 2 }, periods[2] = { 1, 0 }, remain[2] = { 0, 1 }, left = (rank + size - 1) % size,
	    right = (rank + 1) % size, degree = 2;
	int *index = malloc((size_t)size * sizeof(int)), *edges = malloc((size_t)size * 2 * sizeof(int));
	int targets[2] = { right, left }, weights[2] = { 10 + rank, 20 + rank };

	MPI_Cart_create(MPI_COMM_WORLD, 2, dims, periods, 0, &cart);
	if (cart != MPI_COMM_NULL)
		MPI_Cart_sub(cart, remain, &cart_row);
	for (int i = 0; i < size; i++) {
		index[i] = 2 * (i + 1);
		edges[2 * i] = (i + size - 1) % size;
		edges[2 * i + 1] = (i + 1) % size;
	}
	MPI_Graph_create(dup, size, index, edges, 0, &graph);
	MPI_Dist_graph_create(dup, 1, &rank, &degree, targets, weights, MPI_INFO_NULL, 0, &dist);
	MPI_Dist_graph_create_adjacent(dup, 1, &left, MPI_UNWEIGHTED, 1, &right, MPI_UNWEIGHTED, MPI_INFO_NULL, 0,
				       &adjacent);
	free(index);
	free(edges);
}

static void make_comms(void)
{
	MPI_Group world, some;
	int range[1][3] = { { 0, size - 2, 2 } }, first_two[2] = { 1, 0 };

	MPI_Comm_dup(MPI_COMM_WORLD, &dup);
	MPI_Comm_split(MPI_COMM_WORLD, rank % 2, -rank, &odd);
	MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &node);
	MPI_Comm_group(MPI_COMM_WORLD, &world);
	MPI_Group_range_incl(world, 1, range, &some);
	MPI_Comm_create(dup, some, &made);
	MPI_Group_free(&some);
	MPI_Group_incl(world, 2, first_two, &some);
	by_group = MPI_COMM_NULL;
	if (rank < 2)
		MPI_Comm_create_group(MPI_COMM_WORLD, some, 7, &by_group);
	MPI_Group_free(&some);
	MPI_Group_free(&world);
	make_topologies();
	MPI_Intercomm_create(odd, 0, MPI_COMM_WORLD, rank % 2 ? (size - 1) / 2 * 2 : (size - 2) / 2 * 2 + 1, 99,
			     &inter);
	MPI_Intercomm_merge(inter, rank % 2, &merged);
	MPI_Comm_dup(odd, &named);
	MPI_Comm_set_name(named, "halves, reversed");
	MPI_Comm_create_errhandler(on_error, &counting);
	MPI_Comm_set_errhandler(named, counting);
}

static void show_comm(const char *what, MPI_Comm comm)
{
	int r, n, sum = 0, root = -1, flag, compare = -1;

	if (comm == MPI_COMM_NULL) {
		say("%s: null", what);
		return;
	}
	MPI_Comm_rank(comm, &r);
	MPI_Comm_size(comm, &n);
	MPI_Comm_test_inter(comm, &flag);
	if (!flag) {
		MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, comm);
		root = rank;
		MPI_Bcast(&root, 1, MPI_INT, n - 1, comm);
		MPI_Comm_compare(comm, MPI_COMM_WORLD, &compare);
	}
	say("%s: %d of %d, sum of members %d, last %d, compare %d", what, r, n, sum, root,
	    compare == MPI_CONGRUENT ? 1
	    : compare == MPI_SIMILAR ? 2
				     : 3);
}

static void show_cart(void)
{
	int dims[2], periods[2], coords[2], r, from, to, status, n;

	if (cart == MPI_COMM_NULL) {
		say("cart: not a member");
		return;
	}
	MPI_Topo_test(cart, &status);
	MPI_Cartdim_get(cart, &n);
	MPI_Cart_get(cart, 2, dims, periods, coords);
	MPI_Cart_rank(cart, coords, &r);
	MPI_Cart_shift(cart, 0, 1, &from, &to);
	say("cart: %d, %d dims %dx%d periods %d %d at %d,%d rank %d, shift %d %d", status == MPI_CART, n, dims[0],
	    dims[1], periods[0], periods[1], coords[0], coords[1], r, from, to);
	MPI_Cart_shift(cart, 1, 1, &from, &to);
	say("cart: shift %d %d", from == MPI_PROC_NULL ? -1 : from, to == MPI_PROC_NULL ? -1 : to);
	MPI_Cart_get(cart_row, 1, dims, periods, coords);
	say("row: %d periods %d at %d", dims[0], periods[0], coords[0]);
}

static void show_graphs(void)
{
	int status, nodes, nedges, n, near[2] = { -1, -1 }, in[2], out[2], wi[2] = { 0, 0 }, wo[2] = { 0, 0 }, weighted,
				      nin, nout, from[2] = { 0, 0 };

	MPI_Topo_test(graph, &status);
	MPI_Graphdims_get(graph, &nodes, &nedges);
	MPI_Graph_neighbors_count(graph, rank, &n);
	MPI_Graph_neighbors(graph, rank, 2, near);
	say("graph: %d, %d nodes %d edges, mine %d: %d %d", status == MPI_GRAPH, nodes, nedges, n, near[0], near[1]);
	MPI_Dist_graph_neighbors_count(dist, &nin, &nout, &weighted);
	MPI_Dist_graph_neighbors(dist, 2, in, wi, 2, out, wo);
	say("dist: %d in %d out, weighted %d, out %d %d (%d %d), in sum %d (%d)", nin, nout, weighted, out[0], out[1],
	    wo[0], wo[1], in[0] + in[1], wi[0] + wi[1]);
	MPI_Dist_graph_neighbors_count(adjacent, &nin, &nout, &weighted);
	MPI_Neighbor_allgather(&rank, 1, MPI_INT, from, 1, MPI_INT, adjacent);
	say("adjacent: %d in %d out, weighted %d, left is %d", nin, nout, weighted, from[0]);
	MPI_Neighbor_allgather(&rank, 1, MPI_INT, near, 1, MPI_INT, graph);
	say("graph: neighbours said %d %d", near[0], near[1]);
}

static void use_comms(void)
{
	char name[MPI_MAX_OBJECT_NAME];
	int n, sum = 0, all = 1, value = rank;
	MPI_Errhandler e;
	MPI_Comm again;

	show_comm("dup", dup);
	show_comm("odd", odd);
	show_comm("node", node);
	show_comm("made", made);
	show_comm("by group", by_group);
	show_comm("merged", merged);
	show_cart();
	show_graphs();
	MPI_Comm_remote_size(inter, &n);
	MPI_Allreduce(&value, &sum, 1, MPI_INT, MPI_SUM, inter);
	say("inter: remote %d, sum of the others %d", n, sum);
	MPI_Comm_get_name(named, name, &n);
	say("name: '%s' %d", name, n);
	MPI_Comm_get_name(MPI_COMM_WORLD, name, &n);
	say("name: '%s' %d", name, n);
	MPI_Comm_get_errhandler(named, &e);
	say("handler is ours: %d", e == counting);
	MPI_Errhandler_free(&e);
	n = MPI_Send(&all, 1, MPI_INT, 5 * size, 0, named);
	MPI_Error_class(n, &n);
	say("send to nobody: class is rank %d, errors %d", n == MPI_ERR_RANK, errors_seen);
	MPI_Comm_call_errhandler(named, MPI_ERR_OTHER);
	say("errors %d", errors_seen);
	/* new ones from old ones: the keys go on counting alike */
	MPI_Comm_dup(dup, &again);
	show_comm("dup of dup", again);
	MPI_Comm_free(&again);
	say("freed is null: %d", again == MPI_COMM_NULL);
}

/* ---- groups ---- */

static MPI_Group evens, rest;

static void make_groups(void)
{
	MPI_Group world;
	int range[1][3] = { { 0, size - 1, 2 } };

	MPI_Comm_group(MPI_COMM_WORLD, &world);
	MPI_Group_range_incl(world, 1, range, &evens);
	MPI_Group_difference(world, evens, &rest);
	MPI_Group_free(&world);
}

static void use_groups(void)
{
	MPI_Group both, none;
	int n, r, result, in[2] = { 0, 1 }, out[2];

	MPI_Group_union(rest, evens, &both);
	MPI_Group_size(both, &n);
	MPI_Group_rank(both, &r);
	MPI_Group_translate_ranks(both, 2, in, evens, out);
	MPI_Group_compare(both, evens, &result);
	say("groups: union %d, I am %d, translated %d %d, unequal %d", n, r, out[0] == MPI_UNDEFINED,
	    out[1] == MPI_UNDEFINED, result == MPI_UNEQUAL);
	MPI_Group_intersection(evens, rest, &none);
	MPI_Group_size(none, &n);
	say("groups: empty %d %d", n, none == MPI_GROUP_EMPTY);
	MPI_Group_excl(both, 1, in, &none);
	MPI_Group_translate_ranks(none, 1, in, both, out);
	say("groups: excl 0 is %d", out[0]);
	MPI_Group_free(&none);
	MPI_Group_free(&both);
}

/* ---- datatypes ---- */

#define NTYPES 16
static MPI_Datatype types[NTYPES], base;

static void make_types(void)
{
	int lengths[3] = { 1, 2, 3 }, displs[3] = { 0, 3, 7 }, sizes[2] = { 6, 5 }, sub[2] = { 2, 3 },
	    starts[2] = { 1, 1 };
	int distribs[2] = { MPI_DISTRIBUTE_BLOCK, MPI_DISTRIBUTE_CYCLIC }, dargs[2] = { MPI_DISTRIBUTE_DFLT_DARG, 2 },
	    psizes[2] = { 2, 2 };
	MPI_Aint bytes[3] = { 0, 24, 80 };
	MPI_Datatype parts[3] = { MPI_CHAR, MPI_DOUBLE, MPI_INT };

	MPI_Type_contiguous(3, MPI_SHORT, &base);
	MPI_Type_contiguous(4, MPI_INT, &types[0]);
	MPI_Type_vector(3, 2, 4, base, &types[1]);
	MPI_Type_create_hvector(2, 3, 40, MPI_FLOAT, &types[2]);
	MPI_Type_indexed(3, lengths, displs, MPI_INT, &types[3]);
	MPI_Type_create_hindexed(3, lengths, bytes, MPI_DOUBLE, &types[4]);
	MPI_Type_create_indexed_block(3, 2, displs, MPI_INT, &types[5]);
	MPI_Type_create_hindexed_block(3, 2, bytes, MPI_INT, &types[6]);
	MPI_Type_create_struct(3, lengths, bytes, parts, &types[7]);
	MPI_Type_create_subarray(2, sizes, sub, starts, MPI_ORDER_C, MPI_INT, &types[8]);
	MPI_Type_create_darray(4, 1, 2, sizes, distribs, dargs, psizes, MPI_ORDER_FORTRAN, MPI_INT, &types[9]);
	MPI_Type_create_resized(types[3], -4, 64, &types[10]);
	MPI_Type_dup(types[1], &types[11]);
	parts[0] = types[11];
	parts[1] = types[8];
	bytes[2] = 1000;
	MPI_Type_create_struct(3, lengths, bytes, parts, &types[12]);
	MPI_Type_create_f90_real(10, 100, &types[13]);
	MPI_Type_create_f90_integer(9, &types[14]);
	MPI_Type_contiguous(2, types[13], &types[15]);
	for (int i = 0; i < NTYPES; i++)
		if (i != 13 && i != 14)
			MPI_Type_commit(&types[i]);
	MPI_Type_free(&base); /* others are made of it */
	MPI_Type_set_name(types[12], "a struct of things");
}

static void show_type(int i)
{
	int ni, na, nd, combiner, *ints, n;
	MPI_Aint *addrs, lb, extent, true_lb, true_extent;
	MPI_Datatype *parts;
	long hash = 0;

	MPI_Type_get_envelope(types[i], &ni, &na, &nd, &combiner);
	MPI_Type_get_extent(types[i], &lb, &extent);
	MPI_Type_get_true_extent(types[i], &true_lb, &true_extent);
	MPI_Type_size(types[i], &n);
	ints = calloc((size_t)ni + 1, sizeof(int));
	addrs = calloc((size_t)na + 1, sizeof(MPI_Aint));
	parts = calloc((size_t)nd + 1, sizeof(MPI_Datatype));
	MPI_Type_get_contents(types[i], ni, na, nd, ints, addrs, parts);
	for (int k = 0; k < ni; k++)
		hash = hash * 31 + ints[k];
	for (int k = 0; k < na; k++)
		hash = hash * 37 + addrs[k];
	say("type %d: combiner %d (%d %d %d) %ld size %d lb %ld extent %ld true %ld %ld", i, combiner, ni, na, nd, hash,
	    n, lb, extent, true_lb, true_extent);
	for (int k = 0; k < nd; k++) {
		MPI_Type_get_envelope(parts[k], &ni, &na, &n, &combiner);
		MPI_Type_size(parts[k], &n);
		say("  part %d: combiner %d size %d known %d", k, combiner, n,
		    parts[k] == MPI_INT	     ? 1
		    : parts[k] == MPI_DOUBLE ? 2
		    : parts[k] == MPI_CHAR   ? 3
					     : 0);
		if (combiner != MPI_COMBINER_NAMED && combiner != MPI_COMBINER_F90_REAL)
			MPI_Type_free(&parts[k]);
	}
	free(ints);
	free(addrs);
	free(parts);
}

static void use_types(void)
{
	static unsigned char from[8192], to[8192], packed[8192];
	char name[MPI_MAX_OBJECT_NAME];
	int n, position, left = (rank + size - 1) % size, right = (rank + 1) % size;
	unsigned long sum;

	for (int i = 0; i < NTYPES; i++) {
		show_type(i);
		for (size_t k = 0; k < sizeof(from); k++)
			from[k] = (unsigned char)(k * 7 + (size_t)rank + (size_t)i);
		memset(to, 0, sizeof(to));
		MPI_Sendrecv(from + 16, 1, types[i], right, i, to + 16, 1, types[i], left, i, dup, MPI_STATUS_IGNORE);
		sum = 0;
		for (size_t k = 0; k < sizeof(to); k++)
			sum = sum * 131 + to[k];
		position = 0;
		MPI_Pack_size(1, types[i], dup, &n);
		MPI_Pack(from + 16, 1, types[i], packed, sizeof(packed), &position, dup);
		say("  moved %lx, packed %d in %d", sum, position, n);
	}
	MPI_Type_get_name(types[12], name, &n);
	say("type name '%s'", name);
	MPI_Type_get_name(MPI_LONG_DOUBLE, name, &n);
	say("type name '%s'", name);
}

/* ---- operations ---- */

static MPI_Op twice, matrix;

static void add_twice(void *in, void *inout, int *len, MPI_Datatype *type)
{
	const int *a = in;
	int *b = inout, n;

	MPI_Type_size(*type, &n); /* a callback may call MPI */
	for (int i = 0; i < *len; i++)
		b[i] = a[i] + 2 * b[i] + (n == (int)sizeof(int) && *type == MPI_INT ? 0 : 1000000);
}

/* 2x2 matrices in a type of four integers: does not commute */
static void multiply(void *in, void *inout, int *len, MPI_Datatype *type)
{
	for (int k = 0; k < *len; k++) {
		int *a = (int *)in + 4 * k, *b = (int *)inout + 4 * k;
		int c[4] = { a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3], a[2] * b[0] + a[3] * b[2],
			     a[2] * b[1] + a[3] * b[3] };

		memcpy(b, c, sizeof(c));
		if (*type != types[0])
			b[0] = -1;
	}
}

static void make_ops(void)
{
	MPI_Op_create(add_twice, 1, &twice);
	MPI_Op_create(multiply, 0, &matrix);
}

static void use_ops(void)
{
	int in[4] = { rank + 1, 1, 1, rank }, out[4] = { 0 }, commute[3], x = rank + 1, y = 0;

	MPI_Allreduce(in, out, 1, types[0], matrix, dup);
	say("matrix %d %d %d %d", out[0], out[1], out[2], out[3]);
	MPI_Reduce(&x, &y, 1, MPI_INT, MPI_PROD, 0, dup);
	MPI_Scan(in, out, 1, types[0], matrix, dup);
	say("product %d, scan %d %d %d %d", y, out[0], out[1], out[2], out[3]);
	y = 5;
	MPI_Reduce_local(&x, &y, 1, MPI_INT, twice);
	MPI_Op_commutative(twice, &commute[0]);
	MPI_Op_commutative(matrix, &commute[1]);
	MPI_Op_commutative(MPI_SUM, &commute[2]);
	say("local %d, commute %d %d %d", y, commute[0], commute[1], commute[2]);
}

/* ---- attributes ---- */

static int key_copied, key_dup, key_none, key_type, copies, deletes;
static long value_world = 11, value_dup = 22;

static int copy_fn(MPI_Comm old, int key, void *extra, void *in, void *out, int *flag)
{
	copies += *(int *)extra;
	*(void **)out = (char *)in + 1;
	*flag = key == key_copied && old == MPI_COMM_WORLD;
	return MPI_SUCCESS;
}

static int delete_fn(MPI_Comm comm, int key, void *value, void *extra)
{
	deletes += *(int *)extra;
	return MPI_SUCCESS;
}

static int type_copy(MPI_Datatype old, int key, void *extra, void *in, void *out, int *flag)
{
	*(void **)out = in;
	*flag = 1;
	return MPI_SUCCESS;
}

static int extra_state = 3;

static void make_attributes(void)
{
	MPI_Comm_create_keyval(copy_fn, delete_fn, &key_copied, &extra_state);
	MPI_Comm_create_keyval(MPI_COMM_DUP_FN, MPI_COMM_NULL_DELETE_FN, &key_dup, NULL);
	MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, delete_fn, &key_none, &extra_state);
	MPI_Type_create_keyval(type_copy, MPI_TYPE_NULL_DELETE_FN, &key_type, NULL);
	MPI_Comm_set_attr(MPI_COMM_WORLD, key_copied, &value_world);
	MPI_Comm_set_attr(MPI_COMM_WORLD, key_dup, &value_dup);
	MPI_Comm_set_attr(MPI_COMM_WORLD, key_none, &value_dup);
	MPI_Type_set_attr(types[4], key_type, (void *)(intptr_t)77);
}

static void use_attributes(void)
{
	MPI_Comm c;
	MPI_Datatype t;
	void *v;
	int flag, *ip;

	MPI_Comm_get_attr(MPI_COMM_WORLD, key_copied, &v, &flag);
	say("attribute %d %d", flag, v == &value_world);
	MPI_Comm_dup(MPI_COMM_WORLD, &c);
	MPI_Comm_get_attr(c, key_copied, &v, &flag);
	say("copied %d %d", flag, v == (char *)&value_world + 1);
	MPI_Comm_get_attr(c, key_dup, &v, &flag);
	say("dup'ed %d %d", flag, v == &value_dup);
	MPI_Comm_get_attr(c, key_none, &v, &flag);
	say("not copied %d, callbacks %d %d", flag, copies, deletes);
	MPI_Comm_free(&c);
	say("callbacks %d %d", copies, deletes);
	MPI_Comm_set_attr(MPI_COMM_WORLD, key_none, NULL);
	MPI_Comm_delete_attr(MPI_COMM_WORLD, key_none);
	MPI_Comm_get_attr(MPI_COMM_WORLD, key_none, &v, &flag);
	say("deleted %d, callbacks %d %d", flag, copies, deletes);
	MPI_Type_dup(types[4], &t);
	MPI_Type_get_attr(t, key_type, &v, &flag);
	say("type attribute %d %ld", flag, (long)(intptr_t)v);
	MPI_Type_free(&t);
	MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &ip, &flag);
	say("tag_ub %d %d", flag, *ip);
	MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_WTIME_IS_GLOBAL, &ip, &flag);
	say("wtime_is_global %d %d", flag, *ip);
	MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_UNIVERSE_SIZE, &ip, &flag);
	say("universe_size %d", flag);
	MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_APPNUM, &ip, &flag);
	say("appnum %d %d", flag, *ip);
}

/* ---- info, error codes, Fortran handles, memory, time ---- */

static MPI_Info info;
static int user_class, user_code, f_comm, f_type;
static double *memory, started;

static void make_rest(void)
{
	MPI_Info_create(&info);
	MPI_Info_set(info, "first", "1");
	MPI_Info_set(info, "second", "two words");
	MPI_Info_set(info, "third", "3");
	MPI_Info_delete(info, "first");
	MPI_Info_set(info, "second", "changed");
	MPI_Add_error_class(&user_class);
	MPI_Add_error_code(user_class, &user_code);
	MPI_Add_error_string(user_code, "a code of the test's own");
	f_comm = MPI_Comm_c2f(odd);
	f_type = MPI_Type_c2f(types[7]);
	MPI_Alloc_mem(1000 * sizeof(double), MPI_INFO_NULL, &memory);
	for (int i = 0; i < 1000; i++)
		memory[i] = i * 0.5;
	started = MPI_Wtime();
}

static void use_rest(void)
{
	char key[MPI_MAX_INFO_KEY + 1], value[64], string[MPI_MAX_ERROR_STRING];
	int n, flag, len, level, main_thread;
	double sum = 0;
	MPI_Info copy;

	MPI_Info_dup(info, &copy);
	MPI_Info_get_nkeys(copy, &n);
	for (int i = 0; i < n; i++) {
		MPI_Info_get_nthkey(copy, i, key);
		MPI_Info_get_valuelen(copy, key, &len, &flag);
		MPI_Info_get(copy, key, 63, value, &flag);
		say("info %d: %s = %s (%d)", i, key, value, len);
	}
	MPI_Info_get(copy, "first", 63, value, &flag);
	say("info: first %d", flag);
	MPI_Info_free(&copy);
	MPI_Error_string(user_code, string, &len);
	MPI_Error_class(user_code, &n);
	say("error '%s', class is ours %d", string, n == user_class);
	MPI_Error_string(MPI_ERR_TRUNCATE, string, &len);
	say("error '%s'", string);
	say("fortran: %d %d, world %d null %d int %d", MPI_Comm_f2c(f_comm) == odd, MPI_Type_f2c(f_type) == types[7],
	    MPI_Comm_c2f(MPI_COMM_WORLD), MPI_Comm_c2f(MPI_COMM_NULL), MPI_Type_c2f(MPI_INT));
	for (int i = 0; i < 1000; i++)
		sum += memory[i];
	say("memory %.1f", sum);
	say("time went on %d", MPI_Wtime() >= started && MPI_Wtime() - started < 3600);
	MPI_Query_thread(&level);
	MPI_Is_thread_main(&main_thread);
	say("thread level %d main %d", level, main_thread);
}

static void free_all(void)
{
	MPI_Comm *comms[] = { &dup,   &odd,  &node,	&made,	&by_group, &cart_row, &cart,
			      &graph, &dist, &adjacent, &inter, &merged,   &named };

	MPI_Errhandler_free(&counting);
	for (size_t i = 0; i < sizeof(comms) / sizeof(comms[0]); i++)
		if (*comms[i] != MPI_COMM_NULL)
			MPI_Comm_free(comms[i]);
	for (int i = 0; i < NTYPES; i++)
		if (i != 13 && i != 14)
			MPI_Type_free(&types[i]);
	MPI_Op_free(&twice);
	MPI_Op_free(&matrix);
	MPI_Group_free(&evens);
	MPI_Group_free(&rest);
	MPI_Info_free(&info);
	MPI_Free_mem(memory);
	MPI_Comm_free_keyval(&key_copied);
	MPI_Comm_free_keyval(&key_dup);
	MPI_Comm_free_keyval(&key_none);
	MPI_Type_free_keyval(&key_type);
	say("keyval %d", key_type == MPI_KEYVAL_INVALID);
}

static int at_end(MPI_Comm comm, int key, void *value, void *extra)
{
	if (!rank)
		printf("MPI_Finalize: attribute of COMM_SELF deleted\n");
	return MPI_SUCCESS;
}

int main(int argc, char **argv)
{
	int key, times = argc > 1 ? atoi(argv[1]) : 1;

	cart_row = MPI_COMM_NULL;
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	if (size < 4) {
		fprintf(stderr, "objects: needs 4 ranks\n");
		MPI_Abort(MPI_COMM_WORLD, 2);
	}
	make_comms();
	make_groups();
	make_types();
	make_ops();
	make_attributes();
	make_rest();
	for (int i = 1; i <= times; i++) {
		if (argc > 2)
			say_ready(argv[2], i);
		use_comms();
		use_groups();
	}
	use_types();
	use_ops();
	use_attributes();
	use_rest();
	free_all();
	MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, at_end, &key, NULL);
	MPI_Comm_set_attr(MPI_COMM_SELF, key, NULL);
	say_all();
	MPI_Finalize();
	return 0;
}
