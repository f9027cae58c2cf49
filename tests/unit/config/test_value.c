/* SPDX-License-Identifier: Apache-2.0 */
#include "config/internal.h"
#include "config/value.h"

#include "base/limits.h"
#include "wire/toml.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct config_key *key(const char *name)
{
	const struct config_key *k = config_key_find(CONFIG_HYPERVISOR, name);

	assert_non_null(k);
	return k;
}

static struct toml *parse(const char *literal)
{
	autofree char *text = xasprintf("v = %s", literal);
	struct error e = ERROR_INIT;
	struct toml *t;

	if (toml_parse(text, strlen(text), "test", &t, &e) < 0)
		fail_msg("%s", e.text);
	return t;
}

static int check(const char *name, const char *literal, struct error *e)
{
	autoptr(toml) t = parse(literal);

	return config_value_check(key(name), t->child, e);
}

static void test_check(void **state)
{
	static const struct {
		const char *key, *literal, *reason; /* NULL: accepted */
	} cases[] = {
		{ "rootless", "true", NULL },
		{ "rootless", "1", "must be true or false, not an integer" },
		{ "rootless", "\"true\"", "must be true or false, not a string" },
		{ "default_memory", "64", NULL },
		{ "default_memory", "63", "must be from 64 to 16777216, not 63" },
		{ "default_memory", "16777217", "must be from 64 to 16777216, not 16777217" },
		{ "default_memory", "-1", "must be from 64 to 16777216, not -1" },
		{ "default_memory", "512.0", "must be an integer, not a float" },
		{ "memory_slots", "4294967296", "must be from 0 to 4294967295, not 4294967296" },
		{ "default_vcpus", "1.5", NULL },
		{ "default_vcpus", "-1", NULL },
		{ "default_vcpus", "nan", "must be from -65536 to 65536" },
		{ "default_vcpus", "inf", "must be from -65536 to 65536" },
		{ "default_vcpus", "\"1\"", "must be a number, not a string" },
		{ "overhead_vcpus", "-0.5", "must be from 0 to 1024" },
		{ "virtio_fs_queue_size", "1024", NULL },
		{ "virtio_fs_queue_size", "1000", "must be a power of two, not 1000" },
		{ "kernel", "\"/boot/vmlinux\"", NULL },
		{ "kernel", "\"vmlinux\"", "must be an absolute path, not \"vmlinux\"" },
		{ "kernel", "\"/boot/a\\nb\"", "must not contain control characters" },
		{ "kernel_params", "\"a\\u007F\"", "must not contain control characters" },
		{ "kernel_params", "\"a=\\u00e4\"", NULL },
		{ "kernel_params", "[\"a\"]", "must be a string, not an array" },
		{ "machine_type", "\"\"", NULL },
		{ "machine_type", "\"pseries\"", NULL },
		{ "machine_type", "\"q35,accel=tcg\"",
		  "must be one of \"\", q35, microvm, pc, virt, pseries, s390-ccw-virtio, not "
		  "\"q35,accel=tcg\"" },
		{ "shared_fs", "\"virtio\"",
		  "must be one of virtio-fs, virtio-fs-nydus, inline-virtio-fs, "
		  "inline-virtio-fs-nydus, virtio-9p, none, not \"virtio\"" },
		{ "virtio_fs_extra_args", "[]", NULL },
		{ "virtio_fs_extra_args", "[\"-o\", \"a\"]", NULL },
		{ "virtio_fs_extra_args", "[1]", "must be a list of strings only, not an integer" },
		{ "virtio_fs_extra_args", "\"-o\"", "must be a list of strings, not a string" },
		{ "virtio_fs_extra_args", "[\"\\t\"]", "must not contain control characters" },
		{ "guest_extension_images", "[{name = \"a\"}]", NULL },
		{ "guest_extension_images", "[1]",
		  "must be a list of tables only, not an integer" },
		{ "enable_annotations", "[\"^path$\", \"a|b\", \"block_.*\", \"files\\\\.list\"]",
		  NULL },
		{ "enable_annotations", "[\"\\\\d\"]",
		  "has \"\\d\", which is more than an extended regular expression" },
		{ "enable_annotations", "[\"a\\\\\"]",
		  "has \"a\\\", which is more than an extended regular expression" },
		{ "enable_annotations", "[\"a{255}\"]",
		  "has \"a{255}\", which is more than an extended regular expression" },
		{ "enable_annotations", "[\"(?i)a\"]",
		  "has \"(?i)a\", which is more than an extended regular expression" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error e = ERROR_INIT;
		int r = check(cases[i].key, cases[i].literal, &e);

		if (cases[i].reason) {
			assert_true(r == -EINVAL || r == -ERANGE);
			assert_string_equal(e.text, cases[i].reason);
		} else if (r != 0) {
			fail_msg("%s = %s: %s", cases[i].key, cases[i].literal, e.text);
		}
	}
}

static void test_bad_regex(void **state)
{
	struct error e = ERROR_INIT;

	assert_int_equal(check("enable_annotations", "[\"(\"]", &e), -EINVAL);
	assert_non_null(strstr(e.text, "has \"(\", which is not a regular expression: "));
}

static void test_lengths(void **state)
{
	char text[LIMIT_CONFIG_STRING + 16];
	struct error e = ERROR_INIT;

	memset(text, 'a', sizeof(text));
	memcpy(text, "\"/", 2);
	memcpy(text + LIMIT_CONFIG_STRING + 1, "\"", 2);
	assert_int_equal(check("kernel", text, &e), 0);
	memcpy(text + LIMIT_CONFIG_STRING + 1, "b\"", 3);
	assert_int_equal(check("kernel", text, &e), -EINVAL);
	assert_string_equal(e.text, "is longer than 4096 bytes");
	assert_int_equal(check("kernel_params", text, &e), -EINVAL);
	assert_string_equal(e.text, "is longer than 2048 bytes");
}

static void test_works(void **state)
{
	autoptr(toml) yes = parse("\"virtio-fs\"");
	autoptr(toml) no = parse("\"none\"");
	autoptr(toml) empty = parse("\"\"");
	autoptr(toml) yes_bool = parse("true");
	autoptr(toml) no_bool = parse("false");
	const struct config_key *sizing =
		config_key_find(CONFIG_RUNTIME, "static_sandbox_resource_mgmt");

	assert_true(config_value_works(key("shared_fs"), yes->child));
	assert_false(config_value_works(key("shared_fs"), no->child));
	assert_true(config_value_works(key("machine_type"), empty->child));
	assert_true(config_value_works(key("kernel_params"), no->child));
	assert_true(config_value_works(sizing, yes_bool->child));
	assert_true(config_value_works(sizing, no_bool->child));
}

static void test_harmless(void **state)
{
	static const struct {
		const char *key, *literal;
		bool harmless;
	} cases[] = {
		{ "enable_iommu", "false", true },
		{ "enable_iommu", "true", false },
		{ "disable_block_device_use", "true", true },  /* one runtime's default */
		{ "disable_block_device_use", "false", true }, /* the other's */
		{ "block_device_driver", "\"virtio-blk-pci\"", true },
		{ "block_device_driver", "\"nvdimm\"", false },
		{ "numa_mapping", "[]", true },
		{ "numa_mapping", "[\"0\"]", false },
		{ "valid_vhost_user_store_paths", "[\"/var/run/kata-containers/vhost-user\"]",
		  true },
		{ "valid_vhost_user_store_paths", "[\"/var/run/kata-containers/vhost-users\"]",
		  false },
		{ "guest_extension_images", "[]", true },
		{ "guest_extension_images", "[{}]", false },
		{ "memory_slots", "10", true },
		{ "memory_slots", "11", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoptr(toml) t = parse(cases[i].literal);

		if (config_value_harmless(key(cases[i].key), t->child) != cases[i].harmless)
			fail_msg("%s = %s", cases[i].key, cases[i].literal);
	}
}

/* Stores @literal in the field of @name and prints the field. */
static void round_trip(struct config *c, const struct config_key *k, const char *literal,
		       const char *want)
{
	autoptr(toml) t = parse(literal);
	autofree char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	config_value_store(c, k, t->child);
	config_value_print(c, k, f);
	fclose(f);
	assert_string_equal(text, want);
}

static void test_store(void **state)
{
	autoptr(config) c = NULL;

	assert_int_equal(config_new(&c, NULL), 0);
	round_trip(c, key("rootless"), "false", "false");
	assert_false(c->hypervisor.rootless);
	round_trip(c, key("default_memory"), "0x400", "1024");
	round_trip(c, key("default_vcpus"), "2", "2");
	round_trip(c, key("default_vcpus"), "0.25", "0.25");
	round_trip(c, key("kernel_params"), "\"a=\\\"b c\\\" \\\\\"", "\"a=\\\"b c\\\" \\\\\"");
	assert_string_equal(c->hypervisor.kernel_params, "a=\"b c\" \\");
	round_trip(c, key("kernel_params"), "\"\"", "\"\"");
	assert_null(c->hypervisor.kernel_params);
	round_trip(c, key("virtio_fs_extra_args"), "['-o', 'x']", "[\"-o\", \"x\"]");
	round_trip(c, key("virtio_fs_extra_args"), "[]", "[]");
	assert_int_equal(c->hypervisor.virtio_fs_extra_args.n, 0);
	round_trip(c, config_key_find(CONFIG_AGENT, "dial_timeout"), "7", "7000");
	assert_int_equal(c->agent.reconnect_timeout_ms, 7000);
}

static void from_text(const struct config_key *k, const char *text, const char *reason)
{
	autoptr(toml) t = NULL;
	struct error e = ERROR_INIT;
	int r = config_value_from_text(k, text, &t, &e);

	if (reason) {
		assert_int_equal(r, -EINVAL);
		assert_string_equal(e.text, reason);
	} else if (r != 0) {
		fail_msg("%s: %s", text, e.text);
	}
}

static void test_from_text(void **state)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	autoptr(toml) list = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		autoptr(toml) t = NULL;

		assert_int_equal(config_value_from_text(key("rootless"), yes[i], &t, NULL), 0);
		assert_int_equal(t->child->type, TOML_BOOL);
		assert_true(t->child->boolean);
	}
	from_text(key("rootless"), "false", NULL);
	from_text(key("rootless"), "yes", "must be true or false, not \"yes\"");
	from_text(key("rootless"), "", "must be true or false, not \"\"");
	from_text(key("rootless"), "true|t", "must be true or false, not \"true|t\"");
	from_text(key("default_memory"), "0x10", "must be an integer, not \"0x10\"");
	from_text(key("default_memory"), "12 ", "must be an integer, not \"12 \"");
	from_text(key("default_memory"), "1.0", "must be an integer, not \"1.0\"");
	from_text(key("default_vcpus"), "1.5", NULL);
	from_text(key("default_vcpus"), "1e300",
		  NULL); /* well-formed; the range is the check's business */
	from_text(key("default_vcpus"), "nan", "must be a number, not \"nan\"");
	from_text(key("default_vcpus"), "1,5", "must be a number, not \"1,5\"");
	from_text(key("virtio_fs_extra_args"), "-o x", "cannot be written as an annotation");
	assert_int_equal(config_value_from_text(config_key_find(CONFIG_AGENT, "kernel_modules"),
						"a x=1;b;", &list, NULL),
			 0);
	assert_int_equal(list->child->count, 2);
	assert_string_equal(list->child->child->string, "a x=1");
}

/* Whatever the text holds, a string arrives as it was. */
static void test_from_text_quotes(void **state)
{
	static const char *const texts[] = { "",       "a\"b", "\\",      "\"\n[x]\ny=1",
					     "\t\x7f", "'''",  "\xc3\xa4" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		autoptr(toml) t = NULL;
		struct error e = ERROR_INIT;

		if (config_value_from_text(key("kernel_params"), texts[i], &t, &e) < 0)
			fail_msg("%zu: %s", i, e.text);
		assert_string_equal(t->child->string, texts[i]);
		assert_null(t->child->next);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),     cmocka_unit_test(test_bad_regex),
		cmocka_unit_test(test_lengths),   cmocka_unit_test(test_works),
		cmocka_unit_test(test_harmless),  cmocka_unit_test(test_store),
		cmocka_unit_test(test_from_text), cmocka_unit_test(test_from_text_quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
