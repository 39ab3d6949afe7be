/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A growable array by three fields of the owner's choosing (items, count, room); no container type of its own:
 *
 *	struct { struct thing *items; size_t count, room; } things = { 0 };
 *	struct thing *t = RP_ARRAY_PUSH(&things);	zeroed new last element, NULL without memory
 */
#ifndef RP_UTIL_ARRAY_H
#define RP_UTIL_ARRAY_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define RP_COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline void *rp_array_push(void **items, size_t *count, size_t *room, size_t size)
{
	char *slot;

	if (*count == *room) {
		size_t more = *room ? *room * 2 : 8;
		void *p = more > SIZE_MAX / size ? NULL : realloc(*items, more * size);

		if (!p)
			return NULL;
		*items = p;
		*room = more;
	}
	slot = (char *)*items + (*count)++ * size;
	return memset(slot, 0, size);
}

#define RP_ARRAY_PUSH(a) \
	((__typeof__((a)->items))rp_array_push((void **)&(a)->items, &(a)->count, &(a)->room, sizeof(*(a)->items)))

#endif
