/* SPDX-License-Identifier: BSD-3-Clause */
#include "mpi/comm.h"

/* The finalizer of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
uint64_t rp_key_mix(uint64_t a, uint64_t b)
{
	uint64_t z = a + 0x9e3779b97f4a7c15UL * (b + 1);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9UL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebUL;
	z ^= z >> 31;
	return z ? z : 1;
}

uint64_t rp_key_ranks(const int32_t *world, int32_t n)
{
	uint64_t h = rp_key_mix(0x67726f7570UL, (uint64_t)n);

	for (int32_t i = 0; i < n; i++)
		h = rp_key_mix(h, (uint32_t)world[i]);
	return h;
}

uint64_t rp_key_child(uint64_t parent, uint64_t nth, int32_t first_member)
{
	return rp_key_mix(rp_key_mix(parent, nth), (uint32_t)first_member);
}
