/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pbjson, writing: a walk over the message; declared in pbjson.h.
 *
 * Where a map holds a key twice, the last entry wins, as protobuf has it.
 */
#include "wire/pbjson.h"

#include "wire/base64.h"
#include "wire/pbjson_fields.h"

#include <errno.h>

static void write_bytes(struct json_writer *w, const char *key, const ProtobufCBinaryData *b)
{
	autofree char *text = mem_try_calloc(base64_encoded_size(b->len) + 1, 1);

	if (!text) {
		w->err = w->err ? w->err : -ENOMEM;
		return;
	}
	base64_encode(b->data, b->len, text);
	json_add_str(w, key, text);
}

static void write_enum(struct json_writer *w, const char *key, const ProtobufCEnumDescriptor *desc,
		       int v)
{
	const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(desc, v);

	if (found)
		json_add_str(w, key, found->name);
	else
		json_add_i64(w, key, v);
}

static void write_integer(struct json_writer *w, const char *key, ProtobufCType type, const void *p)
{
	bool is_signed = pbjson_is_signed(type);

	if (pbjson_size(type) == 8 && is_signed)
		json_add_i64(w, key, *(const int64_t *)p);
	else if (pbjson_size(type) == 8)
		json_add_u64(w, key, *(const uint64_t *)p);
	else if (is_signed)
		json_add_i64(w, key, *(const int32_t *)p);
	else
		json_add_u64(w, key, *(const uint32_t *)p);
}

/* A oneof's message may be absent behind its case: then it is null. */
static void write_submessage(struct json_writer *w, const char *key, const ProtobufCMessage *m)
{
	if (m)
		pbjson_write(w, key, m);
	else
		json_add_null(w, key);
}

static void write_value(struct json_writer *w, const char *key, const ProtobufCFieldDescriptor *f,
			const void *p)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_FLOAT:
		json_add_double(w, key, (double)*(const float *)p);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		json_add_double(w, key, *(const double *)p);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		json_add_bool(w, key, *(const protobuf_c_boolean *)p);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		write_enum(w, key, f->descriptor, *(const int *)p);
		break;
	case PROTOBUF_C_TYPE_STRING:
		json_add_str(w, key, *(char *const *)p);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		write_bytes(w, key, p);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		write_submessage(w, key, *(ProtobufCMessage *const *)p);
		break;
	default:
		write_integer(w, key, f->type, p);
	}
}

static const char *entry_key(const ProtobufCMessage *entry)
{
	const char *key =
		*(char *const *)pbjson_member_const(entry, entry->descriptor->fields[0].offset);

	return key ? key : "";
}

/* Places in the array of entries, so that equal keys keep their order. */
static int compare_entries(const void *a, const void *b)
{
	ProtobufCMessage *const *x = *(ProtobufCMessage *const *const *)a;
	ProtobufCMessage *const *y = *(ProtobufCMessage *const *const *)b;
	int r = strcmp(entry_key(*x), entry_key(*y));

	return r ? r : (x > y) - (x < y);
}

void pbjson_write_map(struct json_writer *w, const char *key, ProtobufCMessage *const *entries,
		      size_t n)
{
	autofree ProtobufCMessage *const **sorted = mem_try_calloc(n + 1, sizeof(*sorted));

	if (!sorted) {
		w->err = w->err ? w->err : -ENOMEM;
		return;
	}
	for (size_t i = 0; i < n; i++)
		sorted[i] = &entries[i];
	qsort(sorted, n, sizeof(*sorted), compare_entries);
	json_open_object(w, key);
	for (size_t i = 0; i < n; i++) {
		const ProtobufCMessage *m = *sorted[i];
		const ProtobufCFieldDescriptor *value = &m->descriptor->fields[1];

		if (i + 1 < n && strcmp(entry_key(m), entry_key(*sorted[i + 1])) == 0)
			continue;
		write_value(w, entry_key(m), value, pbjson_member_const(m, value->offset));
	}
	json_close(w);
}

static void write_repeated(struct json_writer *w, const ProtobufCFieldDescriptor *f,
			   const ProtobufCMessage *m)
{
	size_t n = *(const size_t *)pbjson_member_const(m, f->quantifier_offset);
	const char *array = *(const char *const *)pbjson_member_const(m, f->offset);

	if (!n)
		return;
	if (pbjson_is_map(f)) {
		pbjson_write_map(w, f->name, (ProtobufCMessage *const *)array, n);
		return;
	}
	json_open_array(w, f->name);
	for (size_t i = 0; i < n; i++)
		write_value(w, NULL, f, array + i * pbjson_size(f->type));
	json_close(w);
}

void pbjson_write(struct json_writer *w, const char *key, const ProtobufCMessage *m)
{
	const ProtobufCMessageDescriptor *desc = m->descriptor;

	json_open_object(w, key);
	for (unsigned i = 0; i < desc->n_fields && !w->err; i++) {
		const ProtobufCFieldDescriptor *f = &desc->fields[i];

		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			write_repeated(w, f, m);
		else if (!pbjson_is_companion(desc, f) && pbjson_is_present(f, m))
			write_value(w, f->name, f, pbjson_member_const(m, f->offset));
	}
	json_close(w);
}
