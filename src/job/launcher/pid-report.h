/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The conversation between a launcher's piece (odls component, shim) and reprise-pid over a SOCK_SEQPACKET pair.
 * reprise-pid sends one report. When it is RP_PID_RUNS the new process waits for one byte: the launcher has noted its
 * pid and will not take its death for that of a stranger. End of file after that byte: the program was execed.
 */
#ifndef RP_JOB_LAUNCHER_PID_REPORT_H
#define RP_JOB_LAUNCHER_PID_REPORT_H

#include <stdint.h>

#define RP_PID_REPORT_MAGIC 0x64697052U
#define RP_PID_WAIT_MS 5000	 /* for a zombie that holds the wanted pid */
#define RP_PID_WAIT_LIVE_MS 1000 /* for a live process: it may be on its way out */

enum rp_pid_event {
	RP_PID_RUNS,	/* pid: the process that will be the program */
	RP_PID_FAILED,	/* error, text: no process was made */
	RP_PID_NO_EXEC, /* error, text: the process could not exec the program and ended */
};

struct rp_pid_report {
	uint32_t magic;
	uint32_t event;
	int32_t pid;
	int32_t error; /* errno */
	char text[240];
};

#endif
