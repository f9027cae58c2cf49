# SPDX-License-Identifier: Apache-2.0
# containerd - a containerd with everything of its own below $T: root, state, sockets, images, and a PATH in which it finds the shim under test.
#
# containerd_up [EXTRA_TOML_FILE] after fixture_up, containerd_down before fixture_down, containerd_clean in teardown. `k` is ctr with that daemon.
# CAISSON_CONF_FILE tells the shim its configuration. Images are made here: no registry, no network.

RUNTIME=io.containerd.caisson.v2
BOX=docker.io/library/box:test

containerd_up() {
	local tool

	for tool in containerd ctr jq; do
		command -v "$tool" >/dev/null || skip "needs $tool"
	done
	export D="$T/ctd" CTD="$T/ctd/containerd.sock" CAISSON_CONF_FILE="$CONF"
	mkdir -p "$D"/{bin,root,state,img}
	ln -sf "$CAISSON_BUILD/src/shim/containerd-shim-caisson-v2" "$D/bin/"
	containerd_config "${1:-}"
	containerd_start
	containerd_image "$BOX" "$ROOTFS" '{"Cmd":["/bin/sh"],"Env":["PATH=/bin"]}'
	containerd_snapshot >"$T/before"
}

containerd_down() {
	[ -n "${D:-}" ] || return 0
	k tasks ls -q 2>/dev/null | while read -r id; do k tasks rm --force "$id" >/dev/null 2>&1 || true; done
	containerd_stop
	awk -v d="$D/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r m; do
		umount -l "$m"
	done
}

# With CTD_CRI set, the CRI plugin runs; its settings are in the extra file.
containerd_config() {
	local cri='"io.containerd.grpc.v1.cri",'

	[ -z "${CTD_CRI:-}" ] || cri=
	cat >"$D/config.toml" <<-TOML
		version = 2
		root = "$D/root"
		state = "$D/state"
		disabled_plugins = [$cri
		  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs",
		  "io.containerd.snapshotter.v1.devmapper", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
		[grpc]
		  address = "$CTD"
		[debug]
		  address = "$D/debug.sock"
		  level = "debug"
		[plugins."io.containerd.internal.v1.opt"]
		  path = "$D/opt"
	TOML
	[ -z "$1" ] || cat "$1" >>"$D/config.toml"
}

containerd_start() {
	PATH="$D/bin:$PATH" setsid ${CTD_WRAP:-} containerd --config "$D/config.toml" >>"$D/log" 2>&1 </dev/null 3>&- &
	echo $! >"$D/pid"
	wait_for 60 containerd_answers || {
		tail -20 "$D/log"
		return 1
	}
}

containerd_answers() {
	timeout 10 ctr -a "$CTD" version >/dev/null 2>&1
}

# containerd_stop [SIGNAL]: and waits for its end.
containerd_stop() {
	local pid

	pid=$(cat "$D/pid" 2>/dev/null) || return 0
	kill -"${1:-TERM}" "$pid" 2>/dev/null || return 0
	wait_for 30 containerd_gone "$pid"
}

containerd_gone() {
	! kill -0 "$1" 2>/dev/null || grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null
}

# containerd_image NAME ROOT CONFIG: imports the tree ROOT as an image of one layer. CONFIG is the JSON of the image's "config".
containerd_image() {
	local dir="$D/img/oci" layer diff config manifest

	rm -rf "$dir"
	mkdir -p "$dir/blobs/sha256"
	tar -C "$2" --numeric-owner --owner=0 --group=0 -cf "$D/img/layer.tar" .
	diff=$(sha256sum <"$D/img/layer.tar" | cut -d' ' -f1)
	layer=$(containerd_blob application/vnd.oci.image.layer.v1.tar <"$D/img/layer.tar")
	config=$(jq -nc --argjson c "$3" --arg diff "sha256:$diff" '{ architecture: "amd64", os: "linux", config: $c,
		rootfs: { type: "layers", diff_ids: [$diff] } }' | containerd_blob application/vnd.oci.image.config.v1+json)
	manifest=$(jq -nc --argjson c "$config" --argjson l "$layer" '{ schemaVersion: 2, config: $c, layers: [$l] }' |
		containerd_blob application/vnd.oci.image.manifest.v1+json)
	jq -nc --argjson m "$manifest" --arg name "$1" '{ schemaVersion: 2, manifests: [
		$m + { annotations: { "io.containerd.image.name": $name, "org.opencontainers.image.ref.name": "test" } } ] }' >"$dir/index.json"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$dir/oci-layout"
	tar -C "$dir" -cf "$D/img/image.tar" .
	k ${CTD_CRI:+-n k8s.io} images import "$D/img/image.tar" >/dev/null
	rm -rf "$dir" "$D"/img/*.tar
}

# stdin into the image layout; prints its descriptor.
containerd_blob() {
	local sum tmp="$D/img/blob"

	cat >"$tmp"
	sum=$(sha256sum <"$tmp" | cut -d' ' -f1)
	jq -nc --arg t "$1" --arg d "sha256:$sum" --argjson n "$(stat -c %s "$tmp")" '{ mediaType: $t, digest: $d, size: $n }'
	mv "$tmp" "$D/img/oci/blobs/sha256/$sum"
}

# ctr, with a bound on everything.
k() {
	timeout -k 5 "${K_TIMEOUT:-90}" ctr -a "$CTD" "$@"
}

# k_run [ctr run's options ...] ID COMMAND...: a new container of the box image.
k_run() {
	local options=()

	while [[ "$1" == -* ]]; do
		options+=("$1")
		case $1 in --mount | --env | --label | --runtime-config-path | --log-uri | --memory-limit | --snapshotter | --annotation | --user | --cwd)
			options+=("$2")
			shift
			;;
		esac
		shift
	done
	k run --runtime "$RUNTIME" "${options[@]}" "$BOX" "$@"
}

# The suffix of sandboxes' directories, and the socket of one: src/shim/bootstrap.c.
containerd_suffix() {
	printf '%s/%s' "$CTD" "${1:-default}" | sha256sum | cut -c1-8
}

containerd_socket() {
	printf '/run/containerd/s/%s' "$(printf '%s/%s/%s' "$CTD" "${2:-default}" "$1" | sha256sum | cut -d' ' -f1)"
}

sandbox_dir() {
	echo "/run/caisson/$1.$(containerd_suffix "${2:-default}")"
}

# vmm|shim|virtiofsd|devd-vsock of a sandbox's state file.
sandbox_pid() {
	jq -r --arg name "$1" '.processes[] | select(.name == $name) | .pid' "$(sandbox_dir "$2" "${3:-default}")/state.json"
}

containerd_snapshot() {
	local ns

	{
		ps -eo args= | grep -F "$T/" | grep -v -e bats -e grep -e 'ps -eo' -e '^containerd ' | sed 's/^/process: /'
		awk '{ print "mount: " $5 }' /proc/self/mountinfo | grep -F -e "$T"
		for ns in default k8s.io; do
			ps -eo args= | grep -F ".$(containerd_suffix $ns)" | grep -v -e grep -e 'ps -eo' | sed 's/^/process: /'
			find /run/caisson -mindepth 1 -maxdepth 1 -name "*.$(containerd_suffix $ns)" | sed 's/^/file: /'
			find /sys/fs/cgroup -type d -name "*.$(containerd_suffix $ns)" | sed 's/^/cgroup: /'
		done
		find "$D"/state/io.containerd.runtime.v2.task -mindepth 2 -maxdepth 2 | sed 's/^/bundle: /'
		ip -o link show type tun | sed 's/^/tap: /'
	} 2>/dev/null || true
}

# No container of containerd's and nothing of the runtime's is left.
containerd_clean() {
	local left id

	left=$(k containers ls -q)
	for id in $left; do
		k tasks rm --force "$id" >/dev/null 2>&1 || true
		k containers rm "$id" >/dev/null 2>&1 || true
	done
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		containerd_snapshot >"$T/after"
		diff "$T/before" "$T/after" | grep '^>' >"$T/left" || break
		sleep 0.2
	done
	[ -z "$left" ] || echo "containerd still has: $left"
	[ ! -s "$T/left" ] || { echo "left behind:"; cut -c1-160 "$T/left"; }
	[ -z "$left" ] && [ ! -s "$T/left" ]
}
