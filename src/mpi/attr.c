/* SPDX-License-Identifier: BSD-3-Clause */
#include "mpi/attr.h"

#include <string.h>

#include "mpi/comm.h"
#include "mpi/fortran.h"
#include "mpi/wrap.h"

#define NPREDEFINED (MPI_WIN_MODEL + 1)
#define FIRST_USER (IMPI_HOST_COLOR + 1)

enum { CALL_C, CALL_FINT, CALL_AINT };

/* The seventh argument is Open MPI's own: its C++ bindings' callbacks take the new object, others do not look. */
typedef int c_copy_fn(void *old, int keyval, void *extra, void *in, void *out, int *flag, void *fresh);
typedef int c_delete_fn(void *object, int keyval, void *value, void *extra);
typedef void fint_copy_fn(MPI_Fint *old, MPI_Fint *keyval, MPI_Fint *extra, MPI_Fint *in, MPI_Fint *out, MPI_Fint *flag,
			  MPI_Fint *ierr);
typedef void fint_delete_fn(MPI_Fint *object, MPI_Fint *keyval, MPI_Fint *value, MPI_Fint *extra, MPI_Fint *ierr);
typedef void aint_copy_fn(MPI_Fint *old, MPI_Fint *keyval, MPI_Aint *extra, MPI_Aint *in, MPI_Aint *out, MPI_Fint *flag,
			  MPI_Fint *ierr);
typedef void aint_delete_fn(MPI_Fint *object, MPI_Fint *keyval, MPI_Aint *value, MPI_Aint *extra, MPI_Fint *ierr);

static struct rp_attr **attrs_of(struct rp_object *o)
{
	switch (o->kind) {
	case RP_COMM:
		return &((struct rp_comm *)o)->attrs;
	case RP_TYPE:
		return &((struct rp_type *)o)->attrs;
	default:
		return &((struct rp_win *)o)->attrs;
	}
}

/* ---- keyvals ---- */

static struct rp_keyval *keyval_at(int key)
{
	return key >= FIRST_USER && key < rp_stub.nkeyvals && rp_stub.keyvals[key].used ? &rp_stub.keyvals[key] : NULL;
}

static int keyval_new(void)
{
	int n = rp_stub.nkeyvals ? rp_stub.nkeyvals * 2 : 64;
	struct rp_keyval *grown;

	for (int i = FIRST_USER; i < rp_stub.nkeyvals; i++)
		if (!rp_stub.keyvals[i].used)
			return i;
	grown = rp_heap_alloc((size_t)n * sizeof(*grown));
	if (!grown)
		return -1;
	if (rp_stub.keyvals)
		memcpy(grown, rp_stub.keyvals, (size_t)rp_stub.nkeyvals * sizeof(*grown));
	rp_heap_free(rp_stub.keyvals);
	rp_stub.keyvals = grown;
	n = rp_stub.nkeyvals ? rp_stub.nkeyvals : FIRST_USER;
	rp_stub.nkeyvals = rp_stub.nkeyvals ? rp_stub.nkeyvals * 2 : 64;
	return n;
}

static int keyval_make(int kind, int fortran, void (*copy)(void), void (*del)(void), MPI_Aint extra, int *key)
{
	struct rp_keyval *k;
	int i;

	if (!copy || !del || !key)
		return MPI_ERR_ARG;
	rp_lock();
	i = keyval_new();
	if (i >= 0) {
		k = &rp_stub.keyvals[i];
		*k = (struct rp_keyval){ .used = 1, .kind = (uint16_t)kind, .fortran = (uint16_t)fortran };
		k->copy = copy;
		k->delete = del;
		if (fortran == CALL_FINT)
			k->extra.i = (int32_t)extra;
		else
			k->extra.a = extra;
	}
	rp_unlock();
	if (i < 0)
		return MPI_ERR_NO_MEM;
	*key = i;
	return MPI_SUCCESS;
}

static int keyval_free(int kind, int *key, const char *function)
{
	struct rp_keyval *k = key ? keyval_at(*key) : NULL;

	if (!k || k->kind != kind || k->freed)
		return rp_comm_raise(NULL, MPI_ERR_KEYVAL, function);
	k->freed = 1;
	if (!k->users)
		k->used = 0;
	*key = MPI_KEYVAL_INVALID;
	return MPI_SUCCESS;
}

/* ---- callbacks: ordinary calls of the application ---- */

static void *c_view(struct rp_attr *a)
{
	return a->form == RP_ATTR_C ? a->value.p : &a->value;
}

static MPI_Aint number(const struct rp_attr *a)
{
	switch (a->form) {
	case RP_ATTR_C:
		return (MPI_Aint)a->value.p;
	case RP_ATTR_AINT:
		return a->value.a;
	default:
		return a->value.i;
	}
}

/* The new value in out's union; *flag 0: not copied. */
static int run_copy(const struct rp_keyval *k, struct rp_object *old, struct rp_object *fresh, int key,
		    struct rp_attr *in, struct rp_attr *out, int *flag)
{
	MPI_Fint f_old, f_key = key, f_flag = 0, ierr = MPI_SUCCESS;
	int rc = MPI_SUCCESS;

	*flag = 0;
	if (k->fortran == CALL_C) {
		out->form = RP_ATTR_C;
		return ((c_copy_fn *)k->copy)(old, key, k->extra.p, c_view(in), &out->value.p, flag, fresh);
	}
	f_old = rp_c2f(old);
	if (k->fortran == CALL_FINT) {
		MPI_Fint extra = k->extra.i, value = (MPI_Fint)number(in);

		out->form = RP_ATTR_FINT;
		((fint_copy_fn *)k->copy)(&f_old, &f_key, &extra, &value, &out->value.i, &f_flag, &ierr);
	} else {
		MPI_Aint extra = k->extra.a, value = number(in);

		out->form = RP_ATTR_AINT;
		((aint_copy_fn *)k->copy)(&f_old, &f_key, &extra, &value, &out->value.a, &f_flag, &ierr);
	}
	*flag = f_flag != 0;
	rc = ierr;
	return rc;
}

static int run_delete(const struct rp_keyval *k, struct rp_object *o, int key, struct rp_attr *a)
{
	MPI_Fint f_object, f_key = key, ierr = MPI_SUCCESS;

	if (k->fortran == CALL_C)
		return ((c_delete_fn *)k->delete)(o, key, c_view(a), k->extra.p);
	f_object = rp_c2f(o);
	if (k->fortran == CALL_FINT) {
		MPI_Fint extra = k->extra.i, value = (MPI_Fint)number(a);

		((fint_delete_fn *)k->delete)(&f_object, &f_key, &value, &extra, &ierr);
	} else {
		MPI_Aint extra = k->extra.a, value = number(a);

		((aint_delete_fn *)k->delete)(&f_object, &f_key, &value, &extra, &ierr);
	}
	return ierr;
}

/* ---- attributes ---- */

static struct rp_attr **attr_find(struct rp_object *o, int key)
{
	struct rp_attr **a;

	for (a = attrs_of(o); *a; a = &(*a)->next)
		if ((*a)->keyval == key)
			break;
	return a;
}

static int attr_delete(struct rp_object *o, int key)
{
	struct rp_attr **at = attr_find(o, key), *a = *at;
	struct rp_keyval copy, *k = keyval_at(key);
	int rc;

	if (!a || !k)
		return MPI_ERR_KEYVAL;
	copy = *k; /* the callback may free the keyval, or make others */
	rc = run_delete(&copy, o, key, a);
	if (rc != MPI_SUCCESS)
		return rc;
	at = attr_find(o, key);
	if (*at == a) {
		*at = a->next;
		rp_heap_free(a);
	}
	k = keyval_at(key);
	if (k && !--k->users && k->freed)
		k->used = 0;
	return MPI_SUCCESS;
}

static int attr_set(struct rp_object *o, int key, uint32_t form, MPI_Aint value)
{
	struct rp_keyval *k = keyval_at(key);
	struct rp_attr **at, *a;
	int rc;

	if (!k || k->kind != o->kind)
		return MPI_ERR_KEYVAL;
	if (*attr_find(o, key)) {
		rc = attr_delete(o, key);
		if (rc != MPI_SUCCESS)
			return rc;
	}
	a = rp_heap_alloc(sizeof(*a));
	if (!a)
		return MPI_ERR_NO_MEM;
	a->keyval = key;
	a->form = form;
	if (form == RP_ATTR_FINT)
		a->value.i = (int32_t)value;
	else
		a->value.a = value;
	for (at = attrs_of(o); *at; at = &(*at)->next)
		;
	*at = a;
	k->users++;
	return MPI_SUCCESS;
}

static struct rp_attr *attr_get(struct rp_object *o, int key, int *rc)
{
	*rc = key >= 0 && (key < NPREDEFINED || keyval_at(key)) ? MPI_SUCCESS : MPI_ERR_KEYVAL;
	return *rc == MPI_SUCCESS ? *attr_find(o, key) : NULL;
}

int rp_attr_copy(struct rp_object *old, struct rp_object *fresh)
{
	struct rp_attr *a, *next, *copy, **at;
	struct rp_keyval k;
	int rc, flag;

	for (a = *attrs_of(old); a; a = next) {
		next = a->next;
		copy = rp_heap_alloc(sizeof(*copy));
		if (!copy)
			return MPI_ERR_NO_MEM;
		flag = 1;
		copy->keyval = a->keyval;
		if (keyval_at(a->keyval)) {
			k = *keyval_at(a->keyval);
			rc = run_copy(&k, old, fresh, a->keyval, a, copy, &flag);
		} else { /* predefined */
			*copy = *a;
			rc = MPI_SUCCESS;
		}
		if (rc != MPI_SUCCESS || !flag) {
			rp_heap_free(copy);
			if (rc != MPI_SUCCESS)
				return rc;
			continue;
		}
		copy->next = NULL;
		if (keyval_at(copy->keyval))
			keyval_at(copy->keyval)->users++;
		for (at = attrs_of(fresh); *at; at = &(*at)->next)
			;
		*at = copy;
	}
	return MPI_SUCCESS;
}

/* The last one set goes first. */
int rp_attr_delete_all(struct rp_object *o)
{
	struct rp_attr *a, *last;
	int rc;

	for (;;) {
		last = NULL;
		for (a = *attrs_of(o); a; a = a->next)
			if (keyval_at(a->keyval))
				last = a;
		if (!last)
			return MPI_SUCCESS;
		rc = attr_delete(o, last->keyval);
		if (rc != MPI_SUCCESS)
			return rc;
	}
}

void rp_attr_release(struct rp_attr *list)
{
	struct rp_attr *next;

	for (; list; list = next) {
		next = list->next;
		rp_heap_free(list);
	}
}

static __attribute__((noinline)) int lower_int(int key, int *value)
{
	struct rp_thread *t = rp_mpi_enter();
	int *p = NULL, flag = 0;

	rp_lower.MPI_Comm_get_attr(RP_LOWER_COMM(MPI_COMM_WORLD), key, &p, &flag);
	if (flag && p)
		*value = *p;
	rp_leave(t);
	return flag && p;
}

void rp_attr_init(void)
{
	static const int keys[] = { MPI_TAG_UB, MPI_HOST,	  MPI_IO,	    MPI_WTIME_IS_GLOBAL,
				    MPI_APPNUM, MPI_LASTUSEDCODE, MPI_UNIVERSE_SIZE };
	struct rp_attr **at = &RP_C(MPI_COMM_WORLD)->attrs, *a;
	int value;

	for (unsigned int i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!lower_int(keys[i], &value))
			continue;
		a = rp_heap_alloc(sizeof(*a));
		if (!a)
			return;
		a->keyval = keys[i];
		a->form = RP_ATTR_INT;
		a->value.i = value;
		*at = a;
		at = &a->next;
	}
}

void rp_attr_lastusedcode(int code)
{
	struct rp_attr *a = *attr_find(RP_OBJ(MPI_COMM_WORLD), MPI_LASTUSEDCODE);

	if (a)
		a->value.i = code;
}

/* ---- entry points ---- */

static int usable(const void *handle)
{
	return handle && !(((const struct rp_object *)handle)->flags & RP_NULL_HANDLE);
}

static int c_get(void *handle, int key, void *value, int *flag, int bad, const char *function)
{
	struct rp_attr *a;
	int rc;

	if (!usable(handle) || !value || !flag)
		return rp_comm_raise(NULL, usable(handle) ? MPI_ERR_ARG : bad, function);
	a = attr_get(handle, key, &rc);
	if (rc != MPI_SUCCESS)
		return rp_comm_raise(RP_OBJ(handle)->kind == RP_COMM ? handle : NULL, rc, function);
	*flag = a != NULL;
	if (a)
		*(void **)value = c_view(a);
	return MPI_SUCCESS;
}

static int c_set(void *handle, int key, void *value, int bad, const char *function)
{
	int rc = usable(handle) ? attr_set(handle, key, RP_ATTR_C, (MPI_Aint)value) : bad;

	return rc == MPI_SUCCESS ? rc : rp_comm_raise(NULL, rc, function);
}

static int c_delete(void *handle, int key, int bad, const char *function)
{
	int rc = usable(handle) ? attr_delete(handle, key) : bad;

	return rc == MPI_SUCCESS ? rc : rp_comm_raise(NULL, rc, function);
}

static int c_create(int kind, void (*copy)(void), void (*del)(void), int *key, void *extra, const char *function)
{
	int rc = keyval_make(kind, CALL_C, copy, del, (MPI_Aint)extra, key);

	return rc == MPI_SUCCESS ? rc : rp_comm_raise(NULL, rc, function);
}

RP_EXPORT int PMPI_Comm_create_keyval(MPI_Comm_copy_attr_function *copy, MPI_Comm_delete_attr_function *del, int *key,
				      void *extra)
{
	return c_create(RP_COMM, (void (*)(void))copy, (void (*)(void))del, key, extra, "MPI_Comm_create_keyval");
}
RP_ALIAS(MPI_Comm_create_keyval);

RP_EXPORT int PMPI_Type_create_keyval(MPI_Type_copy_attr_function *copy, MPI_Type_delete_attr_function *del, int *key,
				      void *extra)
{
	return c_create(RP_TYPE, (void (*)(void))copy, (void (*)(void))del, key, extra, "MPI_Type_create_keyval");
}
RP_ALIAS(MPI_Type_create_keyval);

RP_EXPORT int PMPI_Win_create_keyval(MPI_Win_copy_attr_function *copy, MPI_Win_delete_attr_function *del, int *key,
				     void *extra)
{
	return c_create(RP_WIN, (void (*)(void))copy, (void (*)(void))del, key, extra, "MPI_Win_create_keyval");
}
RP_ALIAS(MPI_Win_create_keyval);

RP_EXPORT int PMPI_Keyval_create(MPI_Copy_function *copy, MPI_Delete_function *del, int *key, void *extra)
{
	return c_create(RP_COMM, (void (*)(void))copy, (void (*)(void))del, key, extra, "MPI_Keyval_create");
}
RP_ALIAS(MPI_Keyval_create);

RP_EXPORT int PMPI_Comm_free_keyval(int *key)
{
	return keyval_free(RP_COMM, key, "MPI_Comm_free_keyval");
}
RP_ALIAS(MPI_Comm_free_keyval);

RP_EXPORT int PMPI_Type_free_keyval(int *key)
{
	return keyval_free(RP_TYPE, key, "MPI_Type_free_keyval");
}
RP_ALIAS(MPI_Type_free_keyval);

RP_EXPORT int PMPI_Win_free_keyval(int *key)
{
	return keyval_free(RP_WIN, key, "MPI_Win_free_keyval");
}
RP_ALIAS(MPI_Win_free_keyval);

RP_EXPORT int PMPI_Keyval_free(int *key)
{
	return keyval_free(RP_COMM, key, "MPI_Keyval_free");
}
RP_ALIAS(MPI_Keyval_free);

RP_EXPORT int PMPI_Comm_get_attr(MPI_Comm comm, int key, void *value, int *flag)
{
	return c_get(comm, key, value, flag, MPI_ERR_COMM, "MPI_Comm_get_attr");
}
RP_ALIAS(MPI_Comm_get_attr);

RP_EXPORT int PMPI_Attr_get(MPI_Comm comm, int key, void *value, int *flag)
{
	return c_get(comm, key, value, flag, MPI_ERR_COMM, "MPI_Attr_get");
}
RP_ALIAS(MPI_Attr_get);

RP_EXPORT int PMPI_Type_get_attr(MPI_Datatype type, int key, void *value, int *flag)
{
	return c_get(type, key, value, flag, MPI_ERR_TYPE, "MPI_Type_get_attr");
}
RP_ALIAS(MPI_Type_get_attr);

/* What a window knows about itself is the lower library's; windows are not carried, so its pointers are good. */
RP_EXPORT int PMPI_Win_get_attr(MPI_Win win, int key, void *value, int *flag)
{
	struct rp_thread *t;
	int rc;

	if (key < MPI_WIN_BASE || key > MPI_WIN_MODEL || !usable(win))
		return c_get(win, key, value, flag, MPI_ERR_WIN, "MPI_Win_get_attr");
	t = rp_mpi_enter();
	rc = rp_lower.MPI_Win_get_attr(RP_LOWER_WIN(win), key, value, flag);
	rp_leave(t);
	return rc;
}
RP_ALIAS(MPI_Win_get_attr);

RP_EXPORT int PMPI_Comm_set_attr(MPI_Comm comm, int key, void *value)
{
	return c_set(comm, key, value, MPI_ERR_COMM, "MPI_Comm_set_attr");
}
RP_ALIAS(MPI_Comm_set_attr);

RP_EXPORT int PMPI_Attr_put(MPI_Comm comm, int key, void *value)
{
	return c_set(comm, key, value, MPI_ERR_COMM, "MPI_Attr_put");
}
RP_ALIAS(MPI_Attr_put);

RP_EXPORT int PMPI_Type_set_attr(MPI_Datatype type, int key, void *value)
{
	return c_set(type, key, value, MPI_ERR_TYPE, "MPI_Type_set_attr");
}
RP_ALIAS(MPI_Type_set_attr);

RP_EXPORT int PMPI_Win_set_attr(MPI_Win win, int key, void *value)
{
	return c_set(win, key, value, MPI_ERR_WIN, "MPI_Win_set_attr");
}
RP_ALIAS(MPI_Win_set_attr);

RP_EXPORT int PMPI_Comm_delete_attr(MPI_Comm comm, int key)
{
	return c_delete(comm, key, MPI_ERR_COMM, "MPI_Comm_delete_attr");
}
RP_ALIAS(MPI_Comm_delete_attr);

RP_EXPORT int PMPI_Attr_delete(MPI_Comm comm, int key)
{
	return c_delete(comm, key, MPI_ERR_COMM, "MPI_Attr_delete");
}
RP_ALIAS(MPI_Attr_delete);

RP_EXPORT int PMPI_Type_delete_attr(MPI_Datatype type, int key)
{
	return c_delete(type, key, MPI_ERR_TYPE, "MPI_Type_delete_attr");
}
RP_ALIAS(MPI_Type_delete_attr);

RP_EXPORT int PMPI_Win_delete_attr(MPI_Win win, int key)
{
	return c_delete(win, key, MPI_ERR_WIN, "MPI_Win_delete_attr");
}
RP_ALIAS(MPI_Win_delete_attr);

/* ---- what Debian's Fortran and C++ bindings call; "hash" is the object itself (native_keyhash) ---- */

static const int fortran_kinds[] = { -1, RP_COMM, RP_TYPE, RP_WIN };

RP_EXPORT int ompi_attr_create_keyval(int type, void (*copy)(void), void (*del)(void), int *key, void *extra, int flags,
				      void *bindings_state)
{
	return keyval_make(fortran_kinds[type & 3], CALL_C, copy, del, (MPI_Aint)extra, key);
}

RP_EXPORT int ompi_attr_create_keyval_fint(int type, void (*copy)(void), void (*del)(void), int *key, MPI_Fint extra,
					   int flags, void *bindings_state)
{
	return keyval_make(fortran_kinds[type & 3], CALL_FINT, copy, del, extra, key);
}

RP_EXPORT int ompi_attr_create_keyval_aint(int type, void (*copy)(void), void (*del)(void), int *key, MPI_Aint extra,
					   int flags, void *bindings_state)
{
	return keyval_make(fortran_kinds[type & 3], CALL_AINT, copy, del, extra, key);
}

RP_EXPORT int ompi_attr_set_fint(int type, void *object, void **hash, int key, MPI_Fint value, _Bool predefined)
{
	return attr_set(object, key, RP_ATTR_FINT, value);
}

RP_EXPORT int ompi_attr_set_aint(int type, void *object, void **hash, int key, MPI_Aint value, _Bool predefined)
{
	return attr_set(object, key, RP_ATTR_AINT, value);
}

RP_EXPORT int ompi_attr_get_fint(void *hash, int key, MPI_Fint *value, int *flag)
{
	int rc;
	struct rp_attr *a = hash ? attr_get(hash, key, &rc) : NULL;

	*flag = a != NULL;
	if (a)
		*value = (MPI_Fint)number(a);
	return hash ? rc : MPI_SUCCESS;
}

RP_EXPORT int ompi_attr_get_aint(void *hash, int key, MPI_Aint *value, int *flag)
{
	int rc;
	struct rp_attr *a = hash ? attr_get(hash, key, &rc) : NULL;

	*flag = a != NULL;
	if (a)
		*value = number(a);
	return hash ? rc : MPI_SUCCESS;
}
