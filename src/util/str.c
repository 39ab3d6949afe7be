/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void rp_str_done(struct rp_str *s)
{
	free(s->text);
	memset(s, 0, sizeof(*s));
}

/* Room for extra bytes and a NUL. */
static int reserve(struct rp_str *s, size_t extra)
{
	size_t room = s->room ? s->room : 64;
	char *text;

	if (s->oom)
		return -ENOMEM;
	if (extra < s->room - s->len)
		return 0;
	while (room - s->len <= extra) {
		if (room > SIZE_MAX / 2) {
			s->oom = true;
			return -ENOMEM;
		}
		room *= 2;
	}
	text = realloc(s->text, room);
	if (!text) {
		s->oom = true;
		return -ENOMEM;
	}
	s->text = text;
	s->room = room;
	s->text[s->len] = 0;
	return 0;
}

int rp_str_addn(struct rp_str *s, const void *data, size_t len)
{
	int r = reserve(s, len);

	if (r < 0)
		return r;
	if (len)
		memcpy(s->text + s->len, data, len);
	s->len += len;
	s->text[s->len] = 0;
	return 0;
}

int rp_str_add(struct rp_str *s, const char *text)
{
	return rp_str_addn(s, text, strlen(text));
}

int rp_str_addf(struct rp_str *s, const char *fmt, ...)
{
	va_list ap, again;
	int n, r;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	r = n < 0 ? -EINVAL : reserve(s, n);
	if (r == 0) {
		vsnprintf(s->text + s->len, n + 1, fmt, again);
		s->len += n;
	}
	va_end(again);
	return r;
}

void rp_str_reset(struct rp_str *s)
{
	s->len = 0;
	if (s->text)
		s->text[0] = 0;
}

char *rp_str_take(struct rp_str *s)
{
	char *text = NULL;

	if (reserve(s, 0) == 0) {
		text = s->text;
		s->text = NULL;
	}
	rp_str_done(s);
	return text;
}

char *rp_strf(const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : text;
}

bool rp_str_has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool rp_str_has_suffix(const char *s, const char *suffix)
{
	size_t len = strlen(s), n = strlen(suffix);

	return len >= n && memcmp(s + len - n, suffix, n) == 0;
}

int rp_parse_i64(const char *text, int base, int64_t min, int64_t max, int64_t *out)
{
	long long v;
	char *end;

	if (!isalnum((unsigned char)text[0]) && !(text[0] == '-' && isalnum((unsigned char)text[1])))
		return -EINVAL;
	errno = 0;
	v = strtoll(text, &end, base);
	if (*end || end == text)
		return -EINVAL;
	if (errno || v < min || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

int rp_parse_u64(const char *text, int base, uint64_t max, uint64_t *out)
{
	unsigned long long v;
	char *end;

	if (!isalnum((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	v = strtoull(text, &end, base);
	if (*end || end == text)
		return -EINVAL;
	if (errno || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}
