/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Private to the blob: pages of mapped memory.
 */
#ifndef RP_BLOB_FILL_H
#define RP_BLOB_FILL_H

#include <stdint.h>

struct rp_blob;

/* Reads every run of the plan into place, on as many CPUs as there are when it is worth it. base[i]: where object i is
 * mapped. Returns 0 or -errno with b->err. */
int rp_blob_pages(struct rp_blob *b, const uint64_t *base);

#endif
