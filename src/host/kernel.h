/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What this kernel, this CPU and this process may do: probed once, then constant.
 */
#ifndef RP_HOST_KERNEL_H
#define RP_HOST_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

struct rp_kernel {
	char release[65];
	unsigned major, minor;
	bool fsgsbase;		 /* user mode may write the FS base */
	bool pagemap_scan;	 /* PAGEMAP_SCAN, 6.7 */
	bool timer_restore_ids;	 /* PR_TIMER_CREATE_RESTORE_IDS, 6.16 */
	bool clone3;		 /* clone3(2), 5.3; set_tid 5.5 */
	bool pidfd_getfd;	 /* 5.6 */
	bool pidfd_exit_info;	 /* PIDFD_GET_INFO with the exit status, 6.15 */
	bool ptrace_rseq;	 /* PTRACE_GET_RSEQ_CONFIGURATION, 5.13 */
	bool membarrier_private; /* expedited membarrier */
	bool userfaultfd_wp_async;
	bool cap_checkpoint_restore; /* effective (or CAP_SYS_ADMIN, which implies it) */
	bool cap_sys_admin, cap_sys_resource, cap_sys_ptrace;
	uint32_t xsave_size; /* of the features that are enabled in user mode, standard format */
	uint64_t xfeatures;  /* XCR0 */
	int pid_max;
};

/* Never NULL; safe from any thread. */
const struct rp_kernel *rp_kernel(void);

#endif
