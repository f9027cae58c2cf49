#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The shim's Sandbox service (containerd 2.x): a pod that is made before any container and has no pause container.

load lib.bash

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	[ -x /usr/bin/python3 ] || skip "needs python3"
	fixture_up
	export SHIM="$CAISSON_BUILD/src/shim/containerd-shim-caisson-v2" CAISSON_CONF_FILE="$CONF"
}
teardown_file() { fixture_down; }

setup() {
	ID=pod$RANDOM$RANDOM
	SOCKET="$T/$ID.sock"
	NETNS=caisson-sb-$ID
	mkdir "$T/$ID"
	ip netns add "$NETNS"
	shim start
}

teardown() {
	shim delete
	ip netns del "$NETNS"
	[ ! -e "/run/caisson/$ID" ]
	assert_clean
}

shim() { (cd "$T/$ID" && timeout 30 "$SHIM" -namespace test -id "$ID" -socket "$SOCKET" "$1" </dev/null); }
call() { timeout 110 "$BATS_TEST_DIRNAME/../lib/ttrpc.py" "$SOCKET" "$@"; }
pod() { call "$1" "{\"sandbox_id\": \"$ID\"${2:+, $2}}"; }
create() { pod CreateSandbox "\"bundle_path\": \"$T/$ID\", \"netns_path\": \"/run/netns/$NETNS\", \"config\": ${1:-{\}}"; }

# in_pod NAME COMMAND...: a container of the pod; its output is in $T/NAME.out.
in_pod() {
	local name=$1 pid

	shift
	pid=$(pod SandboxStatus | jq .pid)
	BUNDLE_JQ='.annotations = {"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": "'"$ID"'"} | del(.hostname) |
		(.linux.namespaces[] | select(.type | IN("ipc", "uts"))) |= (.path = "/proc/'"$pid"'/ns/" + .type) |
		(.linux.namespaces[] | select(.type == "network")).path = "/run/netns/'"$NETNS"'" | '"${MORE_JQ:-.}" bundle "$T/$name" "$@"
	call Create "{\"id\": \"$name\", \"bundle\": \"$T/$name\", \"stdout\": \"file://$T/$name.out\", \"stderr\": \"file://$T/$name.out\"}"
	call Start "{\"id\": \"$name\"}"
}

@test "a pod's life: made, started, containers come and go, stopped, shut down" {
	[ "$(pod Platform | jq -r .platform.os)" = linux ]
	create '{"hostname": "podhost", "linux": {"cgroup_parent": "/caisson-test", "resources": {"memory_limit_in_bytes": 100663296}}}'
	[ "$(pod SandboxStatus | jq -r .state)" = SANDBOX_NOTREADY ]
	pid=$(pod StartSandbox | jq .pid)
	kill -0 "$pid"
	pod PingSandbox
	status=$(pod SandboxStatus '"verbose": true')
	[ "$(jq -r .state <<<"$status")" = SANDBOX_READY ]
	[ "$(jq -r '.info[] | select(.key == "engine").value' <<<"$status")" = qemu ]
	[ "$(jq -r '.info[] | select(.key == "memory_mib").value' <<<"$status")" -eq 224 ]
	[[ $(pod SandboxMetrics | jq -r .metrics.data.type_url) == io.containerd.cgroups.v*.Metrics ]]
	in_pod a sh -c 'hostname; cat /proc/sys/kernel/random/boot_id; exit 3'
	[ "$(call Wait '{"id": "a"}' | jq .exit_status)" -eq 3 ]
	call Delete '{"id": "a"}'
	# The last container has gone; the machine has not.
	[ "$(pod SandboxStatus | jq -r .state)" = SANDBOX_READY ]
	in_pod b sh -c 'hostname; cat /proc/sys/kernel/random/boot_id; sleep 600'
	both() { [ "$(wc -l <"$T/b.out")" -eq 2 ]; }
	wait_for 20 both
	[ "$(head -1 "$T/a.out")" = podhost ]
	cmp "$T/a.out" "$T/b.out"
	pod WaitSandbox >"$T/waited" &
	pod StopSandbox
	wait $!
	[ "$(jq '.exit_status // 0' <"$T/waited")" -eq 0 ]
	[ "$(call State '{"id": "b"}' | jq .exit_status)" -eq 137 ]
	[ "$(pod SandboxStatus | jq -r .state)" = SANDBOX_NOTREADY ]
	pod ShutdownSandbox
	gone() { [ ! -e "/run/caisson/$ID" ]; }
	wait_for 10 gone
}

@test "the machine dies: the pod has ended with 137" {
	create
	pid=$(pod StartSandbox | jq .pid)
	in_pod a sleep 600
	pod WaitSandbox >"$T/waited" &
	kill -KILL "$pid"
	wait $!
	[ "$(jq .exit_status <"$T/waited")" -eq 137 ]
	[ "$(call Wait '{"id": "a"}' | jq .exit_status)" -eq 137 ]
	pod ShutdownSandbox
}

@test "containers of such a pod can share their processes" {
	create
	pid=$(pod StartSandbox | jq .pid)
	export MORE_JQ='(.linux.namespaces[] | select(.type == "pid")).path = "/proc/'"$pid"'/ns/pid"'
	in_pod a sleep 600
	in_pod b sh -c 'tr "\0" " " </proc/1/cmdline; readlink /proc/self/ns/pid; sleep 600'
	wait_for 20 grep -q "sleep 600" "$T/b.out"
	pod ShutdownSandbox
}
