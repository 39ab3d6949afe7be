/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Datatypes. A constructor records its arguments in the form of MPI_Type_get_contents() (MPI-3.1, section 4.1.13): that
 * is the answer to the application's question and the recipe by which replay makes the type again. Sizes and extents
 * are learned once, so queries do not enter the lower half.
 */
#include <limits.h>
#include <string.h>

#include "mpi/attr.h"
#include "mpi/comm.h"
#include "mpi/type.h"
#include "mpi/wrap.h"

static void type_learn(struct rp_type *t)
{
	MPI_Datatype lower = t->o.lower;
	MPI_Count size, lb, extent, true_lb, true_extent;

	if (rp_lower.MPI_Type_size_x(lower, &size) != MPI_SUCCESS ||
	    rp_lower.MPI_Type_get_extent_x(lower, &lb, &extent) != MPI_SUCCESS ||
	    rp_lower.MPI_Type_get_true_extent_x(lower, &true_lb, &true_extent) != MPI_SUCCESS)
		return;
	t->size = size;
	t->lb = lb;
	t->extent = extent;
	t->true_lb = true_lb;
	t->true_extent = true_extent;
	t->known = 1;
}

void rp_types_init(void)
{
	const struct rp_predefined *p;

	for (p = rp_predefined(); p->symbol; p++) {
		struct rp_type *t = p->object;

		if (t->o.kind != RP_TYPE)
			continue;
		t->native_keyhash = t;
		if (!(t->o.flags & RP_NULL_HANDLE))
			type_learn(t);
	}
}

struct rp_type *rp_type_record(int combiner, int ni, int na, int nd)
{
	struct rp_type *t = rp_object_new(RP_TYPE, sizeof(*t));

	if (!t)
		return NULL;
	t->native_keyhash = t;
	t->combiner = combiner;
	t->ni = ni;
	t->na = na;
	t->ints = rp_heap_alloc((size_t)(ni + 1) * sizeof(*t->ints));
	t->addrs = rp_heap_alloc((size_t)(na + 1) * sizeof(*t->addrs));
	t->types = rp_heap_alloc((size_t)(nd + 1) * sizeof(*t->types));
	if (!t->ints || !t->addrs || !t->types) {
		rp_object_discard(t);
		return NULL;
	}
	return t;
}

void rp_type_part(struct rp_type *t, MPI_Datatype part)
{
	t->types[t->nd++] = RP_T(part);
	rp_object_ref(part);
}

/* Memory only: constituents were given back before (rp_type_put_inside), or the type was never made. */
void rp_type_release(struct rp_type *t)
{
	rp_heap_free(t->ints);
	rp_heap_free(t->addrs);
	rp_heap_free(t->types);
	rp_heap_free(t->name);
	rp_attr_release(t->attrs);
}

void rp_type_put_inside(struct rp_type *t)
{
	struct rp_type **parts = t->types;
	int nd = t->nd;

	if (t->o.flags & RP_PREDEFINED)
		return;
	rp_lock();
	if (t->o.refs > 1) {
		t->o.refs--;
		rp_unlock();
		return;
	}
	rp_unlock();
	if (t->o.lower)
		rp_lower.MPI_Type_free((MPI_Datatype *)&t->o.lower);
	t->types = NULL;
	rp_object_unref(t);
	for (int i = 0; i < nd; i++)
		rp_type_put_inside(parts[i]);
	rp_heap_free(parts);
}

void rp_type_put(struct rp_type *t)
{
	struct rp_thread *th = rp_mpi_enter();

	rp_type_put_inside(t);
	rp_leave(th);
}

/* ---- the recipe ---- */

#define I (r->ints)
#define A (r->addrs)
#define OLD (r->types[0]->o.lower)

static int build_struct(const struct rp_type *r, MPI_Datatype *lower)
{
	int n = I[0], rc;
	MPI_Datatype *types = rp_heap_alloc((size_t)(n + 1) * sizeof(MPI_Datatype));

	if (!types)
		return MPI_ERR_NO_MEM;
	for (int i = 0; i < n; i++)
		types[i] = r->types[i]->o.lower;
	rc = rp_lower.MPI_Type_create_struct(n, I + 1, A, types, lower);
	rp_heap_free(types);
	return rc;
}

/* Makes the lower type from the record. Inside. */
static int build(const struct rp_type *r, MPI_Datatype *lower)
{
	switch (r->combiner) {
	case MPI_COMBINER_DUP:
		return rp_lower.MPI_Type_dup(OLD, lower);
	case MPI_COMBINER_CONTIGUOUS:
		return rp_lower.MPI_Type_contiguous(I[0], OLD, lower);
	case MPI_COMBINER_VECTOR:
		return rp_lower.MPI_Type_vector(I[0], I[1], I[2], OLD, lower);
	case MPI_COMBINER_HVECTOR:
		return rp_lower.MPI_Type_create_hvector(I[0], I[1], A[0], OLD, lower);
	case MPI_COMBINER_INDEXED:
		return rp_lower.MPI_Type_indexed(I[0], I + 1, I + 1 + I[0], OLD, lower);
	case MPI_COMBINER_HINDEXED:
		return rp_lower.MPI_Type_create_hindexed(I[0], I + 1, A, OLD, lower);
	case MPI_COMBINER_INDEXED_BLOCK:
		return rp_lower.MPI_Type_create_indexed_block(I[0], I[1], I + 2, OLD, lower);
	case MPI_COMBINER_HINDEXED_BLOCK:
		return rp_lower.MPI_Type_create_hindexed_block(I[0], I[1], A, OLD, lower);
	case MPI_COMBINER_STRUCT:
		return build_struct(r, lower);
	case MPI_COMBINER_SUBARRAY:
		return rp_lower.MPI_Type_create_subarray(I[0], I + 1, I + 1 + I[0], I + 1 + 2 * I[0], I[1 + 3 * I[0]],
							 OLD, lower);
	case MPI_COMBINER_DARRAY:
		return rp_lower.MPI_Type_create_darray(I[0], I[1], I[2], I + 3, I + 3 + I[2], I + 3 + 2 * I[2],
						       I + 3 + 3 * I[2], I[3 + 4 * I[2]], OLD, lower);
	case MPI_COMBINER_RESIZED:
		return rp_lower.MPI_Type_create_resized(OLD, A[0], A[1], lower);
	case MPI_COMBINER_F90_REAL:
		return rp_lower.MPI_Type_create_f90_real(I[0], I[1], lower);
	case MPI_COMBINER_F90_COMPLEX:
		return rp_lower.MPI_Type_create_f90_complex(I[0], I[1], lower);
	case MPI_COMBINER_F90_INTEGER:
		return rp_lower.MPI_Type_create_f90_integer(I[0], lower);
	default:
		return MPI_ERR_TYPE;
	}
}

#undef I
#undef A
#undef OLD

int rp_type_rebuild(struct rp_type *t)
{
	MPI_Datatype lower = NULL;
	int rc = build(t, &lower);

	if (rc == MPI_SUCCESS && (t->o.flags & (RP_COMMITTED | RP_PREDEFINED)) == RP_COMMITTED)
		rc = rp_lower.MPI_Type_commit(&lower);
	t->o.lower = lower;
	return rc;
}

int rp_type_make(struct rp_type *record, MPI_Datatype *out)
{
	struct rp_thread *th;
	int rc;

	th = rp_mpi_enter();
	rc = build(record, (MPI_Datatype *)&record->o.lower);
	if (rc == MPI_SUCCESS) {
		/* a duplicate of a committed type is committed (MPI-3.1, section 4.1.10) */
		if (record->combiner == MPI_COMBINER_DUP)
			record->o.flags |= record->types[0]->o.flags & RP_COMMITTED;
		type_learn(record);
		rp_object_link(record);
	} else {
		for (int i = 0; i < record->nd; i++)
			rp_type_put_inside(record->types[i]);
	}
	rp_leave(th);
	if (rc != MPI_SUCCESS) {
		rp_object_discard(record);
		return rp_comm_error(NULL, rc);
	}
	*out = (MPI_Datatype)record;
	return MPI_SUCCESS;
}

struct rp_type *rp_type_f90_known(int combiner, int p, int r)
{
	struct rp_object *o;
	struct rp_type *t = NULL;

	rp_lock();
	for (o = rp_first(RP_TYPE); o; o = rp_next(o)) {
		t = (struct rp_type *)o;
		if (t->combiner == combiner && t->ints[0] == p && (t->ni < 2 || t->ints[1] == r))
			break;
	}
	rp_unlock();
	return o ? t : NULL;
}

int rp_type_dup_attributes(MPI_Datatype old, MPI_Datatype *fresh)
{
	int rc = rp_attr_copy(RP_OBJ(old), RP_OBJ(*fresh));

	if (rc == MPI_SUCCESS)
		return rc;
	rp_type_put(RP_T(*fresh));
	*fresh = MPI_DATATYPE_NULL;
	return rp_comm_error(NULL, rc);
}

MPI_Datatype rp_type_adopt(MPI_Datatype lower)
{
	void *known = rp_object_of(RP_TYPE, lower);

	return known ? known : MPI_DATATYPE_NULL;
}

/* ---- life ---- */

static int is_type(MPI_Datatype type)
{
	return type && !(RP_OBJ(type)->flags & RP_NULL_HANDLE);
}

RP_EXPORT int PMPI_Type_commit(MPI_Datatype *type)
{
	struct rp_thread *t;
	MPI_Datatype lower;
	int rc;

	if (!type || !is_type(*type))
		return rp_comm_raise(NULL, MPI_ERR_TYPE, "MPI_Type_commit");
	t = rp_mpi_enter();
	lower = RP_LOWER_TYPE(*type);
	rc = rp_lower.MPI_Type_commit(&lower);
	if (rc == MPI_SUCCESS)
		RP_OBJ(*type)->flags |= RP_COMMITTED;
	rp_leave(t);
	return rc == MPI_SUCCESS ? rc : rp_comm_error(NULL, rc);
}
RP_ALIAS(MPI_Type_commit);

RP_EXPORT int PMPI_Type_free(MPI_Datatype *type)
{
	struct rp_type *t = type ? RP_T(*type) : NULL;
	int rc;

	if (!t || t->o.flags & RP_PREDEFINED)
		return rp_comm_raise(NULL, MPI_ERR_TYPE, "MPI_Type_free");
	rc = rp_attr_delete_all(&t->o);
	if (rc != MPI_SUCCESS)
		return rp_comm_error(NULL, rc);
	rp_type_put(t);
	*type = MPI_DATATYPE_NULL;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Type_free);

/* ---- queries ---- */

static int query(MPI_Datatype type, const void *out, const char *function)
{
	if (__builtin_expect(!is_type(type), 0))
		return rp_comm_raise(NULL, MPI_ERR_TYPE, function);
	if (__builtin_expect(!out, 0))
		return rp_comm_raise(NULL, MPI_ERR_ARG, function);
	return MPI_SUCCESS;
}

RP_EXPORT int PMPI_Type_size(MPI_Datatype type, int *size)
{
	int rc = query(type, size, "MPI_Type_size");

	if (rc == MPI_SUCCESS)
		*size = RP_T(type)->size > INT_MAX ? MPI_UNDEFINED : (int)RP_T(type)->size;
	return rc;
}
RP_ALIAS(MPI_Type_size);

RP_EXPORT int PMPI_Type_size_x(MPI_Datatype type, MPI_Count *size)
{
	int rc = query(type, size, "MPI_Type_size_x");

	if (rc == MPI_SUCCESS)
		*size = RP_T(type)->size;
	return rc;
}
RP_ALIAS(MPI_Type_size_x);

RP_EXPORT int PMPI_Type_get_extent(MPI_Datatype type, MPI_Aint *lb, MPI_Aint *extent)
{
	int rc = query(type, lb && extent ? lb : NULL, "MPI_Type_get_extent");

	if (rc == MPI_SUCCESS) {
		*lb = RP_T(type)->lb;
		*extent = RP_T(type)->extent;
	}
	return rc;
}
RP_ALIAS(MPI_Type_get_extent);

RP_EXPORT int PMPI_Type_get_extent_x(MPI_Datatype type, MPI_Count *lb, MPI_Count *extent)
{
	int rc = query(type, lb && extent ? lb : NULL, "MPI_Type_get_extent_x");

	if (rc == MPI_SUCCESS) {
		*lb = RP_T(type)->lb;
		*extent = RP_T(type)->extent;
	}
	return rc;
}
RP_ALIAS(MPI_Type_get_extent_x);

RP_EXPORT int PMPI_Type_get_true_extent(MPI_Datatype type, MPI_Aint *lb, MPI_Aint *extent)
{
	int rc = query(type, lb && extent ? lb : NULL, "MPI_Type_get_true_extent");

	if (rc == MPI_SUCCESS) {
		*lb = RP_T(type)->true_lb;
		*extent = RP_T(type)->true_extent;
	}
	return rc;
}
RP_ALIAS(MPI_Type_get_true_extent);

RP_EXPORT int PMPI_Type_get_true_extent_x(MPI_Datatype type, MPI_Count *lb, MPI_Count *extent)
{
	int rc = query(type, lb && extent ? lb : NULL, "MPI_Type_get_true_extent_x");

	if (rc == MPI_SUCCESS) {
		*lb = RP_T(type)->true_lb;
		*extent = RP_T(type)->true_extent;
	}
	return rc;
}
RP_ALIAS(MPI_Type_get_true_extent_x);

/* Predefined names are the lower library's; a name that the application gave is the stub's. */
RP_EXPORT int PMPI_Type_get_name(MPI_Datatype type, char *name, int *len)
{
	struct rp_thread *t;
	int rc;

	if (!type || !name || !len)
		return rp_comm_raise(NULL, type ? MPI_ERR_ARG : MPI_ERR_TYPE, "MPI_Type_get_name");
	if (RP_T(type)->name) {
		strcpy(name, RP_T(type)->name);
		*len = (int)strlen(name);
		return MPI_SUCCESS;
	}
	t = rp_mpi_enter();
	rc = rp_lower.MPI_Type_get_name(RP_LOWER_TYPE(type), name, len);
	rp_leave(t);
	return rc;
}
RP_ALIAS(MPI_Type_get_name);

RP_EXPORT int PMPI_Type_set_name(MPI_Datatype type, const char *name)
{
	char *copy;
	size_t len;
	int rc = query(type, name, "MPI_Type_set_name");

	if (rc != MPI_SUCCESS)
		return rc;
	copy = rp_heap_alloc(MPI_MAX_OBJECT_NAME);
	if (!copy)
		return rp_comm_raise(NULL, MPI_ERR_NO_MEM, "MPI_Type_set_name");
	len = strnlen(name, MPI_MAX_OBJECT_NAME - 1);
	memcpy(copy, name, len);
	rp_heap_free(RP_T(type)->name);
	RP_T(type)->name = copy;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Type_set_name);

RP_EXPORT int PMPI_Type_get_envelope(MPI_Datatype type, int *ni, int *na, int *nd, int *combiner)
{
	const struct rp_type *t = RP_T(type);
	int rc = query(type, ni && na && nd ? combiner : NULL, "MPI_Type_get_envelope");

	if (rc != MPI_SUCCESS)
		return rc;
	*ni = t->ni;
	*na = t->na;
	*nd = t->nd;
	*combiner = t->combiner;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Type_get_envelope);

RP_EXPORT int PMPI_Type_get_contents(MPI_Datatype type, int max_ni, int max_na, int max_nd, int ints[],
				     MPI_Aint addrs[], MPI_Datatype types[])
{
	const struct rp_type *t = RP_T(type);

	if (!is_type(type) || t->combiner == MPI_COMBINER_NAMED)
		return rp_comm_raise(NULL, MPI_ERR_TYPE, "MPI_Type_get_contents");
	if (max_ni < t->ni || max_na < t->na || max_nd < t->nd)
		return rp_comm_raise(NULL, MPI_ERR_ARG, "MPI_Type_get_contents");
	memcpy(ints, t->ints, (size_t)t->ni * sizeof(int));
	memcpy(addrs, t->addrs, (size_t)t->na * sizeof(MPI_Aint));
	for (int i = 0; i < t->nd; i++) {
		types[i] = (MPI_Datatype)t->types[i];
		rp_object_ref(t->types[i]); /* the application frees what it is given */
	}
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Type_get_contents);
