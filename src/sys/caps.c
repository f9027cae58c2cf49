/* SPDX-License-Identifier: Apache-2.0 */
/* caps - see caps.h. By the system calls: libcap would add nothing but its size to the guest. */
#include "sys/caps.h"

#include "base/error.h"
#include "base/str.h"

#include <errno.h>
#include <linux/capability.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(n) (UINT64_C(1) << (n))

static const char *const cap_names[] = {
	[CAP_CHOWN] = "CAP_CHOWN",
	[CAP_DAC_OVERRIDE] = "CAP_DAC_OVERRIDE",
	[CAP_DAC_READ_SEARCH] = "CAP_DAC_READ_SEARCH",
	[CAP_FOWNER] = "CAP_FOWNER",
	[CAP_FSETID] = "CAP_FSETID",
	[CAP_KILL] = "CAP_KILL",
	[CAP_SETGID] = "CAP_SETGID",
	[CAP_SETUID] = "CAP_SETUID",
	[CAP_SETPCAP] = "CAP_SETPCAP",
	[CAP_LINUX_IMMUTABLE] = "CAP_LINUX_IMMUTABLE",
	[CAP_NET_BIND_SERVICE] = "CAP_NET_BIND_SERVICE",
	[CAP_NET_BROADCAST] = "CAP_NET_BROADCAST",
	[CAP_NET_ADMIN] = "CAP_NET_ADMIN",
	[CAP_NET_RAW] = "CAP_NET_RAW",
	[CAP_IPC_LOCK] = "CAP_IPC_LOCK",
	[CAP_IPC_OWNER] = "CAP_IPC_OWNER",
	[CAP_SYS_MODULE] = "CAP_SYS_MODULE",
	[CAP_SYS_RAWIO] = "CAP_SYS_RAWIO",
	[CAP_SYS_CHROOT] = "CAP_SYS_CHROOT",
	[CAP_SYS_PTRACE] = "CAP_SYS_PTRACE",
	[CAP_SYS_PACCT] = "CAP_SYS_PACCT",
	[CAP_SYS_ADMIN] = "CAP_SYS_ADMIN",
	[CAP_SYS_BOOT] = "CAP_SYS_BOOT",
	[CAP_SYS_NICE] = "CAP_SYS_NICE",
	[CAP_SYS_RESOURCE] = "CAP_SYS_RESOURCE",
	[CAP_SYS_TIME] = "CAP_SYS_TIME",
	[CAP_SYS_TTY_CONFIG] = "CAP_SYS_TTY_CONFIG",
	[CAP_MKNOD] = "CAP_MKNOD",
	[CAP_LEASE] = "CAP_LEASE",
	[CAP_AUDIT_WRITE] = "CAP_AUDIT_WRITE",
	[CAP_AUDIT_CONTROL] = "CAP_AUDIT_CONTROL",
	[CAP_SETFCAP] = "CAP_SETFCAP",
	[CAP_MAC_OVERRIDE] = "CAP_MAC_OVERRIDE",
	[CAP_MAC_ADMIN] = "CAP_MAC_ADMIN",
	[CAP_SYSLOG] = "CAP_SYSLOG",
	[CAP_WAKE_ALARM] = "CAP_WAKE_ALARM",
	[CAP_BLOCK_SUSPEND] = "CAP_BLOCK_SUSPEND",
	[CAP_AUDIT_READ] = "CAP_AUDIT_READ",
	[CAP_PERFMON] = "CAP_PERFMON",
	[CAP_BPF] = "CAP_BPF",
	[CAP_CHECKPOINT_RESTORE] = "CAP_CHECKPOINT_RESTORE",
};

int cap_parse(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(cap_names); i++) {
		if (strcasecmp(name, cap_names[i]) == 0 ||
		    strcasecmp(name, cap_names[i] + strlen("CAP_")) == 0)
			return (int)i;
	}
	return -EINVAL;
}

const char *cap_name(unsigned int cap)
{
	return cap < ARRAY_SIZE(cap_names) ? cap_names[cap] : NULL;
}

uint64_t cap_kernel_mask(void)
{
	uint64_t mask = 0;

	for (int i = 0; i < 64 && prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		mask |= BIT(i);
	return mask;
}

uint64_t cap_mask_parse(char *const *names, size_t n)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < n; i++) {
		int cap = cap_parse(names[i]);

		if (cap >= 0)
			mask |= BIT(cap);
	}
	return mask & cap_kernel_mask();
}

int cap_set_bounding(uint64_t keep, struct error *e)
{
	for (int i = 0; i < 64; i++) {
		int have = prctl(PR_CAPBSET_READ, i, 0, 0, 0);

		if (have < 0)
			break;
		if (have && !(keep & BIT(i)) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			return error_set(e, errno, "drop capability %d from the bounding set", i);
	}
	return 0;
}

static int set_ambient(uint64_t ambient, struct error *e)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return error_set(e, errno, "clear ambient capabilities");
	for (int i = 0; i < 64; i++) {
		if ((ambient & BIT(i)) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return error_set(e, errno, "raise ambient capability %d", i);
	}
	return 0;
}

int cap_set_rest(const struct cap_sets *c, struct error *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(c->set[CAP_SET_EFFECTIVE] >> (32 * i));
		data[i].permitted = (uint32_t)(c->set[CAP_SET_PERMITTED] >> (32 * i));
		data[i].inheritable = (uint32_t)(c->set[CAP_SET_INHERITABLE] >> (32 * i));
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return error_set(e, errno, "set capabilities");
	return set_ambient(c->set[CAP_SET_AMBIENT] & c->set[CAP_SET_PERMITTED] &
				   c->set[CAP_SET_INHERITABLE],
			   e);
}
