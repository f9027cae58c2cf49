#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the runtime specification promises a process, looked at from inside the container. Every container costs a machine's start, so each
# is asked many things: a probe prints "what=value" lines, and has compares whole lines.

load lib.bash

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	fixture_up
}
teardown_file() { fixture_down; }
teardown() { assert_clean; }

# probe JQ SCRIPT: what SCRIPT prints, run by a shell in a container that JQ describes; in $output.
probe() {
	local id=p$RANDOM$RANDOM

	BUNDLE_JQ=$1 bundle "$T/b-$id" sh -c "$2"
	run c run --bundle "$T/b-$id" "$id"
	echo "$output"
	[ "$status" -eq 0 ]
}

# has LINE...: each is a line of $output.
has() {
	local l

	for l; do
		grep -qxF -- "$l" <<<"$output" || { echo "missing: $l"; return 1; }
	done
}

@test "identity, limits, names and kernel parameters of the process" {
	local caps='["CAP_NET_BIND_SERVICE"]'

	probe ".process.user = { uid: 1000, gid: 1001, additionalGids: [5, 7], umask: 23 }
		| .process.capabilities = { bounding: $caps, effective: $caps, permitted: $caps, inheritable: $caps, ambient: $caps }
		| .process.noNewPrivileges = true
		| .process.oomScoreAdj = 321
		| .process.cwd = \"/made/here\"
		| .process.env += [\"FOO=a b\"]
		| .process.rlimits = [ { type: \"RLIMIT_NOFILE\", soft: 123, hard: 456 }, { type: \"RLIMIT_CORE\", soft: 0, hard: 0 } ]
		| .process.scheduler = { policy: \"SCHED_BATCH\", nice: 5 }
		| .process.ioPriority = { class: \"IOPRIO_CLASS_IDLE\", priority: 7 }
		| .hostname = \"inside\" | .domainname = \"example.org\"
		| .linux.sysctl = { \"kernel.msgmax\": \"9999\" }
		| .linux.personality = { domain: \"LINUX32\" }
		| .linux.rootfsPropagation = \"shared\"
		| .linux.timeOffsets = { boottime: { secs: 100000000 } }
		| .linux.namespaces += [ { type: \"cgroup\" }, { type: \"time\" } ]" '
		echo "pid=$$"
		echo "ids=$(id -u):$(id -g):$(id -G)"
		echo "umask=$(umask)"
		awk "/^(Cap|NoNewPrivs)/ { print \$1 \$2 }" /proc/self/status
		echo "oom=$(cat /proc/self/oom_score_adj)"
		echo "cwd=$(pwd)"
		echo "env=$FOO home=$HOME"
		awk "/^Max open files/ { print \"nofile=\" \$4 \":\" \$5 } /^Max core/ { print \"core=\" \$5 \":\" \$6 }" /proc/self/limits
		echo "names=$(hostname):$(cat /proc/sys/kernel/domainname)"
		echo "msgmax=$(cat /proc/sys/kernel/msgmax)"
		echo "cgroup=$(cat /proc/self/cgroup)"
		ls /proc/1/fd >/tmp/fds & wait; echo "fds=$(tr "\n" " " </tmp/fds)"
		echo "maps=$(awk "{ print \$1, \$3 }" /proc/self/uid_map)"
		echo "nice=$(cut -d " " -f 19 /proc/self/stat) policy=$(cut -d " " -f 41 /proc/self/stat) io=$(ionice -p 1)"
		echo "machine=$(uname -m)"
		echo "root=$(awk "\$5 == \"/\" { print substr(\$7, 1, 7) }" /proc/self/mountinfo)"
		echo "later=$(($(cut -d . -f 1 /proc/uptime) >= 100000000))"'
	has pid=1 'ids=1000:1001:1001 5 7' umask=0027 oom=321 cwd=/made/here 'env=a b home=/home' \
		CapInh:0000000000000400 CapPrm:0000000000000400 CapEff:0000000000000400 CapBnd:0000000000000400 \
		CapAmb:0000000000000400 NoNewPrivs:1 nofile=123:456 core=0:0 \
		names=inside:example.org msgmax=9999 cgroup=0::/ 'fds=0 1 2 ' 'maps=0 4294967295' \
		'nice=5 policy=3 io=idle' machine=i686 root=shared: later=1
}

# Each of these walls is tried twice: by a process that has it and by one in the same machine that has not, which gets through.
@test "privileges: what no_new_privs, capabilities and masks take away is what others have" {
	local all='["CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE", "CAP_MKNOD", "CAP_NET_ADMIN", "CAP_SYS_CHROOT"]'
	local try='t() { "$@" >/dev/null 2>&1 && echo yes || echo no; }
		echo "su=$(/suid/su nobody -c true 2>&1 | grep -c "must be suid")"
		echo "mount=$(t mount -t tmpfs none /mnt) unmask=$(t umount /proc/kcore) node=$(t mknod /tmp/node.$$ c 1 3)"
		echo "link=$(t ip link set lo down) chroot=$(t chroot / /bin/true) kcore=$(stat -c %t:%T /proc/kcore) keys=$(wc -c </proc/keys)"
		echo "ns=$(t unshare -m true) sysctl=$(t sh -c "echo 100 >/proc/sys/kernel/msgmni")"'

	mkdir -p "$ROOTFS/suid" "$ROOTFS/mnt"
	cp /bin/busybox "$ROOTFS/suid/su"
	chmod 4755 "$ROOTFS/suid/su"
	BUNDLE_JQ=".process.capabilities = { bounding: $all, effective: $all, permitted: $all }
		| .linux.maskedPaths = [\"/proc/kcore\", \"/proc/keys\"] | .linux.readonlyPaths = [\"/proc/sys\"]" bundle "$T/w" sleep 600
	c run -d --bundle "$T/w" w1
	jq -n --arg s "$try" '{ cwd: "/", env: ["PATH=/bin"], user: { uid: 0, gid: 0 }, args: ["sh", "-c", $s] }' >"$T/free.json"
	run c exec --process "$T/free.json" w1
	echo "$output"
	has su=0 'mount=yes unmask=yes node=yes' 'ns=yes sysctl=no'
	[[ $output == *"link=yes chroot=yes"* ]]
	# A second container would be another machine: the masks are asked for again before anybody took them off.
	c delete --force w1
	c run -d --bundle "$T/w" w2
	jq -n --arg s "$try" '{ cwd: "/", env: ["PATH=/bin"], user: { uid: 1000, gid: 1000 }, noNewPrivileges: true,
		capabilities: { bounding: [], effective: [], permitted: [] }, args: ["sh", "-c", $s] }' >"$T/bound.json"
	run c exec --process "$T/bound.json" w2
	echo "$output"
	has su=1 'mount=no unmask=no node=no' 'link=no chroot=no kcore=1:3 keys=0' 'ns=no sysctl=no'
	c delete --force w2
}

@test "the file system: read-only root, mounts and their options, masked and read-only paths, devices" {
	mkdir -p "$T/data"
	echo host >"$T/data/file"
	echo secret >"$ROOTFS/etc/secret"
	mkdir -p "$ROOTFS/etc/hidden" "$ROOTFS/etc/fixed"
	touch "$ROOTFS/etc/hidden/x"
	probe ".root.readonly = true
		| .mounts += [
			{ destination: \"/tmp\", type: \"tmpfs\", source: \"tmpfs\", options: [\"nosuid\", \"noexec\", \"nodev\", \"size=1m\", \"mode=1700\"] },
			{ destination: \"/run\", type: \"tmpfs\", source: \"tmpfs\" },
			{ destination: \"/mnt/rw\", type: \"bind\", source: \"$T/data\", options: [\"rbind\", \"rw\"] },
			{ destination: \"/mnt/ro\", type: \"bind\", source: \"$T/data\", options: [\"bind\", \"ro\"] },
			{ destination: \"/mnt/file\", type: \"bind\", source: \"$T/data/file\", options: [\"bind\", \"ro\", \"noexec\"] } ]
		| .linux.maskedPaths = [\"/etc/secret\", \"/etc/hidden\", \"/proc/kcore\", \"/nowhere\"]
		| .linux.readonlyPaths = [\"/proc/sys\", \"/mnt/rw/fixed\"]
		| .linux.devices = [ { path: \"/dev/mine\", type: \"c\", major: 1, minor: 5, fileMode: 438, uid: 3, gid: 4 } ]
		| .process.capabilities = { bounding: [\"CAP_MKNOD\"], effective: [\"CAP_MKNOD\"], permitted: [\"CAP_MKNOD\"] }
		| .linux.resources.devices = [ { allow: false, access: \"rwm\" }, { allow: true, type: \"c\", major: 1, minor: 5, access: \"rw\" } ]" '
		t() { if "$@" 2>/tmp/err; then echo yes; else sed "s/.*: //" /tmp/err; fi; }
		echo "root=$(t touch /x)"
		echo "tmp=$(stat -c %a /tmp) $(awk "\$5 == \"/tmp\" { print \$6 }" /proc/self/mountinfo)"
		echo "size=$(df -k /tmp | awk "END { print \$2 }")"
		echo "ro=$(t touch /mnt/ro/new) rw=$(t touch /mnt/rw/new) read=$(cat /mnt/ro/file)"
		echo "file=$(cat /mnt/file) $(t touch /mnt/file)"
		echo "secret=$(cat /etc/secret)"
		echo "hidden=$(ls /etc/hidden)"
		echo "sys=$(t sh -c "echo 1 >/proc/sys/vm/drop_caches")"
		echo "null=$(stat -c %t,%T,%a /dev/null) full=$(t sh -c "echo >/dev/full")"
		echo "mine=$(stat -c %t,%T,%a,%u,%g /dev/mine) zero=$(head -c 4 /dev/mine | od -An -tx1 | tr -d " ")"
		mknod /run/zero c 1 5 && mknod /run/loop b 7 0 && mknod /run/kmsg c 1 11
		echo "own=$(head -c 2 /run/zero | od -An -tx1 | tr -d " ") loop=$(t head -c 1 /run/loop) kmsg=$(t head -c 1 /run/kmsg)"
		echo "links=$(readlink /dev/stdout) $(readlink /dev/ptmx) $(readlink /dev/fd)"'
	has 'root=Read-only file system' 'tmp=1700 rw,nosuid,nodev,noexec,relatime' size=1024 \
		'ro=Read-only file system rw=yes read=host' 'file=host Read-only file system' secret= hidden= 'sys=Read-only file system' \
		'mine=1,5,666,3,4 zero=00000000' \
		'own=0000 loop=Operation not permitted kmsg=Operation not permitted' 'links=/proc/self/fd/1 pts/ptmx /proc/self/fd'
	grep -q '^null=1,3,666 full=.*No space left' <<<"$output"
	[ -e "$T/data/new" ]
}

@test "limits show in the container's cgroup and hold" {
	probe '.linux.namespaces += [ { type: "cgroup" } ]
		| .linux.resources = { memory: { limit: 67108864, reservation: 33554432 }, pids: { limit: 12 },
			cpu: { quota: 50000, period: 100000, shares: 512, burst: 20000 }, hugepageLimits: [ { pageSize: "2MB", limit: 4194304 } ],
			unified: { "memory.high": "60000000", "cpuset.cpus": "0" } }' '
		cd /sys/fs/cgroup
		echo "memory=$(cat memory.max) high=$(cat memory.high) pids=$(cat pids.max) cpu=$(cat cpu.max) weight=$(cat cpu.weight)"
		echo "low=$(cat memory.low) burst=$(cat cpu.max.burst) huge=$(cat hugetlb.2MB.max):$(cat hugetlb.2MB.rsvd.max) cpus=$(cat cpuset.cpus.effective)"
		echo "controllers=$(cat cgroup.controllers)"
		(i=0; while [ $i -lt 20 ]; do sleep 5 & i=$((i + 1)); done) 2>/tmp/forks
		read -r line </tmp/forks; echo "forks=$line"'
	has 'memory=67108864 high=59998208 pids=12 cpu=50000 100000 weight=20' 'low=33554432 burst=20000 huge=4194304:4194304 cpus=0'
	[[ $output == *"forks=sh: can't fork: Resource temporarily unavailable"* ]]
	run ! c run --bundle "$(BUNDLE_JQ='.linux.resources.unified = { "memory.nosuch": "1" }' bundle "$T/u" true; echo "$T/u")" u1
	[[ $output == *memory.nosuch* ]]
}

# Without no_new_privs the filter is there before the program is looked for: what that takes must not depend on new system calls.
@test "seccomp: what a profile denies fails, and profiles of old engines do for start and exec" {
	local old='["access", "arch_prctl", "brk", "capget", "capset", "chdir", "clone", "close", "dup2", "dup3", "execve", "exit", "exit_group",
		"faccessat", "fcntl", "fstat", "futex", "getcwd", "getdents64", "getegid", "geteuid", "getgid", "getpid", "getppid", "getrandom",
		"getuid", "ioctl", "lseek", "lstat", "mmap", "mprotect", "munmap", "newfstatat", "open", "openat", "pipe", "pipe2", "poll", "prctl",
		"prlimit64", "read", "readlink", "recvfrom", "recvmsg", "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sendmsg",
		"sendto", "set_robust_list", "set_tid_address", "setgid", "setgroups", "setpgid", "setresgid", "setresuid", "setuid", "stat",
		"umask", "uname", "wait4", "write", "writev", "clock_nanosleep", "nanosleep", "vfork", "fork"]'

	probe '.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"], syscalls: [
			{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 110 },
			{ names: ["getcwd"], action: "SCMP_ACT_ERRNO" },
			{ names: ["personality"], action: "SCMP_ACT_ERRNO", args: [ { index: 0, value: 8, op: "SCMP_CMP_EQ" } ] } ] }
		| .process.cwd = "/tmp"' '
		echo "mkdir=$(mkdir /tmp/d 2>&1 | sed "s/.*: //")"
		awk "/^Seccomp:/ { print \$1 \$2 }" /proc/self/status'
	has 'mkdir=Connection timed out' Seccomp:2
	BUNDLE_JQ=".linux.seccomp = { defaultAction: \"SCMP_ACT_ERRNO\", syscalls: [ { names: $old, action: \"SCMP_ACT_ALLOW\" } ] }" \
		bundle "$T/old" sleep 600
	c run -d --bundle "$T/old" s1
	run c exec s1 sh -c 'mkdir /tmp/d2 2>&1; awk "/^Seccomp:/ { print \$1 \$2 }" /proc/self/status'
	has Seccomp:2
	[[ $output == *"mkdir: can't create directory '/tmp/d2': Operation not permitted"* ]]
	c delete --force s1
}

@test "a user namespace: maps, and files that only its root may reach" {
	local caps='["CAP_SYS_ADMIN", "CAP_MKNOD", "CAP_SYS_TIME"]'

	mkdir -p "$T/closed/m" "$T/shifted" "$T/owned"
	echo mine >"$T/owned/file"
	cp -a "$ROOTFS/." "$T/shifted"
	chown -R 100000:100000 "$T/shifted"
	echo inside >"$T/closed/m/file"
	chmod 000 "$T/closed"
	probe ".root.path = \"$T/shifted\"
		| .mounts += [ { destination: \"/m\", type: \"bind\", source: \"$T/closed/m\", options: [\"bind\", \"ro\"] },
			{ destination: \"/dev/mqueue\", type: \"mqueue\", source: \"mqueue\" },
			{ destination: \"/plain\", type: \"bind\", source: \"$T/owned\", options: [\"rbind\"] },
			{ destination: \"/mapped\", type: \"bind\", source: \"$T/owned\", options: [\"rbind\"],
			  uidMappings: [ { containerID: 0, hostID: 100000, size: 65536 } ], gidMappings: [ { containerID: 0, hostID: 100000, size: 65536 } ] },
			{ destination: \"/mapped2\", type: \"bind\", source: \"$T/owned\", options: [\"rbind\", \"idmap\"] } ]
		| .process.capabilities = { bounding: $caps, effective: $caps, permitted: $caps }
		| .linux.namespaces += [ { type: \"user\" } ]
		| .linux.uidMappings = [ { containerID: 0, hostID: 100000, size: 65536 } ]
		| .linux.gidMappings = [ { containerID: 0, hostID: 100000, size: 65536 } ]" '
		echo "map=$(awk "{ print \$1, \$2, \$3 }" /proc/self/uid_map)"
		echo "root=$(stat -c %u /bin/busybox) bind=$(cat /m/file)"
		echo "names=$(hostname) queues=$(stat -f -c %t /dev/mqueue)"
		echo "plain=$(stat -c %u /plain/file) mapped=$(stat -c %u /mapped/file):$(stat -c %u /mapped2/file)"
		echo inside >/mapped/new
		touch /etc/mine && echo "made=$(stat -c %u:%g /etc/mine)"
		t() { "$@" >/dev/null 2>&1 && echo yes || echo no; }
		echo "node=$(t mknod /tmp/null c 1 3) time=$(date -s 2035-01-01 >/dev/null 2>&1; date +%Y | grep -c 2035) host=$(t hostname other) proc=$(t sh -c "echo 1 >/proc/sys/vm/drop_caches")"
		echo "mount=$(t mount -t tmpfs none /tmp) disk=$(t mount -t virtiofs kataShared /tmp)"' || {
		[[ $output == *"map the mount's ids"* ]] && skip "the file system of $T cannot map ids"
		return 1
	}
	has 'map=0 100000 65536' 'root=0 bind=inside' 'names=guest queues=19800202' made=0:0 \
		'node=no time=0 host=yes proc=no' 'mount=yes disk=no' 'plain=65534 mapped=0:0'
	[ "$(stat -c %u:%g "$T/owned/new")" = 0:0 ]
	[ "$(stat -c %u:%g "$T/shifted/etc/mine")" = 100000:100000 ]
	chmod 700 "$T/closed"
}

@test "hooks of the container run in it; one that fails after the start is only told" {
	rm -f "$ROOTFS/tmp/order" "$T/order"
	cat >"$T/say" <<-SH
		#!/bin/sh
		cat >"$T/\$1.json"
		echo "\$1" >>"$T/order"
		[ "\$1" != bad ]
	SH
	chmod +x "$T/say"
	BUNDLE_JQ=".annotations = { \"org.example.a\": \"b c\" } | .hooks = {
		startContainer: [ { path: \"/bin/sh\", args: [\"sh\", \"-c\", \"cat >/tmp/state; uname -r >/tmp/kernel; cat /proc/1/comm >>/tmp/kernel\"] } ],
		poststart: [ { path: \"$T/say\", args: [\"say\", \"bad\"] }, { path: \"$T/say\", args: [\"say\", \"poststart\"] } ],
		poststop: [ { path: \"$T/say\", args: [\"say\", \"first\"] }, { path: \"$T/say\", args: [\"say\", \"second\"] } ] }" \
		bundle "$T/h" sleep 600
	c create --bundle "$T/h" h1
	[ ! -e "$ROOTFS/tmp/kernel" ]
	c start h1
	[ "$(head -1 "$ROOTFS/tmp/kernel")" = "$(jq -r .kernel "$CAISSON_BUILD/guest/guest.json")" ]
	[ "$(jq -r .id "$ROOTFS/tmp/state")" = h1 ]
	[ "$(jq -r .status "$ROOTFS/tmp/state")" = created ]
	[ "$(c state h1 | jq -r '.annotations["org.example.a"]')" = "b c" ]
	[ "$(jq -r .status "$T/poststart.json")" = running ]
	[ "$(jq -r '.annotations["org.example.a"]' "$T/poststart.json")" = "b c" ]
	[ "$(jq -r .pid "$T/poststart.json")" = "$(c state h1 | jq -r .pid)" ]
	c delete --force h1
	[ "$(tr '\n' ' ' <"$T/order")" = "bad poststart first second " ]
}

@test "annotations change the machine, and those that are not allowed do not" {
	probe '.annotations = { "io.katacontainers.config.hypervisor.default_memory": "256", "io.katacontainers.config.hypervisor.default_vcpus": "2" }' \
		'echo "cpus=$(nproc)"; awk "/^MemTotal/ { print \"memory=\" (\$2 > 150000 && \$2 < 262144) }" /proc/meminfo'
	has cpus=2 memory=1
	BUNDLE_JQ='.annotations = { "io.katacontainers.config.hypervisor.path": "/bin/false" }' bundle "$T/na" true
	run ! c run --bundle "$T/na" na
	[[ $output == *hypervisor.path* ]]
}

@test "a terminal of the asked size" {
	BUNDLE_JQ='.process.terminal = true | .process.consoleSize = { height: 33, width: 77 }' \
		bundle "$T/tty" sh -c 'tty; stty size; test -t 0 && test -t 1 && test -t 2 && echo three'
	run script -qec "'$T/caisson' --root '$STATE' run --bundle '$T/tty' tty1" /dev/null
	[ "$status" -eq 0 ]
	output=${output//$'\r'/}
	has /dev/pts/0 three
	BUNDLE_JQ='.process.terminal = true' bundle "$T/ttyd" true
	run ! c run -d --bundle "$T/ttyd" tty2
	[[ $output == *"console socket"* ]]
}

@test "start waits for a creation that is under way" {
	bundle "$T/w" sh -c 'echo started; exit 5'
	c create --bundle "$T/w" w1 >"$T/w.out" &
	wait_for 20 c state w1 >/dev/null 2>&1
	c start w1
	stopped() { [ "$(c state w1 | jq -r .status)" = stopped ]; }
	wait_for 10 stopped
	wait %1
	[ "$(cat "$T/w.out")" = started ]
	c delete w1
}

@test "a process that closes its outputs lets go of their readers" {
	local out

	bundle "$T/q" sh -c 'echo last; exec >/dev/null 2>&1 </dev/null; exec sleep 600'
	out=$(C_TIMEOUT=30 c run -d --bundle "$T/q" q1 2>&1)
	[ "$out" = last ]
	[ "$(c state q1 | jq -r .status)" = running ]
	c delete --force q1
}

@test "kernel parameters that contradict the specification are refused" {
	BUNDLE_JQ='.linux.sysctl = { "kernel.hostname": "other" }' bundle "$T/k" true
	run ! c run --bundle "$T/k" k1
	[[ $output == *kernel.hostname* ]]
	BUNDLE_JQ='.linux.sysctl = { "kernel.nosuch": "1" }' bundle "$T/k" true
	run ! c run --bundle "$T/k" k2
	[[ $output == *kernel.nosuch* ]]
}
