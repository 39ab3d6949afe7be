/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/str.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

/* Newer than the headers of the oldest distribution that this is built on. */
#define RP_PAGEMAP_SCAN 0xc0606610u /* _IOWR('f', 16, struct pm_scan_arg), 96 bytes */
#define RP_PR_TIMER_CREATE_RESTORE_IDS 77
#define RP_HWCAP2_FSGSBASE (1u << 1)
#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40
#endif

static struct rp_kernel kernel;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool at_least(const struct rp_kernel *k, unsigned major, unsigned minor)
{
	return k->major > major || (k->major == major && k->minor >= minor);
}

/* An unknown command is ENOTTY; a known one with an argument of size 0 is EINVAL. */
static bool probe_pagemap_scan(void)
{
	char arg[96] = { 0 };
	int fd RP_AUTOCLOSE = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	return fd >= 0 && ioctl(fd, RP_PAGEMAP_SCAN, arg) < 0 && errno != ENOTTY;
}

static void probe_caps(struct rp_kernel *k)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	uint64_t caps;

	if (syscall(SYS_capget, &header, data) < 0)
		return;
	caps = data[0].effective | (uint64_t)data[1].effective << 32;
	k->cap_sys_admin = caps >> CAP_SYS_ADMIN & 1;
	k->cap_checkpoint_restore = k->cap_sys_admin || (caps >> CAP_CHECKPOINT_RESTORE & 1);
	k->cap_sys_resource = caps >> CAP_SYS_RESOURCE & 1;
	k->cap_sys_ptrace = caps >> CAP_SYS_PTRACE & 1;
}

static void probe_cpu(struct rp_kernel *k)
{
#ifdef __x86_64__
	unsigned a, b, c, d;

	k->fsgsbase = getauxval(AT_HWCAP2) & RP_HWCAP2_FSGSBASE;
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return;
	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	k->xfeatures = a | (uint64_t)d << 32;
	if (__get_cpuid_count(0xd, 0, &a, &b, &c, &d))
		k->xsave_size = b;
#endif
}

static void probe(void)
{
	struct rp_kernel *k = &kernel;
	struct utsname uts;
	char *text RP_AUTOFREE = NULL;
	long mask;

	if (uname(&uts) == 0) {
		snprintf(k->release, sizeof(k->release), "%s", uts.release);
		sscanf(uts.release, "%u.%u", &k->major, &k->minor);
	}
	k->pagemap_scan = probe_pagemap_scan();
	k->timer_restore_ids = prctl(RP_PR_TIMER_CREATE_RESTORE_IDS, 2 /* get */, 0, 0, 0) >= 0;
	k->clone3 = syscall(SYS_clone3, NULL, 0) < 0 && errno != ENOSYS;
	k->pidfd_getfd = syscall(SYS_pidfd_getfd, -1, -1, 0) < 0 && errno != ENOSYS;
	k->pidfd_exit_info = at_least(k, 6, 15);
	k->ptrace_rseq = at_least(k, 5, 13);
	k->userfaultfd_wp_async = at_least(k, 6, 7);
	mask = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
	k->membarrier_private = mask > 0 && (mask & MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	k->pid_max = 32768;
	if (rp_read_file_at(AT_FDCWD, "/proc/sys/kernel/pid_max", 64, &text, NULL) == 0)
		k->pid_max = atoi(text);
	probe_caps(k);
	probe_cpu(k);
}

const struct rp_kernel *rp_kernel(void)
{
	pthread_once(&once, probe);
	return &kernel;
}
