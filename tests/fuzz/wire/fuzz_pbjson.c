/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON into messages and back. What was accepted must survive the wire format and come out of JSON
 * the same. The first byte chooses the message.
 */
#include "base/buf.h"
#include "base/error.h"
#include "wire/pbjson.h"

#include "agent.pb-c.h"
#include "bootstrap.pb-c.h"
#include "cgroups_v2.pb-c.h"
#include "oci.pb-c.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const messages[] = {
	&grpc__spec__descriptor,
	&grpc__write_stream_request__descriptor,
	&grpc__mem_agent_memcg_config__descriptor,
	&containerd__runtime__bootstrap__v1__bootstrap_params__descriptor,
	&io__containerd__cgroups__v2__metrics__descriptor,
	&io__containerd__cgroups__v2__psistats__descriptor,
};

static void write_message(const ProtobufCMessage *m, struct buf *b)
{
	struct json_writer w;

	json_writer_init(&w, b, NULL);
	pbjson_write(&w, NULL, m);
	if (json_writer_end(&w) < 0)
		abort();
}

/* Through the wire format. */
static ProtobufCMessage *transport(const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *packed = malloc(n + 1);
	ProtobufCMessage *back;

	if (!packed || protobuf_c_message_pack(m, packed) != n)
		abort();
	back = protobuf_c_message_unpack(m->descriptor, NULL, n, packed);
	free(packed);
	if (!back)
		abort();
	return back;
}

static void check_round(const struct json *v, const ProtobufCMessageDescriptor *desc)
{
	autodone(buf) one = BUF_INIT((size_t)64 << 20);
	autodone(buf) two = BUF_INIT((size_t)64 << 20);
	autodone(strv) unknown = STRV_INIT;
	struct error e = ERROR_INIT;
	ProtobufCMessage *m = NULL, *back;

	if (pbjson_parse(v, desc, &unknown, &m, &e) < 0) {
		if (m || !*e.text)
			abort();
		return;
	}
	back = transport(m);
	write_message(m, &one);
	write_message(back, &two);
	if (strcmp(buf_str(&one), buf_str(&two)) != 0)
		abort();
	protobuf_c_message_free_unpacked(m, NULL);
	protobuf_c_message_free_unpacked(back, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoptr(json) v = NULL;

	if (size < 1 || json_parse((const char *)data + 1, size - 1, "fuzz", &v, NULL) < 0)
		return 0;
	check_round(v, messages[data[0] % ARRAY_SIZE(messages)]);
	return 0;
}
