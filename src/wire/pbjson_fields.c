/* SPDX-License-Identifier: Apache-2.0 */
/* pbjson_fields - see pbjson_fields.h: sizes, presence and the naming conventions of proto/. */
#include "wire/pbjson_fields.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdint.h>
#include <stdio.h>

#define COMPANION_SUFFIX "_set"
#define NAME_MAX_LENGTH 128

static const struct {
	uint8_t size;
	bool is_signed; /* of integers */
} types[] = {
	[PROTOBUF_C_TYPE_INT32] = { 4, true },
	[PROTOBUF_C_TYPE_SINT32] = { 4, true },
	[PROTOBUF_C_TYPE_SFIXED32] = { 4, true },
	[PROTOBUF_C_TYPE_INT64] = { 8, true },
	[PROTOBUF_C_TYPE_SINT64] = { 8, true },
	[PROTOBUF_C_TYPE_SFIXED64] = { 8, true },
	[PROTOBUF_C_TYPE_UINT32] = { 4, false },
	[PROTOBUF_C_TYPE_FIXED32] = { 4, false },
	[PROTOBUF_C_TYPE_UINT64] = { 8, false },
	[PROTOBUF_C_TYPE_FIXED64] = { 8, false },
	[PROTOBUF_C_TYPE_FLOAT] = { sizeof(float), false },
	[PROTOBUF_C_TYPE_DOUBLE] = { sizeof(double), false },
	[PROTOBUF_C_TYPE_BOOL] = { sizeof(protobuf_c_boolean), false },
	[PROTOBUF_C_TYPE_ENUM] = { sizeof(int), false },
	[PROTOBUF_C_TYPE_STRING] = { sizeof(char *), false },
	[PROTOBUF_C_TYPE_BYTES] = { sizeof(ProtobufCBinaryData), false },
	[PROTOBUF_C_TYPE_MESSAGE] = { sizeof(ProtobufCMessage *), false },
};

size_t pbjson_size(ProtobufCType type)
{
	return types[type].size;
}

bool pbjson_is_signed(ProtobufCType type)
{
	return types[type].is_signed;
}

bool pbjson_is_map(const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *d = f->descriptor;

	return f->label == PROTOBUF_C_LABEL_REPEATED && f->type == PROTOBUF_C_TYPE_MESSAGE &&
	       str_ends_with(d->short_name, "Entry") && d->n_fields == 2 &&
	       str_eq(d->fields[0].name, "key") && d->fields[0].type == PROTOBUF_C_TYPE_STRING &&
	       str_eq(d->fields[1].name, "value");
}

const ProtobufCFieldDescriptor *pbjson_companion(const ProtobufCMessageDescriptor *desc,
						 const ProtobufCFieldDescriptor *f)
{
	char name[NAME_MAX_LENGTH];

	snprintf(name, sizeof(name), "%s" COMPANION_SUFFIX, f->name);
	return protobuf_c_message_descriptor_get_field_by_name(desc, name);
}

bool pbjson_is_companion(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *f)
{
	char name[NAME_MAX_LENGTH];
	size_t len = strlen(f->name);

	if (f->type != PROTOBUF_C_TYPE_BOOL || !str_ends_with(f->name, COMPANION_SUFFIX))
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)(len - strlen(COMPANION_SUFFIX)), f->name);
	return protobuf_c_message_descriptor_get_field_by_name(desc, name) != NULL;
}

void pbjson_set_present(const ProtobufCFieldDescriptor *f, ProtobufCMessage *m)
{
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		*(uint32_t *)pbjson_member(m, f->quantifier_offset) = f->id;
	else if (f->label == PROTOBUF_C_LABEL_OPTIONAL && f->quantifier_offset)
		*(protobuf_c_boolean *)pbjson_member(m, f->quantifier_offset) = true;
}

static bool is_zero(const void *p, size_t n)
{
	static const char zeros[sizeof(ProtobufCBinaryData)];

	return memcmp(p, zeros, n) == 0;
}

static bool differs_from_default(const ProtobufCFieldDescriptor *f, const ProtobufCMessage *m)
{
	const void *p = pbjson_member_const(m, f->offset);
	const char *s;

	if (f->type == PROTOBUF_C_TYPE_BYTES)
		return ((const ProtobufCBinaryData *)p)->len > 0;
	if (f->type != PROTOBUF_C_TYPE_STRING)
		return !is_zero(p, pbjson_size(f->type));
	s = *(char *const *)p;
	return !str_empty(s);
}

bool pbjson_is_present(const ProtobufCFieldDescriptor *f, const ProtobufCMessage *m)
{
	const ProtobufCFieldDescriptor *companion = pbjson_companion(m->descriptor, f);

	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)pbjson_member_const(m, f->quantifier_offset) == f->id;
	if (f->label == PROTOBUF_C_LABEL_OPTIONAL && f->quantifier_offset)
		return *(const protobuf_c_boolean *)pbjson_member_const(m, f->quantifier_offset);
	if (companion && *(const protobuf_c_boolean *)pbjson_member_const(m, companion->offset))
		return true;
	return differs_from_default(f, m);
}
