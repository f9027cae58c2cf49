/* SPDX-License-Identifier: Apache-2.0 */
/*
 * default - the config.json that the command `spec` writes, in the layout of runc's.
 *
 * The guest is the container's own machine also for an unprivileged caller: unlike runc's, the
 * rootless variant keeps its network namespace and a sysfs of its own, and only adds the user
 * namespace.
 */
#include "oci/oci.h"

#include "base/buf.h"
#include "base/limits.h"
#include "wire/json.h"

#include <unistd.h>

#define OPTIONS_MAX 7

static const char *const args[] = { "sh", NULL };
static const char *const env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", NULL
};
static const char *const capabilities[] = { "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE",
					    NULL };
static const char *const namespaces[] = { "pid", "network", "ipc", "uts", "mount", "cgroup", NULL };

static const struct default_mount {
	const char *destination, *type, *source;
	const char *options[OPTIONS_MAX];
} mounts[] = {
	{ "/proc", "proc", "proc", { NULL } },
	{ "/dev", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" } },
	{ "/dev/pts",
	  "devpts",
	  "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
	{ "/dev/shm", "tmpfs", "shm", { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
	{ "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
	{ "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
	{ "/sys/fs/cgroup", "cgroup", "cgroup", { "nosuid", "noexec", "nodev", "relatime", "ro" } },
};

static const char *const masked_paths[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/proc/sched_debug",
	"/sys/firmware",
	"/proc/scsi",
	NULL,
};
static const char *const readonly_paths[] = { "/proc/bus",           "/proc/fs",
					      "/proc/irq",           "/proc/sys",
					      "/proc/sysrq-trigger", NULL };

static void add_list(struct json_writer *w, const char *key, const char *const *list)
{
	json_open_array(w, key);
	for (; *list; list++)
		json_add_str(w, NULL, *list);
	json_close(w);
}

static void add_process(struct json_writer *w)
{
	static const char *const sets[] = { "bounding", "effective", "permitted" };

	json_open_object(w, "process");
	json_add_bool(w, "terminal", true);
	json_open_object(w, "user");
	json_add_u64(w, "uid", 0);
	json_add_u64(w, "gid", 0);
	json_close(w);
	add_list(w, "args", args);
	add_list(w, "env", env);
	json_add_str(w, "cwd", "/");
	json_open_object(w, "capabilities");
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		add_list(w, sets[i], capabilities);
	json_close(w);
	json_open_array(w, "rlimits");
	json_open_object(w, NULL);
	json_add_str(w, "type", "RLIMIT_NOFILE");
	json_add_u64(w, "hard", 1024);
	json_add_u64(w, "soft", 1024);
	json_close(w);
	json_close(w);
	json_add_bool(w, "noNewPrivileges", true);
	json_close(w);
}

/* gid=5 (of devpts) has no meaning where only one group is mapped. */
static void add_options(struct json_writer *w, const char *const *options, bool rootless)
{
	if (!*options)
		return;
	json_open_array(w, "options");
	for (; *options; options++) {
		if (!rootless || !str_skip_prefix(*options, "gid="))
			json_add_str(w, NULL, *options);
	}
	json_close(w);
}

static void add_mounts(struct json_writer *w, bool rootless)
{
	json_open_array(w, "mounts");
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		json_open_object(w, NULL);
		json_add_str(w, "destination", mounts[i].destination);
		json_add_str(w, "type", mounts[i].type);
		json_add_str(w, "source", mounts[i].source);
		add_options(w, mounts[i].options, rootless);
		json_close(w);
	}
	json_close(w);
}

static void add_mapping(struct json_writer *w, const char *key, uint32_t host_id)
{
	json_open_array(w, key);
	json_open_object(w, NULL);
	json_add_u64(w, "containerID", 0);
	json_add_u64(w, "hostID", host_id);
	json_add_u64(w, "size", 1);
	json_close(w);
	json_close(w);
}

static void add_namespaces(struct json_writer *w, bool rootless)
{
	json_open_array(w, "namespaces");
	for (size_t i = 0; namespaces[i]; i++) {
		json_open_object(w, NULL);
		json_add_str(w, "type", namespaces[i]);
		json_close(w);
	}
	if (rootless) {
		json_open_object(w, NULL);
		json_add_str(w, "type", "user");
		json_close(w);
	}
	json_close(w);
}

static void add_linux(struct json_writer *w, bool rootless)
{
	json_open_object(w, "linux");
	if (rootless) {
		add_mapping(w, "uidMappings", geteuid());
		add_mapping(w, "gidMappings", getegid());
	}
	json_open_object(w, "resources");
	json_open_array(w, "devices");
	json_open_object(w, NULL);
	json_add_bool(w, "allow", false);
	json_add_str(w, "access", "rwm");
	json_close(w);
	json_close(w);
	json_close(w);
	add_namespaces(w, rootless);
	add_list(w, "maskedPaths", masked_paths);
	add_list(w, "readonlyPaths", readonly_paths);
	json_close(w);
}

char *oci_default_config(bool rootless)
{
	autodone(buf) b = BUF_INIT(LIMIT_CONFIG_JSON);
	struct json_writer w;

	json_writer_init(&w, &b, "\t");
	json_open_object(&w, NULL);
	json_add_str(&w, "ociVersion", OCI_VERSION);
	add_process(&w);
	json_open_object(&w, "root");
	json_add_str(&w, "path", "rootfs");
	json_add_bool(&w, "readonly", true);
	json_close(&w);
	json_add_str(&w, "hostname", "caisson");
	add_mounts(&w, rootless);
	add_linux(&w, rootless);
	json_close(&w);
	return json_writer_end(&w) < 0 ? NULL : xstrdup(buf_str(&b));
}
