/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Threads of the lower half never take the application's signals. pthread_create is defined here, in the main program,
 * so that the libraries' threads come through it too: a new thread starts with its creator's mask.
 */
#include "split/lower/lower.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "arch/x86_64/tls.h"

typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	static create_fn *real;
	uint64_t gs = rp_rdgsbase();
	sigset_t all, old;
	int r;

	if (!real)
		real = (create_fn *)dlsym(RTLD_NEXT, "pthread_create");
	if (!real)
		return ENOSYS;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rp_wrgsbase(0); /* inherited too: a GS base marks threads of the application */
	r = real(thread, attr, fn, arg);
	rp_wrgsbase(gs);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

int rp_lower_thread(void *(*fn)(void *), void *arg, size_t stack)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (stack)
		pthread_attr_setstacksize(&attr, stack);
	r = pthread_create(&thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return -r;
}
