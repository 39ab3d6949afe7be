/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any message as JSON, by its descriptor. Numbers stay numbers, enums become their names, bytes base64; fields that are
 * not set are left out; fields that this version does not know appear under "_unknown".
 */
#ifndef RP_IMAGE_JSON_H
#define RP_IMAGE_JSON_H

#include <json-c/json.h>
#include <protobuf-c/protobuf-c.h>

#include "image/reader.h"

/* A new object, NULL without memory. */
struct json_object *rp_msg_json(const ProtobufCMessage *msg);

/* A file: {"file", "magic", "entries"}; entries with raw bytes have "extra_bytes" and, up to a MiB, "extra" (base64). */
int rp_img_json(const struct rp_img_file *f, struct json_object **out, struct rp_error *err);

/* Base64 text of bytes as a JSON string. */
struct json_object *rp_base64_json(const void *data, size_t len);

#endif
