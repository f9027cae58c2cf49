#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Several containers in one machine, through the command line: a pod as Kubernetes engines describe one by annotations and namespace paths.

load lib.bash

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	fixture_up
}
teardown_file() { fixture_down; }
teardown() { pod_down; assert_clean; }

# pod_up: the pod "pod" with its first container, which does nothing. POD_JQ edits its specification.
pod_up() {
	BUNDLE_JQ='.annotations = {"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-id": "pod"} |
		.hostname = "podhost" | '"${POD_JQ:-.}" bundle "$T/pod" sleep 600
	c run --detach --bundle "$T/pod" pod
	POD_PID=$(c state pod | jq .pid)
}

# in_pod ID COMMAND...: another container, started. MORE_JQ edits its specification.
in_pod() {
	local id=$1

	shift
	BUNDLE_JQ='.annotations = {"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": "pod"} |
		del(.hostname) | (.linux.namespaces[] | select(.type | IN("ipc", "uts", "network"))) |= (.path = "/proc/'"$POD_PID"'/ns/" +
			(if .type == "network" then "net" else .type end)) | '"${MORE_JQ:-.}" bundle "$T/$id" "$@"
	c run --detach --bundle "$T/$id" "$id" >"$T/$id.out" 2>&1
}

pod_down() {
	local id

	for id in "$STATE"/*/; do
		[ -d "$id" ] && c delete --force "$(basename "$id")"
	done
	rm -rf "${T:?}"/{pod,a,b,d}
}

boot_id() { c exec "$1" cat /proc/sys/kernel/random/boot_id; }
stopped() { [ "$(c state "$1" | jq -r .status)" = stopped ]; }

@test "the containers of a pod are in one machine, each with its own files and processes" {
	pod_up
	in_pod a sleep 601
	in_pod b sleep 602
	[ "$(boot_id a)" = "$(boot_id pod)" ]
	[ "$(boot_id b)" = "$(boot_id pod)" ]
	[ "$(sandboxes | wc -l)" -eq 1 ]
	[ "$(c exec a hostname)" = podhost ]
	[ "$(c exec a readlink /proc/self/ns/ipc)" = "$(c exec b readlink /proc/self/ns/ipc)" ]
	[ "$(c exec a readlink /proc/self/ns/net)" = "$(c exec b readlink /proc/self/ns/net)" ]
	[ "$(c exec a readlink /proc/self/ns/pid)" != "$(c exec b readlink /proc/self/ns/pid)" ]
	[ "$(c exec a sh -c 'tr "\0" " " </proc/1/cmdline')" = "sleep 601 " ]
}

@test "a container ends, is restarted, and the pod goes on" {
	pod_up
	in_pod a sh -c 'echo one; exit 3'
	wait_for 20 stopped a
	[ "$(cat "$T/a.out")" = one ]
	boot=$(boot_id pod)
	c delete a
	in_pod a sh -c 'echo two; sleep 600'
	[ "$(c state a | jq -r .status)" = running ]
	wait_for 20 grep -q two "$T/a.out"
	[ "$(boot_id a)" = "$boot" ]
	c kill a KILL
	wait_for 20 stopped a
	c delete a
	[ "$(c state pod | jq -r .status)" = running ]
	in_pod b true
	wait_for 20 stopped b
}

@test "the pod's first container can be deleted first; the machine goes with the last" {
	pod_up
	in_pod a sleep 600
	boot=$(boot_id a)
	c delete --force pod
	[ "$(c state a | jq -r .status)" = running ]
	[ "$(boot_id a)" = "$boot" ]
	c delete --force a
	[ -z "$(sandboxes)" ]
}

@test "when the machine dies, every container has ended with 137" {
	pod_up
	in_pod a sleep 600
	a=$(c state a | jq .pid)
	kill -KILL "$(jq '.processes[] | select(.name == "vmm").pid' "/run/caisson/$(sandboxes)/state.json")"
	wait_for 20 stopped a
	wait_for 20 stopped pod
	! kill -0 "$a" 2>/dev/null
	c delete a
	c delete pod
}

@test "a shared pid namespace" {
	pod_up
	export MORE_JQ='(.linux.namespaces[] | select(.type == "pid")).path = "/proc/'"$POD_PID"'/ns/pid"'
	in_pod a sleep 601
	in_pod b sh -c 'sleep 603 & sleep 602'
	run c exec a sh -c 'cat /proc/1/cmdline | tr "\0" " "; for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline; done'
	[[ ${lines[0]} == *"sleep 600"* ]]
	[[ $output == *"sleep 601"* ]]
	[[ $output == *"sleep 603"* ]]
	# What a container leaves behind ends with its first process.
	c kill b KILL
	wait_for 20 stopped b
	gone() { ! c exec a sh -c 'cat /proc/[0-9]*/cmdline' 2>/dev/null | tr '\0' ' ' | grep -q "sleep 603"; }
	wait_for 20 gone
	c delete b
	# An ephemeral container joins that of the container it is to look at.
	unset MORE_JQ
	in_pod b sleep 605
	MORE_JQ='(.linux.namespaces[] | select(.type == "pid")).path = "/proc/'"$(c state b | jq .pid)"'/ns/pid"' in_pod d sleep 606
	[ "$(c exec d readlink /proc/self/ns/pid)" = "$(c exec b readlink /proc/self/ns/pid)" ]
	[ "$(c exec d cat /proc/1/comm)" = sleep ]
}

@test "memory for /dev/shm is the pod's" {
	mkdir "$T/shm"
	mount -t tmpfs -o size=8m,mode=1777 shm "$T/shm"
	export POD_JQ='.mounts += [{destination: "/dev/shm", type: "bind", source: "'"$T/shm"'", options: ["rbind", "ro"]}]'
	export MORE_JQ='.mounts += [{destination: "/dev/shm", type: "bind", source: "'"$T/shm"'", options: ["rbind", "rprivate", "rw"]}]'
	pod_up
	in_pod a sleep 600
	in_pod b sleep 600
	c exec a sh -c 'echo hello >/dev/shm/x'
	[ "$(c exec b cat /dev/shm/x)" = hello ]
	[ "$(c exec b stat -f -c %T /dev/shm)" = tmpfs ]
	[ -z "$(ls "$T/shm")" ]
	run c exec a sh -c 'dd if=/dev/zero of=/dev/shm/big bs=1M count=16'
	[ "$status" -ne 0 ]
	c delete --force a
	in_pod a sleep 600
	[ "$(c exec a cat /dev/shm/x)" = hello ]
	pod_down
	umount "$T/shm"
}

@test "an emptyDir in memory is the guest's, with its parts, and outlives a container" {
	mem="$T/volumes/kubernetes.io~empty-dir/mem"
	mkdir -p "$mem" "$T/part"
	mount -t tmpfs -o size=4m,mode=1777 tmpfs "$mem"
	mkdir "$mem/sub"
	mount --bind "$mem/sub" "$T/part"
	pod_up
	MORE_JQ='.mounts += [{destination: "/part", type: "bind", source: "'"$T/part"'", options: ["rbind", "rprivate", "rw"]}]' in_pod a sleep 600
	MORE_JQ='.mounts += [{destination: "/mem", type: "bind", source: "'"$mem"'", options: ["rbind", "rprivate", "rw"]}]' in_pod b sleep 600
	c exec a sh -c 'echo hello >/part/x'
	[ "$(c exec b cat /mem/sub/x)" = hello ]
	[ "$(c exec b stat -f -c %T /mem)" = tmpfs ]
	[ -z "$(ls "$mem/sub")" ]
	c delete --force a
	c delete --force b
	MORE_JQ='.mounts += [{destination: "/mem", type: "bind", source: "'"$mem"'", options: ["rbind", "rprivate", "ro"]}]' in_pod b sleep 600
	[ "$(c exec b cat /mem/sub/x)" = hello ]
	run c exec b touch /mem/no
	[ "$status" -ne 0 ]
	pod_down
	umount "$T/part" "$mem"
}

@test "an emptyDir of huge pages is made of the guest's" {
	huge="$T/volumes/kubernetes.io~empty-dir/huge"
	mkdir -p "$huge"
	mount -t hugetlbfs -o pagesize=2M nodev "$huge" || skip "this host's kernel has no huge pages"
	pod_up
	MORE_JQ='.linux.resources = {hugepageLimits: [{pageSize: "2MB", limit: 8388608}]} |
		.mounts += [{destination: "/huge", type: "bind", source: "'"$huge"'", options: ["rbind", "rprivate", "rw"]}]' in_pod a sleep 600
	[ "$(c exec a stat -f -c '%S %b' /huge)" = "2097152 4" ]
	[ "$(c exec a awk '/HugePages_Total/ {print $2}' /proc/meminfo)" -ge 4 ]
	pod_down
	umount "$huge"
}

@test "limits of a container change while it runs, within the machine" {
	pod_up
	MORE_JQ='.linux.resources = {memory: {limit: 33554432}, cpu: {quota: 50000, period: 100000}}' in_pod a sleep 600
	c update --memory 67108864 a
	[ "$(c exec a cat /sys/fs/cgroup/memory.max)" -eq 67108864 ]
	c update --memory 33554432 --cpu-quota 20000 --cpu-period 100000 a
	[ "$(c exec a cat /sys/fs/cgroup/memory.max)" -eq 33554432 ]
	[ "$(c exec a cat /sys/fs/cgroup/cpu.max)" = "20000 100000" ]
	run c update --memory $((1 << 40)) a
	[ "$status" -ne 0 ]
	[[ $output == *"more than the virtual machine has"* ]]
	[ "$(c exec a cat /sys/fs/cgroup/memory.max)" -eq 33554432 ]
}

@test "volumes are shared; files replaced by symbolic links, as ConfigMaps are, are seen" {
	mkdir -p "$T/vol" "$T/cm/..1" "$T/sub/dir"
	echo one >"$T/cm/..1/key"
	ln -s ..1 "$T/cm/..data"
	ln -s ..data/key "$T/cm/key"
	echo end >"$T/log"
	echo "nameserver 192.0.2.1" >"$T/resolv.conf"
	export MORE_JQ='.mounts += [{destination: "/vol", type: "bind", source: "'"$T/vol"'", options: ["rbind", "rprivate", "rw"]},
		{destination: "/cm", type: "bind", source: "'"$T/cm"'", options: ["rbind", "rprivate", "ro"]},
		{destination: "/sub", type: "bind", source: "'"$T/sub/dir"'", options: ["rbind", "rprivate", "rw"]},
		{destination: "/etc/resolv.conf", type: "bind", source: "'"$T/resolv.conf"'", options: ["rbind", "rprivate", "rw"]},
		{destination: "/dev/termination-log", type: "bind", source: "'"$T/log"'", options: ["rbind", "rprivate", "rw"]}]'
	pod_up
	in_pod a sleep 600
	in_pod b sleep 600
	c exec a sh -c 'echo data >/vol/x; mkfifo /vol/fifo; echo s >/sub/s; echo done >/dev/termination-log'
	[ "$(c exec b cat /vol/x)" = data ]
	[ "$(cat "$T/vol/x")" = data ]
	[ "$(cat "$T/sub/dir/s")" = s ]
	[ "$(cat "$T/log")" = done ]
	[ "$(c exec b cat /etc/resolv.conf)" = "nameserver 192.0.2.1" ]
	# A pipe and a socket on a volume connect the two containers.
	c exec a sh -c 'echo through >/vol/fifo' &
	[ "$(c exec b cat /vol/fifo)" = through ]
	wait $!
	[ "$(c exec a cat /cm/key)" = one ]
	run c exec a sh -c 'echo x >/cm/key'
	[ "$status" -ne 0 ]
	mkdir "$T/cm/..2"
	echo two >"$T/cm/..2/key"
	ln -s ..2 "$T/cm/..data_tmp"
	mv -T "$T/cm/..data_tmp" "$T/cm/..data"
	rm -r "$T/cm/..1"
	seen() { [ "$(c exec a cat /cm/key)" = two ]; }
	wait_for 10 seen
}

@test "a pod that wants the host's namespaces is refused, with the field's name" {
	for ns in network:hostNetwork pid:hostPID ipc:hostIPC; do
		POD_JQ='del(.linux.namespaces[] | select(.type == "'"${ns%:*}"'"))' run pod_up
		[[ ${lines[0]} == *"${ns#*:} is not supported"* ]]
		pod_down
	done
}

@test "a container whose namespaces are another's is in the other's machine" {
	bundle "$T/a" sleep 600
	c run --detach --bundle "$T/a" a
	pid=$(c state a | jq .pid)
	BUNDLE_JQ='(.linux.namespaces[] | select(.type == "pid")).path = "/proc/'"$pid"'/ns/pid" |
		(.linux.namespaces[] | select(.type == "network")).path = "/proc/'"$pid"'/ns/net"' bundle "$T/b" sleep 601
	c run --detach --bundle "$T/b" b
	[ "$(boot_id a)" = "$(boot_id b)" ]
	[ "$(c exec a readlink /proc/self/ns/pid)" = "$(c exec b readlink /proc/self/ns/pid)" ]
	BUNDLE_JQ='(.linux.namespaces[] | select(.type == "ipc")).path = "/proc/1/ns/ipc"' bundle "$T/d" true
	run c run --bundle "$T/d" d
	[ "$status" -ne 0 ]
	[[ $output == *"cannot join the ipc namespace /proc/1/ns/ipc"* ]]
}
