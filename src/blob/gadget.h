/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Private to the blob: instructions in the image's own text that the way out of the blob needs.
 */
#ifndef RP_BLOB_GADGET_H
#define RP_BLOB_GADGET_H

#include <stdint.h>

struct rp_blob;

/* The bytes, for a page of our own. */
#define RP_GADGET_SYSCALL_BYTES 0x0f, 0x05, 0xc3			/* syscall; ret */
#define RP_GADGET_RETURN_BYTES 0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05 /* mov $rt_sigreturn, %eax; syscall */

/* Sets b->gadget_syscall and b->gadget_return to addresses in executable mappings of the image, which is in place; each
 * is 0 when there is none. Reads carefully: a mapping may be longer than its file. */
void rp_blob_find_gadgets(struct rp_blob *b);

#endif
