/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A process that notices when it was disturbed: threads in system calls of every way of being restarted, and one that
 * compares its registers. It reports through a page of a file that it shares with the test.
 */
#ifndef RP_TESTS_VICTIM_H
#define RP_TESTS_VICTIM_H

#include <stdint.h>

enum victim_thread {
	VICTIM_REGS,
	VICTIM_SLEEP,
	VICTIM_READ,
	VICTIM_FUTEX,
	VICTIM_POLL,
	VICTIM_PSELECT,
	VICTIM_THREADS
};

struct victim_page {
	volatile uint64_t beats[VICTIM_THREADS]; /* rounds that each thread has completed */
	volatile uint64_t signals;		 /* timer signals handled by the first thread */
	volatile uint32_t ready, stop;
	volatile uint32_t errors;
	char text[200]; /* of the first error */
};

/* Runs until page->stop; path: file of at least sizeof(struct victim_page) bytes. Returns an exit code. */
int victim_main(const char *path);

#endif
