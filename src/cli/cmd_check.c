/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - what this host can do, which engine would be used and why, what is missing and what to do
 * about it.
 *
 * A table of findings, one line each; nothing is made or changed. Status 0 if containers can run
 * here.
 */
#include "cli/cli.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/proc.h"
#include "config/config.h"
#include "hv/hv.h"
#include "hv/qemu/paths.h"
#include "sys/cgroup_host.h"
#include "wire/json.h"

#include <errno.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#define VERSION_MS 3000
#define ANY_USER 65534 /* what the VMM's user may read is what others may */
#define RUN_DIR_MIN MIB(16)

struct check_options {
	bool json;
};

#define OPT(...) CLI_OPT(check_options, __VA_ARGS__)
static const struct arg_option options[] = {
	OPT("json", 0, ARG_BOOL, json, NULL, "as JSON"),
};

enum grade { GOOD, NOTE, MISSING };
static const char *const grade_names[] = { [GOOD] = "ok", [NOTE] = "note", [MISSING] = "MISSING" };

struct host {
	const struct cli *cli;
	struct config *config;
	struct error config_error;
	struct hv_probe probe;
};

struct finding {
	enum grade grade;
	char text[ERROR_TEXT_MAX];
};

static void find(struct finding *f, enum grade g, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void find(struct finding *f, enum grade g, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	f->grade = g;
	str_make_printable(f->text);
}

/* --- the host --- */

static void check_root(const struct host *h, struct finding *f)
{
	if (geteuid() == 0)
		find(f, GOOD, "running as root");
	else
		find(f, MISSING,
		     "running as uid %u: mounts, namespaces and control groups need root (sudo)",
		     geteuid());
}

static void check_kernel(const struct host *h, struct finding *f)
{
	struct utsname u;

	if (uname(&u) < 0)
		find(f, NOTE, "uname: %s", strerror(errno));
	else if (!str_eq(u.machine, "x86_64"))
		find(f, MISSING, "%s %s on %s: only x86_64 is supported", u.sysname, u.release,
		     u.machine);
	else
		find(f, GOOD, "%s %s on %s", u.sysname, u.release, u.machine);
}

static void check_cpu(const struct host *h, struct finding *f)
{
	find(f, h->probe.kvm_flags ? GOOD : NOTE, "%d CPUs, %s", get_nprocs(),
	     h->probe.kvm_flags ? "with hardware virtualization (vmx or svm)"
				: "which show no hardware virtualization (neither vmx nor svm)");
}

static void check_kvm(const struct host *h, struct finding *f)
{
	find(f, h->probe.kvm_usable ? GOOD : NOTE, "%s", h->probe.why);
}

static void check_memory(const struct host *h, struct finding *f)
{
	uint32_t need = h->config ? h->config->hypervisor.default_memory : 0;
	struct sysinfo si;
	uint64_t mib;

	if (sysinfo(&si) < 0) {
		find(f, NOTE, "sysinfo: %s", strerror(errno));
		return;
	}
	mib = (uint64_t)si.totalram * si.mem_unit >> 20;
	find(f, mib > need ? GOOD : NOTE,
	     "%llu MiB; a virtual machine without a limit may take up to %u MiB",
	     (unsigned long long)mib, need);
}

static void check_cgroups(const struct host *h, struct finding *f)
{
	autofree char *v1 = cgroup_host_dir("", "memory");
	autofree char *v2 = cgroup_host_dir("", "");

	if (!v1 && !v2)
		find(f, MISSING,
		     "no control groups are mounted (mount -t cgroup2 none /sys/fs/cgroup)");
	else
		find(f, GOOD, "version %s", v1 && v2 ? "1 and 2 (hybrid)" : v1 ? "1" : "2");
}

static void check_run_dir(const struct host *h, struct finding *f)
{
	struct statvfs v;
	uint64_t room;

	if (statvfs("/run", &v) < 0) {
		find(f, MISSING, "/run: %s", strerror(errno));
		return;
	}
	room = (uint64_t)v.f_bavail * v.f_frsize;
	if (v.f_flag & ST_RDONLY)
		find(f, MISSING, "/run is mounted read-only");
	else
		find(f, room < RUN_DIR_MIN ? NOTE : GOOD, "%llu MiB free in /run",
		     (unsigned long long)room >> 20);
}

/* --- programs and files --- */

static void check_config(const struct host *h, struct finding *f)
{
	if (!h->config)
		find(f, MISSING, "%s", error_text(&h->config_error));
	else if (h->config->warnings.n)
		find(f, NOTE, "%s: %zu warnings, the first: %s",
		     h->config->path ? h->config->path : "built-in defaults", h->config->warnings.n,
		     h->config->warnings.v[0]);
	else
		find(f, GOOD, "%s",
		     h->config->path ? h->config->path : "no file: built-in defaults");
}

/* The first line that `PROGRAM --version` prints. */
static void find_version(struct finding *f, const char *program)
{
	char *argv[] = { (char *)(uintptr_t)program, "--version", NULL };
	struct proc_spec ps = PROC_SPEC_INIT;
	struct error e = ERROR_INIT;
	autofree char *out = NULL;
	int r;

	ps.path = program;
	ps.argv = argv;
	r = proc_run(&ps, NULL, 0, VERSION_MS, KIB(16), &out, &e);
	if (r < 0) {
		find(f, MISSING, "%s does not run: %s", program, error_text(&e));
		return;
	}
	out[strcspn(out, "\n")] = '\0';
	find(f, GOOD, "%s%s%s", program, *out ? ": " : "", out);
}

static void check_qemu(const struct host *h, struct finding *f)
{
	struct error e = ERROR_INIT;
	autofree char *path = NULL;

	if (!h->config)
		find(f, NOTE, "not looked for: there is no configuration");
	else if (qemu_find_program(h->config->hypervisor.path, &path, &e) < 0)
		find(f, MISSING, "%s", error_text(&e));
	else
		find_version(f, path);
}

static void check_virtiofsd(const struct host *h, struct finding *f)
{
	const char *path = h->config ? h->config->hypervisor.virtio_fs_daemon : NULL;

	if (!h->config)
		find(f, NOTE, "not looked for: there is no configuration");
	else if (!path)
		find(f, MISSING,
		     "none found (install the package qemu-system-common or virtiofsd, or set "
		     "hypervisor.qemu.virtio_fs_daemon)");
	else if (access(path, X_OK) < 0)
		find(f, MISSING,
		     "%s: %s (install the package qemu-system-common or virtiofsd, or set "
		     "hypervisor.qemu.virtio_fs_daemon)",
		     path, strerror(errno));
	else
		find(f, GOOD, "%s", path);
}

static const struct own_program {
	const char *name, *build_dir, *install_dir;
} own_programs[] = {
	{ CLI_SHIM_NAME, "shim", CAISSON_BINDIR },
	{ "caisson-devd", "devd", CAISSON_LIBEXECDIR },
	{ CLI_PROXY_NAME, "cli", CAISSON_LIBEXECDIR },
};

static void check_own(const struct host *h, struct finding *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(own_programs); i++) {
		const struct own_program *p = &own_programs[i];
		autofree char *path = path_own_program(p->name, p->build_dir, p->install_dir);

		if (access(path, X_OK) < 0) {
			find(f, MISSING, "%s: %s (is the installation complete?)", path,
			     strerror(errno));
			return;
		}
	}
	find(f, GOOD, "caisson %s with its shim, device process and init proxy", CAISSON_VERSION);
}

/* The guest's files, as the VMM would find them. */
static struct hv_config guest_files(const struct host *h)
{
	const struct config_hypervisor *c = &h->config->hypervisor;

	return (struct hv_config){
		.kernel = c->kernel,
		.initrd = c->initrd,
		.uid = c->rootless ? ANY_USER : 0,
		.gid = c->rootless ? ANY_USER : 0,
	};
}

static void check_guest_kernel(const struct host *h, struct finding *f)
{
	struct error e = ERROR_INIT;
	autofree char *path = NULL;
	struct hv_config c;

	if (!h->config) {
		find(f, NOTE, "not looked for: there is no configuration");
		return;
	}
	c = guest_files(h);
	if (qemu_find_kernel(&c, &path, &e) < 0)
		find(f, MISSING, "%s", error_text(&e));
	else
		find(f, GOOD, "%s", path);
}

static void check_initrd(const struct host *h, struct finding *f)
{
	struct error e = ERROR_INIT;
	autofree char *path = NULL;
	struct hv_config c;

	if (!h->config) {
		find(f, NOTE, "not looked for: there is no configuration");
		return;
	}
	c = guest_files(h);
	if (qemu_find_initrd(&c, &path, &e) < 0)
		find(f, MISSING, "%s", error_text(&e));
	else if (path)
		find(f, GOOD, "%s", path);
	else if (h->config->hypervisor.image)
		find(f, GOOD, "none: the guest starts from %s", h->config->hypervisor.image);
	else
		find(f, MISSING, "neither initrd nor image is configured");
}

static const struct {
	const char *name;
	void (*check)(const struct host *h, struct finding *f);
} checks[] = {
	{ "root", check_root },
	{ "kernel", check_kernel },
	{ "cpu", check_cpu },
	{ "kvm", check_kvm },
	{ "memory", check_memory },
	{ "cgroups", check_cgroups },
	{ "run", check_run_dir },
	{ "configuration", check_config },
	{ "programs", check_own },
	{ "qemu", check_qemu },
	{ "virtiofsd", check_virtiofsd },
	{ "guest kernel", check_guest_kernel },
	{ "guest initrd", check_initrd },
};

/* --- the report --- */

static const char *engine(const struct host *h)
{
	return h->probe.accel == HV_ACCEL_KVM ? "qemu with KVM" : "qemu with TCG";
}

static void print_text(const struct host *h, const struct finding *f, size_t missing)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		printf("%-8s %-14s %s\n", grade_names[f[i].grade], checks[i].name, f[i].text);
	printf("\nengine: %s: %s\n", engine(h), h->probe.why);
	if (missing)
		printf("containers cannot run here: %zu missing\n", missing);
	else
		printf("containers can run here\n");
}

static int print_json(const struct host *h, const struct finding *f, size_t missing,
		      struct error *e)
{
	autodone(buf) out = BUF_INIT(LIMIT_STATE_FILE);
	struct json_writer w;

	json_writer_init(&w, &out, "  ");
	json_open_object(&w, NULL);
	json_add_bool(&w, "usable", missing == 0);
	json_add_str(&w, "engine", "qemu");
	json_add_str(&w, "accelerator", h->probe.accel == HV_ACCEL_KVM ? "kvm" : "tcg");
	json_add_str(&w, "why", h->probe.why);
	json_open_array(&w, "checks");
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		json_open_object(&w, NULL);
		json_add_str(&w, "name", checks[i].name);
		json_add_str(&w, "result",
			     f[i].grade == MISSING ? "missing" : grade_names[f[i].grade]);
		json_add_str(&w, "text", f[i].text);
		json_close(&w);
	}
	json_close(&w);
	json_close(&w);
	if (json_writer_end(&w) < 0)
		return error_plain(e, EFBIG, "the report is too large");
	printf("%s\n", buf_str(&out));
	return 0;
}

static int cmd_check(const struct cli *c, void *opts, int nargs, char **args, struct error *e)
{
	const struct check_options *o = opts;
	struct finding findings[ARRAY_SIZE(checks)];
	autoptr(config) cfg = NULL;
	struct host h = { .cli = c };
	size_t missing = 0;
	int r = 0;

	if (config_load(c->config, NULL, &cfg, &h.config_error) == 0)
		h.config = cfg;
	hv_probe_host(&h.probe);
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		checks[i].check(&h, &findings[i]);
		missing += findings[i].grade == MISSING;
	}
	if (o->json)
		r = print_json(&h, findings, missing, e);
	else
		print_text(&h, findings, missing);
	return r < 0 ? r : missing ? 1 : 0;
}

const struct cli_command command_check = {
	.name = "check",
	.operands = "",
	.summary = "say what this host can do, which engine would be used, and what is missing",
	.options = CLI_OPTIONS(options),
	.size = sizeof(struct check_options),
	.run = cmd_check,
};
