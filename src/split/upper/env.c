/* SPDX-License-Identifier: BSD-3-Clause
 *
 * After a restart the application's environment still holds what the old launcher said (which rank server, which jobid).
 * The first thread that enters the lower half again puts the new launcher's values in, through the application's own
 * setenv(3): at that point it runs in ordinary code. Variables that the new launcher does not set are left as they are.
 */
#include "split/upper/upper.h"

#include <stdlib.h>
#include <string.h>

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
