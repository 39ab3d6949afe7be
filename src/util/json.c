/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/json.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "util/fd.h"
#include "util/str.h"

#define NESTING_MAX 32

int rp_json_parse(const char *text, size_t len, struct json_object **out, struct rp_error *err)
{
	struct json_tokener *tok;
	struct json_object *o;
	enum json_tokener_error e;
	size_t end;

	if (len > INT_MAX)
		return rp_error(err, -EFBIG, "JSON text of %zu bytes is too long", len);
	tok = json_tokener_new_ex(NESTING_MAX);
	if (!tok)
		return rp_error(err, -ENOMEM, "out of memory");
	o = json_tokener_parse_ex(tok, text, (int)len);
	e = json_tokener_get_error(tok);
	end = json_tokener_get_parse_end(tok);
	json_tokener_free(tok);
	if (e != json_tokener_success)
		return rp_error(err, -EINVAL, "not valid JSON at byte %zu: %s", end,
				e == json_tokener_continue ? "it ends too early" : json_tokener_error_desc(e));
	for (; end < len; end++) {
		if (isspace((unsigned char)text[end]))
			continue;
		json_object_put(o);
		return rp_error(err, -EINVAL, "text after the end of the JSON value, at byte %zu", end);
	}
	*out = o;
	return 0;
}

static int member(struct json_object *o, const char *name, enum json_type type, struct json_object **out,
		  struct rp_error *err)
{
	if (!json_object_is_type(o, json_type_object))
		return rp_error(err, -EINVAL, "%s: not inside an object", name);
	if (!json_object_object_get_ex(o, name, out))
		return rp_error(err, -EINVAL, "%s: missing", name);
	if (!json_object_is_type(*out, type))
		return rp_error(err, -EINVAL, "%s: should be of type %s", name, json_type_to_name(type));
	return 0;
}

int rp_json_str(struct json_object *o, const char *name, const char **out, struct rp_error *err)
{
	struct json_object *m;
	int r = member(o, name, json_type_string, &m, err);

	if (r == 0)
		*out = json_object_get_string(m);
	return r;
}

int rp_json_i64(struct json_object *o, const char *name, int64_t min, int64_t max, int64_t *out, struct rp_error *err)
{
	struct json_object *m;
	int r = member(o, name, json_type_int, &m, err);
	int64_t v;

	if (r < 0)
		return r;
	v = json_object_get_int64(m);
	if (v < min || v > max)
		return rp_error(err, -ERANGE, "%s: %" PRId64 " is out of range", name, v);
	*out = v;
	return 0;
}

int rp_json_array(struct json_object *o, const char *name, struct json_object **out, struct rp_error *err)
{
	return member(o, name, json_type_array, out, err);
}

static int set(struct json_object *o, const char *name, struct json_object *value)
{
	if (!value)
		return -ENOMEM;
	if (json_object_object_add(o, name, value) < 0) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

int rp_json_set_str(struct json_object *o, const char *name, const char *value)
{
	return set(o, name, json_object_new_string(value));
}

int rp_json_set_i64(struct json_object *o, const char *name, int64_t value)
{
	return set(o, name, json_object_new_int64(value));
}

static const char *to_text(struct json_object *o)
{
	return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
}

int rp_json_write(int fd, struct json_object *o)
{
	const char *text = to_text(o);
	int r;

	if (!text)
		return -ENOMEM;
	r = rp_write_all(fd, text, strlen(text));
	return r < 0 ? r : rp_write_all(fd, "\n", 1);
}

/* Bytes of the character at s, 0: not UTF-8 (RFC 3629: no surrogates, nothing longer than needed). */
static size_t utf8_len(const unsigned char *s)
{
	static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = *s < 0x80 ? 1 : *s >> 5 == 6 ? 2 : *s >> 4 == 14 ? 3 : *s >> 3 == 30 ? 4 : 0;
	uint32_t c = len == 1 ? *s : len ? *s & (0x7fU >> len) : 0;

	for (size_t i = 1; i < len; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	return len && c >= lowest[len] && c <= 0x10ffff && c >> 11 != 0x1b ? len : 0;
}

int rp_json_print(int fd, struct json_object *o)
{
	struct rp_str out RP_AUTOSTR = RP_STR_INIT;
	const char *text = to_text(o);

	for (size_t len; text && *text; text += len ? len : 1) {
		len = utf8_len((const unsigned char *)text);
		if (len)
			rp_str_addn(&out, text, len);
		else
			rp_str_add(&out, "\xef\xbf\xbd");
	}
	rp_str_add(&out, "\n");
	return !text || out.oom ? -ENOMEM : rp_write_all(fd, out.text, out.len);
}
