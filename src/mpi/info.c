/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Info objects: pairs kept by the stub. A call that takes one gets a lower object, made when first needed.
 */
#include <string.h>

#include "mpi/comm.h"
#include "mpi/env.h"
#include "mpi/wrap.h"

static int is_info(MPI_Info info)
{
	return info && !(RP_OBJ(info)->flags & RP_NULL_HANDLE);
}

static struct rp_info_pair **find(const struct rp_info *info, const char *key)
{
	struct rp_info_pair **p;

	for (p = &((struct rp_info *)info)->pairs; *p; p = &(*p)->next)
		if (!strcmp((*p)->key, key))
			break;
	return p;
}

/* The lower object no longer says the same: the next call that needs one makes it anew. */
static void info_changed(struct rp_info *info)
{
	struct rp_thread *t;

	if (!info->o.lower || info->o.flags & RP_PREDEFINED)
		return;
	t = rp_mpi_enter();
	if (info->o.lower)
		rp_lower.MPI_Info_free((MPI_Info *)&info->o.lower);
	info->o.lower = NULL;
	rp_leave(t);
}

int rp_info_put(struct rp_info *info, const char *key, const char *value)
{
	struct rp_info_pair **p = find(info, key);
	char *copy = rp_heap_strdup(value);

	if (!copy)
		return MPI_ERR_NO_MEM;
	if (!*p) {
		*p = rp_heap_alloc(sizeof(**p));
		if (!*p) {
			rp_heap_free(copy);
			return MPI_ERR_NO_MEM;
		}
		strncpy((*p)->key, key, MPI_MAX_INFO_KEY);
		info->count++;
	}
	rp_heap_free((*p)->value);
	(*p)->value = copy;
	return MPI_SUCCESS;
}

struct rp_info *rp_info_new(void)
{
	struct rp_info *info = rp_object_new(RP_INFO, sizeof(*info));

	if (info)
		rp_object_link(info);
	return info;
}

struct rp_info *rp_info_copy(const struct rp_info *from)
{
	struct rp_info *info = rp_info_new();
	const struct rp_info_pair *p;

	for (p = from->pairs; info && p; p = p->next)
		rp_info_put(info, p->key, p->value);
	return info;
}

void rp_info_release(struct rp_info *info)
{
	struct rp_info_pair *p, *next;

	for (p = info->pairs; p; p = next) {
		next = p->next;
		rp_heap_free(p->value);
		rp_heap_free(p);
	}
}

MPI_Info rp_info_lower(struct rp_info *info)
{
	const struct rp_info_pair *p;
	MPI_Info lower;

	if (!info || info->o.lower)
		return info ? info->o.lower : NULL;
	if (rp_lower.MPI_Info_create(&lower) != MPI_SUCCESS)
		return rp_real(MPI_INFO_NULL);
	for (p = info->pairs; p; p = p->next)
		rp_lower.MPI_Info_set(lower, p->key, p->value);
	info->o.lower = lower;
	return lower;
}

/* Copies what a lower info says. Inside. */
static void info_read(MPI_Info lower, struct rp_info *info)
{
	char key[MPI_MAX_INFO_KEY + 1], *value;
	int n = 0, len, flag;

	rp_lower.MPI_Info_get_nkeys(lower, &n);
	for (int i = 0; i < n; i++) {
		if (rp_lower.MPI_Info_get_nthkey(lower, i, key) != MPI_SUCCESS ||
		    rp_lower.MPI_Info_get_valuelen(lower, key, &len, &flag) != MPI_SUCCESS || !flag)
			continue;
		value = rp_heap_alloc((size_t)len + 1);
		if (value && rp_lower.MPI_Info_get(lower, key, len, value, &flag) == MPI_SUCCESS && flag)
			rp_info_put(info, key, value);
		rp_heap_free(value);
	}
}

MPI_Info rp_info_adopt(MPI_Info lower)
{
	struct rp_info *info;

	if (!lower || lower == rp_real(MPI_INFO_NULL))
		return MPI_INFO_NULL;
	info = rp_info_new();
	if (!info)
		return MPI_INFO_NULL;
	info_read(lower, info);
	rp_lower.MPI_Info_free(&lower);
	return (MPI_Info)info;
}

void rp_info_env_init(void)
{
	info_read(rp_real(MPI_INFO_ENV), RP_I(MPI_INFO_ENV));
}

RP_EXPORT int PMPI_Info_create(MPI_Info *info)
{
	struct rp_info *i;

	if (!info)
		return rp_comm_raise(NULL, MPI_ERR_INFO, "MPI_Info_create");
	i = rp_info_new();
	if (!i)
		return rp_comm_raise(NULL, MPI_ERR_NO_MEM, "MPI_Info_create");
	*info = (MPI_Info)i;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Info_create);

RP_EXPORT int PMPI_Info_free(MPI_Info *info)
{
	if (!info || !is_info(*info) || RP_OBJ(*info)->flags & RP_PREDEFINED)
		return rp_comm_raise(NULL, MPI_ERR_INFO, "MPI_Info_free");
	info_changed(RP_I(*info));
	rp_object_unref(*info);
	*info = MPI_INFO_NULL;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Info_free);

RP_EXPORT int PMPI_Info_dup(MPI_Info info, MPI_Info *out)
{
	struct rp_info *copy;

	if (!is_info(info) || !out)
		return rp_comm_raise(NULL, MPI_ERR_INFO, "MPI_Info_dup");
	copy = rp_info_copy(RP_I(info));
	if (!copy)
		return rp_comm_raise(NULL, MPI_ERR_NO_MEM, "MPI_Info_dup");
	*out = (MPI_Info)copy;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Info_dup);

static int key_error(MPI_Info info, const char *key)
{
	size_t n = key ? strlen(key) : 0;

	if (!is_info(info))
		return MPI_ERR_INFO;
	return n == 0 || n > MPI_MAX_INFO_KEY ? MPI_ERR_INFO_KEY : MPI_SUCCESS;
}

RP_EXPORT int PMPI_Info_set(MPI_Info info, const char *key, const char *value)
{
	int rc = key_error(info, key);
	size_t n = value ? strlen(value) : 0;

	if (rc == MPI_SUCCESS && (n == 0 || n > MPI_MAX_INFO_VAL))
		rc = MPI_ERR_INFO_VALUE;
	if (rc == MPI_SUCCESS) {
		info_changed(RP_I(info));
		rc = rp_info_put(RP_I(info), key, value);
	}
	return rc == MPI_SUCCESS ? rc : rp_comm_raise(NULL, rc, "MPI_Info_set");
}
RP_ALIAS(MPI_Info_set);

RP_EXPORT int PMPI_Info_delete(MPI_Info info, const char *key)
{
	int rc = key_error(info, key);
	struct rp_info_pair **p, *gone;

	if (rc != MPI_SUCCESS)
		return rp_comm_raise(NULL, rc, "MPI_Info_delete");
	p = find(RP_I(info), key);
	gone = *p;
	if (!gone)
		return rp_comm_raise(NULL, MPI_ERR_INFO_NOKEY, "MPI_Info_delete");
	info_changed(RP_I(info));
	*p = gone->next;
	RP_I(info)->count--;
	rp_heap_free(gone->value);
	rp_heap_free(gone);
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Info_delete);

RP_EXPORT int PMPI_Info_get(MPI_Info info, const char *key, int valuelen, char *value, int *flag)
{
	int rc = key_error(info, key);
	struct rp_info_pair *p;

	if (rc != MPI_SUCCESS || !value || !flag || valuelen < 0)
		return rp_comm_raise(NULL, rc != MPI_SUCCESS ? rc : MPI_ERR_ARG, "MPI_Info_get");
	p = *find(RP_I(info), key);
	*flag = p != NULL;
	if (p) {
		size_t n = strnlen(p->value, (size_t)valuelen);

		memcpy(value, p->value, n);
		value[n] = '\0';
	}
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Info_get);

RP_EXPORT int PMPI_Info_get_valuelen(MPI_Info info, const char *key, int *valuelen, int *flag)
{
	int rc = key_error(info, key);
	struct rp_info_pair *p;

	if (rc != MPI_SUCCESS || !valuelen || !flag)
		return rp_comm_raise(NULL, rc != MPI_SUCCESS ? rc : MPI_ERR_ARG, "MPI_Info_get_valuelen");
	p = *find(RP_I(info), key);
	*flag = p != NULL;
	if (p)
		*valuelen = (int)strlen(p->value);
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Info_get_valuelen);

RP_EXPORT int PMPI_Info_get_nkeys(MPI_Info info, int *nkeys)
{
	if (!is_info(info) || !nkeys)
		return rp_comm_raise(NULL, nkeys ? MPI_ERR_INFO : MPI_ERR_ARG, "MPI_Info_get_nkeys");
	*nkeys = RP_I(info)->count;
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Info_get_nkeys);

RP_EXPORT int PMPI_Info_get_nthkey(MPI_Info info, int n, char *key)
{
	struct rp_info_pair *p;

	if (!is_info(info) || !key || n < 0 || n >= RP_I(info)->count)
		return rp_comm_raise(NULL, is_info(info) ? MPI_ERR_ARG : MPI_ERR_INFO, "MPI_Info_get_nthkey");
	for (p = RP_I(info)->pairs; n--; p = p->next)
		;
	strcpy(key, p->key);
	return MPI_SUCCESS;
}
RP_ALIAS(MPI_Info_get_nthkey);
