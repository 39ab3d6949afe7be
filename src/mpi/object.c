/* SPDX-License-Identifier: BSD-3-Clause */
#include "mpi/object.h"

#include <string.h>

#include "mpi/attr.h"
#include "mpi/comm.h"

struct rp_stub rp_stub;

static struct rp_link *list_head(unsigned int kind)
{
	struct rp_link *h = &rp_stub.objects[kind];

	if (!h->next)
		h->next = h->prev = h;
	return h;
}

void *rp_object_new(enum rp_object_kind kind, size_t size)
{
	struct rp_object *o = rp_heap_alloc(size);

	if (!o)
		return NULL;
	o->kind = (uint16_t)kind;
	o->refs = 1;
	o->f_index = -1;
	return o;
}

void rp_object_link(void *object)
{
	struct rp_object *o = object;
	struct rp_link *head;

	rp_lock();
	head = list_head(o->kind);
	o->link.next = head;
	o->link.prev = head->prev;
	head->prev->next = &o->link;
	head->prev = &o->link;
	rp_stub.count[o->kind]++;
	rp_unlock();
}

void rp_object_ref(void *object)
{
	struct rp_object *o = object;

	if (!(o->flags & RP_PREDEFINED))
		__atomic_add_fetch(&o->refs, 1, __ATOMIC_RELAXED);
}

static void object_unlink(struct rp_object *o)
{
	if (!o->link.next)
		return;
	o->link.prev->next = o->link.next;
	o->link.next->prev = o->link.prev;
	o->link.next = o->link.prev = NULL;
	rp_stub.count[o->kind]--;
}

/* What the object owns, by kind. */
static void object_release(struct rp_object *o)
{
	switch (o->kind) {
	case RP_COMM:
		rp_comm_release((struct rp_comm *)o);
		break;
	case RP_GROUP:
		rp_heap_free(((struct rp_group *)o)->world);
		break;
	case RP_TYPE:
		rp_type_release((struct rp_type *)o);
		break;
	case RP_OP:
		rp_op_release((struct rp_op *)o);
		break;
	case RP_INFO:
		rp_info_release((struct rp_info *)o);
		break;
	case RP_WIN:
		rp_heap_free(((struct rp_win *)o)->name);
		break;
	default:
		break;
	}
}

int rp_object_unref(void *object)
{
	struct rp_object *o = object;

	if (o->flags & RP_PREDEFINED || __atomic_sub_fetch(&o->refs, 1, __ATOMIC_ACQ_REL))
		return 0;
	rp_lock();
	object_unlink(o);
	rp_f_forget(o);
	rp_unlock();
	object_release(o);
	rp_heap_free(o);
	return 1;
}

void rp_object_discard(void *object)
{
	if (object) {
		object_release(object);
		rp_heap_free(object);
	}
}

static struct rp_object *object_at(unsigned int kind, struct rp_link *l)
{
	if (l == list_head(kind))
		return NULL;
	return (struct rp_object *)((char *)l - offsetof(struct rp_object, link));
}

struct rp_object *rp_first(enum rp_object_kind kind)
{
	return object_at(kind, list_head(kind)->next);
}

struct rp_object *rp_next(const struct rp_object *o)
{
	return object_at(o->kind, o->link.next);
}

/* ---- Fortran handles ---- */

static int f_grow(struct rp_f_table *t)
{
	int32_t size = t->size ? t->size * 2 : 128;
	struct rp_object **slots = rp_heap_alloc((size_t)size * sizeof(*slots));

	if (!slots)
		return 0;
	if (t->slots)
		memcpy(slots, t->slots, (size_t)t->size * sizeof(*slots));
	rp_heap_free(t->slots);
	t->slots = slots;
	t->size = size;
	return 1;
}

static int f_put(struct rp_f_table *t, struct rp_object *o, int32_t index)
{
	while (index >= t->size)
		if (!f_grow(t))
			return 0;
	t->slots[index] = o;
	if (index >= t->used)
		t->used = index + 1;
	o->f_index = index;
	return 1;
}

void rp_f_predefine(void *object, int32_t index)
{
	struct rp_object *o = object;
	struct rp_f_table *t = &rp_stub.f_tables[o->kind];

	rp_lock();
	if (index >= 0 && f_put(t, o, index) && index >= t->predefined)
		t->predefined = t->first_free = index + 1;
	rp_unlock();
}

int32_t rp_c2f(void *object)
{
	struct rp_object *o = object;
	struct rp_f_table *t;
	int32_t i;

	if (!o)
		return -1;
	rp_lock();
	if (o->f_index < 0) {
		t = &rp_stub.f_tables[o->kind];
		for (i = t->first_free; i < t->used && t->slots[i]; i++)
			;
		if (f_put(t, o, i))
			t->first_free = i + 1;
	}
	i = o->f_index;
	rp_unlock();
	return i;
}

void *rp_f2c(enum rp_object_kind kind, int32_t index)
{
	struct rp_f_table *t = &rp_stub.f_tables[kind];
	struct rp_object *o = NULL;

	rp_lock();
	if (index >= 0 && index < t->used)
		o = t->slots[index];
	rp_unlock();
	return o ? o : rp_null_object(kind);
}

void rp_f_forget(struct rp_object *o)
{
	struct rp_f_table *t = &rp_stub.f_tables[o->kind];

	rp_lock();
	if (o->f_index >= t->predefined) {
		t->slots[o->f_index] = NULL;
		if (o->f_index < t->first_free)
			t->first_free = o->f_index;
		o->f_index = -1;
	}
	rp_unlock();
}
