/* SPDX-License-Identifier: BSD-3-Clause */
#include "image/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/json.h"
#include "util/str.h"

#define EXTRA_MAX ((uint64_t)1 << 20)

struct json_object *rp_base64_json(const void *data, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = data;
	struct json_object *o;
	char *text, *to;

	to = text = malloc((len + 2) / 3 * 4 + 1);
	if (!text)
		return NULL;
	for (; len >= 3; p += 3, len -= 3) {
		*to++ = digits[p[0] >> 2];
		*to++ = digits[(p[0] & 3) << 4 | p[1] >> 4];
		*to++ = digits[(p[1] & 15) << 2 | p[2] >> 6];
		*to++ = digits[p[2] & 63];
	}
	if (len) {
		*to++ = digits[p[0] >> 2];
		*to++ = digits[(p[0] & 3) << 4 | (len == 2 ? p[1] >> 4 : 0)];
		*to++ = len == 2 ? digits[(p[1] & 15) << 2] : '=';
		*to++ = '=';
	}
	*to = 0;
	o = json_object_new_string(text);
	free(text);
	return o;
}

/* Adds and takes value; a NULL value is memory that ran out. */
static int add(struct json_object *o, const char *name, struct json_object *value)
{
	if (!value)
		return -ENOMEM;
	if (json_object_object_add(o, name, value) < 0) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

static int append(struct json_object *array, struct json_object *value)
{
	if (!value)
		return -ENOMEM;
	if (json_object_array_add(array, value) < 0) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

static struct json_object *enum_json(const ProtobufCEnumDescriptor *desc, int value)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(desc, value);

	return v ? json_object_new_string(v->name) : json_object_new_int(value);
}

/* A name in an image is bytes; JSON text is not. What is not UTF-8 is replaced byte by byte. */
static struct json_object *string_json(const char *s)
{
	struct rp_str text RP_AUTOSTR = RP_STR_INIT;
	struct json_object *o;

	while (s && *s) {
		unsigned char c = *s;
		int i, n = c < 0x80 ? 1 : (c & 0xe0) == 0xc0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : (c & 0xf8) == 0xf0 ? 4 : 0;

		for (i = 1; i < n; i++)
			if (((unsigned char)s[i] & 0xc0) != 0x80)
				n = 0;
		if (n)
			rp_str_addn(&text, s, n);
		else
			rp_str_add(&text, "\xef\xbf\xbd");
		s += n ? n : 1;
	}
	o = text.oom ? NULL : json_object_new_string(text.text ? text.text : "");
	return o;
}

static struct json_object *value_json(const ProtobufCFieldDescriptor *f, const void *at)
{
	const ProtobufCBinaryData *bytes = at;

	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return json_object_new_int(*(const int32_t *)at);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return json_object_new_int64(*(const int64_t *)at);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return json_object_new_int64(*(const uint32_t *)at);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return json_object_new_uint64(*(const uint64_t *)at);
	case PROTOBUF_C_TYPE_FLOAT:
		return json_object_new_double(*(const float *)at);
	case PROTOBUF_C_TYPE_DOUBLE:
		return json_object_new_double(*(const double *)at);
	case PROTOBUF_C_TYPE_BOOL:
		return json_object_new_boolean(*(const protobuf_c_boolean *)at);
	case PROTOBUF_C_TYPE_ENUM:
		return enum_json(f->descriptor, *(const int *)at);
	case PROTOBUF_C_TYPE_STRING:
		return string_json(*(char *const *)at);
	case PROTOBUF_C_TYPE_BYTES:
		return rp_base64_json(bytes->data, bytes->len);
	case PROTOBUF_C_TYPE_MESSAGE:
		return rp_msg_json(*(ProtobufCMessage *const *)at);
	}
	return NULL;
}

static size_t value_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		return 4;
	}
}

static int repeated_json(struct json_object *o, const ProtobufCFieldDescriptor *f, const char *msg)
{
	size_t i, n = *(const size_t *)(msg + f->quantifier_offset);
	const char *at = *(char *const *)(msg + f->offset);
	struct json_object *array;
	int r;

	if (n == 0)
		return 0;
	array = json_object_new_array();
	r = add(o, f->name, array);
	for (i = 0; i < n && r == 0; i++)
		r = append(array, value_json(f, at + i * value_size(f->type)));
	return r;
}

static bool is_set(const ProtobufCFieldDescriptor *f, const char *msg)
{
	if (f->label == PROTOBUF_C_LABEL_REQUIRED)
		return f->type != PROTOBUF_C_TYPE_MESSAGE || *(void *const *)(msg + f->offset);
	if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(void *const *)(msg + f->offset);
	return *(const protobuf_c_boolean *)(msg + f->quantifier_offset);
}

static int unknown_json(struct json_object *o, const ProtobufCMessage *msg)
{
	struct json_object *array;
	unsigned i;
	int r;

	if (!msg->n_unknown_fields)
		return 0;
	array = json_object_new_array();
	r = add(o, "_unknown", array);
	for (i = 0; i < msg->n_unknown_fields && r == 0; i++) {
		const ProtobufCMessageUnknownField *u = &msg->unknown_fields[i];
		struct json_object *one = json_object_new_object();

		r = append(array, one);
		if (r == 0)
			r = rp_json_set_i64(one, "field", u->tag);
		if (r == 0)
			r = add(one, "data", rp_base64_json(u->data, u->len));
	}
	return r;
}

struct json_object *rp_msg_json(const ProtobufCMessage *msg)
{
	struct json_object *o = json_object_new_object();
	unsigned i;
	int r = o ? 0 : -ENOMEM;

	for (i = 0; i < msg->descriptor->n_fields && r == 0; i++) {
		const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];

		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			r = repeated_json(o, f, (const char *)msg);
		else if (is_set(f, (const char *)msg))
			r = add(o, f->name, value_json(f, (const char *)msg + f->offset));
	}
	if (r == 0)
		r = unknown_json(o, msg);
	if (r == 0)
		return o;
	json_object_put(o);
	return NULL;
}

static int extra_json(struct json_object *o, const struct rp_img_file *f, size_t i, struct rp_error *err)
{
	uint64_t len = f->entries[i].extra_len;
	char *data RP_AUTOFREE = NULL;
	int r;

	if (len == 0)
		return 0;
	r = rp_json_set_i64(o, "extra_bytes", len);
	if (r < 0 || len > EXTRA_MAX)
		return r;
	data = malloc(len);
	r = data ? rp_img_extra(f, i, 0, data, len, err) : -ENOMEM;
	return r < 0 ? r : add(o, "extra", rp_base64_json(data, len));
}

int rp_img_json(const struct rp_img_file *f, struct json_object **out, struct rp_error *err)
{
	struct json_object *file RP_AUTOJSON = json_object_new_object(), *entries;
	size_t i;
	int r;

	err->text[0] = 0;
	if (!file)
		return rp_error(err, -ENOMEM, "out of memory");
	entries = json_object_new_array();
	r = rp_json_set_str(file, "file", f->name);
	if (r == 0)
		r = rp_json_set_str(file, "magic", rp_img_types[f->type].name);
	if (r == 0)
		r = add(file, "entries", entries);
	for (i = 0; i < f->count && r == 0; i++) {
		struct json_object *e = rp_msg_json(f->entries[i].msg);

		r = append(entries, e);
		if (r == 0)
			r = extra_json(e, f, i, err);
	}
	if (r < 0)
		return err->text[0] ? r : rp_error(err, r, "%s: out of memory", f->name);
	*out = file;
	file = NULL;
	return 0;
}
