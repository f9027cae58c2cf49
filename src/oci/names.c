/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names - see names.h. The tables mirror what the guest's side implements (src/sys: caps, mounts,
 * filter, rlimit); a unit test holds them against it.
 *
 * Left out of the seccomp actions is SCMP_ACT_NOTIFY: a guest cannot hand descriptors to a
 * supervisor on the host (one in the guest it can, but no engine knows of such).
 */
#include "oci/names.h"

#include "base/str.h"

#include <stddef.h>

const char *const oci_names_namespaces[] = {
	"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts", NULL,
};

const char *const oci_names_capabilities[] = {
	"CAP_AUDIT_CONTROL",   "CAP_AUDIT_READ",   "CAP_AUDIT_WRITE",
	"CAP_BLOCK_SUSPEND",   "CAP_BPF",          "CAP_CHECKPOINT_RESTORE",
	"CAP_CHOWN",           "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",          "CAP_FSETID",       "CAP_IPC_LOCK",
	"CAP_IPC_OWNER",       "CAP_KILL",         "CAP_LEASE",
	"CAP_LINUX_IMMUTABLE", "CAP_MAC_ADMIN",    "CAP_MAC_OVERRIDE",
	"CAP_MKNOD",           "CAP_NET_ADMIN",    "CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",   "CAP_NET_RAW",      "CAP_PERFMON",
	"CAP_SETFCAP",         "CAP_SETGID",       "CAP_SETPCAP",
	"CAP_SETUID",          "CAP_SYSLOG",       "CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",        "CAP_SYS_CHROOT",   "CAP_SYS_MODULE",
	"CAP_SYS_NICE",        "CAP_SYS_PACCT",    "CAP_SYS_PTRACE",
	"CAP_SYS_RAWIO",       "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",  "CAP_WAKE_ALARM",   NULL,
};

const char *const oci_names_mount_options[] = {
	"async",       "atime",          "bind",      "defaults",     "dev",
	"diratime",    "exec",           "idmap",     "loud",         "noatime",
	"nodev",       "nodiratime",     "noexec",    "norelatime",   "nostrictatime",
	"nosuid",      "nosymfollow",    "private",   "ratime",       "rbind",
	"rdev",        "rdiratime",      "relatime",  "remount",      "rexec",
	"ridmap",      "rnoatime",       "rnodev",    "rnodiratime",  "rnoexec",
	"rnorelatime", "rnostrictatime", "rnosuid",   "rnosymfollow", "ro",
	"rprivate",    "rrelatime",      "rro",       "rrw",          "rshared",
	"rslave",      "rstrictatime",   "rsuid",     "rsymfollow",   "runbindable",
	"rw",          "shared",         "silent",    "slave",        "strictatime",
	"suid",        "symfollow",      "tmpcopyup", "unbindable",   NULL,
};

const char *const oci_names_seccomp_actions[] = {
	"SCMP_ACT_ALLOW",        "SCMP_ACT_ERRNO",       "SCMP_ACT_KILL",
	"SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
	"SCMP_ACT_TRACE",        "SCMP_ACT_TRAP",        NULL,
};

const char *const oci_names_seccomp_operators[] = {
	"SCMP_CMP_EQ", "SCMP_CMP_GE",        "SCMP_CMP_GT", "SCMP_CMP_LE",
	"SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE", NULL,
};

const char *const oci_names_seccomp_archs[] = {
	"SCMP_ARCH_AARCH64",     "SCMP_ARCH_ARM",    "SCMP_ARCH_LOONGARCH64",
	"SCMP_ARCH_M68K",        "SCMP_ARCH_MIPS",   "SCMP_ARCH_MIPS64",
	"SCMP_ARCH_MIPS64N32",   "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64",
	"SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64",
	"SCMP_ARCH_PPC",         "SCMP_ARCH_PPC64",  "SCMP_ARCH_PPC64LE",
	"SCMP_ARCH_RISCV64",     "SCMP_ARCH_S390",   "SCMP_ARCH_S390X",
	"SCMP_ARCH_SH",          "SCMP_ARCH_SHEB",   "SCMP_ARCH_X32",
	"SCMP_ARCH_X86",         "SCMP_ARCH_X86_64", NULL,
};

const char *const oci_names_seccomp_flags[] = {
	"SECCOMP_FILTER_FLAG_LOG",
	"SECCOMP_FILTER_FLAG_SPEC_ALLOW",
	"SECCOMP_FILTER_FLAG_TSYNC",
	"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
	NULL,
};

const char *const oci_names_propagations[] = {
	"private", "rprivate", "rshared",    "rslave", "runbindable",
	"shared",  "slave",    "unbindable", NULL,
};

const char *const oci_names_rlimits[] = {
	"RLIMIT_AS",
	"RLIMIT_CORE",
	"RLIMIT_CPU",
	"RLIMIT_DATA",
	"RLIMIT_FSIZE",
	"RLIMIT_LOCKS",
	"RLIMIT_MEMLOCK",
	"RLIMIT_MSGQUEUE",
	"RLIMIT_NICE",
	"RLIMIT_NOFILE",
	"RLIMIT_NPROC",
	"RLIMIT_RSS",
	"RLIMIT_RTPRIO",
	"RLIMIT_RTTIME",
	"RLIMIT_SIGPENDING",
	"RLIMIT_STACK",
	NULL,
};

const char *const oci_names_hooks[] = {
	"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
	NULL,
};

bool oci_name_known(const char *const *names, const char *name)
{
	for (; *names; names++) {
		if (str_eq(*names, name))
			return true;
	}
	return false;
}
