#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Pods through containerd's CRI plugin, as a kubelet makes them: one machine and one shim for all containers of a pod.

load lib.bash
load containerd.bash
load cri.bash

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	fixture_up
	cri_up
}
teardown_file() {
	cri_down
	fixture_down
}
teardown() { cri_clean; }

# In the network namespace of containerd, where the pods' bridge is.
outside() { nsenter --net="/proc/$(cat "$D/pid")/ns/net" timeout 10 "$@"; }
fetch() { printf 'GET / HTTP/1.0\r\n\r\n' | outside busybox nc -w 2 "$1" 80 | tail -1; }
pod_ip() { cri PodSandboxStatus "{\"pod_sandbox_id\": \"$POD\"}" | jq -r .status.network.ip; }
boot_id() { ex "$1" cat /proc/sys/kernel/random/boot_id; }

@test "two containers share machine, network, host name and /dev/shm, and answer from outside" {
	pod
	a=$(ctr_up a . sh -c 'mkdir /www; hostname >/www/index.html; exec httpd -f -p 80 -h /www')
	b=$(ctr_up b . sleep 600)
	[ "$(boot_id "$a")" = "$(boot_id "$b")" ]
	[ "$(find /run/caisson -maxdepth 1 -name "*.$(containerd_suffix k8s.io)" | wc -l)" -eq 1 ]
	[ "$(ex "$b" sh -c 'printf "GET / HTTP/1.0\r\n\r\n" | nc 127.0.0.1 80 | tail -1')" = podhost ]
	answers() { [ "$(fetch "$(pod_ip)")" = podhost ]; }
	wait_for 20 answers
	ex "$a" sh -c 'echo hello >/dev/shm/x'
	[ "$(ex "$b" cat /dev/shm/x)" = hello ]
	[[ $(ex "$b" cat /etc/resolv.conf) == *"nameserver 192.0.2.53"* ]]
	[ "$(ex "$a" readlink /proc/self/ns/pid)" != "$(ex "$b" readlink /proc/self/ns/pid)" ]
	run ex "$a" sh -c 'echo out; echo err >&2; exit 3'
	[ "$status" -eq 3 ]
	[ "${lines[*]}" = "out err" ]
}

@test "logs, exit status, and a container that is started again in the living pod" {
	pod
	b=$(ctr_up b . sleep 600)
	boot=$(boot_id "$b")
	a=$(ctr_up a . sh -c 'echo first; echo wrong >&2; exit 7')
	wait_for 30 ctr_exited "$a"
	[ "$(ctr_status "$a" exit_code)" -eq 7 ]
	[[ $(cat "$T/logs/a.log") == *"stdout F first"* ]]
	[[ $(cat "$T/logs/a.log") == *"stderr F wrong"* ]]
	ctr_rm "$a"
	a=$(ctr_up a '.metadata.attempt = 1' sleep 600)
	[ "$(boot_id "$a")" = "$boot" ]
	# The last one but the pause container goes, and another comes: an init container before the rest is such a case.
	ctr_stop "$a"
	ctr_rm "$a"
	ctr_stop "$b"
	[ "$(ctr_status "$b" exit_code)" -eq 137 ]
	ctr_rm "$b"
	a=$(ctr_up a '.metadata.attempt = 2' sleep 600)
	[ "$(boot_id "$a")" = "$boot" ]
}

@test "a shared process namespace" {
	share='.linux.security_context.namespace_options.pid = 0'
	pod "$share"
	a=$(ctr_up a "$share" sleep 601)
	b=$(ctr_up b "$share" sleep 602)
	[ "$(ex "$a" readlink /proc/self/ns/pid)" = "$(ex "$b" readlink /proc/self/ns/pid)" ]
	run ex "$a" sh -c 'for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline; done'
	[[ $output == *"sleep 601"*"sleep 602"* ]]
	[[ $(ex "$a" sh -c 'tr "\0" " " </proc/1/cmdline') == *"trap exit TERM"* ]]
}

@test "an ephemeral container joins the processes of its target" {
	pod
	a=$(ctr_up a . sleep 607)
	b=$(ctr_up b '.linux.security_context.namespace_options = {network: 0, pid: 3, ipc: 0, target_id: "'"$a"'"}' sleep 608)
	[ "$(ex "$b" readlink /proc/self/ns/pid)" = "$(ex "$a" readlink /proc/self/ns/pid)" ]
	[ "$(ex "$b" sh -c 'tr "\0" " " </proc/1/cmdline')" = "sleep 607 " ]
}

@test "volumes: shared between containers, also a part of one, read-only, and a single file" {
	mkdir -p "$T/vol/sub"
	: >"$T/message"
	mounts='.mounts = [{container_path: "/vol", host_path: "'"$T/vol"'"}, {container_path: "/sub", host_path: "'"$T/vol/sub"'", readonly: true},
		{container_path: "/dev/termination-log", host_path: "'"$T/message"'"}]'
	pod
	a=$(ctr_up a "$mounts" sh -c 'echo data >/vol/x; echo s >/vol/sub/s; echo why >/dev/termination-log; exec sleep 600')
	b=$(ctr_up b "$mounts" sleep 600)
	there() { [ "$(ex "$b" cat /vol/x /sub/s 2>/dev/null)" = $'data\ns' ]; }
	wait_for 20 there
	[ "$(cat "$T/message")" = why ]
	run ex "$b" touch /sub/no
	[ "$status" -ne 0 ]
	# A pipe in a volume connects the two.
	ex "$a" mkfifo /vol/fifo
	ex "$a" sh -c 'echo through >/vol/fifo' &
	[ "$(ex "$b" cat /vol/fifo)" = through ]
	wait $!
}

@test "limits: the pod's size, statistics, and an update while it runs" {
	pod '.linux.resources = {cpu_period: 100000, cpu_quota: 50000, memory_limit_in_bytes: 134217728}'
	a=$(ctr_up a '.linux.resources = {memory_limit_in_bytes: 67108864, cpu_quota: 50000, cpu_period: 100000}' sleep 600)
	kib=$(ex "$a" awk '/MemTotal/ {print $2}' /proc/meminfo)
	[ "$kib" -lt $((256 << 10)) ]
	[ "$(ex "$a" cat /sys/fs/cgroup/memory.max)" -eq 67108864 ]
	cri UpdateContainerResources "{\"container_id\": \"$a\", \"linux\": {\"memory_limit_in_bytes\": 33554432, \"cpu_quota\": 20000, \"cpu_period\": 100000}}"
	[ "$(ex "$a" cat /sys/fs/cgroup/memory.max)" -eq 33554432 ]
	[ "$(ex "$a" cat /sys/fs/cgroup/cpu.max)" = "20000 100000" ]
	cri UpdateContainerResources "{\"container_id\": \"$a\", \"linux\": {\"memory_limit_in_bytes\": 67108864}}"
	[ "$(ex "$a" cat /sys/fs/cgroup/memory.max)" -eq 67108864 ]
	run cri ContainerStats "{\"container_id\": \"$a\"}"
	[ "$(jq .stats.memory.usage_bytes.value <<<"$output")" -gt 0 ]
	[ "$(jq .stats.cpu.usage_core_nano_seconds.value <<<"$output")" -gt 0 ]
}

@test "the machine dies: its containers have ended, and the pod can be removed" {
	pod
	a=$(ctr_up a . sleep 600)
	kill -KILL "$(sandbox_pid vmm "$POD" k8s.io)"
	wait_for 20 ctr_exited "$a"
	[ "$(ctr_status "$a" exit_code)" -eq 137 ]
}

@test "the host's namespaces are refused" {
	run pod '.linux.security_context.namespace_options.network = 2'
	[ "$status" -ne 0 ]
	[[ $output == *"hostNetwork is not supported"* ]]
}

@test "a privileged container has the guest's devices and all capabilities" {
	pod '.linux.security_context.privileged = true'
	a=$(ctr_up a '.linux.security_context.privileged = true' sleep 600)
	[[ $(ex "$a" grep CapEff /proc/self/status) =~ fffff$ ]]
	[ "$(ex "$a" sh -c 'mount -t tmpfs x /tmp && echo mounted')" = mounted ]
}
