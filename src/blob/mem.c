/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The functions that a compiler calls on its own, for programs without a libc. Weak: a program may bring better ones.
 */
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *to, int byte, size_t len);
int memcmp(const void *a, const void *b, size_t len);

__attribute__((weak)) void *memcpy(void *to, const void *from, size_t len)
{
	void *ret = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
	return ret;
}

__attribute__((weak)) void *memset(void *to, int byte, size_t len)
{
	void *ret = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(byte) : "memory");
	return ret;
}

__attribute__((weak)) void *memmove(void *to, const void *from, size_t len)
{
	char *t = to;
	const char *f = from;

	if (t <= f || t >= f + len)
		return memcpy(to, from, len);
	while (len--) {
		t[len] = f[len];
		__asm__ volatile("" : : : "memory");
	}
	return to;
}

__attribute__((weak)) int memcmp(const void *a, const void *b, size_t len)
{
	const unsigned char *x = a, *y = b;

	for (; len; len--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
