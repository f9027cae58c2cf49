/* SPDX-License-Identifier: Apache-2.0 */
/* The table itself: what every row must fulfil, and look-ups. */
#include "config/value.h"

#include "wire/toml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void check_default(const struct config_key *k, const char *literal)
{
	autofree char *text = xasprintf("value = %s", literal);
	autoptr(toml) t = NULL;
	struct error e = ERROR_INIT;

	if (toml_parse(text, strlen(text), "default", &t, &e) < 0 ||
	    config_value_check(k, t->child, &e) < 0)
		fail_msg("default %s of %s: %s", literal, k->key, e.text);
}

static void test_rows(void **state)
{
	for (size_t i = 0; i < config_keys_n; i++) {
		const struct config_key *k = &config_keys[i];
		bool alias = k->flags & CONFIG_ALIAS;

		assert_true(k->key || k->annotation);
		assert_non_null(k->help);
		assert_true(k->offset < sizeof(struct config));
		assert_true(!alias || k->offset);
		assert_int_equal(alias, !k->def);
		assert_true(!k->works || (k->offset && (k->choices || k->type == CONFIG_BOOL)));
		assert_int_equal(!k->globs, !k->globs_key);
		/* A sentence for what is documented at length, a phrase for the rest. */
		assert_int_equal(str_ends_with(k->help, "."), k->offset != 0);
		if (k->def)
			check_default(k, k->def);
		if (k->kata && k->offset == 0)
			check_default(k, k->kata);
	}
}

static void test_unique(void **state)
{
	char a[CONFIG_KEY_NAME_MAX], b[CONFIG_KEY_NAME_MAX];

	for (size_t i = 0; i < config_keys_n; i++)
		for (size_t j = 0; j < i; j++) {
			const struct config_key *k = &config_keys[i], *l = &config_keys[j];

			assert_string_not_equal(config_key_name(k, "x", a),
						config_key_name(l, "x", b));
			if (config_key_annotation(k, a) && config_key_annotation(l, b))
				assert_string_not_equal(a, b);
			if (k->offset && k->offset == l->offset)
				assert_true((k->flags | l->flags) & CONFIG_ALIAS);
		}
}

static void test_globs_are_lists(void **state)
{
	for (size_t i = 0; i < config_keys_n; i++) {
		const struct config_key *k = &config_keys[i];

		if (!k->globs)
			continue;
		const struct config_key *list = config_key_find(CONFIG_HYPERVISOR, k->globs_key);

		assert_non_null(list);
		assert_int_equal(list->type, CONFIG_LIST);
		assert_int_equal(list->offset, k->globs);
	}
}

static void test_find(void **state)
{
	const struct config_key *k = config_key_find(CONFIG_HYPERVISOR, "enable_debug");
	char name[CONFIG_KEY_NAME_MAX];

	assert_non_null(k);
	assert_ptr_not_equal(k, config_key_find(CONFIG_RUNTIME, "enable_debug"));
	assert_null(config_key_find(CONFIG_FACTORY, "enable_debug"));
	assert_null(config_key_find(CONFIG_HYPERVISOR, "kernel_hash"));
	assert_string_equal(config_key_name(k, "qemu", name), "hypervisor.qemu.enable_debug");
	k = config_key_find(CONFIG_MEM_AGENT, "memcg_swap");
	assert_string_equal(config_key_name(k, "qemu", name), "agent.kata.mem_agent.memcg_swap");
	assert_null(config_key_annotation(k, name));
}

#define ANNOTATION "io.katacontainers.config."

static void test_annotations(void **state)
{
	static const struct {
		const char *annotation, *name;
	} cases[] = {
		{ ANNOTATION "hypervisor.default_max_vcpus", "hypervisor.q.default_maxvcpus" },
		{ ANNOTATION "hypervisor.blk_logical_sector_size", "hypervisor.q.block_device_"
								   "logical_sector_size" },
		{ ANNOTATION "hypervisor.cc_init_data", "hypervisor.q.initdata" },
		{ ANNOTATION "hypervisor.kernel_hash", "hypervisor.q.kernel_hash" },
		{ ANNOTATION "hypervisor.prefetch_files.list", "hypervisor.q.prefetch_list_path" },
		{ ANNOTATION "runtime.create_container_timeout", "runtime.create_container_"
								 "timeout" },
		{ ANNOTATION "agent.kernel_modules", "agent.kata.kernel_modules" },
		{ "io.katacontainers.enable_vcpus_pinning", "runtime.enable_vcpus_pinning" },
		{ "io.katacontainers.asset_hash_type", "hypervisor.q.asset_hash_type" },
	};
	static const char *const none[] = {
		ANNOTATION "hypervisor.default_maxvcpus", /* the annotation is spelt otherwise */
		ANNOTATION "hypervisor.valid_hypervisor_paths",
		ANNOTATION "hypervisor.",
		ANNOTATION "agent.create_container_timeout",
		ANNOTATION "factory.enable_template",
		"io.katacontainers.kernel",
		"",
	};
	char name[CONFIG_KEY_NAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct config_key *k = config_key_by_annotation(cases[i].annotation);

		assert_non_null(k);
		assert_string_equal(config_key_name(k, "q", name), cases[i].name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_null(config_key_by_annotation(none[i]));
}

static void test_choices(void **state)
{
	autofree char *one = config_choices_text("a");
	autofree char *many = config_choices_text("|a|b-c");

	assert_string_equal(one, "a");
	assert_string_equal(many, "\"\", a, b-c");
}

static void test_engines(void **state)
{
	assert_string_equal(config_engines[0], "qemu");
	assert_true(config_engine_known("qemu"));
	assert_true(config_engine_known("clh"));
	assert_false(config_engine_known("xen"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_unique),
		cmocka_unit_test(test_globs_are_lists),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_annotations),
		cmocka_unit_test(test_choices),
		cmocka_unit_test(test_engines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
