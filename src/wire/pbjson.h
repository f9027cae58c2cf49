/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pbjson - JSON to protobuf-c messages and back, by descriptor.
 *
 * Keys are field names, exactly or else without regard to case and underscores; there is no table
 * of fields anywhere. What the descriptors cannot say is said by the conventions of proto/:
 *  - a repeated message "...Entry" of key = 1 and value = 2 is a map: a JSON object;
 *  - a bool "<field>_set" beside <field> is not a key: it is true if <field> was given, and then
 *    <field> is written even when it is 0;
 *  - a oneof has one field, which has presence by it.
 *
 * Numbers are checked against the field's type, enums are names (or numbers), bytes are base64. A
 * null is an absent key. A field given twice (in two spellings) is refused.
 *
 * Written is what differs from the default, under the names of the .proto file; maps are sorted by
 * key.
 */
#pragma once

#include "base/str.h"
#include "wire/json.h"

#include <protobuf-c/protobuf-c.h>

struct error;

/*
 * *ret is freed by the caller with protobuf_c_message_free_unpacked(m, NULL). Keys that are no
 * field are skipped; where @unknown is not NULL their paths ("linux.foo") are added to it, at most
 * LIMIT_PBJSON_UNKNOWN. Errors start with the path: "linux.resources.memory.limit: not an integer",
 * "mounts[2].options[0]: ...". -EINVAL, -ERANGE, -ENOMEM.
 */
int pbjson_parse(const struct json *v, const ProtobufCMessageDescriptor *desc, struct strv *unknown,
		 ProtobufCMessage **ret, struct error *e);

/* Failures stick to @w. */
void pbjson_write(struct json_writer *w, const char *key, const ProtobufCMessage *m);
/* The entries of a map as one object. */
void pbjson_write_map(struct json_writer *w, const char *key, ProtobufCMessage *const *entries,
		      size_t n);
