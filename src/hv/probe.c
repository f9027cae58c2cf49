/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe - what this host can run, found without hanging.
 *
 * The CPU flags decide first: a /dev/kvm on a CPU without vmx or svm is a software KVM for kernels
 * that were made for it, and an ordinary one hangs there. Then the device is opened and asked;
 * making a VM, which on a broken module may take for ever, is tried by a child that has
 * PROBE_TIMEOUT_MS.
 */
#include "hv/hv.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/proc.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define KVM_DEVICE "/dev/kvm"
#define PROBE_TIMEOUT_MS 2000

/* Whether @word stands alone in the @n bytes at @s. */
static bool has_word(const char *s, size_t n, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = s; (p = memmem(p, n - (size_t)(p - s), word, len)) != NULL; p += len) {
		bool starts = p > s && isspace((unsigned char)p[-1]);
		bool ends = p + len == s + n || isspace((unsigned char)p[len]);

		if (starts && ends)
			return true;
	}
	return false;
}

bool hv_cpuinfo_has_virt(const char *cpuinfo)
{
	for (const char *line = cpuinfo; *line;) {
		size_t n = strcspn(line, "\n");

		/* Only "flags": there is a line of "vmx flags" too, and "bugs" may name anything.
		 */
		if (strncmp(line, "flags", 5) == 0 &&
		    (has_word(line, n, "vmx") || has_word(line, n, "svm")))
			return true;
		line += n + (line[n] == '\n');
	}
	return false;
}

/* In the child: 0, or an errno as exit status. */
static _Noreturn void try_vm(int kvm)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0UL);

	_exit(vm < 0 ? (errno & 0x7f) : 0);
}

/* 0, -ETIMEDOUT, or what KVM_CREATE_VM said. */
static int kvm_create_vm(int kvm)
{
	pid_t pid = fork();
	int status, r;

	if (pid < 0)
		return -errno;
	if (pid == 0)
		try_vm(kvm);
	r = proc_wait(pid, PROBE_TIMEOUT_MS, &status);
	if (r < 0) {
		kill(pid, SIGKILL);
		/* A child that hangs inside the kernel does not die either: it is not waited for.
		 */
		proc_wait(pid, 100, NULL);
		return r;
	}
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static void no_kvm(struct hv_probe *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void no_kvm(struct hv_probe *p, const char *fmt, ...)
{
	char cause[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cause, sizeof(cause), fmt, ap);
	va_end(ap);
	snprintf(p->why, sizeof(p->why), "no KVM: %s; emulating in software (TCG)", cause);
}

static void probe_device(struct hv_probe *p)
{
	autoclose int kvm = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
	int r;

	if (kvm < 0)
		return no_kvm(p, "open %s: %s", KVM_DEVICE, strerror(errno));
	r = ioctl(kvm, KVM_GET_API_VERSION, 0UL);
	if (r != KVM_API_VERSION)
		return no_kvm(p, "%s has API version %d instead of %d", KVM_DEVICE, r,
			      KVM_API_VERSION);
	r = kvm_create_vm(kvm);
	if (r == -ETIMEDOUT)
		return no_kvm(p, "making a VM hangs");
	if (r < 0)
		return no_kvm(p, "making a VM fails: %s", strerror(-r));
	p->kvm_usable = true;
	p->accel = HV_ACCEL_KVM;
	snprintf(p->why, sizeof(p->why), "KVM works");
}

void hv_probe_host(struct hv_probe *ret)
{
	autofree char *cpuinfo = NULL;
	int r = file_read_at(AT_FDCWD, "/proc/cpuinfo", LIMIT_PROC_FILE, &cpuinfo, NULL);

	*ret = (struct hv_probe){ .accel = HV_ACCEL_TCG };
	ret->kvm_device = access(KVM_DEVICE, F_OK) == 0;
	ret->kvm_flags = r == 0 && hv_cpuinfo_has_virt(cpuinfo);
	if (r < 0)
		no_kvm(ret, "read /proc/cpuinfo: %s", strerror(-r));
	else if (!ret->kvm_flags)
		no_kvm(ret, "the CPU shows neither vmx nor svm%s",
		       ret->kvm_device ? " (" KVM_DEVICE " is there, but would be a software KVM)"
				       : "");
	else if (!ret->kvm_device)
		no_kvm(ret, "%s is missing (modprobe kvm-intel or kvm-amd)", KVM_DEVICE);
	else
		probe_device(ret);
}
