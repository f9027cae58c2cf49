/* SPDX-License-Identifier: Apache-2.0 */
#include "config/internal.h"

#include "wire/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char sample[] = "[hypervisor.qemu]\n"
			     "kernel_params = \"a=\\\"b\\\\\\\"\"\n"
			     "default_memory = 300\n"
			     "virtio_fs_extra_args = ['x', 'y z']\n"
			     "shared_fs = 'none'\n";

static struct config *load(const char *text, const char *origin)
{
	struct config *c = NULL;
	struct error e = ERROR_INIT;

	if (config_load_text(text, strlen(text), origin, &c, &e) < 0)
		fail_msg("%s\n%s", e.text, text);
	return c;
}

static char *printed(const struct config *c)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	config_print_toml(c, f);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void test_toml(void **state)
{
	static const char *const lines[] = {
		"# file: /etc/c.toml\n",
		"# warning: /etc/c.toml:5:13: this value of hypervisor.qemu.shared_fs is not "
		"supported yet",
		"\n[hypervisor.qemu]\n",
		"\nkernel_params = \"a=\\\"b\\\\\\\"\" # /etc/c.toml:2\n",
		"\ndefault_memory = 300 # /etc/c.toml:3\n",
		"\nvirtio_fs_extra_args = [\"x\", \"y z\"] # /etc/c.toml:4\n",
		"\nshared_fs = \"virtio-fs\" # default\n",
		"\nimage = \"\" # default\n",
		"\nrootless = true # annotation\n",
		"\n[agent.kata]\n",
		"\n[runtime]\n",
	};
	autoptr(config) c = load(sample, "/etc/c.toml");
	autofree char *text = NULL;

	assert_int_equal(config_annotate(c, "io.katacontainers.config.hypervisor.rootless", "true",
					 NULL),
			 -EPERM);
	strv_add(&c->hypervisor.enable_annotations, "rootless");
	assert_int_equal(config_annotate(c, "io.katacontainers.config.hypervisor.rootless", "true",
					 NULL),
			 0);
	text = printed(c);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (!strstr(text, lines[i]))
			fail_msg("not found: %s\n%s", lines[i], text);
	assert_null(strstr(text, "seccomp_sandbox"));
	assert_null(strstr(text, "enable_iommu ="));
}

/* What was printed, loaded again, is the same configuration. */
static void test_toml_reads_back(void **state)
{
	autoptr(config) a = load(sample, "a");
	autofree char *text = printed(a);
	autoptr(config) b = load(text, "b");
	autofree char *ja = config_to_json(a);
	autofree char *jb = config_to_json(b);

	assert_int_equal(b->warnings.n, 0);
	assert_string_equal(b->hypervisor.kernel_params, a->hypervisor.kernel_params);
	*strstr(ja, "\"origins\"") = '\0';
	*strstr(jb, "\"origins\"") = '\0';
	assert_string_equal(strstr(ja, "\"hypervisor\""), strstr(jb, "\"hypervisor\""));
}

static void test_no_file(void **state)
{
	autoptr(config) c = NULL;
	autofree char *text = NULL;

	assert_int_equal(config_new(&c, NULL), 0);
	text = printed(c);
	assert_ptr_equal(strstr(text, "# no configuration file: built-in defaults\n"), text);
}

/* Names of files are no way to put lines or broken text into the output. */
static void test_odd_file_name(void **state)
{
	autoptr(config) c = load("[hypervisor.qemu]\ndefault_memory = 99\n", "a\n[runtime]\xff");
	autofree char *text = printed(c);

	assert_non_null(strstr(text, "# file: a [runtime]?\n"));
	assert_non_null(strstr(text, "\ndefault_memory = 99 # a [runtime]?:2\n"));
}

static void test_json(void **state)
{
	autoptr(config) c = load(sample, "/etc/c.toml");
	autofree char *text = config_to_json(c);
	autoptr(json) j = NULL;
	const struct json *hv;
	const char *s;
	uint64_t n;

	assert_non_null(text);
	assert_int_equal(json_parse(text, strlen(text), "env", &j, NULL), 0);
	assert_string_equal(json_to_str(json_get(j, "files")->child), "/etc/c.toml");
	assert_int_equal(json_get(j, "warnings")->count, 1);
	hv = json_get(json_get(j, "hypervisor"), "qemu");
	assert_int_equal(json_get_u64(hv, "default_memory", &n, NULL), 0);
	assert_int_equal(n, 300);
	assert_int_equal(json_get(hv, "virtio_fs_extra_args")->count, 2);
	assert_int_equal(json_get_str(hv, "kernel_params", &s, NULL), 0);
	assert_string_equal(s, "a=\"b\\\"");
	assert_non_null(json_get(json_get(json_get(j, "agent"), "kata"), "reconnect_timeout_ms"));
	assert_non_null(json_get(json_get(j, "runtime"), "sandbox_cgroup_only"));
	assert_int_equal(json_get_str(json_get(j, "origins"), "hypervisor.qemu.default_memory", &s,
				      NULL),
			 0);
	assert_string_equal(s, "/etc/c.toml:3");
	assert_int_equal(json_get_str(json_get(j, "origins"), "runtime.enable_debug", &s, NULL), 0);
	assert_string_equal(s, "default");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_toml),    cmocka_unit_test(test_toml_reads_back),
		cmocka_unit_test(test_no_file), cmocka_unit_test(test_odd_file_name),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
