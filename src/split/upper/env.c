/* SPDX-License-Identifier: BSD-3-Clause
 *
 * After a restart the application's environment still holds what the old launcher said (which rank server, which jobid).
 * The first thread that enters the lower half again puts the new launcher's values in, through the application's own
 * setenv(3): at that point it runs in ordinary code. Variables that the new launcher does not set are left as they are.
 *
 * The other way: a program may set variables for the MPI library (OMPI_MCA_*) before it initialises MPI.
 */
#include "split/upper/upper.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint32_t refreshed; /* generation whose environment this is; 0: the first one */

static int is_launchers(const char *entry)
{
	static const char *const prefixes[] = { "OMPI_",  "ORTE_", "PMIX_",	 "PMI_",  "PMI2_",
						"HYDRA_", "HYDI_", "MPIR_CVAR_", "SLURM_" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(entry, prefixes[i], strlen(prefixes[i])))
			return 1;
	return 0;
}

static void set_entry(const char *entry)
{
	const char *eq = strchr(entry, '=');
	char *name = eq ? strndup(entry, eq - entry) : NULL;

	if (name)
		setenv(name, eq + 1, 1);
	free(name);
}

void rp_env_refresh(void)
{
	const struct rp_launch *l = rp_launch();
	uint32_t now = rp_arena()->generation, was = __atomic_load_n(&refreshed, __ATOMIC_ACQUIRE);
	const uint64_t *offs = (const uint64_t *)((const char *)l + l->lower_envp);

	if (!(l->flags & RP_LAUNCH_RESTART) || was == now ||
	    !__atomic_compare_exchange_n(&refreshed, &was, now, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return;
	for (uint64_t i = 0; i < l->lower_envc; i++) {
		const char *entry = rp_launch_str(l, offs[i]);

		if (entry && is_launchers(entry))
			set_entry(entry);
	}
}

/* All of it is upper memory: a restart finds it again. */
static char *at_start; /* "NAME=value" one behind the other, an empty one at the end */
static struct change {
	struct change *next;
	char *value; /* NULL: unset */
	char name[];
} * changes;

void rp_env_init(void)
{
	const struct rp_launch *l = rp_launch();
	const uint64_t *offs = (const uint64_t *)((const char *)l + l->envp);
	size_t size = 1;
	char *p;

	for (uint64_t i = 0; i < l->envc; i++)
		size += strlen(rp_launch_str(l, offs[i])) + 1;
	at_start = p = malloc(size);
	for (uint64_t i = 0; i < l->envc && p; i++)
		p = stpcpy(p, rp_launch_str(l, offs[i])) + 1;
	if (p)
		*p = 0;
}

/* The entry of this name in the lower half's own environment. */
static const char *find_lower(const char *entry, size_t name_len)
{
	const struct rp_launch *l = rp_launch();
	const uint64_t *offs = (const uint64_t *)((const char *)l + l->lower_envp);

	for (uint64_t i = 0; i < l->lower_envc; i++) {
		const char *e = rp_launch_str(l, offs[i]);

		if (e && !strncmp(e, entry, name_len) && e[name_len] == '=')
			return e;
	}
	return NULL;
}

static int was_there(const char *entry)
{
	for (const char *p = at_start; p && *p; p += strlen(p) + 1)
		if (!strcmp(p, entry))
			return 1;
	return 0;
}

static void note(const char *entry, size_t name_len, const char *value)
{
	size_t room = value ? strlen(value) + 1 : 0;
	struct change *c = malloc(sizeof(*c) + name_len + 1 + room);

	if (!c)
		return;
	memcpy(c->name, entry, name_len);
	c->name[name_len] = 0;
	c->value = value ? memcpy(c->name + name_len + 1, value, room) : NULL;
	c->next = changes;
	changes = c;
}

void rp_env_take(void)
{
	rp_env_refresh(); /* or what an earlier incarnation's launcher set looks like the application's change */
	while (changes) {
		struct change *c = changes;

		changes = c->next;
		free(c);
	}
	for (char **e = environ; e && *e; e++) {
		size_t n = strcspn(*e, "=");
		const char *lower = (*e)[n] && !was_there(*e) ? find_lower(*e, n) : *e;

		if (!lower || strcmp(lower, *e))
			note(*e, n, *e + n + 1);
	}
	for (const char *p = at_start; p && *p; p += strlen(p) + 1) {
		size_t n = strcspn(p, "=");
		char name[256];

		if (n >= sizeof(name) || !find_lower(p, n))
			continue;
		memcpy(name, p, n);
		name[n] = 0;
		if (!getenv(name))
			note(p, n, NULL);
	}
}

void rp_env_give(struct rp_arena *a)
{
	int (*set)(const char *, const char *, int) =
		(int (*)(const char *, const char *, int))a->lower_dlsym("setenv");
	int (*unset)(const char *) = (int (*)(const char *))a->lower_dlsym("unsetenv");

	for (struct change *c = changes; c && set && unset; c = c->next) {
		if (c->value)
			set(c->name, c->value, 1);
		else
			unset(c->name);
	}
}
