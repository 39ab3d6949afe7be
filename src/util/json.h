/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Small helpers over json-c: typed members with bounds, files written whole, freeing by scope.
 */
#ifndef RP_UTIL_JSON_H
#define RP_UTIL_JSON_H

#include <json-c/json.h>
#include <stdint.h>

#include "util/error.h"

static inline void rp_json_putp(struct json_object **o)
{
	json_object_put(*o);
}

#define RP_AUTOJSON __attribute__((cleanup(rp_json_putp)))

/* Parses text[len] (untrusted: nesting is limited, trailing text refused). *out is owned by the caller. */
int rp_json_parse(const char *text, size_t len, struct json_object **out, struct rp_error *err);

/* Typed members of an object. A missing or differently typed member is -EINVAL with "NAME: ..." in err. Strings are
 * borrowed from the object. */
int rp_json_str(struct json_object *o, const char *name, const char **out, struct rp_error *err);
int rp_json_i64(struct json_object *o, const char *name, int64_t min, int64_t max, int64_t *out, struct rp_error *err);
int rp_json_array(struct json_object *o, const char *name, struct json_object **out, struct rp_error *err);

/* Sets a member and returns 0, or -ENOMEM. */
int rp_json_set_str(struct json_object *o, const char *name, const char *value);
int rp_json_set_i64(struct json_object *o, const char *name, int64_t value);

/* Prints with two blanks of indentation and a final newline to the descriptor. */
int rp_json_write(int fd, struct json_object *o);

/* The same for other readers than ourselves: bytes that are not UTF-8, which names and arguments may hold, become U+FFFD. */
int rp_json_print(int fd, struct json_object *o);

#endif
