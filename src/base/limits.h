/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits - every bound on what somebody else can make us hold, by name.
 */
#pragma once

#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)

/* names and paths */
#define LIMIT_ID_MAX 255 /* container, sandbox, exec ids: a file name */
#define LIMIT_PATH_DEPTH 256

/* files */
#define LIMIT_CONFIG_JSON MIB(8) /* config.json and process.json */
#define LIMIT_CONFIG_TOML MIB(1)
#define LIMIT_CONFIG_FILES 256 /* configuration.toml and its drop-ins */
#define LIMIT_CONFIG_WARNINGS 100
#define LIMIT_CONFIG_ENV \
	MIB(16) /* JSON of a configuration: escapes may make text six times as long */
#define LIMIT_CONFIG_STRING 4096 /* bytes of a value */
#define LIMIT_CONFIG_REGEX 256   /* bytes of an element of enable_annotations */
#define LIMIT_STATE_FILE MIB(16)
#define LIMIT_HOOK_OUTPUT 512 /* of what a failed hook printed, in the error */
#define LIMIT_PROC_FILE MIB(4)
#define LIMIT_TIMELINE_MARKS 512 /* of a sandbox, host and guest together when shown */
#define LIMIT_TIMELINE_FILE MIB(2)

/* parsers */
#define LIMIT_JSON_DEPTH 64
#define LIMIT_JSON_VALUES (1 << 18)
#define LIMIT_PBJSON_UNKNOWN 64 /* names of unknown keys that are kept */
#define LIMIT_TOML_DEPTH 32
#define LIMIT_TOML_VALUES (1 << 14)
#define LIMIT_QMP_LINE MIB(4)

/* ttRPC (containerd/ttrpc PROTOCOL.md) */
#define LIMIT_TTRPC_MESSAGE MIB(4)
#define LIMIT_TTRPC_CLIENTS 64
#define LIMIT_TTRPC_CALLS 4096 /* in flight, per connection */
#define LIMIT_TTRPC_OUTPUT \
	MIB(16) /* queued for one peer; a server cuts a client off that lets it pile up */
#define LIMIT_TTRPC_PAUSE \
	KIB(256) /* queued for one client: above it none of its requests are read */
#define LIMIT_TTRPC_DECODED MIB(32) /* one message, unpacked */
#define LIMIT_TTRPC_HELD MIB(64)    /* requests in flight, unpacked, per connection */

/* the guest agent: what a host may make it hold */
#define LIMIT_AGENT_CONTAINERS 256
#define LIMIT_AGENT_PROCESSES 1024 /* of all containers, exited ones included */
#define LIMIT_AGENT_EXITED                                                                         \
	64 /* exit statuses of exec'd processes kept after somebody waited for them, per container \
	    */
#define LIMIT_AGENT_STORAGES 1024
#define LIMIT_AGENT_SHAREDIRS 4096
#define LIMIT_AGENT_STORAGE_OPTIONS 4096 /* bytes of a mount's data */
#define LIMIT_AGENT_WAITERS 64           /* calls of one kind that wait for one object */
#define LIMIT_AGENT_STREAMS 256          /* connections that no request has named yet */
#define LIMIT_AGENT_RELAYS 4096
#define LIMIT_AGENT_LOG_RING KIB(64)
#define LIMIT_AGENT_LOG_CLIENTS 8
#define LIMIT_AGENT_CONSOLES 8
#define LIMIT_AGENT_READ KIB(64) /* bytes of one ReadStdout answer */
#define LIMIT_AGENT_UNKNOWN 32   /* unknown settings that are named */
#define LIMIT_AGENT_LISTED 4096  /* processes of one StatsContainer answer */
#define LIMIT_AGENT_ARGS KIB(4)  /* bytes of a command line in it */
#define LIMIT_AGENT_DNS KIB(16)  /* resolv.conf */
#define LIMIT_AGENT_CMDLINE KIB(64)
#define LIMIT_AGENT_JSON MIB(32) /* a request or an answer as the command line has it */
#define LIMIT_AGENT_MODULE_LIST KIB(64)
#define LIMIT_AGENT_CGROUP_FILE KIB(64)
#define LIMIT_AGENT_HOOKS 64 /* of a kind, in a directory of the guest */
#define LIMIT_AGENT_POLICY MIB(1)
#define LIMIT_AGENT_METRICS MIB(1)       /* bytes of a GetMetrics answer */
#define LIMIT_AGENT_DIAGNOSTIC KIB(4)    /* bytes of a GetDiagnosticData answer */
#define LIMIT_AGENT_STORAGE_DRIVER 32    /* driver options of a storage */
#define LIMIT_AGENT_LAYERS 128           /* of an overlay */
#define LIMIT_AGENT_DEVICES 256          /* of one request */
#define LIMIT_AGENT_WATCHED 16           /* files of a watched directory, */
#define LIMIT_AGENT_WATCHED_BYTES MIB(1) /* and bytes: larger ones are bind-mounted instead */
#define LIMIT_AGENT_STORAGE_JOBS 32      /* operations on storages at a time; the others wait */
#define LIMIT_AGENT_JOBS 64              /* children that do what may block */
#define LIMIT_AGENT_JOB_RESULT KIB(256)
#define LIMIT_AGENT_CPUS 4096          /* that one request may expect */
#define LIMIT_AGENT_PROBES 4096        /* addresses of memory in one request */
#define LIMIT_AGENT_COPY (16ULL << 30) /* bytes of a file the host copies in */

/* virtio devices: what a guest or a VMM may make a device process hold */
#define LIMIT_GMEM_REGIONS 32
#define LIMIT_VIRTQ_SIZE 1024        /* entries of a ring, and of an indirect table */
#define LIMIT_VHOST_PAYLOAD 512      /* bytes behind a vhost-user header */
#define LIMIT_VSOCK_CONNS 2048       /* connections of one device, both directions */
#define LIMIT_VSOCK_GUEST_CONNS 1792 /* of these by the guest: the agent is always in reach */
#define LIMIT_VSOCK_WINDOW KIB(256)  /* bytes one connection may hold for a slow host reader */
#define LIMIT_VSOCK_RINGS 512        /* connections that hold such bytes at the same time */
#define LIMIT_VSOCK_RESETS 64        /* refusals waiting for a receive buffer */

/* containers in the guest, control groups */
#define LIMIT_USER_FILE MIB(4)  /* a container's /etc/passwd, /etc/group */
#define LIMIT_USER_GROUPS 65536 /* additional groups of a process, the kernel's own limit */
#define LIMIT_CGROUP_PIDS (1 << 20)
#define LIMIT_CGROUP_DEPTH 64
#define LIMIT_CTR_MOUNTS                                                                           \
	4096                   /* mounts, devices, masked and read-only paths: each of a container \
				*/
#define LIMIT_DEVICE_RULES 512 /* rules of one device program */
#define LIMIT_SECCOMP_RULES 8192 /* of a filter, one a name */
#define LIMIT_SECCOMP_ARGS 64    /* conditions of one rule */
#define LIMIT_MODULES_DEP MIB(8)

/* networks */
#define LIMIT_NL_ANSWER KIB(256) /* one datagram of the kernel's */
#define LIMIT_NET_LINKS 64       /* interfaces of a sandbox's network namespace */
#define LIMIT_NET_OBJECTS 4096   /* addresses, routes, neighbours: each */
#define LIMIT_NET_QUEUES 16      /* pairs of queues of an interface */
#define LIMIT_IPTABLES MIB(1)    /* rules, as text */

/* hypervisors: what a guest or a VMM may make the owner of a sandbox hold */
#define LIMIT_HV_LOG \
	MIB(1) /* console.log and vmm.log, each; as much again in the previous one (.1) */
#define LIMIT_HV_LOG_DEBUG MIB(64)
#define LIMIT_HV_LOG_BURST                                                                         \
	KIB(256) /* bytes of one log taken within LIMIT_HV_LOG_WINDOW_MS, then the writer waits or \
		    loses them */
#define LIMIT_HV_LOG_WINDOW_MS 100
#define LIMIT_HV_LOG_LINE 512 /* bytes of a line that are looked at */
#define LIMIT_HV_DEVICES 32
#define LIMIT_HV_STATE MIB(64) /* a saved guest without its memory */
#define LIMIT_HV_DIMMS 10      /* memory modules added to a running VM */
#define LIMIT_HV_QMP_CALLS 64  /* commands without an answer */
#define LIMIT_HV_QMP_OUTPUT KIB(256)
#define LIMIT_HV_CMDLINE 2048 /* of the kernel: COMMAND_LINE_SIZE of x86, with the NUL */
#define LIMIT_HV_VCPUS 255

/* the shim: what containerd may make it hold, or leave it with */
#define LIMIT_SHIM_EVENTS 2048  /* waiting for containerd */
#define LIMIT_SHIM_STDIN MIB(1) /* of `start`: options, which may hold a configuration file */
