/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The datatype constructors: each writes its arguments down in the order of MPI-3.1, section 4.1.13.
 */
#include <string.h>

#include "mpi/compat.h"
#include "mpi/type.h"
#include "mpi/wrap.h"

/* What the lower library would say of a bad argument, before it is written down. */
static int bad(int count, MPI_Datatype old, const void *out)
{
	if (count < 0)
		return MPI_ERR_COUNT;
	if (!old || RP_OBJ(old)->flags & RP_NULL_HANDLE)
		return MPI_ERR_TYPE;
	return out ? MPI_SUCCESS : MPI_ERR_ARG;
}

/* Checks and makes a record with one part. Returns an MPI error code, raised. */
static int record(struct rp_type **t, int combiner, int count, int ni, int na, MPI_Datatype old, const void *out,
		  const char *function)
{
	int rc = bad(count, old, out);

	if (rc != MPI_SUCCESS)
		return rp_comm_raise(NULL, rc, function);
	*t = rp_type_record(combiner, ni, na, 1);
	if (!*t)
		return rp_comm_raise(NULL, MPI_ERR_NO_MEM, function);
	rp_type_part(*t, old);
	return MPI_SUCCESS;
}

static void put(struct rp_type *t, int at, const int *from, int n)
{
	if (n > 0)
		memcpy(t->ints + at, from, (size_t)n * sizeof(int));
}

static void put_addrs(struct rp_type *t, const MPI_Aint *from, int n)
{
	if (n > 0)
		memcpy(t->addrs, from, (size_t)n * sizeof(MPI_Aint));
}

RP_EXPORT int PMPI_Type_dup(MPI_Datatype old, MPI_Datatype *out)
{
	struct rp_type *t;
	int rc = record(&t, MPI_COMBINER_DUP, 0, 0, 0, old, out, "MPI_Type_dup");

	if (rc == MPI_SUCCESS)
		rc = rp_type_make(t, out);
	return rc == MPI_SUCCESS ? rp_type_dup_attributes(old, out) : rc;
}
RP_ALIAS(MPI_Type_dup);

RP_EXPORT int PMPI_Type_contiguous(int count, MPI_Datatype old, MPI_Datatype *out)
{
	struct rp_type *t;
	int rc = record(&t, MPI_COMBINER_CONTIGUOUS, count, 1, 0, old, out, "MPI_Type_contiguous");

	if (rc != MPI_SUCCESS)
		return rc;
	t->ints[0] = count;
	return rp_type_make(t, out);
}
RP_ALIAS(MPI_Type_contiguous);

RP_EXPORT int PMPI_Type_vector(int count, int blocklength, int stride, MPI_Datatype old, MPI_Datatype *out)
{
	struct rp_type *t;
	int rc = record(&t, MPI_COMBINER_VECTOR, count, 3, 0, old, out, "MPI_Type_vector");

	if (rc != MPI_SUCCESS)
		return rc;
	put(t, 0, (int[]){ count, blocklength, stride }, 3);
	return rp_type_make(t, out);
}
RP_ALIAS(MPI_Type_vector);

RP_EXPORT int PMPI_Type_create_hvector(int count, int blocklength, MPI_Aint stride, MPI_Datatype old, MPI_Datatype *out)
{
	struct rp_type *t;
	int rc = record(&t, MPI_COMBINER_HVECTOR, count, 2, 1, old, out, "MPI_Type_create_hvector");

	if (rc != MPI_SUCCESS)
		return rc;
	put(t, 0, (int[]){ count, blocklength }, 2);
	t->addrs[0] = stride;
	return rp_type_make(t, out);
}
RP_ALIAS(MPI_Type_create_hvector);

RP_EXPORT int PMPI_Type_indexed(int count, const int lengths[], const int displs[], MPI_Datatype old, MPI_Datatype *out)
{
	struct rp_type *t;
	int rc = record(&t, MPI_COMBINER_INDEXED, count, 2 * count + 1, 0, old, out, "MPI_Type_indexed");

	if (rc != MPI_SUCCESS)
		return rc;
	t->ints[0] = count;
	put(t, 1, lengths, count);
	put(t, 1 + count, displs, count);
	return rp_type_make(t, out);
}
RP_ALIAS(MPI_Type_indexed);

RP_EXPORT int PMPI_Type_create_hindexed(int count, const int lengths[], const MPI_Aint displs[], MPI_Datatype old,
					MPI_Datatype *out)
{
	struct rp_type *t;
	int rc = record(&t, MPI_COMBINER_HINDEXED, count, count + 1, count, old, out, "MPI_Type_create_hindexed");

	if (rc != MPI_SUCCESS)
		return rc;
	t->ints[0] = count;
	put(t, 1, lengths, count);
	put_addrs(t, displs, count);
	return rp_type_make(t, out);
}
RP_ALIAS(MPI_Type_create_hindexed);

RP_EXPORT int PMPI_Type_create_indexed_block(int count, int length, const int displs[], MPI_Datatype old,
					     MPI_Datatype *out)
{
	struct rp_type *t;
	int rc = record(&t, MPI_COMBINER_INDEXED_BLOCK, count, count + 2, 0, old, out, "MPI_Type_create_indexed_block");

	if (rc != MPI_SUCCESS)
		return rc;
	put(t, 0, (int[]){ count, length }, 2);
	put(t, 2, displs, count);
	return rp_type_make(t, out);
}
RP_ALIAS(MPI_Type_create_indexed_block);

RP_EXPORT int PMPI_Type_create_hindexed_block(int count, int length, const MPI_Aint displs[], MPI_Datatype old,
					      MPI_Datatype *out)
{
	struct rp_type *t;
	int rc = record(&t, MPI_COMBINER_HINDEXED_BLOCK, count, 2, count, old, out, "MPI_Type_create_hindexed_block");

	if (rc != MPI_SUCCESS)
		return rc;
	put(t, 0, (int[]){ count, length }, 2);
	put_addrs(t, displs, count);
	return rp_type_make(t, out);
}
RP_ALIAS(MPI_Type_create_hindexed_block);

RP_EXPORT int PMPI_Type_create_struct(int count, const int lengths[], const MPI_Aint displs[],
				      const MPI_Datatype types[], MPI_Datatype *out)
{
	struct rp_type *t;
	int rc = count < 0 ? MPI_ERR_COUNT : !out ? MPI_ERR_ARG : MPI_SUCCESS;

	for (int i = 0; rc == MPI_SUCCESS && i < count; i++)
		rc = bad(0, types[i], out);
	if (rc != MPI_SUCCESS)
		return rp_comm_raise(NULL, rc, "MPI_Type_create_struct");
	t = rp_type_record(MPI_COMBINER_STRUCT, count + 1, count, count);
	if (!t)
		return rp_comm_raise(NULL, MPI_ERR_NO_MEM, "MPI_Type_create_struct");
	t->ints[0] = count;
	put(t, 1, lengths, count);
	put_addrs(t, displs, count);
	for (int i = 0; i < count; i++)
		rp_type_part(t, types[i]);
	return rp_type_make(t, out);
}
RP_ALIAS(MPI_Type_create_struct);

RP_EXPORT int PMPI_Type_create_subarray(int ndims, const int sizes[], const int subsizes[], const int starts[],
					int order, MPI_Datatype old, MPI_Datatype *out)
{
	struct rp_type *t;
	int rc = record(&t, MPI_COMBINER_SUBARRAY, ndims, 3 * ndims + 2, 0, old, out, "MPI_Type_create_subarray");

	if (rc != MPI_SUCCESS)
		return rc;
	t->ints[0] = ndims;
	put(t, 1, sizes, ndims);
	put(t, 1 + ndims, subsizes, ndims);
	put(t, 1 + 2 * ndims, starts, ndims);
	t->ints[1 + 3 * ndims] = order;
	return rp_type_make(t, out);
}
RP_ALIAS(MPI_Type_create_subarray);

RP_EXPORT int PMPI_Type_create_darray(int size, int rank, int ndims, const int gsizes[], const int distribs[],
				      const int dargs[], const int psizes[], int order, MPI_Datatype old,
				      MPI_Datatype *out)
{
	struct rp_type *t;
	int rc = record(&t, MPI_COMBINER_DARRAY, ndims, 4 * ndims + 4, 0, old, out, "MPI_Type_create_darray");

	if (rc != MPI_SUCCESS)
		return rc;
	put(t, 0, (int[]){ size, rank, ndims }, 3);
	put(t, 3, gsizes, ndims);
	put(t, 3 + ndims, distribs, ndims);
	put(t, 3 + 2 * ndims, dargs, ndims);
	put(t, 3 + 3 * ndims, psizes, ndims);
	t->ints[3 + 4 * ndims] = order;
	return rp_type_make(t, out);
}
RP_ALIAS(MPI_Type_create_darray);

RP_EXPORT int PMPI_Type_create_resized(MPI_Datatype old, MPI_Aint lb, MPI_Aint extent, MPI_Datatype *out)
{
	struct rp_type *t;
	int rc = record(&t, MPI_COMBINER_RESIZED, 0, 0, 2, old, out, "MPI_Type_create_resized");

	if (rc != MPI_SUCCESS)
		return rc;
	put_addrs(t, (MPI_Aint[]){ lb, extent }, 2);
	return rp_type_make(t, out);
}
RP_ALIAS(MPI_Type_create_resized);

/* Fortran's parametrised types are the lower library's own predefined-like objects: made again by the same call. */
static int f90(int combiner, int p, int r, MPI_Datatype *out, const char *function)
{
	struct rp_type *t;

	if (!out)
		return rp_comm_raise(NULL, MPI_ERR_ARG, function);
	t = rp_type_f90_known(combiner, p, r);
	if (t) {
		*out = (MPI_Datatype)t;
		return MPI_SUCCESS;
	}
	t = rp_type_record(combiner, combiner == MPI_COMBINER_F90_INTEGER ? 1 : 2, 0, 0);
	if (!t)
		return rp_comm_raise(NULL, MPI_ERR_NO_MEM, function);
	t->ints[0] = p;
	if (combiner != MPI_COMBINER_F90_INTEGER)
		t->ints[1] = r;
	t->o.flags |= RP_COMMITTED | RP_PREDEFINED; /* cannot be freed */
	return rp_type_make(t, out);
}

RP_EXPORT int PMPI_Type_create_f90_real(int p, int r, MPI_Datatype *out)
{
	return f90(MPI_COMBINER_F90_REAL, p, r, out, "MPI_Type_create_f90_real");
}
RP_ALIAS(MPI_Type_create_f90_real);

RP_EXPORT int PMPI_Type_create_f90_complex(int p, int r, MPI_Datatype *out)
{
	return f90(MPI_COMBINER_F90_COMPLEX, p, r, out, "MPI_Type_create_f90_complex");
}
RP_ALIAS(MPI_Type_create_f90_complex);

RP_EXPORT int PMPI_Type_create_f90_integer(int r, MPI_Datatype *out)
{
	return f90(MPI_COMBINER_F90_INTEGER, r, 0, out, "MPI_Type_create_f90_integer");
}
RP_ALIAS(MPI_Type_create_f90_integer);

/* ---- MPI-1 forms that MPI-3 removed; old binaries and Debian's Fortran bindings still import them ---- */

RP_EXPORT int PMPI_Type_struct(int count, int *lengths, MPI_Aint *displs, MPI_Datatype *types, MPI_Datatype *out)
{
	return PMPI_Type_create_struct(count, lengths, displs, types, out);
}
RP_ALIAS(MPI_Type_struct);

RP_EXPORT int PMPI_Type_hindexed(int count, int *lengths, MPI_Aint *displs, MPI_Datatype old, MPI_Datatype *out)
{
	return PMPI_Type_create_hindexed(count, lengths, displs, old, out);
}
RP_ALIAS(MPI_Type_hindexed);

RP_EXPORT int PMPI_Type_hvector(int count, int length, MPI_Aint stride, MPI_Datatype old, MPI_Datatype *out)
{
	return PMPI_Type_create_hvector(count, length, stride, old, out);
}
RP_ALIAS(MPI_Type_hvector);

RP_EXPORT int PMPI_Type_extent(MPI_Datatype type, MPI_Aint *extent)
{
	MPI_Aint lb;

	return PMPI_Type_get_extent(type, &lb, extent);
}
RP_ALIAS(MPI_Type_extent);

RP_EXPORT int PMPI_Type_lb(MPI_Datatype type, MPI_Aint *lb)
{
	MPI_Aint extent;

	return PMPI_Type_get_extent(type, lb, &extent);
}
RP_ALIAS(MPI_Type_lb);

RP_EXPORT int PMPI_Type_ub(MPI_Datatype type, MPI_Aint *ub)
{
	MPI_Aint lb, extent;
	int rc = PMPI_Type_get_extent(type, &lb, &extent);

	*ub = lb + extent;
	return rc;
}
RP_ALIAS(MPI_Type_ub);

RP_EXPORT int PMPI_Address(void *location, MPI_Aint *address)
{
	return PMPI_Get_address(location, address);
}
RP_ALIAS(MPI_Address);
