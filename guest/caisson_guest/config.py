# SPDX-License-Identifier: Apache-2.0
"""Read kernel configurations, and tell what containers miss in one.

A configuration is {"CONFIG_X": "y" | "m" | text}; what is off is absent. It is read from a .config or
fragment, from /proc/config.gz, or from a kernel image that holds its own (CONFIG_IKCONFIG).
"""

import gzip
import re
import zlib
from collections import namedtuple

from . import GuestError, bzimage

LINE = re.compile(r"^(CONFIG_\w+)=(.*)$")
OFF = re.compile(r"^# (CONFIG_\w+) is not set$")
IKCONFIG = (b"IKCFG_ST", b"IKCFG_ED")

# What the options are for, in the report, and their names.
Need = namedtuple("Need", "what options")

NEEDS = (
    Need("namespaces", "NAMESPACES UTS_NS IPC_NS USER_NS PID_NS NET_NS"),
    Need("cgroups", "CGROUPS MEMCG BLK_CGROUP BLK_DEV_THROTTLING CGROUP_SCHED FAIR_GROUP_SCHED CFS_BANDWIDTH CGROUP_PIDS "
                    "CGROUP_FREEZER CPUSETS CGROUP_DEVICE CGROUP_CPUACCT CGROUP_BPF CGROUP_HUGETLB CGROUP_RDMA CGROUP_PERF"),
    Need("system calls", "FUTEX EPOLL SIGNALFD TIMERFD EVENTFD AIO IO_URING SYSVIPC POSIX_MQUEUE KEYS FHANDLE INOTIFY_USER "
                         "FANOTIFY MEMBARRIER ADVISE_SYSCALLS BPF_SYSCALL MULTIUSER FILE_LOCKING USERFAULTFD CHECKPOINT_RESTORE"),
    Need("confinement", "SECCOMP SECCOMP_FILTER SECURITY SECURITY_LANDLOCK STACKPROTECTOR_STRONG STRICT_KERNEL_RWX VMAP_STACK"),
    Need("programs", "BINFMT_ELF BINFMT_SCRIPT BINFMT_MISC UNIX98_PTYS TTY COREDUMP IA32_EMULATION"),
    Need("file systems", "PROC_FS SYSFS TMPFS TMPFS_XATTR TMPFS_POSIX_ACL DEVTMPFS OVERLAY_FS FUSE_FS VIRTIO_FS EXT4_FS "
                         "EXT4_FS_POSIX_ACL EXT4_FS_SECURITY EROFS_FS BLK_DEV_LOOP HUGETLBFS"),
    Need("network", "NET UNIX PACKET INET IPV6 VIRTIO_NET VETH BRIDGE TUN MACVLAN IPVLAN VLAN_8021Q IP_MULTIPLE_TABLES "
                    "IP_ADVANCED_ROUTER NET_SCHED NET_CLS_CGROUP CGROUP_NET_PRIO"),
    Need("iptables", "NETFILTER NF_CONNTRACK NF_NAT NETFILTER_XTABLES IP_NF_IPTABLES IP_NF_FILTER IP_NF_NAT IP_NF_MANGLE "
                     "IP_NF_RAW IP_NF_TARGET_MASQUERADE IP_NF_TARGET_REJECT IP6_NF_IPTABLES IP6_NF_FILTER IP6_NF_NAT "
                     "IP6_NF_TARGET_MASQUERADE NETFILTER_XT_MARK NETFILTER_XT_NAT NETFILTER_XT_TARGET_REDIRECT "
                     "NETFILTER_XT_MATCH_ADDRTYPE NETFILTER_XT_MATCH_CONNTRACK NETFILTER_XT_MATCH_COMMENT "
                     "NETFILTER_XT_MATCH_MULTIPORT NETFILTER_XT_MATCH_OWNER BRIDGE_NETFILTER"),
    Need("nftables", "NF_TABLES NF_TABLES_INET NF_TABLES_IPV4 NF_TABLES_IPV6 NFT_CT NFT_MASQ NFT_NAT NFT_REDIR NFT_REJECT "
                     "NFT_COMPAT NFT_FIB_INET"),
    Need("the machine", "PVH ACPI PCI PCI_MSI SERIAL_8250_CONSOLE BLK_DEV_INITRD VIRTIO_PCI VIRTIO_MMIO VIRTIO_BLK "
                        "VIRTIO_CONSOLE VSOCKETS VIRTIO_VSOCKETS HW_RANDOM_VIRTIO SMP KVM_GUEST"),
    Need("memory given back", "VIRTIO_BALLOON PAGE_REPORTING BALLOON_COMPACTION VIRTIO_MEM MEMORY_HOTPLUG MEMORY_HOTREMOVE"),
    Need("hot-plug", "HOTPLUG_PCI HOTPLUG_PCI_PCIE HOTPLUG_PCI_ACPI HOTPLUG_CPU ACPI_HOTPLUG_MEMORY"),
    Need("images", "BLK_DEV_PMEM LIBNVDIMM ACPI_NFIT BLK_DEV_DM DM_INIT DM_VERITY"),
    Need("templates", "VMGENID"),
)


def parse(text):
    """Options and values of a configuration or fragment; those that are said to be off are "n"."""
    found = {}
    for line in text.splitlines():
        m = LINE.match(line.strip())
        if m:
            found[m.group(1)] = m.group(2)
        elif OFF.match(line.strip()):
            found[OFF.match(line.strip()).group(1)] = "n"
    return found


def _from_image(data, path):
    """The configuration in a kernel."""
    kernel = bzimage.kernel(data)
    start, end = (kernel.find(mark) for mark in IKCONFIG)
    if start < 0 or end < start:
        raise GuestError(f"{path} does not hold its configuration (CONFIG_IKCONFIG)")
    return gzip.decompress(kernel[start + len(IKCONFIG[0]):end])


def read(path):
    """The configuration in a file of any of the forms."""
    try:
        with open(path, "rb") as f:
            data = f.read()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        elif b"CONFIG_" not in data[:4096]:
            data = _from_image(data, path)
        return {k: v for k, v in parse(data.decode("utf-8", "replace")).items() if v != "n"}
    except OSError as e:
        raise GuestError(f"{path}: {e.strerror}") from None
    except (EOFError, zlib.error) as e:
        raise GuestError(f"{path}: {e}") from None


def missing(options, needs=NEEDS):
    """[(what for, [option ...])]: what is off. A module counts as there."""
    lacks = []
    for need in needs:
        absent = [o for o in need.options.split() if options.get(f"CONFIG_{o}") not in ("y", "m")]
        if absent:
            lacks.append((need.what, absent))
    return lacks
