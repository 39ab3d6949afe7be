/* SPDX-License-Identifier: BSD-3-Clause */
#include "job/adapter.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/process.h"
#include "util/array.h"
#include "util/str.h"

static const struct rp_adapter *const adapters[] = { &rp_adapter_openmpi, &rp_adapter_mpich, &rp_adapter_none };

const struct rp_adapter *rp_adapter_of_exe(const char *exe)
{
	for (size_t i = 0; i < RP_COUNT(adapters); i++)
		if (adapters[i]->is_launcher(exe) || adapters[i]->is_daemon(exe))
			return adapters[i];
	return NULL;
}

const struct rp_adapter *rp_adapter_by_name(const char *name)
{
	for (size_t i = 0; i < RP_COUNT(adapters); i++)
		if (rp_streq(adapters[i]->name, name))
			return adapters[i];
	return NULL;
}

const struct rp_adapter *rp_adapter_above(int pid, int *launcher_pid)
{
	const struct rp_adapter *found = NULL;
	char exe[NAME_MAX + 1];
	pid_t up = pid;

	/* A daemon's own launcher may stand above it; a launcher has none of its kind above. */
	while (rp_process_parent(up, &up) == 0 && up > 1) {
		const struct rp_adapter *a = rp_process_exe_name(up, exe, sizeof(exe)) ? NULL : rp_adapter_of_exe(exe);

		if (found && a != found)
			break;
		if (!a)
			continue;
		found = a;
		*launcher_pid = up;
		if (a->is_launcher(exe))
			break;
	}
	return found;
}

static int resolve_file(const char *path, char *exe, size_t size)
{
	char real[PATH_MAX];
	const char *slash;

	struct stat st;

	if (stat(path, &st) || !realpath(path, real))
		return -ENOENT;
	if (!S_ISREG(st.st_mode) || access(path, X_OK))
		return -EACCES;
	slash = strrchr(real, '/');
	if (strlen(slash + 1) >= size)
		return -ENAMETOOLONG;
	strcpy(exe, slash + 1);
	return 0;
}

int rp_adapter_resolve(const char *command, char *exe, size_t size)
{
	const char *path = getenv("PATH");
	char *copy RP_AUTOFREE = strdup(path ? path : "/usr/local/bin:/usr/bin:/bin"), *save = NULL;

	if (strchr(command, '/'))
		return resolve_file(command, exe, size);
	for (char *dir = copy ? strtok_r(copy, ":", &save) : NULL; dir; dir = strtok_r(NULL, ":", &save)) {
		char *full RP_AUTOFREE = rp_strf("%s/%s", dir, command);

		if (full && !resolve_file(full, exe, size))
			return 0;
	}
	return -ENOENT;
}

/* ---- options ---- */

static const char *name_of(const char *word)
{
	return word[0] != '-' ? NULL : word + 1 + (word[1] == '-');
}

bool rp_option_is(const char *word, const char *name)
{
	const char *mine = name_of(word);
	size_t len = mine ? strcspn(mine, "=") : 0;

	return mine && strlen(name) == len && !strncmp(mine, name, len);
}

enum rp_option_class rp_option_classify(const struct rp_option *table, size_t n, char *const *argv, size_t i,
					size_t *words)
{
	*words = 1;
	if (argv[i][0] != '-')
		return RP_OPT_PROGRAM;
	for (size_t k = 0; k < n; k++) {
		if (!rp_option_is(argv[i], table[k].name))
			continue;
		for (size_t w = 0; !strchr(argv[i], '=') && w < table[k].words && argv[i + *words]; w++)
			++*words;
		return table[k].class;
	}
	return RP_OPT_OTHER;
}

bool rp_option_is_given(char *const *extra, const char *option)
{
	char *name RP_AUTOFREE = name_of(option) ? strndup(name_of(option), strcspn(name_of(option), "=")) : NULL;

	for (; extra && *extra; extra++)
		if (name && rp_option_is(*extra, name))
			return true;
	return false;
}

/* ---- commands ---- */

void rp_command_recorded_env(struct rp_command *c, const struct rp_adapter *adapter, const struct rp_gen *gen)
{
	for (size_t i = 0; gen->launch_env[i]; i++) {
		size_t len = strcspn(gen->launch_env[i], "=");
		char *name RP_AUTOFREE = strndup(gen->launch_env[i], len);

		if (name && gen->launch_env[i][len] && adapter->keeps_env(gen->launch_env[i]) && !getenv(name))
			rp_command_env(c, name, gen->launch_env[i] + len + 1);
	}
}

void rp_command_done(struct rp_command *c)
{
	for (size_t i = 0; i < c->argv.count; i++)
		free(c->argv.items[i]);
	for (size_t i = 0; i < c->env.count; i++)
		free(c->env.items[i]);
	free(c->argv.items);
	free(c->env.items);
	memset(c, 0, sizeof(*c));
}

void rp_command_arg(struct rp_command *c, const char *arg)
{
	char **slot = RP_ARRAY_PUSH(&c->argv);

	if (slot)
		*slot = strdup(arg);
	c->oom |= !slot || !*slot;
}

void rp_command_env(struct rp_command *c, const char *name, const char *value)
{
	char **slot = RP_ARRAY_PUSH(&c->env);

	if (slot)
		*slot = value ? rp_strf("%s=%s", name, value) : strdup(name);
	c->oom |= !slot || !*slot;
}

int rp_command_exec(const struct rp_command *c, struct rp_error *err)
{
	char **argv RP_AUTOFREE = calloc(c->argv.count + 1, sizeof(*argv));

	if (!argv || c->oom)
		return rp_error(err, -ENOMEM, "out of memory");
	memcpy(argv, c->argv.items, c->argv.count * sizeof(*argv));
	for (size_t i = 0; i < c->env.count; i++) {
		char *setting = c->env.items[i];

		if (strchr(setting, '=') ? putenv(setting) : unsetenv(setting))
			return rp_error(err, -errno, "cannot set %s: %s", setting, strerror(errno));
	}
	execvp(argv[0], argv);
	return rp_error(err, -errno, "cannot run %s: %s", argv[0], strerror(errno));
}
