/* SPDX-License-Identifier: Apache-2.0 */
/* boot - see boot.h. */
#include "agent/boot.h"

#include "sys/kmod.h"
#include "sys/mounts.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOOT_FILES \
	(1 << 20) /* RLIMIT_NOFILE, which containers inherit unless their spec says otherwise */

static const struct boot_mount {
	const char *type, *target;
	unsigned long flags;
	const char *data;
} boot_mounts[] = {
	{ "proc", "/proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL },
	{ "sysfs", "/sys", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL },
	{ "devtmpfs", "/dev", MS_NOSUID, "mode=0755" },
	{ "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC,
	  "newinstance,gid=5,mode=0620,ptmxmode=0666" },
	{ "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755" },
	{ "tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NOEXEC | MS_NODEV, "nsdelegate" },
};

static int mount_all(struct error *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(boot_mounts); i++) {
		const struct boot_mount *m = &boot_mounts[i];

		if (mkdir(m->target, 0755) < 0 && errno != EEXIST)
			return error_set(e, errno, "create %s", m->target);
		/* EBUSY: the kernel has mounted devtmpfs itself. */
		if (mount(m->type, m->target, m->type, m->flags, m->data) < 0 && errno != EBUSY)
			return error_set(e, errno, "mount %s on %s", m->type, m->target);
	}
	return 0;
}

static int link_devices(struct error *e)
{
	static const struct {
		const char *path, *target;
	} links[] = {
		{ "/dev/ptmx", "pts/ptmx" },          { "/dev/fd", "/proc/self/fd" },
		{ "/dev/stdin", "/proc/self/fd/0" },  { "/dev/stdout", "/proc/self/fd/1" },
		{ "/dev/stderr", "/proc/self/fd/2" },
	};

	unlink("/dev/ptmx"); /* devtmpfs's node is for the first devpts instance, which is not ours
			      */
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlink(links[i].target, links[i].path) < 0 && errno != EEXIST)
			return error_set(e, errno, "link %s", links[i].path);
	return 0;
}

/* The kernel gives init the console as 0, 1 and 2 only if the initramfs had the node. */
static int open_console(struct error *e)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return error_set(e, errno, "open /dev/console and /dev/null");
	for (int i = 0; i <= 2; i++)
		if (fd != i && fcntl(i, F_GETFD) < 0 && dup2(fd, i) < 0)
			return error_set(e, errno, "console");
	if (fd > 2)
		close(fd);
	return 0;
}

static int set_limits(struct error *e)
{
	const struct rlimit files = { BOOT_FILES, BOOT_FILES };

	umask(022);
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return error_set(e, errno, "limit of open files");
	if (setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1) < 0)
		return error_set(e, errno, "PATH");
	return 0;
}

int boot_prepare(struct error *e)
{
	int (*const steps[])(struct error *) = {
		mount_leave_rootfs, mount_all, open_console, link_devices, set_limits,
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int r = steps[i](e);

		if (r < 0)
			return r;
	}
	return 0;
}

int boot_cmdline(char **ret, struct error *e)
{
	int r = file_read_at(AT_FDCWD, "/proc/cmdline", LIMIT_AGENT_CMDLINE, ret, NULL);

	return r < 0 ? error_set(e, r, "read /proc/cmdline") : 0;
}

/* Without a modprobe, the kernel need not start a process to find that out each time it misses a
 * module. */
static void silence_modprobe(void)
{
	int r;

	if (access("/sbin/modprobe", X_OK) == 0)
		return;
	r = file_write_at(AT_FDCWD, "/proc/sys/kernel/modprobe", "\n");
	if (r < 0 && r != -ENOENT)
		log_warn("kernel.modprobe: %s", strerror(-r));
}

/* The first word of @s; the rest begins at *ret. */
static char *cut_word(char *s, char **ret)
{
	char *end = s + strcspn(s, " \t");

	*ret = *end ? end + 1 : end;
	*end = '\0';
	return s;
}

/* Something is there: a file, or a directory with something in it. */
static bool is_there(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *entry;
	bool found = false;

	if (!d)
		return access(path, F_OK) == 0;
	while (!found && (entry = readdir(d)))
		found = !str_eq(entry->d_name, ".") && !str_eq(entry->d_name, "..");
	closedir(d);
	return found;
}

/* "NAME.ko": with what it needs, for that was not loaded either. */
static int load_with_needs(char *file, const char *params, struct error *e)
{
	char *suffix = strrchr(file, '.');

	if (suffix)
		*suffix = '\0';
	return kmod_load(BOOT_MODULES, file, params, e);
}

/* "file parameters" or "file if=path parameters"; taken apart in place. */
static void load_line(char *line)
{
	char path[512], *params, *condition = NULL;
	struct error e;
	int r;

	if (!*line || *line == '#')
		return;
	cut_word(line, &params);
	if (str_skip_prefix(params, "if="))
		condition = cut_word(params, &params) + strlen("if=");
	if (condition && !is_there(condition))
		return;
	if (snprintf(path, sizeof(path), "%s/%s", BOOT_MODULES, line) >= (int)sizeof(path))
		r = error_plain(&e, ENAMETOOLONG, "module name too long: %.64s...", line);
	else if (condition)
		r = load_with_needs(line, params, &e);
	else
		r = kmod_load_file(path, params, &e);
	if (r < 0)
		log_error("%s", e.text);
	else
		log_debug("module %s is loaded", line);
}

int boot_list_open(struct boot_list *l, const char *name, struct error *e)
{
	autofree char *path = xasprintf("%s/%s", BOOT_MODULES, name);
	int r = file_read_at(AT_FDCWD, path, LIMIT_AGENT_MODULE_LIST, &l->text, NULL);

	if (r < 0 && r != -ENOENT)
		return error_set(e, r, "read %s", path);
	l->next = l->text;
	return 0;
}

bool boot_list_load(struct boot_list *l)
{
	char *line = l->next ? strsep(&l->next, "\n") : NULL;

	if (!line)
		return false;
	load_line(line);
	return true;
}

void boot_list_done(struct boot_list *l)
{
	free(l->text);
	*l = BOOT_LIST_INIT;
}

int boot_modules(int (*loaded)(void *data, struct error *e), void *data, struct error *e)
{
	autodone(boot_list) list = BOOT_LIST_INIT;
	int r = boot_list_open(&list, "load", e);

	if (r < 0)
		return r;
	silence_modprobe();
	r = loaded(data, e);
	while (r >= 0 && boot_list_load(&list))
		if (r == 0)
			r = loaded(data, e);
	return r < 0 ? r : 0;
}

bool boot_random_ready(void)
{
	char c;

	return getrandom(&c, 1, GRND_NONBLOCK) == 1;
}

static int raise_loopback(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		return -errno;
	return 0;
}

/* The last process the OOM killer should think of; children of containers get their own value. */
static int protect_self(void)
{
	return file_write_at(AT_FDCWD, "/proc/self/oom_score_adj", "-1000");
}

int boot_core_dumps(bool on)
{
	const struct rlimit core = { on ? RLIM_INFINITY : 0, RLIM_INFINITY };

	return setrlimit(RLIMIT_CORE, &core) < 0 ? -errno : 0;
}

void boot_finish(void)
{
	const struct {
		const char *what;
		int r;
	} done[] = {
		{ "loopback interface", raise_loopback() },
		{ "oom_score_adj", protect_self() },
		{ "ctrl-alt-del", reboot(RB_DISABLE_CAD) < 0 ? -errno : 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(done); i++)
		if (done[i].r < 0)
			log_warn("%s: %s", done[i].what, strerror(-done[i].r));
}

void boot_power_off(const char *why)
{
	dprintf(STDERR_FILENO, "caisson-agent: %s\n", why);
	sync();
	reboot(RB_POWER_OFF);
	/* The kernel said no: ending process 1 panics it, which the host sees as well. */
	_exit(1);
}
