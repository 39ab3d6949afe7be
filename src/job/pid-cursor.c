/* SPDX-License-Identifier: BSD-3-Clause */
#include "job/pid-cursor.h"

/* Low ids are long-lived daemons', and where the threads of an image lie whose ids wrapped. */
#define LOWEST 1000

/* How many ids follow a cursor before one of an image or the wrap. */
static int room_after(const struct rp_id_range *ranges, size_t n, int cursor, int pid_max)
{
	int end = pid_max;

	for (size_t i = 0; i < n; i++) {
		if (ranges[i].lo <= cursor && cursor < ranges[i].hi)
			return 0;
		if (ranges[i].lo > cursor && ranges[i].lo < end)
			end = ranges[i].lo;
	}
	return end - 1 - cursor;
}

int rp_pid_cursor(const struct rp_id_range *ranges, size_t n, int now, int pid_max)
{
	int best = -1, room = room_after(ranges, n, now, pid_max);

	if (room >= RP_PID_CURSOR_ROOM)
		return -1;
	for (size_t i = 0; i <= n; i++) {
		int cursor = i < n ? ranges[i].hi : LOWEST;
		int here = room_after(ranges, n, cursor, pid_max);

		if (here > room) {
			room = here;
			best = cursor;
		}
	}
	return best;
}
