/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Root of the second namespace of native.c: needs the real libmpi, and stands before libc in its scope. glibc 2.36
 * crashes when RTLD_GLOBAL is asked for in a namespace that has no main program, and Open MPI's components do not need it.
 */
#include <dlfcn.h>

__attribute__((visibility("default"))) void *dlopen(const char *file, int mode)
{
	void *(*real)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");

	return real ? real(file, mode & ~RTLD_GLOBAL) : 0;
}
