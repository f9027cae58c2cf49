/* SPDX-License-Identifier: Apache-2.0 */
/*
 * features - the document of the command `features` (runtime spec, features.md).
 *
 * It tells what holds inside the virtual machine. Absent from the Linux section means "unknown" to
 * a reader, so what is not there (AppArmor, SELinux, RDT, ...) is said to be off.
 */
#include "oci/oci.h"

#include "base/buf.h"
#include "base/limits.h"
#include "oci/names.h"
#include "wire/json.h"

static void add_names(struct json_writer *w, const char *key, const char *const *names)
{
	json_open_array(w, key);
	for (; *names; names++)
		json_add_str(w, NULL, *names);
	json_close(w);
}

static void add_enabled(struct json_writer *w, const char *key, bool on)
{
	json_open_object(w, key);
	json_add_bool(w, "enabled", on);
	json_close(w);
}

/* Of the host, for the sandbox's group; inside the guest it is version 2. systemd is not asked to
 * make groups. */
static void add_cgroup(struct json_writer *w)
{
	json_open_object(w, "cgroup");
	json_add_bool(w, "v1", true);
	json_add_bool(w, "v2", true);
	json_add_bool(w, "systemd", false);
	json_add_bool(w, "systemdUser", false);
	json_add_bool(w, "rdma", false);
	json_close(w);
}

static void add_seccomp(struct json_writer *w)
{
	json_open_object(w, "seccomp");
	json_add_bool(w, "enabled", true);
	add_names(w, "actions", oci_names_seccomp_actions);
	add_names(w, "operators", oci_names_seccomp_operators);
	add_names(w, "archs", oci_names_seccomp_archs);
	add_names(w, "knownFlags", oci_names_seccomp_flags);
	add_names(w, "supportedFlags", oci_names_seccomp_flags);
	json_close(w);
}

static void add_linux(struct json_writer *w)
{
	json_open_object(w, "linux");
	add_names(w, "namespaces", oci_names_namespaces);
	add_names(w, "capabilities", oci_names_capabilities);
	add_cgroup(w);
	add_seccomp(w);
	add_enabled(w, "apparmor", false);
	add_enabled(w, "selinux", false);
	add_enabled(w, "intelRdt", false);
	json_open_object(w, "mountExtensions");
	add_enabled(w, "idmap", true);
	json_close(w);
	add_enabled(w, "netDevices", false);
	json_close(w);
}

char *oci_features_json(void)
{
	autodone(buf) b = BUF_INIT(LIMIT_CONFIG_JSON);
	struct json_writer w;

	json_writer_init(&w, &b, "    ");
	json_open_object(&w, NULL);
	json_add_str(&w, "ociVersionMin", OCI_VERSION_MIN);
	json_add_str(&w, "ociVersionMax", OCI_VERSION);
	add_names(&w, "hooks", oci_names_hooks);
	add_names(&w, "mountOptions", oci_names_mount_options);
	add_linux(&w);
	json_open_object(&w, "annotations");
	json_add_str(&w, "io.caisson.version", CAISSON_VERSION);
	json_close(&w);
	/* A name that ends in a dot stands for all that start with it. */
	json_open_array(&w, "potentiallyUnsafeConfigAnnotations");
	json_add_str(&w, NULL, "io.katacontainers.config.");
	json_close(&w);
	json_close(&w);
	return json_writer_end(&w) < 0 ? NULL : xstrdup(buf_str(&b));
}
