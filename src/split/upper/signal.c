/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Signal handlers of the application run on the application's FS, also when the signal arrives while the thread is in the
 * lower half. The kernel calls one handler of ours; the application's is in a table, and questions are answered from
 * there. Everything else of a disposition (flags, mask) is the kernel's. sigaction(2), signal(2), sigset(3),
 * sysv_signal(3), siginterrupt(3). Handlers set by the system call itself, without libc, are not seen.
 *
 * A handler that leaves by siglongjmp() while lower frames are below it makes them vanish: the depth is put right then.
 */
#include "split/upper/upper.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "arch/x86_64/syscall.h"

#define RP_NSIG 65

static struct {
	uint64_t handler; /* the application's, valid while the kernel's is ours */
	uint64_t flags;	  /* as the application gave them */
} actions[RP_NSIG];

typedef int sigaction_fn(int, const struct sigaction *, struct sigaction *);
static sigaction_fn *real_sigaction;

static int is_function(uint64_t handler)
{
	return handler != (uint64_t)SIG_DFL && handler != (uint64_t)SIG_IGN && handler != (uint64_t)SIG_ERR &&
	       handler != (uint64_t)SIG_HOLD;
}

static void __attribute__((noinline)) call_handler(int sig, siginfo_t *info, void *uc)
{
	void (*fn)(int, siginfo_t *, void *);

	fn = (void (*)(int, siginfo_t *, void *))__atomic_load_n(&actions[sig].handler, __ATOMIC_ACQUIRE);
	fn(sig, info, uc);
}

/* The kernel does not keep FS over a handler, so what is changed here is put back here. */
static void trampoline(int sig, siginfo_t *info, void *uc)
{
	uint64_t fs = rp_rdfsbase();
	struct rp_thread *t;

	if (!rp_addr_is_lower(fs)) {
		call_handler(sig, info, uc);
		return;
	}
	t = (struct rp_thread *)rp_rdgsbase(); /* lower helper threads block all signals, so this one is registered */
	rp_wrfsbase(t->upper_fs);
	call_handler(sig, info, uc);
	rp_wrfsbase(fs);
}

/* libc's own function brings the restorer along; found late, since other libraries' constructors may come first. */
static int raw_sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	if (!real_sigaction)
		rp_signals_init();
	return real_sigaction(sig, act, old);
}

void rp_signals_init(void)
{
	if (!real_sigaction)
		real_sigaction = (sigaction_fn *)dlsym(RTLD_NEXT, "sigaction");
	if (!real_sigaction)
		rp_upper_die("the C library has no sigaction");
}

static int wrapped_sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	uint64_t old_handler, old_flags, all = UINT64_MAX, mask;
	struct sigaction mine, was;
	int r;

	if (sig < 1 || sig >= RP_NSIG) {
		errno = EINVAL;
		return -1;
	}
	rp_syscall4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&mask, 8);
	old_handler = actions[sig].handler;
	old_flags = actions[sig].flags;
	if (act) {
		mine = *act;
		if (is_function((uint64_t)act->sa_sigaction)) {
			__atomic_store_n(&actions[sig].handler, (uint64_t)act->sa_sigaction, __ATOMIC_RELEASE);
			actions[sig].flags = act->sa_flags;
			mine.sa_sigaction = trampoline;
			mine.sa_flags |= SA_SIGINFO;
		}
	}
	r = raw_sigaction(sig, act ? &mine : NULL, &was);
	if (r && act) {
		actions[sig].handler = old_handler;
		actions[sig].flags = old_flags;
	}
	rp_syscall4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, 8);
	if (!r && old) {
		*old = was;
		if (was.sa_sigaction == trampoline) {
			old->sa_sigaction = (void (*)(int, siginfo_t *, void *))old_handler;
			if (!(old_flags & SA_SIGINFO))
				old->sa_flags &= ~SA_SIGINFO;
		}
	}
	return r;
}

RP_PUBLIC int sigaction(int sig, const struct sigaction *restrict act, struct sigaction *restrict old)
{
	return rp_outside ? raw_sigaction(sig, act, old) : wrapped_sigaction(sig, act, old);
}

RP_PUBLIC int __sigaction(int sig, const struct sigaction *act, struct sigaction *old);
int __sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	return sigaction(sig, act, old);
}

static sighandler_t set_simple(int sig, sighandler_t handler, int flags)
{
	struct sigaction act, old;

	memset(&act, 0, sizeof(act));
	act.sa_handler = handler;
	act.sa_flags = flags;
	if (flags & SA_RESTART)
		sigaddset(&act.sa_mask, sig);
	return sigaction(sig, &act, &old) ? SIG_ERR : old.sa_handler;
}

static uint64_t interrupting; /* siginterrupt(): bit n - 1 */

static sighandler_t bsd(int sig, sighandler_t handler)
{
	if (handler == SIG_ERR || sig < 1 || sig >= RP_NSIG) {
		errno = EINVAL;
		return SIG_ERR;
	}
	return set_simple(sig, handler, interrupting >> (sig - 1) & 1 ? 0 : SA_RESTART);
}

RP_PUBLIC sighandler_t signal(int sig, sighandler_t handler)
{
	return bsd(sig, handler);
}

RP_PUBLIC sighandler_t bsd_signal(int sig, sighandler_t handler);
sighandler_t bsd_signal(int sig, sighandler_t handler)
{
	return bsd(sig, handler);
}

RP_PUBLIC sighandler_t ssignal(int sig, sighandler_t handler);
sighandler_t ssignal(int sig, sighandler_t handler)
{
	return bsd(sig, handler);
}

RP_PUBLIC sighandler_t sysv_signal(int sig, sighandler_t handler)
{
	return set_simple(sig, handler, SA_RESETHAND | SA_NODEFER);
}

RP_PUBLIC sighandler_t __sysv_signal(int sig, sighandler_t handler);
sighandler_t __sysv_signal(int sig, sighandler_t handler)
{
	return sysv_signal(sig, handler);
}

RP_PUBLIC int siginterrupt(int sig, int flag)
{
	struct sigaction act;

	if (sigaction(sig, NULL, &act))
		return -1;
	if (flag) {
		interrupting |= 1UL << (sig - 1);
		act.sa_flags &= ~SA_RESTART;
	} else {
		interrupting &= ~(1UL << (sig - 1));
		act.sa_flags |= SA_RESTART;
	}
	return sigaction(sig, &act, NULL);
}

RP_PUBLIC sighandler_t sigset(int sig, sighandler_t handler)
{
	struct sigaction act, old;
	sigset_t set, was;

	sigemptyset(&set);
	if (handler == SIG_ERR || sigaddset(&set, sig)) {
		errno = EINVAL;
		return SIG_ERR;
	}
	if (handler == SIG_HOLD) {
		if (sigprocmask(SIG_BLOCK, &set, &was) || sigaction(sig, NULL, &old))
			return SIG_ERR;
		return sigismember(&was, sig) ? SIG_HOLD : old.sa_handler;
	}
	memset(&act, 0, sizeof(act));
	act.sa_handler = handler;
	if (sigaction(sig, &act, &old) || sigprocmask(SIG_UNBLOCK, &set, &was))
		return SIG_ERR;
	return sigismember(&was, sig) ? SIG_HOLD : old.sa_handler;
}

RP_PUBLIC int sigignore(int sig)
{
	return set_simple(sig, SIG_IGN, 0) == SIG_ERR ? -1 : 0;
}
