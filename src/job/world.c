/* SPDX-License-Identifier: BSD-3-Clause */
#include "job/world.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "job/manifest.h"
#include "util/fd.h"
#include "util/str.h"

#define MPI_LIBRARY "libmpi.so.40"

/* Beginnings of names of instruction sets. What else cpuinfo lists is the kernel's business. */
static const char *const features[] = {
	"3dnow",    "abm",	 "adx",	       "aes",	    "amx_",	 "avx",	      "bmi",   "cldemote",   "clflush",
	"clwb",	    "clzero",	 "cmov",       "cmpccxadd", "cx16",	 "cx8",	      "f16c",  "fma",	     "fpu",
	"fsgsbase", "fxsr",	 "gfni",       "hle",	    "lahf_lm",	 "lzcnt",     "mmx",   "movbe",	     "movdir",
	"ospke",    "pclmulqdq", "pni",	       "popcnt",    "prefetchw", "prefetchi", "rdpid", "rdrand",     "rdseed",
	"rdtscp",   "rtm",	 "serialize",  "sha_ni",    "sha512",	 "sm3",	      "sm4",   "sse",	     "ssse3",
	"tbm",	    "vaes",	 "vpclmulqdq", "waitpkg",   "xgetbv1",	 "xop",	      "xsave", "user_shstk",
};

static bool is_feature(const char *word, size_t len)
{
	if (len > 4 && !strncmp(word, "rtm_", 4)) /* says that rtm does not work */
		return false;
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if (strlen(features[i]) <= len && !strncmp(features[i], word, strlen(features[i])))
			return true;
	return false;
}

char **rp_world_cpu_features_of(const char *cpuinfo)
{
	const char *line = strstr(cpuinfo, "\nflags"), *end;
	size_t n = 0, room = 1;
	char **v;

	line = line ? strchr(line, ':') : NULL;
	end = line ? line + strcspn(line, "\n") : NULL;
	for (const char *p = line; p && p < end; p++)
		room += *p == ' ';
	v = calloc(room + 1, sizeof(*v));
	for (const char *p = line ? line + 1 : NULL; v && p && p < end;) {
		size_t len;

		p += strspn(p, " \t");
		len = strcspn(p, " \t\n");
		if (len && is_feature(p, len) && !(v[n++] = strndup(p, len))) {
			rp_strv_free(v);
			return NULL;
		}
		p += len;
	}
	return v;
}

char **rp_world_cpu_features(void)
{
	char *text RP_AUTOFREE = NULL;

	if (rp_read_file_at(AT_FDCWD, "/proc/cpuinfo", 16 << 20, &text, NULL))
		return calloc(1, sizeof(char *));
	return rp_world_cpu_features_of(text);
}

/* In a child: "Open MPI v4.1.4, package: ..." becomes "Open MPI 4.1.4". May be asked before MPI_Init. */
static _Noreturn void tell_library(int fd)
{
	void *handle = dlopen(MPI_LIBRARY, RTLD_LAZY | RTLD_GLOBAL);
	int (*version)(char *, int *) =
		handle ? (int (*)(char *, int *))dlsym(handle, "MPI_Get_library_version") : NULL;
	static char text[8192];
	char *v;
	int len;

	if (!version || version(text, &len))
		_exit(0);
	text[strcspn(text, ",\n")] = 0;
	v = strstr(text, " v");
	if (v)
		memmove(v + 1, v + 2, strlen(v + 2) + 1);
	text[60] = 0;
	(void)rp_write_all(fd, text, strlen(text));
	_exit(0);
}

int rp_world_mpi_library(char *out, size_t size, struct rp_error *err)
{
	size_t have = 0;
	int ends[2];
	ssize_t n;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return rp_error(err, -errno, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		tell_library(ends[1]);
	close(ends[1]);
	while (pid > 0 && have + 1 < size) {
		n = read(ends[0], out + have, size - 1 - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	out[have] = 0;
	close(ends[0]);
	if (pid < 0)
		return rp_error(err, -errno, "fork: %s", strerror(errno));
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}
