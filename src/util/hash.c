/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/hash.h"

#include <string.h>

uint64_t rp_hash_add(uint64_t state, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len--)
		state = (state ^ *p++) * 0x100000001b3ULL;
	return state;
}

uint64_t rp_hash_end(uint64_t state)
{
	state ^= state >> 33;
	state *= 0xff51afd7ed558ccdULL;
	state ^= state >> 33;
	state *= 0xc4ceb9fe1a85ec53ULL;
	return state ^ state >> 33;
}

/* Reflected polynomial 0x1EDC6F41, as RFC 3720 B.4 has it. */
static uint32_t crc_byte(uint32_t crc, unsigned char byte)
{
	int i;

	crc ^= byte;
	for (i = 0; i < 8; i++)
		crc = crc >> 1 ^ (0x82f63b78U & -(crc & 1));
	return crc;
}

static uint32_t crc_plain(uint32_t crc, const unsigned char *p, size_t len)
{
	while (len--)
		crc = crc_byte(crc, *p++);
	return crc;
}

#ifdef __x86_64__
#include <immintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc_fast(uint32_t crc, const unsigned char *p, size_t len)
{
	uint64_t state = crc;

	for (; len >= 8; p += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		state = _mm_crc32_u64(state, word);
	}
	crc = state;
	while (len--)
		crc = _mm_crc32_u8(crc, *p++);
	return crc;
}

uint32_t rp_crc32c(uint32_t crc, const void *data, size_t len)
{
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc_fast(~crc, data, len);
	return ~crc_plain(~crc, data, len);
}
#else
uint32_t rp_crc32c(uint32_t crc, const void *data, size_t len)
{
	return ~crc_plain(~crc, data, len);
}
#endif
