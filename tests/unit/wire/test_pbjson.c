/* SPDX-License-Identifier: Apache-2.0 */
/* pbjson: JSON into messages and back, on the messages of proto/: every type, presence, maps, and
 * errors by path. */
#include "base/buf.h"
#include "base/error.h"
#include "base/limits.h"
#include "wire/pbjson.h"

#include "agent.pb-c.h"
#include "bootstrap.pb-c.h"
#include "cgroups_v2.pb-c.h"
#include "oci.pb-c.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BOOT(name) containerd__runtime__bootstrap__v1__##name##__descriptor
typedef Containerd__Runtime__Bootstrap__V1__BootstrapParams boot_params;

static int try_parse(const char *text, const ProtobufCMessageDescriptor *desc, struct strv *unknown,
		     ProtobufCMessage **ret, struct error *e)
{
	autoptr(json) v = NULL;

	assert_int_equal(json_parse(text, strlen(text), "t", &v, e), 0);
	return pbjson_parse(v, desc, unknown, ret, e);
}

static void *parse(const char *text, const ProtobufCMessageDescriptor *desc)
{
	struct error e = ERROR_INIT;
	ProtobufCMessage *m = NULL;

	if (try_parse(text, desc, NULL, &m, &e) < 0)
		fail_msg("%s", e.text);
	return m;
}

static void done(void *m)
{
	protobuf_c_message_free_unpacked(m, NULL);
}

/* Reads, writes, and compares with @want (NULL: with @text). */
static void check_round(const char *text, const ProtobufCMessageDescriptor *desc, const char *want)
{
	autodone(buf) b = BUF_INIT(65536);
	ProtobufCMessage *m = parse(text, desc);
	struct json_writer w;

	json_writer_init(&w, &b, NULL);
	pbjson_write(&w, NULL, m);
	assert_int_equal(json_writer_end(&w), 0);
	assert_string_equal(buf_str(&b), want ? want : text);
	done(m);
}

static void test_nested_and_repeated(void **state)
{
	Grpc__Spec *s = parse(
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\",\"\"],\"user\":{\"uid\":7,"
		"\"additionalGids\":[1,4294967295]},\"rlimits\":[{\"type\":\"RLIMIT_CORE\","
		"\"hard\":18446744073709551615,\"soft\":0}]},\"mounts\":[]}",
		&grpc__spec__descriptor);

	assert_string_equal(s->ociversion, "1.0.2");
	assert_int_equal(s->process->n_args, 2);
	assert_string_equal(s->process->args[1], "");
	assert_int_equal(s->process->user->uid, 7);
	assert_int_equal(s->process->user->n_additionalgids, 2);
	assert_int_equal(s->process->user->additionalgids[1], UINT32_MAX);
	assert_true(s->process->rlimits[0]->hard == UINT64_MAX);
	assert_int_equal(s->n_mounts, 0);
	assert_string_equal(s->hostname, "");
	assert_null(s->linux);
	done(s);
}

static void test_keys_without_case(void **state)
{
	Grpc__Spec *s = parse(
		"{\"OCIVersion\":\"1\",\"process\":{\"noNewPRIVILEGES\":true,\"oom_score_adj\":5}}",
		&grpc__spec__descriptor);

	assert_string_equal(s->ociversion, "1");
	assert_true(s->process->nonewprivileges);
	assert_int_equal(s->process->oomscoreadj, 5);
	assert_true(s->process->oomscoreadj_set);
	done(s);
}

static void test_presence(void **state)
{
	Grpc__Process *p =
		parse("{\"oomScoreAdj\":0,\"user\":{\"umask\":0}}", &grpc__process__descriptor);
	Grpc__Process *q = parse("{\"oomScoreAdj\":null,\"user\":{\"umask\":null}}",
				 &grpc__process__descriptor);

	assert_true(p->oomscoreadj_set);
	assert_int_equal(p->user->has_umask_case, GRPC__USER__HAS_UMASK_UMASK);
	assert_false(q->oomscoreadj_set);
	assert_int_equal(q->user->has_umask_case, 0);
	done(p);
	done(q);
	check_round("{\"user\":{\"umask\":0},\"oomScoreAdj\":0}", &grpc__process__descriptor, NULL);
	check_round("{\"user\":{}}", &grpc__process__descriptor, NULL);
	check_round("{\"socket_dir\":\"\"}", &BOOT(bootstrap_params), NULL);
}

static void test_companion_is_no_key(void **state)
{
	autodone(strv) unknown = STRV_INIT;
	struct error e = ERROR_INIT;
	ProtobufCMessage *m = NULL;

	assert_int_equal(try_parse("{\"oomScoreAdj_set\":true,\"oomScoreAdjSet\":true}",
				   &grpc__process__descriptor, &unknown, &m, &e),
			 0);
	assert_false(((Grpc__Process *)m)->oomscoreadj_set);
	assert_int_equal(unknown.n, 2);
	done(m);
}

static void test_maps(void **state)
{
	Grpc__Spec *s = parse("{\"annotations\":{\"b\":\"2\",\"a.b/c\":\"\",\"n\":null},"
			      "\"linux\":{\"timeOffsets\":{\"monotonic\":{\"secs\":-3}}}}",
			      &grpc__spec__descriptor);

	assert_int_equal(s->n_annotations, 3);
	assert_string_equal(s->annotations[0]->key, "b");
	assert_string_equal(s->annotations[0]->value, "2");
	assert_string_equal(s->annotations[2]->value, "");
	assert_int_equal(s->linux->timeoffsets[0]->value->secs, -3);
	done(s);
	check_round("{\"annotations\":{\"b\":\"2\",\"a\":\"1\"},\"linux\":{\"netDevices\":{"
		    "\"eth0\":null}}}",
		    &grpc__spec__descriptor,
		    "{\"annotations\":{\"a\":\"1\",\"b\":\"2\"},\"linux\":{\"netDevices\":{"
		    "\"eth0\":null}}}");
}

static void test_last_entry_wins(void **state)
{
	Caisson__StringEntry e[3] = { CAISSON__STRING_ENTRY__INIT, CAISSON__STRING_ENTRY__INIT,
				      CAISSON__STRING_ENTRY__INIT };
	Caisson__StringEntry *list[] = { &e[0], &e[1], &e[2] };
	Grpc__Spec s = GRPC__SPEC__INIT;
	autodone(buf) b = BUF_INIT(65536);
	struct json_writer w;

	e[0].key = e[2].key = (char *)"k";
	e[1].key = (char *)"a";
	e[0].value = (char *)"first";
	e[2].value = (char *)"last";
	s.n_annotations = 3;
	s.annotations = list;
	json_writer_init(&w, &b, NULL);
	pbjson_write(&w, NULL, &s.base);
	assert_int_equal(json_writer_end(&w), 0);
	assert_string_equal(buf_str(&b), "{\"annotations\":{\"a\":\"\",\"k\":\"last\"}}");
}

static void test_scalar_types(void **state)
{
	boot_params *p = parse("{\"log_level\":-4,\"extensions\":[{\"value\":{\"type_url\":\"t\","
			       "\"value\":\"AP8=\"}}]}",
			       &BOOT(bootstrap_params));

	assert_int_equal(p->log_level, -4);
	assert_int_equal(p->extensions[0]->value->value.len, 2);
	assert_memory_equal(p->extensions[0]->value->value.data, "\0\xff", 2);
	done(p);
	check_round("{\"logLevel\":\"LOG_LEVEL_WARN\",\"instanceId\":\"x\"}",
		    &BOOT(bootstrap_params),
		    "{\"instance_id\":\"x\",\"log_level\":\"LOG_LEVEL_WARN\"}");
	check_round("{\"data\":\"\"}", &grpc__write_stream_request__descriptor, "{}");
	check_round("{\"container_id\":\"c\",\"data\":\"Zm9v\"}",
		    &grpc__write_stream_request__descriptor, NULL);
	check_round("{\"avg10\":0.5,\"avg60\":3,\"total\":7}",
		    &io__containerd__cgroups__v2__psidata__descriptor, NULL);
	check_round("{\"version\":-2147483648}", &BOOT(bootstrap_result), NULL);
	check_round("{\"disabled\":false,\"swappiness_max\":0}",
		    &grpc__mem_agent_memcg_config__descriptor, NULL);
}

static void test_unknown_keys(void **state)
{
	autodone(strv) unknown = STRV_INIT;
	struct error e = ERROR_INIT;
	ProtobufCMessage *m = NULL;

	assert_int_equal(try_parse("{\"vm\":{\"x\":1},\"linux\":{\"foo\\u0007\":[1]},\"mounts\":[{}"
				   ",{\"bar\":null}]}",
				   &grpc__spec__descriptor, &unknown, &m, &e),
			 0);
	assert_int_equal(unknown.n, 3);
	assert_string_equal(unknown.v[0], "vm");
	assert_string_equal(unknown.v[1], "linux.foo?");
	assert_string_equal(unknown.v[2], "mounts[1].bar");
	done(m);
}

static void test_unknown_keys_are_bounded(void **state)
{
	autodone(buf) b = BUF_INIT(65536);
	autodone(strv) unknown = STRV_INIT;
	struct error e = ERROR_INIT;
	ProtobufCMessage *m = NULL;

	buf_add_str(&b, "{");
	for (int i = 0; i < LIMIT_PBJSON_UNKNOWN + 10; i++)
		buf_addf(&b, "%s\"x%d\":1", i ? "," : "", i);
	buf_add_str(&b, "}");
	assert_int_equal(try_parse(buf_str(&b), &grpc__spec__descriptor, &unknown, &m, &e), 0);
	assert_int_equal(unknown.n, LIMIT_PBJSON_UNKNOWN);
	done(m);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		const ProtobufCMessageDescriptor *desc;
		int code;
		const char *message;
	} cases[] = {
		{ "[]", &grpc__spec__descriptor, -EINVAL, "an array where an object belongs" },
		{ "{\"linux\":{\"resources\":{\"memory\":{\"limit\":\"1g\"}}}}",
		  &grpc__spec__descriptor, -EINVAL,
		  "linux.resources.memory.limit: a string where an integer belongs" },
		{ "{\"linux\":{\"resources\":{\"memory\":{\"limit\":1.5}}}}",
		  &grpc__spec__descriptor, -EINVAL,
		  "linux.resources.memory.limit: not an integer" },
		{ "{\"linux\":{\"resources\":{\"memory\":{\"limit\":9223372036854775808}}}}",
		  &grpc__spec__descriptor, -ERANGE,
		  "linux.resources.memory.limit: out of range of a signed 64-bit integer" },
		{ "{\"rlimits\":[{\"hard\":1},{\"hard\":-1}]}", &grpc__process__descriptor, -ERANGE,
		  "rlimits[1].hard: out of range of an unsigned 64-bit integer" },
		{ "{\"user\":{\"uid\":4294967296}}", &grpc__process__descriptor, -ERANGE,
		  "user.uid: out of range of an unsigned 32-bit integer" },
		{ "{\"user\":{\"uid\":-1}}", &grpc__process__descriptor, -ERANGE,
		  "user.uid: out of range of an unsigned 32-bit integer" },
		{ "{\"version\":2147483648}", &BOOT(bootstrap_result), -ERANGE,
		  "version: out of range of a signed 32-bit integer" },
		{ "{\"version\":-2147483649}", &BOOT(bootstrap_result), -ERANGE,
		  "version: out of range of a signed 32-bit integer" },
		{ "{\"terminal\":1}", &grpc__process__descriptor, -EINVAL,
		  "terminal: a number where a boolean belongs" },
		{ "{\"args\":\"sh\"}", &grpc__process__descriptor, -EINVAL,
		  "args: a string where an array belongs" },
		{ "{\"args\":[\"a\",null]}", &grpc__process__descriptor, -EINVAL,
		  "args[1]: null where a string belongs" },
		{ "{\"mounts\":[{},{\"options\":[\"a\",7]}]}", &grpc__spec__descriptor, -EINVAL,
		  "mounts[1].options[1]: a number where a string belongs" },
		{ "{\"mounts\":[null]}", &grpc__spec__descriptor, -EINVAL,
		  "mounts[0]: null where an object belongs" },
		{ "{\"annotations\":{\"ok\":\"1\",\"bad\":1}}", &grpc__spec__descriptor, -EINVAL,
		  "annotations.bad: a number where a string belongs" },
		{ "{\"annotations\":[]}", &grpc__spec__descriptor, -EINVAL,
		  "annotations: an array where an object belongs" },
		{ "{\"hostname\":\"a\",\"HostName\":\"b\"}", &grpc__spec__descriptor, -EINVAL,
		  "HostName: given twice" },
		{ "{\"mounts\":[{}],\"Mounts\":[{}]}", &grpc__spec__descriptor, -EINVAL,
		  "Mounts: given twice" },
		{ "{\"data\":\"Zm9\"}", &grpc__write_stream_request__descriptor, -EINVAL,
		  "data: not base64" },
		{ "{\"data\":1}", &grpc__write_stream_request__descriptor, -EINVAL,
		  "data: a number where base64 text belongs" },
		{ "{\"log_level\":3}", &BOOT(bootstrap_params), -EINVAL,
		  "log_level: not a value of LogLevel" },
		{ "{\"log_level\":\"LOUD\"}", &BOOT(bootstrap_params), -EINVAL,
		  "log_level: not a value of LogLevel" },
		{ "{\"log_level\":true}", &BOOT(bootstrap_params), -EINVAL,
		  "log_level: a boolean where a name belongs" },
		{ "{\"avg10\":\"x\"}", &io__containerd__cgroups__v2__psidata__descriptor, -EINVAL,
		  "avg10: a string where a number belongs" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error e = ERROR_INIT;
		ProtobufCMessage *m = NULL;

		assert_int_equal(try_parse(cases[i].text, cases[i].desc, NULL, &m, &e),
				 cases[i].code);
		assert_string_equal(e.text, cases[i].message);
		assert_null(m);
		assert_int_equal(try_parse(cases[i].text, cases[i].desc, NULL, &m, NULL),
				 cases[i].code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nested_and_repeated),
		cmocka_unit_test(test_keys_without_case),
		cmocka_unit_test(test_presence),
		cmocka_unit_test(test_companion_is_no_key),
		cmocka_unit_test(test_maps),
		cmocka_unit_test(test_last_entry_wins),
		cmocka_unit_test(test_scalar_types),
		cmocka_unit_test(test_unknown_keys),
		cmocka_unit_test(test_unknown_keys_are_bounded),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
