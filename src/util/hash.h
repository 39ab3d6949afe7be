/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A 64-bit hash of bytes (FNV-1a with a final mix), the same on every machine and in every version: it is used for
 * identities that are written into images. Not for untrusted keys of a hash table, not cryptographic.
 */
#ifndef RP_UTIL_HASH_H
#define RP_UTIL_HASH_H

#include <stddef.h>
#include <stdint.h>

#define RP_HASH_INIT 0xcbf29ce484222325ULL

/* Feeds bytes into a running state that begins as RP_HASH_INIT. */
uint64_t rp_hash_add(uint64_t state, const void *data, size_t len);

/* The final value of a running state. */
uint64_t rp_hash_end(uint64_t state);

static inline uint64_t rp_hash(const void *data, size_t len)
{
	return rp_hash_end(rp_hash_add(RP_HASH_INIT, data, len));
}

/* CRC-32C (Castagnoli) of pages and records; crc is 0 at the start and chains. */
uint32_t rp_crc32c(uint32_t crc, const void *data, size_t len);

#endif
