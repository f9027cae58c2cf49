/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec - config.json, process.json and resources to messages and back; small questions about a
 * spec.
 *
 * Reading checks types and ranges only, writing leaves out what is at its default; what the values
 * mean is check.c's.
 */
#include "oci/oci.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "wire/json.h"
#include "wire/pbjson.h"

#include <errno.h>
#include <fcntl.h>

static int parse_message(const char *json, size_t len, const char *origin,
			 const ProtobufCMessageDescriptor *desc, ProtobufCMessage **ret,
			 struct error *e)
{
	autoptr(json) v = NULL;
	autodone(strv) unknown = STRV_INIT;
	int r;

	if (len > LIMIT_CONFIG_JSON)
		return error_plain(e, EFBIG, "%s: longer than %zu bytes", origin,
				   LIMIT_CONFIG_JSON);
	r = json_parse(json, len, origin, &v, e);
	if (r < 0)
		return r;
	r = pbjson_parse(v, desc, &unknown, ret, e);
	if (r < 0) {
		error_prefix(e, "%s", origin);
		return r;
	}
	for (size_t i = 0; i < unknown.n; i++)
		log_debug("%s: unknown key %s", origin, unknown.v[i]);
	return 0;
}

static char *message_to_json(const ProtobufCMessage *m)
{
	autodone(buf) b = BUF_INIT(LIMIT_CONFIG_JSON);
	struct json_writer w;

	json_writer_init(&w, &b, NULL);
	pbjson_write(&w, NULL, m);
	return json_writer_end(&w) < 0 ? NULL : xstrdup(buf_str(&b));
}

int oci_spec_parse(const char *json, size_t len, const char *origin, oci_spec **ret,
		   struct error *e)
{
	ProtobufCMessage *m;
	int r = parse_message(json, len, origin, &grpc__spec__descriptor, &m, e);

	if (r == 0)
		*ret = (oci_spec *)m;
	return r;
}

int oci_process_parse(const char *json, size_t len, const char *origin, oci_process **ret,
		      struct error *e)
{
	ProtobufCMessage *m;
	int r = parse_message(json, len, origin, &grpc__process__descriptor, &m, e);

	if (r == 0)
		*ret = (oci_process *)m;
	return r;
}

int oci_resources_parse(const char *json, size_t len, const char *origin, oci_resources **ret,
			struct error *e)
{
	ProtobufCMessage *m;
	int r = parse_message(json, len, origin, &grpc__linux_resources__descriptor, &m, e);

	if (r == 0)
		*ret = (oci_resources *)m;
	return r;
}

int oci_spec_load(const char *bundle, oci_spec **ret, struct error *e)
{
	autofree char *path = xasprintf("%s/config.json", bundle);
	autofree char *text = NULL;
	size_t len;
	int r = file_read_at(AT_FDCWD, path, LIMIT_CONFIG_JSON, &text, &len);

	if (r < 0)
		return error_set(e, r, "read %s", path);
	return oci_spec_parse(text, len, path, ret, e);
}

void oci_spec_free(oci_spec *s)
{
	grpc__spec__free_unpacked(s, NULL);
}

void oci_process_free(oci_process *p)
{
	grpc__process__free_unpacked(p, NULL);
}

void oci_resources_free(oci_resources *r)
{
	grpc__linux_resources__free_unpacked(r, NULL);
}

char *oci_spec_to_json(const oci_spec *s)
{
	return message_to_json(&s->base);
}

char *oci_process_to_json(const oci_process *p)
{
	return message_to_json(&p->base);
}

char *oci_resources_to_json(const oci_resources *r)
{
	return message_to_json(&r->base);
}

const char *oci_annotation(const oci_spec *s, const char *key)
{
	/* From the back: in messages of a peer the last one of equal keys holds. */
	for (size_t i = s->n_annotations; i-- > 0;) {
		if (str_eq(s->annotations[i]->key, key))
			return s->annotations[i]->value;
	}
	return NULL;
}

char *oci_annotations_json(const oci_spec *s)
{
	autodone(buf) b = BUF_INIT(LIMIT_CONFIG_JSON);
	struct json_writer w;

	json_writer_init(&w, &b, NULL);
	pbjson_write_map(&w, NULL, (ProtobufCMessage *const *)s->annotations, s->n_annotations);
	return xstrdup(json_writer_end(&w) < 0 ? "{}" : buf_str(&b));
}

bool oci_has_namespace(const oci_spec *s, const char *type, const char **ret_path)
{
	for (size_t i = 0; s->linux && i < s->linux->n_namespaces; i++) {
		const Grpc__LinuxNamespace *ns = s->linux->namespaces[i];

		if (!str_eq(ns->type, type))
			continue;
		if (ret_path)
			*ret_path = str_empty(ns->path) ? NULL : ns->path;
		return true;
	}
	return false;
}
