/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pbjson_fields - what both directions of pbjson ask of a field descriptor. Private to src/wire.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

static inline void *pbjson_member(ProtobufCMessage *m, unsigned offset)
{
	return (char *)m + offset;
}

static inline const void *pbjson_member_const(const ProtobufCMessage *m, unsigned offset)
{
	return (const char *)m + offset;
}

/* Bytes of one value in a message's struct. */
size_t pbjson_size(ProtobufCType type);
bool pbjson_is_signed(ProtobufCType type);
/* Does this repeated field stand for a map? */
bool pbjson_is_map(const ProtobufCFieldDescriptor *f);
/* The "<name>_set" of a field, or NULL. */
const ProtobufCFieldDescriptor *pbjson_companion(const ProtobufCMessageDescriptor *desc,
						 const ProtobufCFieldDescriptor *f);
bool pbjson_is_companion(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *f);
/* Says that a field with presence (a oneof's, or optional) has its value. */
void pbjson_set_present(const ProtobufCFieldDescriptor *f, ProtobufCMessage *m);
/* Is the singular field to be written: present, or not the default, or given? */
bool pbjson_is_present(const ProtobufCFieldDescriptor *f, const ProtobufCMessage *m);
