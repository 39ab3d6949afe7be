/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Strings: freeing by scope, a growable builder, and strict number parsing.
 */
#ifndef RP_UTIL_STR_H
#define RP_UTIL_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

static inline void rp_freep(void *p)
{
	free(*(void **)p);
}

/* char *text RP_AUTOFREE = NULL; */
#define RP_AUTOFREE __attribute__((cleanup(rp_freep)))

/* A growable string. `text` is NULL until something was added, NUL-terminated afterwards. After memory ran out `oom` is
 * set and all later additions do nothing, so one check at the end is enough. */
struct rp_str {
	char *text;
	size_t len, room;
	bool oom;
};

#define RP_STR_INIT \
	{ \
		0 \
	}
#define RP_AUTOSTR __attribute__((cleanup(rp_str_done)))

void rp_str_done(struct rp_str *s);

/* Appends; returns 0 or -ENOMEM. */
int rp_str_add(struct rp_str *s, const char *text);
int rp_str_addn(struct rp_str *s, const void *data, size_t len);
int rp_str_addf(struct rp_str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Empties it and keeps the room. */
void rp_str_reset(struct rp_str *s);

/* Hands the text over to the caller (free it), "" when nothing was added, NULL after memory ran out. */
char *rp_str_take(struct rp_str *s);

/* A formatted string in new memory, NULL without memory. */
char *rp_strf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static inline bool rp_streq(const char *a, const char *b)
{
	return __builtin_strcmp(a, b) == 0;
}

bool rp_str_has_prefix(const char *s, const char *prefix);
bool rp_str_has_suffix(const char *s, const char *suffix);

/* The whole of text as a number (base 0, 8, 10 or 16) within [min, max]: 0, else -EINVAL or -ERANGE. No leading blanks. */
int rp_parse_i64(const char *text, int base, int64_t min, int64_t max, int64_t *out);
int rp_parse_u64(const char *text, int base, uint64_t max, uint64_t *out);

#endif
