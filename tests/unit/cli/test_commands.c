/* SPDX-License-Identifier: Apache-2.0 */
/* The commands against a shim with answers of the test's: what they print, and the status they end
 * with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "fakeshim.h"

#include "base/fd.h"
#include "base/limits.h"
#include "cli/cli.h"
#include "wire/json.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUNNING CONTAINERD__V1__TYPES__STATUS__RUNNING
#define STOPPED CONTAINERD__V1__TYPES__STATUS__STOPPED

#define CLI(f, o, ...) fakeshim_cli(f, o, __VA_ARGS__, NULL)

/* Status, and exactly this on stdout and stderr; NULL: whatever it is. */
static void expect(struct outcome *o, int status, const char *out, const char *err)
{
	if (err)
		assert_string_equal(o->err, err);
	if (out)
		assert_string_equal(o->out, out);
	assert_int_equal(o->status, status);
	outcome_done(o);
}

/* One line on stderr that begins with our name, nothing on stdout. */
static void expect_failure(struct outcome *o, int status)
{
	assert_true(str_skip_prefix(o->err, "caisson: ") != NULL);
	assert_ptr_equal(strchr(o->err, '\n'), o->err + strlen(o->err) - 1);
	expect(o, status, "", NULL);
}

static void test_state(void **state)
{
	struct fakeshim f;
	struct outcome o;

	fakeshim_start(&f, RUNNING);
	fakeshim_container(&f, "c1", "{\"b\":\"2\",\"a\":\"<1>\"}");
	fakeshim_container(&f, "c2", "{}");
	CLI(&f, &o, "state", "c1");
	/* runc's keys in runc's order, its indentation and escapes. */
	expect(&o, 0,
	       "{\n  \"ociVersion\": \"" OCI_VERSION
	       "\",\n  \"id\": \"c1\",\n  \"pid\": 4711,\n  \"status\": \"running\",\n"
	       "  \"bundle\": \"/b/1\",\n  \"rootfs\": \"/b/1/rootfs\",\n  \"created\": "
	       "\"2026-01-02T03:04:05.6Z\",\n"
	       "  \"annotations\": {\n    \"b\": \"2\",\n    \"a\": \"\\u003c1\\u003e\"\n  },\n  "
	       "\"owner\": \"\"\n}\n",
	       "");
	CLI(&f, &o, "state", "c2");
	assert_null(strstr(o.out, "annotations"));
	expect(&o, 0, NULL, "");
	/* A dead shim has no living container. */
	fakeshim_kill(&f);
	CLI(&f, &o, "state", "c1");
	assert_non_null(strstr(o.out, "\"pid\": 0,\n  \"status\": \"stopped\""));
	expect(&o, 0, NULL, "");
	fakeshim_done(&f);
}

static void test_list(void **state)
{
	struct fakeshim f;
	struct outcome o;

	fakeshim_start(&f, RUNNING);
	CLI(&f, &o, "list");
	expect(&o, 0, "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n", "");
	CLI(&f, &o, "list", "--format", "json");
	expect(&o, 0, "null\n", "");
	CLI(&f, &o, "list", "-q");
	expect(&o, 0, "", "");
	fakeshim_container(&f, "zz", "{}");
	fakeshim_container(&f, "a-long-name-of-a-container", "{}");
	CLI(&f, &o, "list", "-q");
	expect(&o, 0, "a-long-name-of-a-container\nzz\n", "");
	CLI(&f, &o, "list");
	expect(&o, 0,
	       "ID                           PID         STATUS      BUNDLE      CREATED           "
	       "       OWNER\n"
	       "a-long-name-of-a-container   4711        running     /b/1        "
	       "2026-01-02T03:04:05.6Z   root\n"
	       "zz                           4711        running     /b/1        "
	       "2026-01-02T03:04:05.6Z   root\n",
	       "");
	CLI(&f, &o, "list", "-f", "json");
	assert_non_null(strstr(
		o.out, "[{\"ociVersion\":\"" OCI_VERSION "\",\"id\":\"a-long-name-of-a-container\","
		       "\"pid\":4711,\"status\":\"running\",\"bundle\":\"/b/1\","
		       "\"rootfs\":\"/b/1/rootfs\",\"created\":\"2026-01-02T03:04:05.6Z\","
		       "\"owner\":\"root\"},{"));
	expect(&o, 0, NULL, "");
	CLI(&f, &o, "list", "-f", "yaml");
	expect(&o, 1, "", "caisson: invalid format option\n");
	fakeshim_done(&f);
}

/* Half made containers are not listed, and can be deleted. */
static void test_half_made(void **state)
{
	autofree char *half = NULL, *bad = NULL;
	struct fakeshim f;
	struct outcome o;

	fakeshim_start(&f, RUNNING);
	half = xasprintf("%s/root/half", f.dir);
	bad = xasprintf("%s/root/bad", f.dir);
	fakeshim_container(&f, "bad", "{}");
	assert_int_equal(mkdir(half, 0700), 0);
	int fd = open(bad, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(file_replace_at(fd, "state.json", "{", 1, 0600), 0);
	fd_close(fd);
	CLI(&f, &o, "list", "-q");
	expect(&o, 0, "", "");
	CLI(&f, &o, "state", "half");
	expect(&o, 1, "", "caisson: container does not exist\n");
	CLI(&f, &o, "state", "bad");
	expect_failure(&o, 1);
	CLI(&f, &o, "delete", "half");
	expect(&o, 0, "", "");
	CLI(&f, &o, "delete", "bad");
	expect(&o, 0, "", "");
	assert_int_equal(access(half, F_OK) & access(bad, F_OK), -1);
	fakeshim_done(&f);
}

static void test_ps(void **state)
{
	struct fakeshim f;
	struct outcome o;

	fakeshim_start(&f, RUNNING);
	fakeshim_container(&f, "c1", "{}");
	CLI(&f, &o, "ps", "c1");
	/* What a guest calls its processes cannot drive our terminal. */
	expect(&o, 0,
	       "UID           PID     PPID S      TIME CMD\n"
	       "0               7        1 S  01:02:03 sh -c evil ?[2J\n"
	       "1000            8        7 R  00:00:00 [kworker]\n",
	       "");
	CLI(&f, &o, "ps", "-f", "json", "c1");
	expect(&o, 0, "[4711]\n", "");
	CLI(&f, &o, "ps", "c1", "-ef");
	expect(&o, 0, NULL, "");
	CLI(&f, &o, "ps", "c1", "aux");
	expect_failure(&o, 1);
	fakeshim_kill(&f);
	CLI(&f, &o, "ps", "c1");
	expect(&o, 0, "UID           PID     PPID S      TIME CMD\n", "");
	CLI(&f, &o, "ps", "-f", "json", "c1");
	expect(&o, 0, "null\n", "");
	fakeshim_done(&f);
}

static void test_events(void **state)
{
	static const char stats[] =
		"{\"type\":\"stats\",\"id\":\"c1\",\"data\":{\"cpu\":{\"usage\":{\"total\":30,"
		"\"kernel\":20,\"user\":10},"
		"\"throttling\":{}},\"memory\":{\"usage\":{\"limit\":0,\"failcnt\":0},\"swap\":{"
		"\"limit\":0,\"failcnt\":0},"
		"\"kernel\":{\"limit\":0,\"failcnt\":0},\"kernelTCP\":{\"limit\":0,\"failcnt\":0}},"
		"\"pids\":{},\"blkio\":{},"
		"\"hugetlb\":{},\"intel_rdt\":{},\"network_interfaces\":null}}\n";
	struct fakeshim f;
	struct outcome o;

	fakeshim_start(&f, RUNNING);
	fakeshim_container(&f, "c1", "{}");
	CLI(&f, &o, "events", "--stats", "c1");
	expect(&o, 0, stats, "");
	/* Our shim says at once that it has ended. */
	CLI(&f, &o, "events", "--interval", "1h", "c1");
	expect(&o, 0, "", "");
	CLI(&f, &o, "events", "--interval", "5", "c1");
	expect_failure(&o, 1);
	CLI(&f, &o, "events", "--interval", "0s", "c1");
	expect_failure(&o, 1);
	fakeshim_kill(&f);
	CLI(&f, &o, "events", "--stats", "c1");
	expect(&o, 1, "", "caisson: container with id c1 is not running\n");
	fakeshim_done(&f);
}

static void test_kill(void **state)
{
	struct fakeshim f;
	struct outcome o;

	fakeshim_start(&f, RUNNING);
	fakeshim_container(&f, "c1", "{}");
	fakeshim_container(&f, "x2", "{}");
	CLI(&f, &o, "kill", "c1");
	expect(&o, 1, "", "caisson: asked to kill c1 with 15\n");
	CLI(&f, &o, "kill", "--all", "c1", "SIGUSR1");
	expect(&o, 1, "", "caisson: asked to kill c1 with 10, all\n");
	CLI(&f, &o, "kill", "c1", "0");
	expect(&o, 1, "", "caisson: asked to kill c1 with 0\n");
	CLI(&f, &o, "kill", "c1", "NOPE");
	expect(&o, 1, "", "caisson: unknown signal \"NOPE\"\n");
	CLI(&f, &o, "kill", "--regex", "^x", "9");
	expect(&o, 1, "", "caisson: asked to kill x2 with 9\n");
	CLI(&f, &o, "kill", "--regex", "none", "9");
	expect(&o, 0, "", "");
	CLI(&f, &o, "kill", "--regex", "(", "9");
	expect_failure(&o, 1);
	fakeshim_kill(&f);
	CLI(&f, &o, "kill", "c1", "9");
	expect(&o, 1, "", "caisson: container not running\n");
	CLI(&f, &o, "kill", "-a", "c1", "9");
	expect(&o, 0, "", "");
	fakeshim_done(&f);
}

static void test_start(void **state)
{
	struct fakeshim f;
	struct outcome o;

	fakeshim_start(&f, RUNNING);
	fakeshim_container(&f, "c1", "{}");
	CLI(&f, &o, "start", "c1");
	expect(&o, 1, "", "caisson: cannot start an already running container\n");
	fakeshim_done(&f);
	fakeshim_start(&f, STOPPED);
	fakeshim_container(&f, "c1", "{}");
	CLI(&f, &o, "start", "c1");
	expect(&o, 1, "", "caisson: cannot start a container that has stopped\n");
	fakeshim_kill(&f);
	CLI(&f, &o, "start", "c1");
	expect(&o, 1, "", "caisson: cannot start a container that has stopped\n");
	fakeshim_done(&f);
}

static void test_refusals_of_the_shim(void **state)
{
	struct fakeshim f;
	struct outcome o;

	fakeshim_start(&f, RUNNING);
	fakeshim_container(&f, "c1", "{}");
	CLI(&f, &o, "pause", "c1");
	expect(&o, 1, "", "caisson: refused: Pause\n");
	CLI(&f, &o, "resume", "c1");
	expect(&o, 1, "", "caisson: refused: Resume\n");
	CLI(&f, &o, "delete", "c1");
	expect(&o, 1, "", "caisson: refused: Delete\n");
	fakeshim_done(&f);
}

static void test_update(void **state)
{
#define ASKED \
	"caisson: asked for types.containerd.io/opencontainers/runtime-spec/1/LinuxResources: "
	autofree char *file = NULL;
	struct fakeshim f;
	struct outcome o;

	fakeshim_start(&f, RUNNING);
	fakeshim_container(&f, "c1", "{}");
	CLI(&f, &o, "update", "--memory", "100M", "--memory-swap=-1", "--cpu-quota", "50000",
	    "--cpuset-cpus", "0-1", "--pids-limit", "7", "--blkio-weight", "10", "c1");
	expect(&o, 1, "",
	       ASKED "{\"blockIO\":{\"weight\":10},\"cpu\":{\"quota\":50000,\"cpus\":\"0-1\"},"
		     "\"memory\":{\"limit\":104857600,\"swap\":-1},\"pids\":{\"limit\":7}}\n");
	CLI(&f, &o, "update", "c1");
	expect_failure(&o, 1);
	CLI(&f, &o, "update", "--memory", "lots", "c1");
	expect(&o, 1, "", "caisson: invalid value for --memory: \"lots\"\n");
	CLI(&f, &o, "update", "--memory", "9E", "c1");
	expect_failure(&o, 1);
	CLI(&f, &o, "update", "--kernel-memory", "1", "c1");
	expect(&o, 1, "", "caisson: --kernel-memory is not supported\n");
	file = xasprintf("%s/r.json", f.dir);
	assert_int_equal(file_replace_at(AT_FDCWD, file, "{\"pids\":{\"limit\":3}}", 20, 0600), 0);
	CLI(&f, &o, "update", "-r", file, "--memory", "ignored", "c1");
	expect(&o, 1, "", ASKED "{\"pids\":{\"limit\":3}}\n");
	assert_int_equal(file_replace_at(AT_FDCWD, file, "{\"pids\":{\"limit\":\"x\"}}", 22, 0600),
			 0);
	CLI(&f, &o, "update", "--resources", file, "c1");
	expect_failure(&o, 1);
	/* An empty stdin is no JSON. */
	CLI(&f, &o, "update", "--resources", "-", "c1");
	expect_failure(&o, 1);
	fakeshim_done(&f);
}

static void test_unknown_containers(void **state)
{
	static const char *const commands[] = { "state", "start",  "kill",   "delete", "ps",
						"pause", "resume", "events", "logs" };
	struct fakeshim f;
	struct outcome o;

	fakeshim_start(&f, RUNNING);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		CLI(&f, &o, commands[i], "nope");
		expect(&o, 1, "", "caisson: container does not exist\n");
	}
	CLI(&f, &o, "update", "--pids-limit", "3", "nope");
	expect(&o, 1, "", "caisson: container does not exist\n");
	/* runc's status for exec. */
	CLI(&f, &o, "exec", "nope", "true");
	expect(&o, 255, "", "caisson: container does not exist\n");
	CLI(&f, &o, "delete", "--force", "nope");
	expect(&o, 0, "", "");
	fakeshim_done(&f);
}

static void test_hostile_ids(void **state)
{
	char longest[1001];
	const char *const ids[] = { "../x", "..",   ".",    "",  "a/b",
				    "a b",  "a\nb", "\xff", "-", longest };
	struct fakeshim f;
	struct outcome o;

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	fakeshim_start(&f, RUNNING);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		/* "-" is a good name, and nobody's. */
		CLI(&f, &o, "state", "--", ids[i]);
		expect_failure(&o, 1);
		CLI(&f, &o, "delete", "--", ids[i]);
		expect_failure(&o, 1);
	}
	CLI(&f, &o, "run", "-b", "/nonexistent", "--", "../x");
	expect(&o, 1, "",
	       "caisson: invalid container id \"../x\": use letters, digits and _ + - .\n");
	fakeshim_done(&f);
}

static void test_bad_bundles(void **state)
{
	struct fakeshim f;
	struct outcome o;
	autofree char *config = NULL, *want = NULL, *root = NULL;

	fakeshim_start(&f, RUNNING);
	config = xasprintf("%s/config.json", f.dir);
	root = xasprintf("%s/root", f.dir);
	CLI(&f, &o, "run", "-b", "/nonexistent", "c1");
	expect(&o, 1, "", "caisson: bundle /nonexistent: No such file or directory\n");
	want = xasprintf("caisson: %s: No such file or directory\n", config);
	CLI(&f, &o, "create", "-b", f.dir, "c1");
	expect(&o, 1, "", want);
	assert_int_equal(file_replace_at(AT_FDCWD, config, "{", 1, 0600), 0);
	CLI(&f, &o, "create", "-b", f.dir, "c1");
	expect_failure(&o, 1);
	assert_int_equal(truncate(config, 100 << 20), 0);
	free(want);
	want = xasprintf("caisson: %s: larger than 8 MiB\n", config);
	CLI(&f, &o, "create", "-b", f.dir, "c1");
	expect(&o, 1, "", want);
	CLI(&f, &o, "create", "--preserve-fds", "1", "-b", f.dir, "c1");
	expect_failure(&o, 1);
	/* Nothing was made. */
	assert_int_equal(access(root, F_OK), -1);
	fakeshim_done(&f);
}

static void test_spec(void **state)
{
	autofree char *file = NULL, *text = NULL, *want = NULL;
	struct fakeshim f;
	struct outcome o;
	oci_spec *spec = NULL;
	size_t n;

	fakeshim_start(&f, RUNNING);
	CLI(&f, &o, "spec", "-b", f.dir);
	expect(&o, 0, "", "");
	file = xasprintf("%s/config.json", f.dir);
	assert_int_equal(file_read_at(AT_FDCWD, file, MIB(1), &text, &n), 0);
	assert_int_equal(oci_spec_parse(text, n, file, &spec, NULL), 0);
	oci_spec_free(spec);
	CLI(&f, &o, "spec", "-b", f.dir);
	want = xasprintf("caisson: File %s exists. Remove it first\n", file);
	expect(&o, 1, "", want);
	CLI(&f, &o, "spec", "-b", f.dir, "--file", "other.json", "--rootless");
	expect(&o, 0, "", "");
	CLI(&f, &o, "spec", "-b", "/nonexistent");
	expect_failure(&o, 1);
	fakeshim_done(&f);
}

static void expect_json(struct outcome *o, const char *key)
{
	autoptr(json) v = NULL;

	assert_int_equal(json_parse(o->out, strlen(o->out), "stdout", &v, NULL), 0);
	assert_non_null(json_get(v, key));
	outcome_done(o);
}

static void test_about_the_host(void **state)
{
	autofree char *toml = NULL, *want = NULL;
	struct fakeshim f;
	struct outcome o;

	fakeshim_start(&f, RUNNING);
	toml = xasprintf("%s/c.toml", f.dir);
	assert_int_equal(file_replace_at(AT_FDCWD, toml,
					 "[hypervisor.qemu]\nkernel = \"/nonexistent/vmlinux\"\n",
					 50, 0600),
			 0);
	CLI(&f, &o, "--config", toml, "env");
	assert_non_null(strstr(o.out, "kernel = \"/nonexistent/vmlinux\""));
	expect(&o, 0, NULL, "");
	CLI(&f, &o, "--config", toml, "env", "--json");
	assert_int_equal(o.status, 0);
	expect_json(&o, "files");
	CLI(&f, &o, "features");
	assert_int_equal(o.status, 0);
	expect_json(&o, "ociVersionMin");
	/* Without a guest there is nothing to run. */
	CLI(&f, &o, "--config", toml, "check");
	assert_non_null(strstr(
		o.out, "MISSING  guest kernel   guest kernel /nonexistent/vmlinux not found"));
	assert_non_null(strstr(o.out, "\nengine: qemu with "));
	expect(&o, 1, NULL, "");
	CLI(&f, &o, "--config", toml, "check", "--json");
	assert_int_equal(o.status, 1);
	expect_json(&o, "checks");
	assert_int_equal(file_replace_at(AT_FDCWD, toml, "[hypervisor.qemu\n", 17, 0600), 0);
	CLI(&f, &o, "--config", toml, "env");
	want = xasprintf("caisson: %s:1:", toml);
	assert_ptr_equal(strstr(o.err, want), o.err);
	expect_failure(&o, 1);
	CLI(&f, &o, "--config", toml, "check");
	assert_non_null(strstr(o.out, "MISSING  configuration  "));
	expect(&o, 1, NULL, "");
	fakeshim_done(&f);
}

static void test_refused_by_name(void **state)
{
	struct fakeshim f;
	struct outcome o;

	fakeshim_start(&f, RUNNING);
	CLI(&f, &o, "checkpoint", "--image-path", "/x", "--leave-running", "c1");
	expect(&o, 1, "",
	       "caisson: checkpoint is not supported: the processes are those of a virtual "
	       "machine\n");
	CLI(&f, &o, "restore", "--whatever", "c1");
	expect(&o, 1, "",
	       "caisson: restore is not supported: there are no checkpoints of virtual machines\n");
	CLI(&f, &o, "--rootless", "true", "list");
	expect_failure(&o, 1);
	CLI(&f, &o, "--log-format", "xml", "list");
	expect_failure(&o, 1);
	CLI(&f, &o, "exec", "--apparmor", "p", "c1", "true");
	expect_failure(&o, 255);
	CLI(&f, &o, "exec", "--cgroup", "p", "c1", "true");
	expect_failure(&o, 255);
	CLI(&f, &o, "exec", "c1");
	expect_failure(&o, 255);
	fakeshim_done(&f);
}

static void test_exec_in_dead(void **state)
{
	autofree char *p = NULL;
	struct fakeshim f;
	struct outcome o;

	fakeshim_start(&f, STOPPED);
	fakeshim_container(&f, "c1", "{}");
	fakeshim_kill(&f);
	p = xasprintf("%s/p.json", f.dir);
	assert_int_equal(
		file_replace_at(AT_FDCWD, p, "{\"args\":[\"true\"],\"cwd\":\"/\"}", 27, 0600), 0);
	CLI(&f, &o, "exec", "-p", p, "c1");
	expect(&o, 255, "", "caisson: cannot exec in a stopped container\n");
	CLI(&f, &o, "exec", "-p", "/nonexistent", "c1");
	expect(&o, 255, "", "caisson: read /nonexistent: No such file or directory\n");
	fakeshim_done(&f);
}

static void test_log(void **state)
{
	autofree char *log = NULL, *text = NULL;
	struct fakeshim f;
	struct outcome o;

	fakeshim_start(&f, RUNNING);
	log = xasprintf("%s/log", f.dir);
	CLI(&f, &o, "--log", log, "--log-format", "json", "state", "nope");
	/* As runc: to the log as JSON, and plain on stderr. */
	expect(&o, 1, "", "container does not exist\n");
	CLI(&f, &o, "--log", log, "--log-format=json", "kill", "nope", "a\"b\nc");
	outcome_done(&o);
	assert_int_equal(file_read_at(AT_FDCWD, log, MIB(1), &text, NULL), 0);
	char *second = strchr(text, '\n') + 1;
	assert_non_null(strstr(text, "\"msg\":\"container does not exist\"}\n"));
	assert_non_null(strstr(text, "{\"level\":\"error\""));
	assert_non_null(strstr(second, "unknown signal \\\"a\\\"b c\\\""));
	CLI(&f, &o, "--log", "/nonexistent/log", "state", "nope");
	expect_failure(&o, 1);
	fakeshim_done(&f);
}

static void test_usage(void **state)
{
	struct fakeshim f;
	struct outcome o;

	fakeshim_start(&f, RUNNING);
	CLI(&f, &o, "run");
	expect(&o, 1, "", "caisson: usage: caisson run [options] ID\n");
	CLI(&f, &o, "state", "a", "b");
	expect(&o, 1, "", "caisson: usage: caisson state ID\n");
	CLI(&f, &o, "nonsense");
	expect(&o, 1, "", "caisson: unknown command \"nonsense\" (see caisson --help)\n");
	CLI(&f, &o, "delete", "--what", "c1");
	expect(&o, 1, "", "caisson: unknown option --what\n");
	CLI(&f, &o, "--version");
	expect(&o, 0, "caisson version " CAISSON_VERSION "\nspec: " OCI_VERSION "\n", "");
	for (size_t i = 0; cli_commands[i]; i++) {
		CLI(&f, &o, "help", cli_commands[i]->name);
		assert_non_null(strstr(o.out, cli_commands[i]->summary));
		expect(&o, 0, NULL, "");
		if (cli_commands[i]->raw)
			continue;
		CLI(&f, &o, cli_commands[i]->name, "--help");
		assert_non_null(strstr(o.out, cli_commands[i]->summary));
		expect(&o, 0, NULL, "");
	}
	CLI(&f, &o, "--help");
	expect(&o, 0, NULL, "");
	fakeshim_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_half_made),
		cmocka_unit_test(test_ps),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_refusals_of_the_shim),
		cmocka_unit_test(test_update),
		cmocka_unit_test(test_unknown_containers),
		cmocka_unit_test(test_hostile_ids),
		cmocka_unit_test(test_bad_bundles),
		cmocka_unit_test(test_spec),
		cmocka_unit_test(test_about_the_host),
		cmocka_unit_test(test_refused_by_name),
		cmocka_unit_test(test_exec_in_dead),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
