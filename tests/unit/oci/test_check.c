/* SPDX-License-Identifier: Apache-2.0 */
/* check: each rule broken once, in a specification that is otherwise good. */
#include "oci/oci.h"

#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define V "\"ociVersion\":\"1.2.0\""
#define P "\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"}"
#define R "\"root\":{\"path\":\"rootfs\"}"
#define WITH(text) "{" V "," P "," R "," text "}"
#define PROCESS(text) "{" V "," R ",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"," text "}}"
#define LINUX(text) WITH("\"linux\":{" text "}")

static char bundle[] = "/tmp/caisson-test-XXXXXX";

static int set_up(void **state)
{
	autofree char *rootfs = NULL;
	autofree char *file = NULL;

	if (!mkdtemp(bundle))
		return -1;
	rootfs = xasprintf("%s/rootfs", bundle);
	file = xasprintf("%s/file", bundle);
	return mkdir(rootfs, 0700) < 0 || mknod(file, S_IFREG | 0600, 0) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	return path_remove_tree_at(AT_FDCWD, bundle);
}

static int check(const char *text, struct error *e)
{
	oci_spec *s = NULL;
	int r;

	*e = ERROR_INIT;
	if (oci_spec_parse(text, strlen(text), "t", &s, e) < 0)
		fail_msg("%s: %s", text, e->text);
	r = oci_spec_check(s, bundle, e);
	oci_spec_free(s);
	return r;
}

static void test_good(void **state)
{
	static const char *const cases[] = {
		"{" V "," P "," R "}",
		"{\"ociVersion\":\"1.0.2-dev\"," P "," R "}",
		WITH("\"mounts\":[{\"destination\":\"/proc\"}]"),
		WITH("\"hooks\":{\"poststop\":[{\"path\":\"/bin/true\",\"timeout\":5}]}"),
		PROCESS("\"oomScoreAdj\":-1000,\"user\":{\"umask\":511}"),
		PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":1,\"hard\":1},{\"type\":"
			"\"RLIMIT_AS\"}]"),
		LINUX("\"namespaces\":[{\"type\":\"user\"},{\"type\":\"network\",\"path\":\"/run/"
		      "netns/a\"}],"
		      "\"uidMappings\":[{\"size\":1}]"),
		LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":1,\"minor\":3}]"),
		LINUX("\"rootfsPropagation\":\"rslave\""),
		WITH("\"domainname\":\"a\",\"linux\":{\"sysctl\":{\"kernel.domainname\":\"a\"}}"),
		LINUX("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":["
		      "\"read\"],"
		      "\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":5,\"op\":\"SCMP_CMP_EQ\"}"
		      "]}]}"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error e;

		if (check(cases[i], &e) != 0)
			fail_msg("%s: %s", cases[i], e.text);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *message;
	} cases[] = {
		{ "{" P "," R "}", -EINVAL, "ociVersion: missing" },
		{ "{\"ociVersion\":\"2.0.0\"," P "," R "}", -EOPNOTSUPP,
		  "ociVersion: \"2.0.0\" is not supported (1.0.0 to 1.3.0 are)" },
		{ "{" V "," R "}", -EINVAL, "process: missing" },
		{ "{" V "," R ",\"process\":{\"cwd\":\"/\"}}", -EINVAL,
		  "process.args: no program to run" },
		{ "{" V "," R ",\"process\":{\"args\":[\"\"],\"cwd\":\"/\"}}", -EINVAL,
		  "process.args: no program to run" },
		{ "{" V "," R ",\"process\":{\"args\":[\"a\"]}}", -EINVAL, "process.cwd: missing" },
		{ "{" V "," R ",\"process\":{\"args\":[\"a\"],\"cwd\":\"a\"}}", -EINVAL,
		  "process.cwd: \"a\" is not absolute" },
		{ PROCESS("\"oomScoreAdj\":1001"), -EINVAL,
		  "process.oomScoreAdj: 1001 is not in -1000..1000" },
		{ PROCESS("\"user\":{\"umask\":512}"), -EINVAL,
		  "process.user.umask: 01000 is more than 0777" },
		{ PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_X\"}]"), -EINVAL,
		  "process.rlimits[0].type: \"RLIMIT_X\" is unknown" },
		{ PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":2,\"hard\":1}]"), -EINVAL,
		  "process.rlimits[0]: the soft limit of RLIMIT_AS is above the hard one" },
		{ PROCESS("\"rlimits\":[{\"type\":\"RLIMIT_AS\"},{\"type\":\"RLIMIT_AS\"}]"),
		  -EINVAL, "process.rlimits[1].type: RLIMIT_AS is given twice" },
		{ WITH("\"mounts\":[{\"destination\":\"/a\"},{\"type\":\"proc\"}]"), -EINVAL,
		  "mounts[1].destination: missing" },
		{ WITH("\"hooks\":{\"createRuntime\":[{\"path\":\"true\"}]}"), -EINVAL,
		  "hooks.createRuntime[0].path: \"true\" is not absolute" },
		{ WITH("\"hooks\":{\"poststart\":[{\"path\":\"/a\",\"timeout\":-1}]}"), -EINVAL,
		  "hooks.poststart[0].timeout: below 0" },
		{ LINUX("\"namespaces\":[{\"type\":\"pod\"}]"), -EINVAL,
		  "linux.namespaces[0].type: \"pod\" is unknown" },
		{ LINUX("\"namespaces\":[{\"type\":\"pid\",\"path\":\"a\"}]"), -EINVAL,
		  "linux.namespaces[0].path: \"a\" is not absolute" },
		{ LINUX("\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]"), -EINVAL,
		  "linux.namespaces[1].type: pid is given twice" },
		{ LINUX("\"gidMappings\":[{\"size\":1}]"), -EINVAL,
		  "linux.uidMappings, linux.gidMappings: there is no user namespace" },
		{ LINUX("\"sysctl\":{\"kernel.hostname\":\"a\"}"), -EINVAL,
		  "linux.sysctl: kernel.hostname conflicts with the spec's own hostname" },
		{ WITH("\"domainname\":\"a\",\"linux\":{\"sysctl\":{\"kernel.domainname\":\"b\"}}"),
		  -EINVAL, "linux.sysctl: kernel.domainname is \"b\", but domainname is \"a\"" },
		{ LINUX("\"sysctl\":{\"\":\"1\"}"), -EINVAL,
		  "linux.sysctl: a parameter without a name" },
		{ LINUX("\"timeOffsets\":{\"boottime\":{\"secs\":1}}"), -EINVAL,
		  "linux.timeOffsets: there is no time namespace" },
		{ LINUX("\"devices\":[{\"path\":\"null\",\"type\":\"c\"}]"), -EINVAL,
		  "linux.devices[0].path: \"null\" is not absolute" },
		{ LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"a\"}]"), -EINVAL,
		  "linux.devices[0].type: \"a\" is not one of b, c, p, u" },
		{ LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":-1}]"), -ERANGE,
		  "linux.devices[0]: device number out of range" },
		{ LINUX("\"rootfsPropagation\":\"up\""), -EINVAL,
		  "linux.rootfsPropagation: \"up\" is unknown" },
		{ LINUX("\"seccomp\":{}"), -EINVAL,
		  "linux.seccomp.defaultAction: \"\" is unknown" },
		{ LINUX("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}"), -EOPNOTSUPP,
		  "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY is not supported: a guest cannot "
		  "notify a process of the host" },
		{ LINUX("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{"
			"\"action\":\"X\"}]}"),
		  -EINVAL, "linux.seccomp.syscalls[0].action: \"X\" is unknown" },
		{ LINUX("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{"
			"\"action\":\"SCMP_ACT_LOG\"}]}"),
		  -EINVAL, "linux.seccomp.syscalls[0].names: empty" },
		{ LINUX("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{"
			"\"names\":[\"a\"],"
			"\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"op\":\"EQ\"}]}]}"),
		  -EINVAL, "linux.seccomp.syscalls[0].args[0].op: \"EQ\" is unknown" },
		{ LINUX("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{"
			"\"names\":[\"a\"],"
			"\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"op\":\"SCMP_CMP_EQ\",\"index\":6}"
			"]}]}"),
		  -EINVAL, "linux.seccomp.syscalls[0].args[0].index: above 5" },
		{ LINUX("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/"
			"s\"}"),
		  -EOPNOTSUPP,
		  "linux.seccomp.listenerPath: not supported: a guest cannot notify a process of "
		  "the host" },
		{ LINUX("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"F\"]}"),
		  -EINVAL, "linux.seccomp.flags[0]: \"F\" is unknown" },
		{ LINUX("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\","
			"\"architectures\":[\"SCMP_ARCH_SH\",\"PDP11\"]}"),
		  -EINVAL, "linux.seccomp.architectures[1]: \"PDP11\" is unknown" },
		{ LINUX("\"resources\":{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,"
			"\"minor\":0,\"rate\":1}]}}"),
		  -EOPNOTSUPP,
		  "linux.resources.blockIO: limits of single devices are not supported: the "
		  "host's devices do not exist in the guest" },
		{ LINUX("\"intelRdt\":{}"), -EOPNOTSUPP,
		  "linux.intelRdt: not supported: a guest cannot partition the host's caches" },
		{ LINUX("\"netDevices\":{\"e\":{}}"), -EOPNOTSUPP,
		  "linux.netDevices: not supported: a device of the host cannot move into a "
		  "guest" },
		{ LINUX("\"memoryPolicy\":{}"), -EOPNOTSUPP,
		  "linux.memoryPolicy: not supported: a guest does not have the host's memory "
		  "nodes" },
		{ "{" V "," P "}", -EINVAL, "root.path: missing" },
		{ "{" V "," P ",\"root\":{}}", -EINVAL, "root.path: missing" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error e;
		int r = check(cases[i].text, &e);

		assert_string_equal(e.text, cases[i].message);
		assert_int_equal(r, cases[i].code);
	}
}

static void test_root(void **state)
{
	autofree char *absent =
		xasprintf("root.path: %s/absent: No such file or directory", bundle);
	autofree char *file = xasprintf("root.path: %s/file is not a directory", bundle);
	struct error e;

	assert_int_equal(check("{" V "," P ",\"root\":{\"path\":\"absent\"}}", &e), -ENOENT);
	assert_string_equal(e.text, absent);
	assert_int_equal(check("{" V "," P ",\"root\":{\"path\":\"file\"}}", &e), -ENOTDIR);
	assert_string_equal(e.text, file);
}

static void test_paths_become_absolute(void **state)
{
	static const char text[] =
		WITH("\"mounts\":[{\"destination\":\"proc\"},{\"destination\":\"/dev\"}]");
	autofree char *root = xasprintf("%s/rootfs", bundle);
	oci_spec *s = NULL;

	assert_int_equal(oci_spec_parse(text, strlen(text), "t", &s, NULL), 0);
	assert_int_equal(oci_spec_check(s, bundle, NULL), 0);
	assert_string_equal(s->root->path, root);
	assert_string_equal(s->mounts[0]->destination, "/proc");
	assert_string_equal(s->mounts[1]->destination, "/dev");
	assert_int_equal(oci_spec_check(s, "/nowhere", NULL), 0); /* once is enough */
	oci_spec_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_paths_become_absolute),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
