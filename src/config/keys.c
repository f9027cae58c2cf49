/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys - see keys.h. Rows with an offset come first in each section, in the order in which the
 * template documents them; then other spellings, then what is not supported yet. Facts about
 * Kata's keys are those of its release 4.1, of the Go runtime and of runtime-rs; where the two have
 * different defaults, .def is Go's and .kata is runtime-rs's.
 *
 * To support a key: give it an offset, our default, limits and a help text; the rest follows.
 */
#include "config/keys.h"

#include "base/limits.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define HV(k) .section = CONFIG_HYPERVISOR, .key = (k)
#define FACTORY(k) .section = CONFIG_FACTORY, .key = (k)
#define AGENT(k) .section = CONFIG_AGENT, .key = (k)
#define MEM_AGENT(k) .section = CONFIG_MEM_AGENT, .key = (k)
#define RUNTIME(k) .section = CONFIG_RUNTIME, .key = (k)
#define AT(field) .offset = offsetof(struct config, field)
#define GLOBS(name) .globs = offsetof(struct config, hypervisor.name), .globs_key = #name

#define QEMU "\"/usr/bin/qemu-system-x86_64\""
#define PORTS "no-port|bridge-port|root-port|switch-port"
#define LOG_LEVELS "trace|debug|info|warn|error|critical"
#define RATE_MAX INT64_C(1000000000000) /* bits a second */
#define TIMEOUT_MAX 86400               /* s: a day */

const char *const config_engines[] = { "qemu", NULL };

/* Kata's other ones, and those of ours that are to come. */
static const char *const other_engines[] = {
	"clh",     "cloud-hypervisor", "firecracker", "stratovirt", "dragonball",
	"openvmm", "remote",           "fc",          "uml",        "builtin"
};

const struct config_key config_keys[] = {
	/* ---- [hypervisor.NAME] ---- */
	{ HV("path"), CONFIG_PATH, CONFIG_ANNOTATED, AT(hypervisor.path), .def = QEMU,
	  GLOBS(valid_hypervisor_paths), .help = "The virtual machine monitor." },
	{ HV("valid_hypervisor_paths"), CONFIG_LIST, 0, AT(hypervisor.valid_hypervisor_paths),
	  .def = "[" QEMU "]",
	  .help = "Shell patterns of the files that an annotation may choose as path. An empty "
		  "list refuses all." },
	{ HV("kernel"), CONFIG_PATH, CONFIG_ANNOTATED, AT(hypervisor.kernel),
	  .def = "\"" CAISSON_DATADIR "/vmlinux\"",
	  .kata = "\"/usr/share/kata-containers/vmlinux.container\"",
	  .help = "The guest kernel: an uncompressed ELF image with a PVH entry boots fastest, a "
		  "bzImage works too." },
	{ HV("initrd"), CONFIG_PATH, CONFIG_ANNOTATED, AT(hypervisor.initrd),
	  .def = "\"" CAISSON_DATADIR "/initrd.cpio\"", .kata = "\"\"",
	  .help = "The guest's initial root file system with the agent as /init. Not together with "
		  "image; where only image is set, the default does not apply." },
	{ HV("image"), CONFIG_PATH, CONFIG_ANNOTATED, AT(hypervisor.image), .def = "\"\"",
	  .kata = "\"/usr/share/kata-containers/kata-containers.img\"",
	  .help = "A disk image as the guest's root file system, instead of initrd." },
	{ HV("kernel_verity_params"), CONFIG_STRING, CONFIG_ANNOTATED,
	  AT(hypervisor.kernel_verity_params), .def = "\"\"", .max = 1024,
	  .help = "What the guest's kernel checks the image's blocks against (dm-verity), as "
		  "\"root_hash=...,salt=...,data_blocks=N,data_block_size=N,hash_block_size=N\": "
		  "the "
		  "hash tree is in the image's second partition. Empty: it is not checked." },
	{ HV("machine_type"), CONFIG_STRING, CONFIG_ANNOTATED, AT(hypervisor.machine_type),
	  .def = "\"\"", .kata = "\"q35\"",
	  .choices = "|q35|microvm|pc|virt|pseries|s390-ccw-virtio", .works = "|q35|microvm",
	  .help = "The machine that QEMU emulates. Empty: the engine's choice." },
	{ HV("kernel_params"), CONFIG_STRING, CONFIG_ANNOTATED | CONFIG_APPEND,
	  AT(hypervisor.kernel_params), .def = "\"\"",
	  .kata = "\"cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1\"", .max = 2048,
	  .help = "Words added to the end of the guest kernel's command line. Those of the "
		  "annotation come last." },
	{ HV("cpu_features"), CONFIG_STRING, CONFIG_ANNOTATED | CONFIG_OPTION_WORD,
	  AT(hypervisor.cpu_features), .def = "\"pmu=off\"", .max = 1024,
	  .help = "Features added to the CPU model, as QEMU's -cpu takes them." },
	{ HV("guest_hook_path"), CONFIG_STRING, CONFIG_ANNOTATED, AT(hypervisor.guest_hook_path),
	  .def = "\"\"", .max = 1024,
	  .help = "A directory of the guest's image. What can be executed in its prestart, "
		  "poststart "
		  "and poststop runs there as hooks of every container." },
	{ HV("seccompsandbox"), CONFIG_STRING, 0, AT(hypervisor.seccompsandbox), .def = "\"\"",
	  .max = 256,
	  .help = "The value of QEMU's -sandbox. Empty: on, with everything denied that it can "
		  "deny." },
	{ HV("rootless"), CONFIG_BOOL, CONFIG_ANNOTATED, AT(hypervisor.rootless), .def = "true",
	  .kata = "false",
	  .help = "Run the virtual machine monitor under an unprivileged user id." },
	{ HV("enable_annotations"), CONFIG_LIST, CONFIG_REGEXES, AT(hypervisor.enable_annotations),
	  .def = "[\"enable_iommu\", \"kernel_params\", \"kernel_verity_params\", "
		 "\"default_vcpus\", \"default_memory\"]",
	  .help = "Which annotations io.katacontainers.config.hypervisor.NAME a container may set: "
		  "extended regular expressions that are searched in NAME. They are not anchored: "
		  "\"path\" also allows jailer_path; write \"^path$\". Annotations of the runtime "
		  "and the agent are always allowed." },
	{ HV("default_vcpus"), CONFIG_FLOAT, CONFIG_ANNOTATED, AT(hypervisor.default_vcpus),
	  .def = "1", .min = -65536, .max = 65536,
	  .help = "Virtual CPUs of a guest whose containers have no limit, rounded up. 0 means 1, "
		  "a negative number or more than the host has means all of the host's." },
	{ HV("default_maxvcpus"), CONFIG_INT, CONFIG_ANNOTATED, AT(hypervisor.default_maxvcpus),
	  .def = "0", .annotation = "default_max_vcpus", .max = 65536,
	  .help = "The most virtual CPUs a guest can get. 0 or more than the host has: as many as "
		  "the host." },
	{ HV("default_memory"), CONFIG_INT, CONFIG_ANNOTATED, AT(hypervisor.default_memory),
	  .def = "512", .kata = "2048", .min = 64, .max = 16777216,
	  .help = "MiB of memory of a guest whose containers have no limit. Pages are taken from "
		  "the host when the guest first touches them: with Debian's kernel about 112 MiB "
		  "before the first container runs." },
	{ HV("default_maxmemory"), CONFIG_INT, 0, AT(hypervisor.default_maxmemory), .def = "0",
	  .max = 16777216,
	  .help = "MiB that a guest can grow to while it runs. 0 or more than the host has: the "
		  "host's memory." },
	{ HV("enable_virtio_mem"), CONFIG_BOOL, CONFIG_ANNOTATED, AT(hypervisor.enable_virtio_mem),
	  .def = "true", .kata = "false",
	  .help = "A guest grows by a virtio-mem device, and can shrink again. Otherwise by memory "
		  "modules of 128 MiB, for guest kernels without its driver." },
	{ HV("overhead_vcpus"), CONFIG_FLOAT, 0, AT(hypervisor.overhead_vcpus), .def = "0",
	  .kata = "0.2", .max = 1024,
	  .help = "Virtual CPUs added to the containers' limits when a guest is sized by them "
		  "(static_sandbox_resource_mgmt). With 0 a limit of whole CPUs gives exactly that "
		  "many." },
	{ HV("overhead_memory"), CONFIG_INT, 0, AT(hypervisor.overhead_memory), .def = "128",
	  .kata = "32", .max = 1048576,
	  .help = "MiB for the guest's kernel and agent, added to the containers' limits when a "
		  "guest is sized by them. Debian's kernel needs 112 MiB, a tuned one about 32." },
	{ HV("reclaim_guest_freed_memory"), CONFIG_BOOL, CONFIG_ANNOTATED,
	  AT(hypervisor.reclaim_guest_freed_memory), .def = "true", .kata = "false",
	  .help = "Give memory that the guest frees back to the host (free page reporting)." },
	{ HV("shared_fs"), CONFIG_STRING, CONFIG_ANNOTATED, AT(hypervisor.shared_fs),
	  .def = "\"virtio-fs\"",
	  .choices = "virtio-fs|virtio-fs-nydus|inline-virtio-fs|inline-virtio-fs-nydus|virtio-9p|"
		     "none",
	  .works = "virtio-fs",
	  .help = "How the containers' root file systems and volumes reach the guest." },
	{ HV("virtio_fs_daemon"), CONFIG_PATH, CONFIG_ANNOTATED, AT(hypervisor.virtio_fs_daemon),
	  .def = "\"\"", .kata = "\"/usr/libexec/virtiofsd\"", GLOBS(valid_virtio_fs_daemon_paths),
	  .help = "The daemon that serves virtio-fs. Empty: the first one that is installed." },
	{ HV("valid_virtio_fs_daemon_paths"), CONFIG_LIST, 0,
	  AT(hypervisor.valid_virtio_fs_daemon_paths),
	  .def = "[\"/usr/libexec/virtiofsd\", \"/usr/lib/qemu/virtiofsd\"]",
	  .kata = "[\"/usr/libexec/virtiofsd\"]",
	  .help = "Shell patterns of the files that an annotation may choose as virtio_fs_daemon. "
		  "An empty list refuses all." },
	{ HV("virtio_fs_extra_args"), CONFIG_LIST, CONFIG_ANNOTATED | CONFIG_FILE_ONLY,
	  AT(hypervisor.virtio_fs_extra_args), .def = "[]",
	  .kata = "[\"--thread-pool-size=1\", \"--announce-submounts\"]",
	  .help = "Arguments added to those of the virtio-fs daemon. Never taken from an "
		  "annotation." },
	{ HV("virtio_fs_cache"), CONFIG_STRING, CONFIG_ANNOTATED, AT(hypervisor.virtio_fs_cache),
	  .def = "\"auto\"", .choices = "never|metadata|auto|always",
	  .help = "What the guest may cache of the share: nothing (never), attributes and names "
		  "(metadata), everything for a while (auto) or for good (always)." },
	{ HV("virtio_fs_queue_size"), CONFIG_INT, CONFIG_POWER_OF_2,
	  AT(hypervisor.virtio_fs_queue_size), .def = "1024", .min = 2, .max = 1024,
	  .help = "Entries of the share's queues: a power of two." },
	{ HV("disable_vhost_net"), CONFIG_BOOL, CONFIG_ANNOTATED, AT(hypervisor.disable_vhost_net),
	  .def = "false",
	  .help = "Move a network interface's packets in the VMM even where the host has "
		  "vhost-net." },
	{ HV("pcie_root_port"), CONFIG_INT, CONFIG_ANNOTATED, AT(hypervisor.pcie_root_port),
	  .def = "0", .max = 16,
	  .help = "Devices that can be added to a running guest, such as network interfaces." },
	{ HV("rx_rate_limiter_max_rate"), CONFIG_U64, CONFIG_ANNOTATED,
	  AT(hypervisor.rx_rate_limiter_max_rate), .def = "0", .max = RATE_MAX,
	  .help = "Bits a second that a guest receives on each network interface. 0: no limit." },
	{ HV("tx_rate_limiter_max_rate"), CONFIG_U64, CONFIG_ANNOTATED,
	  AT(hypervisor.tx_rate_limiter_max_rate), .def = "0", .max = RATE_MAX,
	  .help = "Bits a second that a guest sends on each network interface. 0: no limit." },
	{ HV("network_queues"), CONFIG_INT, CONFIG_ANNOTATED, AT(hypervisor.network_queues),
	  .def = "0", .kata = "1", .max = LIMIT_NET_QUEUES,
	  .help = "Pairs of queues of a network interface. 0: one a vCPU." },
	{ HV("entropy_source"), CONFIG_PATH, CONFIG_ANNOTATED, AT(hypervisor.entropy_source),
	  .def = "\"/dev/urandom\"", GLOBS(valid_entropy_sources),
	  .help = "What the guest's random number device reads." },
	{ HV("valid_entropy_sources"), CONFIG_LIST, 0, AT(hypervisor.valid_entropy_sources),
	  .def = "[\"/dev/urandom\", \"/dev/random\", \"\"]",
	  .help = "Shell patterns of the files that an annotation may choose as entropy_source." },
	{ HV("enable_debug"), CONFIG_BOOL, 0, AT(hypervisor.enable_debug), .def = "false",
	  .help = "Let the guest's kernel and the monitor say all they can, and keep the whole "
		  "console." },

	{ HV("seccomp_sandbox"), CONFIG_STRING, CONFIG_ALIAS, AT(hypervisor.seccompsandbox),
	  .max = 256, .help = "runtime-rs's name of seccompsandbox." },

	/* Not supported yet: the guest's files. */
	{ HV("rootfs_type"), CONFIG_STRING, .def = "\"ext4\"", .help = "file system of the image" },
	{ HV("vm_rootfs_driver"), CONFIG_STRING, .def = "\"virtio-pmem\"",
	  .kata = "\"virtio-blk-pci\"", .help = "device of the image" },
	{ HV("disable_image_nvdimm"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "false",
	  .help = "image on a block device" },
	{ HV("guest_extension_images"), CONFIG_TABLES, .def = "[]", .help = "further images" },
	{ HV("firmware"), CONFIG_STRING, CONFIG_ANNOTATED, .def = "\"\"",
	  .help = "guest firmware" },
	{ HV("firmware_volume"), CONFIG_STRING, CONFIG_ANNOTATED, .def = "\"\"",
	  .help = "variables of the firmware" },
	{ HV("pflashes"), CONFIG_LIST, .def = "[]", .help = "flash images" },
	{ HV("initdata"), CONFIG_STRING, CONFIG_ANNOTATED | CONFIG_NO_IGNORE, .def = "\"\"",
	  .annotation = "cc_init_data", .help = "data that the guest is measured with" },
	{ HV(NULL), CONFIG_STRING, CONFIG_NO_IGNORE, .def = "\"\"", .annotation = "kernel_hash",
	  .help = "hash of the kernel" },
	{ HV(NULL), CONFIG_STRING, CONFIG_NO_IGNORE, .def = "\"\"", .annotation = "image_hash",
	  .help = "hash of the image" },
	{ HV(NULL), CONFIG_STRING, CONFIG_NO_IGNORE, .def = "\"\"", .annotation = "initrd_hash",
	  .help = "hash of the initrd" },
	{ HV(NULL), CONFIG_STRING, CONFIG_NO_IGNORE, .def = "\"\"", .annotation = "firmware_hash",
	  .help = "hash of the firmware" },
	{ HV(NULL), CONFIG_STRING, CONFIG_NO_IGNORE, .def = "\"\"",
	  .annotation = "firmware_volume_hash", .help = "hash of the firmware's variables" },
	{ HV(NULL), CONFIG_STRING, CONFIG_NO_IGNORE, .def = "\"\"", .annotation = "path_hash",
	  .help = "hash of the monitor" },
	{ HV(NULL), CONFIG_STRING, CONFIG_NO_IGNORE, .def = "\"\"", .annotation = "hypervisor_hash",
	  .help = "hash of the monitor" },
	{ HV(NULL), CONFIG_STRING, CONFIG_NO_IGNORE, .def = "\"\"", .annotation = "jailer_hash",
	  .help = "hash of the jailer" },
	{ HV(NULL), CONFIG_STRING, .def = "\"sha512\"", .annotation = "asset_hash_type",
	  .help = "kind of the hashes" },

	/* CPU, memory, machine. */
	{ HV("machine_accelerators"), CONFIG_STRING, CONFIG_ANNOTATED, .def = "\"\"",
	  .help = "options of the machine" },
	{ HV("disable_nested_virtualization"), CONFIG_BOOL, .def = "false",
	  .help = "no virtualization in the guest" },
	{ HV("disable_nesting_checks"), CONFIG_BOOL, .def = "false",
	  .help = "no adjustment where the host is a guest" },
	{ HV("default_bridges"), CONFIG_INT, .def = "1", .max = 5,
	  .help = "PCI bridges for hot-plug" },
	{ HV("memory_slots"), CONFIG_INT, CONFIG_ANNOTATED, .def = "10",
	  .help = "slots for memory hot-plug" },
	{ HV("memory_offset"), CONFIG_INT, CONFIG_ANNOTATED, .def = "0", .max = INT64_MAX,
	  .help = "address space for NVDIMM" },
	{ HV("enable_mem_prealloc"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "false",
	  .help = "take all memory at once" },
	{ HV("enable_hugepages"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "false",
	  .help = "guest memory from huge pages" },
	{ HV("hugepage_type"), CONFIG_STRING, CONFIG_ANNOTATED, .def = "\"hugetlbfs\"",
	  .choices = "hugetlbfs|thp", .help = "kind of huge pages" },
	{ HV("enable_numa"), CONFIG_BOOL, .def = "false", .help = "NUMA nodes in the guest" },
	{ HV("numa_mapping"), CONFIG_LIST, CONFIG_ANNOTATED, .def = "[]", .separator = ' ',
	  .help = "host nodes of the guest's" },
	{ HV("enable_guest_swap"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "false",
	  .help = "swap in the guest" },
	{ HV("guest_swap_path"), CONFIG_STRING, .def = "\"/run/kata-containers/swap\"",
	  .help = "where swap files go" },
	{ HV("guest_swap_size_percent"), CONFIG_INT, .def = "100", .help = "size of the swap" },
	{ HV("guest_swap_create_threshold_secs"), CONFIG_INT, .def = "60",
	  .help = "delay of the swap" },
	{ HV("enable_iommu"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "false",
	  .help = "virtual IOMMU" },
	{ HV("enable_iommu_platform"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "false",
	  .help = "virtio behind the IOMMU" },

	/* File systems and block devices. */
	{ HV("virtio_fs_cache_size"), CONFIG_INT, CONFIG_ANNOTATED, .def = "0",
	  .help = "MiB of the DAX window" },
	{ HV("virtio_fs_is_dax"), CONFIG_BOOL, .def = "false", .help = "DAX on the share" },
	{ HV("msize_9p"), CONFIG_INT, CONFIG_ANNOTATED, .def = "8192",
	  .help = "packet size of 9p" },
	{ HV("prefetch_list_path"), CONFIG_STRING, CONFIG_ANNOTATED, .def = "\"\"",
	  .annotation = "prefetch_files.list", .help = "files that nydus fetches first" },
	{ HV("disable_block_device_use"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "true",
	  .kata = "false", .help = "no block devices as root file systems" },
	{ HV("block_device_driver"), CONFIG_STRING, CONFIG_ANNOTATED, .def = "\"virtio-scsi\"",
	  .kata = "\"virtio-blk-pci\"", .help = "bus of block devices" },
	{ HV("block_device_aio"), CONFIG_STRING, CONFIG_ANNOTATED, .def = "\"io_uring\"",
	  .choices = "threads|native|io_uring", .help = "asynchronous I/O of block devices" },
	{ HV("block_device_cache_set"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "false",
	  .help = "cache options of block devices" },
	{ HV("block_device_cache_direct"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "false",
	  .help = "past the page cache" },
	{ HV("block_device_cache_noflush"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "false",
	  .help = "flushes are ignored" },
	{ HV("block_device_logical_sector_size"), CONFIG_INT, CONFIG_ANNOTATED, .def = "0",
	  .annotation = "blk_logical_sector_size", .max = 65536, .help = "logical sectors" },
	{ HV("block_device_physical_sector_size"), CONFIG_INT, CONFIG_ANNOTATED, .def = "0",
	  .annotation = "blk_physical_sector_size", .max = 65536, .help = "physical sectors" },
	{ HV("queue_size"), CONFIG_INT, CONFIG_ANNOTATED, .def = "128",
	  .annotation = "block_device_queue_size", .help = "queue of a block device" },
	{ HV("num_queues"), CONFIG_INT, CONFIG_ANNOTATED, .def = "1",
	  .annotation = "block_device_num_queues", .help = "queues of a block device" },
	{ HV("enable_iothreads"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "false",
	  .help = "a thread for block I/O" },
	{ HV("indep_iothreads"), CONFIG_INT, CONFIG_ANNOTATED, .def = "0",
	  .help = "threads for hot-plugged block devices" },
	{ HV("disk_rate_limiter_bw_max_rate"), CONFIG_INT, .def = "0", .max = INT64_MAX,
	  .help = "bytes per second" },
	{ HV("disk_rate_limiter_bw_one_time_burst"), CONFIG_INT, .def = "0", .max = INT64_MAX,
	  .help = "bytes at once" },
	{ HV("disk_rate_limiter_ops_max_rate"), CONFIG_INT, .def = "0", .max = INT64_MAX,
	  .help = "operations per second" },
	{ HV("disk_rate_limiter_ops_one_time_burst"), CONFIG_INT, .def = "0", .max = INT64_MAX,
	  .help = "operations at once" },
	{ HV("enable_vhost_user_store"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "false",
	  .help = "vhost-user block devices" },
	{ HV("vhost_user_store_path"), CONFIG_STRING, CONFIG_ANNOTATED,
	  .def = "\"/var/run/kata-containers/vhost-user\"", .kata = "\"/var/run/vhost-user\"",
	  .help = "sockets of vhost-user devices" },
	{ HV("valid_vhost_user_store_paths"), CONFIG_LIST,
	  .def = "[\"/var/run/kata-containers/vhost-user\"]", .kata = "[\"/var/run/vhost-user\"]",
	  .help = "what an annotation may choose" },
	{ HV("vhost_user_reconnect_timeout_sec"), CONFIG_INT, CONFIG_ANNOTATED, .def = "0",
	  .help = "reconnection to them" },

	/* Devices and networks. */
	{ HV("hot_plug_vfio"), CONFIG_STRING, CONFIG_ANNOTATED, .def = "\"no-port\"",
	  .choices = PORTS, .help = "port of hot-plugged host devices" },
	{ HV("cold_plug_vfio"), CONFIG_STRING, CONFIG_ANNOTATED, .def = "\"no-port\"",
	  .choices = PORTS, .help = "port of host devices present at boot" },
	{ HV("hotplug_vfio_on_root_bus"), CONFIG_BOOL, .def = "false",
	  .help = "host devices on the root bus" },
	{ HV("pcie_switch_port"), CONFIG_INT, CONFIG_ANNOTATED, .def = "0", .max = 16,
	  .help = "switch ports" },
	{ HV("net_rate_limiter_bw_max_rate"), CONFIG_INT, .def = "0", .max = INT64_MAX,
	  .help = "bytes per second" },
	{ HV("net_rate_limiter_bw_one_time_burst"), CONFIG_INT, .def = "0", .max = INT64_MAX,
	  .help = "bytes at once" },
	{ HV("net_rate_limiter_ops_max_rate"), CONFIG_INT, .def = "0", .max = INT64_MAX,
	  .help = "packets per second" },
	{ HV("net_rate_limiter_ops_one_time_burst"), CONFIG_INT, .def = "0", .max = INT64_MAX,
	  .help = "packets at once" },
	{ HV("default_gpus"), CONFIG_INT, CONFIG_ANNOTATED, .def = "0",
	  .help = "GPUs of a remote guest" },
	{ HV("default_gpu_model"), CONFIG_STRING, CONFIG_ANNOTATED, .def = "\"\"",
	  .help = "their model" },
	{ HV("use_legacy_serial"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "false",
	  .help = "console on ttyS0" },

	/* Protection. */
	{ HV("confidential_guest"), CONFIG_BOOL, CONFIG_NO_IGNORE, .def = "false",
	  .help = "memory hidden from the host" },
	{ HV("sev_snp_guest"), CONFIG_BOOL, CONFIG_NO_IGNORE, .def = "false", .help = "SEV-SNP" },
	{ HV("snp_id_block"), CONFIG_STRING, CONFIG_NO_IGNORE, .def = "\"\"",
	  .help = "SEV-SNP identity" },
	{ HV("snp_id_auth"), CONFIG_STRING, CONFIG_NO_IGNORE, .def = "\"\"",
	  .help = "SEV-SNP identity" },
	{ HV("snp_guest_policy"), CONFIG_INT, .def = "196608", .max = INT64_MAX,
	  .help = "SEV-SNP policy" },
	{ HV("tdx_quote_generation_service_socket_port"), CONFIG_INT, .def = "4050",
	  .help = "TDX quotes" },
	{ HV("measurement_algo"), CONFIG_STRING, .def = "\"sha512\"",
	  .help = "hash of measurements" },
	{ HV("disable_seccomp"), CONFIG_BOOL, .def = "false",
	  .help = "no filter on other monitors" },
	{ HV("disable_selinux"), CONFIG_BOOL, .def = "false",
	  .help = "no SELinux label of the monitor" },
	{ HV("disable_guest_selinux"), CONFIG_BOOL, .def = "true",
	  .help = "no SELinux labels in the guest" },
	{ HV("selinux_label"), CONFIG_STRING, .def = "\"\"",
	  .help = "SELinux label of the monitor" },
	{ HV("jailer_path"), CONFIG_STRING, CONFIG_ANNOTATED, .def = "\"\"",
	  .help = "Firecracker's jailer" },
	{ HV("valid_jailer_paths"), CONFIG_LIST, .def = "[]",
	  .help = "what an annotation may choose" },
	{ HV("ctlpath"), CONFIG_STRING, CONFIG_ANNOTATED, .def = "\"\"",
	  .help = "a control program" },
	{ HV("valid_ctlpaths"), CONFIG_LIST, .def = "[]", .help = "what an annotation may choose" },

	/* Debugging, hooks, templates, remote guests. */
	{ HV("log_level"), CONFIG_STRING, .def = "\"info\"", .choices = LOG_LEVELS,
	  .help = "log level" },
	{ HV("hypervisor_loglevel"), CONFIG_INT, .def = "1", .max = 3,
	  .help = "log level of other monitors" },
	{ HV("extra_monitor_socket"), CONFIG_STRING, .def = "\"\"",
	  .choices = "|hmp|qmp|qmp-pretty", .help = "a second monitor socket" },
	{ HV("dbg_monitor_socket"), CONFIG_STRING, .def = "\"\"", .choices = "|hmp|qmp|qmp-pretty",
	  .help = "another spelling of it" },
	{ HV("guest_memory_dump_path"), CONFIG_STRING, .def = "\"\"",
	  .help = "memory dump after a panic" },
	{ HV("guest_memory_dump_paging"), CONFIG_BOOL, .def = "false",
	  .help = "dump by virtual addresses" },
	{ HV("boot_to_be_template"), CONFIG_BOOL, .def = "false", .help = "boot as template" },
	{ HV("boot_from_template"), CONFIG_BOOL, .def = "false", .help = "boot from template" },
	{ HV("memory_path"), CONFIG_STRING, .def = "\"\"", .help = "the template's memory" },
	{ HV("device_state_path"), CONFIG_STRING, .def = "\"\"", .help = "the template's devices" },
	{ HV("remote_hypervisor_socket"), CONFIG_STRING, .def = "\"/run/peerpod/hypervisor.sock\"",
	  .kata = "\"\"", .help = "service that makes remote guests" },
	{ HV("remote_hypervisor_timeout"), CONFIG_INT, .def = "600", .help = "its time-out" },

	/* ---- [factory] ---- */
	{ FACTORY("vm_cache_number"), CONFIG_INT, .def = "0", .help = "guests started in advance" },
	{ FACTORY("vm_cache_endpoint"), CONFIG_STRING,
	  .def = "\"/var/run/kata-containers/cache.sock\"", .help = "server of such guests" },

	/* ---- [agent.kata] ---- */
	{ AGENT("enable_debug"), CONFIG_BOOL, 0, AT(agent.enable_debug), .def = "false",
	  .help = "Let the agent log at level debug." },
	{ AGENT("kernel_modules"), CONFIG_LIST, CONFIG_ANNOTATED, AT(agent.kernel_modules),
	  .def = "[]", .separator = ';',
	  .help = "Kernel modules to load in the guest before the first container, each with its "
		  "parameters behind it. One that cannot be loaded fails the start." },
	{ AGENT("debug_console_enabled"), CONFIG_BOOL, 0, AT(agent.debug_console), .def = "false",
	  .help = "A shell of the guest on vsock port 1026, if its image has one. Whoever reaches "
		  "the "
		  "sandbox's vsock socket is root in the guest then." },
	{ AGENT("container_pipe_size"), CONFIG_INT, CONFIG_ANNOTATED, AT(agent.container_pipe_size),
	  .def = "0", .max = 1 << 20,
	  .help = "Size of the pipes that are a process's standard streams in the guest, in bytes. "
		  "0 "
		  "leaves it to the guest's kernel." },
	{ AGENT("policy"), CONFIG_STRING, CONFIG_ANNOTATED, AT(agent.policy), .def = "\"\"",
	  .help = "What the agent may be asked for: a policy in base64, set before the first "
		  "container. "
		  "See docs/policy.md for the part of Rego that is understood." },
	{ AGENT("reconnect_timeout_ms"), CONFIG_INT, 0, AT(agent.reconnect_timeout_ms),
	  .def = "45000", .kata = "3000", .min = 1, .max = TIMEOUT_MAX * 1000L,
	  .help = "Milliseconds until a guest whose agent does not answer counts as failed. "
		  "Without KVM it is 45000 at least, since a loaded host needs more than a few "
		  "seconds to boot one." },

	{ AGENT("dial_timeout"), CONFIG_INT, CONFIG_ALIAS, AT(agent.reconnect_timeout_ms), .min = 1,
	  .max = TIMEOUT_MAX, .scale = 1000,
	  .help = "The Go runtime's name of reconnect_timeout_ms, in seconds." },
	{ AGENT("create_container_timeout"), CONFIG_INT, CONFIG_ALIAS,
	  AT(runtime.create_container_timeout), .min = 1, .max = TIMEOUT_MAX,
	  .help = "runtime-rs's place of create_container_timeout in [runtime]." },

	{ AGENT("dial_timeout_ms"), CONFIG_INT, .def = "10", .min = 1, .max = UINT32_MAX,
	  .help = "ms between attempts to reach the agent" },
	{ AGENT("enable_tracing"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "false",
	  .help = "trace the agent" },
	{ AGENT("log_level"), CONFIG_STRING, .def = "\"info\"", .choices = LOG_LEVELS,
	  .help = "log level" },
	{ AGENT("visible_cdi_devices"), CONFIG_BOOL, .def = "false",
	  .help = "CDI devices of the guest" },
	{ AGENT("server_port"), CONFIG_INT, .def = "1024", .help = "the agent's vsock port" },
	{ AGENT("log_port"), CONFIG_INT, .def = "1025", .help = "vsock port of its log" },
	{ AGENT("passfd_listener_port"), CONFIG_INT, .def = "1027", .help = "vsock port of stdio" },
	{ AGENT("cdh_api_timeout"), CONFIG_INT, CONFIG_ANNOTATED, .def = "50",
	  .help = "s for the confidential data hub" },
	{ AGENT("cdh_api_timeout_ms"), CONFIG_INT, CONFIG_ANNOTATED, .def = "50000",
	  .help = "ms for the same" },
	{ AGENT("health_check_request_timeout_ms"), CONFIG_INT, .def = "90000",
	  .help = "ms for a health check" },
	{ AGENT("launch_process_timeout"), CONFIG_INT, .def = "0", .kata = "6",
	  .help = "s for the agent's helpers" },

	/* ---- [agent.kata.mem_agent] ---- */
	{ MEM_AGENT("mem_agent_enable"), CONFIG_BOOL, .def = "false",
	  .help = "reclaim cold memory in the guest" },
	{ MEM_AGENT("enable"), CONFIG_BOOL, .def = "false", .help = "another spelling of it" },
	{ MEM_AGENT("memcg_disable"), CONFIG_BOOL, .def = "false", .help = "no reclaim by cgroup" },
	{ MEM_AGENT("memcg_swap"), CONFIG_BOOL, .def = "false", .help = "reclaim to swap" },
	{ MEM_AGENT("memcg_swappiness_max"), CONFIG_INT, .def = "50",
	  .help = "ceiling of swappiness" },
	{ MEM_AGENT("memcg_period_secs"), CONFIG_INT, .def = "600", .max = INT64_MAX,
	  .help = "period" },
	{ MEM_AGENT("memcg_period_psi_percent_limit"), CONFIG_INT, .def = "1",
	  .help = "pressure that stops it" },
	{ MEM_AGENT("memcg_eviction_psi_percent_limit"), CONFIG_INT, .def = "1",
	  .help = "pressure that stops eviction" },
	{ MEM_AGENT("memcg_eviction_run_aging_count_min"), CONFIG_INT, .def = "3", .max = INT64_MAX,
	  .help = "age of cold pages" },
	{ MEM_AGENT("compact_disable"), CONFIG_BOOL, .def = "false", .help = "no compaction" },
	{ MEM_AGENT("compact_period_secs"), CONFIG_INT, .def = "600", .max = INT64_MAX,
	  .help = "period of compaction" },
	{ MEM_AGENT("compact_period_psi_percent_limit"), CONFIG_INT, .def = "1",
	  .help = "pressure that stops it" },
	{ MEM_AGENT("compact_psi_percent_limit"), CONFIG_INT, .def = "5",
	  .help = "pressure that ends a run" },
	{ MEM_AGENT("compact_sec_max"), CONFIG_INT, .def = "300", .kata = "180", .max = INT64_MAX,
	  .help = "length of a run" },
	{ MEM_AGENT("compact_order"), CONFIG_INT, .def = "9",
	  .help = "order of free blocks wanted" },
	{ MEM_AGENT("compact_threshold"), CONFIG_INT, .def = "1024", .max = INT64_MAX,
	  .help = "free blocks wanted" },
	{ MEM_AGENT("compact_force_times"), CONFIG_INT, .def = "9223372036854775807",
	  .max = INT64_MAX, .help = "runs until one is forced" },

	/* ---- [runtime] ---- */
	{ RUNTIME("enable_debug"), CONFIG_BOOL, 0, AT(runtime.enable_debug), .def = "false",
	  .help = "Log at level debug." },
	{ RUNTIME("hypervisor_name"), CONFIG_STRING, CONFIG_ANNOTATED, AT(hypervisor.name),
	  .def = "\"qemu\"", .kata = "\"dragonball\"",
	  .choices = "qemu|clh|cloud-hypervisor|firecracker|stratovirt|dragonball|openvmm|remote",
	  .works = "qemu",
	  .help = "Which [hypervisor.NAME] is in force. Where it is not set: the first section in "
		  "the files whose engine this build has." },
	{ RUNTIME("disable_guest_seccomp"), CONFIG_BOOL, CONFIG_ANNOTATED,
	  AT(runtime.disable_guest_seccomp), .def = "false", .kata = "true",
	  .help = "Drop the containers' seccomp profiles instead of applying them in the guest." },
	{ RUNTIME("sandbox_cgroup_only"), CONFIG_BOOL, CONFIG_ANNOTATED,
	  AT(runtime.sandbox_cgroup_only), .def = "true", .kata = "false",
	  .help = "Everything that runs for a sandbox is in its cgroup on the host, so that its "
		  "limits and statistics hold for all of it." },
	{ RUNTIME("internetworking_model"), CONFIG_STRING, CONFIG_ANNOTATED,
	  AT(runtime.internetworking_model), .def = "\"tcfilter\"", .kata = "\"none\"",
	  .choices = "none|macvtap|tcfilter|l3forwarding",
	  .help = "How the interfaces of a container's network namespace reach its guest. none: "
		  "not "
		  "at all; the guest has its loopback interface only." },
	{ RUNTIME("static_sandbox_resource_mgmt"), CONFIG_BOOL, 0,
	  AT(runtime.static_sandbox_resource_mgmt), .def = "true", .kata = "false",
	  .help = "Size the guest once, by the limits known when it is made. Otherwise it starts "
		  "with default_vcpus and default_memory and grows by what its containers' limits "
		  "say, which needs machine_type q35 or none." },
	{ RUNTIME("create_container_timeout"), CONFIG_INT, CONFIG_ANNOTATED,
	  AT(runtime.create_container_timeout), .def = "60", .min = 1, .max = TIMEOUT_MAX,
	  .help = "Seconds that the agent may take to create a container." },

	{ FACTORY("enable_template"), CONFIG_BOOL, 0, AT(factory.enable_template), .def = "false",
	  .help = "Start guests as copies of one that was booted and saved, which is made when it "
		  "is "
		  "missing or does not fit any more (caisson factory)." },
	{ FACTORY("template_path"), CONFIG_PATH, 0, AT(factory.template_path),
	  .def = "\"/run/caisson/template\"", .kata = "\"/run/vc/vm/template\"",
	  .help = "The directory of the saved guests, some 40 MiB each." },

	{ RUNTIME("name"), CONFIG_STRING, CONFIG_ANNOTATED, .def = "\"virt_container\"",
	  .kata = "\"\"", .help = "kind of runtime" },
	{ RUNTIME("agent_name"), CONFIG_STRING, CONFIG_ANNOTATED, .def = "\"kata\"", .kata = "\"\"",
	  .help = "kind of agent" },
	{ RUNTIME("log_level"), CONFIG_STRING, .def = "\"info\"", .choices = LOG_LEVELS,
	  .help = "log level" },
	{ RUNTIME("disable_new_netns"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "false",
	  .help = "the monitor in the host's network namespace" },
	{ RUNTIME("sandbox_bind_mounts"), CONFIG_LIST, CONFIG_ANNOTATED, .def = "[]",
	  .separator = ' ', .help = "host paths shared with every guest" },
	{ RUNTIME("enable_vcpus_pinning"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "false",
	  .help = "pin virtual CPUs" },
	{ RUNTIME("guest_selinux_label"), CONFIG_STRING, CONFIG_ANNOTATED | CONFIG_NO_IGNORE,
	  .def = "\"\"", .help = "SELinux label in the guest" },
	{ RUNTIME("enable_tracing"), CONFIG_BOOL, .def = "false", .help = "trace the runtime" },
	{ RUNTIME("jaeger_endpoint"), CONFIG_STRING, .def = "\"\"", .help = "where traces go" },
	{ RUNTIME("jaeger_user"), CONFIG_STRING, .def = "\"\"", .help = "user there" },
	{ RUNTIME("jaeger_password"), CONFIG_STRING, .def = "\"\"", .help = "password there" },
	{ RUNTIME("vfio_mode"), CONFIG_STRING, CONFIG_ANNOTATED, .def = "\"guest-kernel\"",
	  .choices = "guest-kernel|vfio", .help = "how host devices appear" },
	{ RUNTIME("disable_guest_empty_dir"), CONFIG_BOOL, .def = "true", .kata = "false",
	  .help = "emptyDir stays on the host" },
	{ RUNTIME("emptydir_mode"), CONFIG_STRING, .def = "\"shared-fs\"",
	  .choices = "shared-fs|block-encrypted|block-plain", .help = "where emptyDir is" },
	{ RUNTIME("experimental"), CONFIG_LIST, CONFIG_ANNOTATED, .def = "[]", .separator = ' ',
	  .help = "experimental features" },
	{ RUNTIME("enable_pprof"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "false",
	  .help = "Go profiles" },
	{ RUNTIME("dan_conf"), CONFIG_STRING, .def = "\"/run/kata-containers/dans\"",
	  .help = "directly attached networks" },
	{ RUNTIME("kubelet_root_dir"), CONFIG_STRING, .def = "\"/var/lib/kubelet\"",
	  .help = "where kubelet keeps volumes" },
	{ RUNTIME("pod_resource_api_sock"), CONFIG_STRING, .def = "\"\"",
	  .help = "kubelet's device assignments" },
	{ RUNTIME("experimental_force_guest_pull"), CONFIG_BOOL, CONFIG_ANNOTATED, .def = "false",
	  .help = "pull images in the guest" },
	{ RUNTIME("keep_abnormal"), CONFIG_BOOL, .def = "false", .help = "keep failed sandboxes" },
	{ RUNTIME("shared_mounts"), CONFIG_TABLES, CONFIG_ANNOTATED, .def = "[]",
	  .help = "mounts from container to container" },
	{ RUNTIME("use_passfd_io"), CONFIG_BOOL, .def = "false", .kata = "true",
	  .help = "stdio past the agent's RPCs" },
	{ RUNTIME("passfd_listener_port"), CONFIG_INT, .def = "1027",
	  .help = "vsock port of stdio" },
};
const size_t config_keys_n = ARRAY_SIZE(config_keys);

static const struct {
	const char *name;        /* %s: the engine */
	const char *annotations; /* NULL: none */
} sections[CONFIG_SECTIONS] = {
	[CONFIG_HYPERVISOR] = { "hypervisor", "io.katacontainers.config.hypervisor." },
	[CONFIG_FACTORY] = { "factory", NULL },
	[CONFIG_AGENT] = { "agent.kata", "io.katacontainers.config.agent." },
	[CONFIG_MEM_AGENT] = { "agent.kata.mem_agent", NULL },
	[CONFIG_RUNTIME] = { "runtime", "io.katacontainers.config.runtime." },
};

/* Two annotations that Kata's Go runtime spells without "config.". */
static const struct {
	const char *spelling, *name;
} short_annotations[] = {
	{ "io.katacontainers.enable_vcpus_pinning", "io.katacontainers.config.runtime.enable_vcpus_"
						    "pinning" },
	{ "io.katacontainers.asset_hash_type", "io.katacontainers.config.hypervisor.asset_hash_"
					       "type" },
};

bool config_engine_known(const char *name)
{
	for (size_t i = 0; config_engines[i]; i++)
		if (str_eq(config_engines[i], name))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(other_engines); i++)
		if (str_eq(other_engines[i], name))
			return true;
	return false;
}

const struct config_key *config_key_find(enum config_section s, const char *key)
{
	for (size_t i = 0; i < config_keys_n; i++)
		if (config_keys[i].section == s && config_keys[i].key &&
		    str_eq(config_keys[i].key, key))
			return &config_keys[i];
	return NULL;
}

/* The last part of the annotation's name; NULL if there is none. */
static const char *annotation_base(const struct config_key *k)
{
	if (k->annotation)
		return k->annotation;
	return k->flags & CONFIG_ANNOTATED ? k->key : NULL;
}

const struct config_key *config_key_by_annotation(const char *annotation)
{
	for (size_t i = 0; i < ARRAY_SIZE(short_annotations); i++)
		if (str_eq(short_annotations[i].spelling, annotation))
			annotation = short_annotations[i].name;
	for (size_t i = 0; i < config_keys_n; i++) {
		const char *prefix = sections[config_keys[i].section].annotations;
		const char *base = prefix ? str_skip_prefix(annotation, prefix) : NULL;

		if (base && str_eq(annotation_base(&config_keys[i]), base))
			return &config_keys[i];
	}
	return NULL;
}

const char *config_section_name(enum config_section s, const char *engine, char *buf)
{
	if (s == CONFIG_HYPERVISOR)
		snprintf(buf, CONFIG_KEY_NAME_MAX, "hypervisor.%s", engine);
	else
		snprintf(buf, CONFIG_KEY_NAME_MAX, "%s", sections[s].name);
	return buf;
}

const char *config_key_name(const struct config_key *k, const char *engine, char *buf)
{
	size_t n = strlen(config_section_name(k->section, engine, buf));

	snprintf(buf + n, CONFIG_KEY_NAME_MAX - n, ".%s", k->key ? k->key : k->annotation);
	return buf;
}

const char *config_key_annotation(const struct config_key *k, char *buf)
{
	const char *base = annotation_base(k);

	if (!base || !sections[k->section].annotations)
		return NULL;
	snprintf(buf, CONFIG_KEY_NAME_MAX, "%s%s", sections[k->section].annotations, base);
	return buf;
}

char *config_choices_text(const char *choices)
{
	autodone(strv) v = STRV_INIT;

	for (const char *p = choices; p;) {
		size_t n = strcspn(p, "|");

		strv_take(&v, n ? xstrndup(p, n) : xstrdup("\"\""));
		p = p[n] ? p + n + 1 : NULL;
	}
	return strv_join(&v, ", ");
}
