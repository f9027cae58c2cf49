# SPDX-License-Identifier: Apache-2.0
# cri - pods as a kubelet makes them: containerd's CRI plugin with networks of its own, in a network namespace of its own.
#
# cri_up after fixture_up, cri_down before fixture_down, cri_clean in teardown. `cri METHOD JSON` calls; `pod`, `ctr_up` and `ex` are what most tests need.

cri_up() {
	local tool

	for tool in containerd ip nsenter; do
		command -v "$tool" >/dev/null || skip "needs $tool"
	done
	[ -x /usr/lib/cni/bridge ] || skip "needs the package containernetworking-plugins"
	/usr/bin/python3 -c 'import grpc' 2>/dev/null || skip "needs the package python3-grpcio"
	export CTD_CRI=1 CTD_WRAP="$T/in-netns"
	mkdir -p "$T/cni" "$T/logs"
	cri_config >"$T/cri.toml"
	cat >"$T/cni/10-net.conflist" <<-JSON
		{ "cniVersion": "0.4.0", "name": "net", "plugins": [
		  { "type": "bridge", "bridge": "br0", "isGateway": true,
		    "ipam": { "type": "host-local", "dataDir": "$T/ipam", "ranges": [[{ "subnet": "192.0.2.0/24" }]] } } ] }
	JSON
	cat >"$T/in-netns" <<-'SH'
		#!/bin/sh
		exec unshare --net sh -c 'ip link set lo up; exec "$@"' sh "$@"
	SH
	chmod +x "$T/in-netns"
	containerd_up "$T/cri.toml"
	containerd_image docker.io/library/pause:test "$ROOTFS" \
		'{"Entrypoint":["/bin/sh","-c","trap exit TERM; while :; do sleep 3600 & wait; done"],"Env":["PATH=/bin"]}'
	wait_for 30 cri_ready
}

cri_config() {
	cat <<-TOML
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "docker.io/library/pause:test"
		  disable_tcp_service = true
		  stream_server_address = "127.0.0.1"
		  stream_server_port = "0"
		  disable_apparmor = true
		  netns_mounts_under_state_dir = true
		  restrict_oom_score_adj = true
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/usr/lib/cni"
		    conf_dir = "$T/cni"
		  [plugins."io.containerd.grpc.v1.cri".containerd]
		    default_runtime_name = "caisson"
		    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.caisson]
		      runtime_type = "$RUNTIME"
		      privileged_without_host_devices = true
		      pod_annotations = ["io.katacontainers.*"]
		      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.caisson.options]
		        ConfigPath = "$CONF"
	TOML
}

cri_down() {
	containerd_down
}

cri() {
	timeout -k 5 120 "$BATS_TEST_DIRNAME/../lib/cri.py" "$CTD" "$@"
}

cri_ready() { cri Version >/dev/null 2>&1 && k -n k8s.io images ls -q | grep -q pause; }

# pod [JQ]: runs a pod; sets POD, its id, and POD_CONFIG. The filter edits its configuration.
pod() {
	POD_CONFIG=$(jq -nc --arg logs "$T/logs" --arg name "p$RANDOM$RANDOM" '{
		metadata: { name: $name, uid: $name, namespace: "default" }, hostname: "podhost", log_directory: $logs,
		dns_config: { servers: ["192.0.2.53"], searches: ["cluster.test"] },
		linux: { cgroup_parent: "/caisson-test", security_context: { namespace_options: { network: 0, pid: 1, ipc: 0 } } } }' | jq -c "${1:-.}")
	POD=$(cri RunPodSandbox "$(jq -nc --argjson c "$POD_CONFIG" '{ config: $c }')" | jq -r .pod_sandbox_id)
	[ -n "$POD" ]
}

# ctr_new NAME JQ COMMAND...: creates a container in the pod and prints its id. ctr_up starts it, too.
ctr_new() {
	local name=$1 filter=$2 config

	shift 2
	config=$(jq -nc --arg name "$name" --arg image "$BOX" '{ metadata: { name: $name }, image: { image: $image }, command: $ARGS.positional,
		log_path: "\($name).log", linux: { security_context: { namespace_options: { network: 0, pid: 1, ipc: 0 } } } }' --args -- "$@" | jq -c "$filter")
	cri CreateContainer "$(jq -nc --arg pod "$POD" --argjson c "$config" --argjson p "$POD_CONFIG" \
		'{ pod_sandbox_id: $pod, config: $c, sandbox_config: $p }')" | jq -r .container_id
}

ctr_up() {
	local id

	id=$(ctr_new "$@") && [ -n "$id" ] || return 1
	cri StartContainer "{\"container_id\": \"$id\"}" >/dev/null || return 1
	echo "$id"
}

# ex ID COMMAND...: ExecSync; its output and status.
ex() {
	local id=$1 answer

	shift
	answer=$(cri ExecSync "$(jq -nc --arg id "$id" '{ container_id: $id, cmd: $ARGS.positional, timeout: 60 }' --args -- "$@")") || return 125
	jq -j '.stdout // ""' <<<"$answer"
	jq -j '.stderr // ""' <<<"$answer" >&2
	return "$(jq '.exit_code // 0' <<<"$answer")"
}

# 1: running, 2: exited
ctr_state() { cri ContainerStatus "{\"container_id\": \"$1\"}" | jq -r '.status.state // 0'; }
ctr_exited() { [ "$(ctr_state "$1")" -eq 2 ]; }
ctr_status() { cri ContainerStatus "{\"container_id\": \"$1\"}" | jq -r ".status.$2 // 0"; }
ctr_stop() { cri StopContainer "{\"container_id\": \"$1\", \"timeout\": ${2:-0}}" >/dev/null; }
ctr_rm() { cri RemoveContainer "{\"container_id\": \"$1\"}" >/dev/null; }

cri_clean() {
	local id

	for id in $(cri ListPodSandbox | jq -r '.items[].id'); do
		cri StopPodSandbox "{\"pod_sandbox_id\": \"$id\"}" >/dev/null || true
		cri RemovePodSandbox "{\"pod_sandbox_id\": \"$id\"}" >/dev/null || true
	done
	containerd_snapshot >"$T/after"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		diff "$T/before" "$T/after" | grep '^>' >"$T/left" || return 0
		sleep 0.2
		containerd_snapshot >"$T/after"
	done
	echo "left behind:"
	cut -c1-160 "$T/left"
	return 1
}
