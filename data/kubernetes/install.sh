#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts Caisson on a node of a Kubernetes cluster, or takes it away.
#
# usage: install.sh install|remove|serve
#   install   copies the installation this script lies in to the node, tells containerd and CRI-O of it, restarts them, labels the node
#   remove    undoes that; pods that run stay until they end, for their shims have been started
#   serve     installs, waits to be told to end (SIGTERM), removes: what the DaemonSet runs
#
# environment: HOST (the node's root, default /), NODE_NAME (labelled through the cluster's API; empty: not), RESTART (a command that restarts the
# service it is given; default: the node's systemctl)
set -eu

PREFIX=$(cd "$(dirname "$0")/../../.." && pwd)
HOST=${HOST:-/}
HOST=${HOST%/}
LABEL=caisson.io/runtime
BEGIN='# --- caisson: do not edit between these lines ---'
END='# --- caisson: end ---'
CONTAINERD=$HOST/etc/containerd/config.toml
CRIO=$HOST/etc/crio/crio.conf.d/50-caisson.conf

say() { echo "caisson: $*"; }

restart() {
	if [ -n "${RESTART:-}" ]; then
		$RESTART "$1"
	else
		nsenter --target 1 --mount -- systemctl restart "$1"
	fi
}

# The file without our block.
without_block() { sed "/^$BEGIN\$/,/^$END\$/d" "$1"; }

# From version 3 of its configuration on containerd's CRI plugin has another name.
containerd_block() {
	plugin=io.containerd.grpc.v1.cri
	[ "$1" -lt 3 ] || plugin=io.containerd.cri.v1.runtime
	cat <<-TOML
		$BEGIN
		[plugins."$plugin".containerd.runtimes.caisson]
		runtime_type = "io.containerd.caisson.v2"
		runtime_path = "$PREFIX/bin/containerd-shim-caisson-v2"
		privileged_without_host_devices = true
		pod_annotations = ["io.katacontainers.*"]
		container_annotations = ["io.katacontainers.*"]
		$END
	TOML
}

containerd_version() {
	v=$(sed -n 's/^[[:space:]]*version[[:space:]]*=[[:space:]]*\([0-9]*\).*/\1/p' "$1" | head -1)
	echo "${v:-1}"
}

# Replaced in one step: containerd never reads half a file. Prints "changed" if it is another one now.
replace() {
	if [ -e "$1" ] && cmp -s "$1" "$1.caisson"; then
		rm "$1.caisson"
	else
		mv "$1.caisson" "$1"
		echo changed
	fi
}

install_containerd() {
	mkdir -p "$(dirname "$CONTAINERD")"
	[ -e "$CONTAINERD" ] || echo 'version = 2' >"$CONTAINERD"
	version=$(containerd_version "$CONTAINERD")
	if [ "$version" -lt 2 ]; then
		say "$CONTAINERD has version $version, which is not supported (2 or later)" >&2
		return 1
	fi
	{
		without_block "$CONTAINERD"
		containerd_block "$version"
	} >"$CONTAINERD.caisson"
	[ -z "$(replace "$CONTAINERD")" ] || restart containerd
}

install_crio() {
	mkdir -p "$(dirname "$CRIO")"
	cat >"$CRIO.caisson" <<-TOML
		[crio.runtime.runtimes.caisson]
		runtime_path = "$PREFIX/bin/caisson"
		runtime_type = "oci"
		runtime_root = "/run/caisson/oci"
		privileged_without_host_devices = true
	TOML
	[ -z "$(replace "$CRIO")" ] || restart crio
}

has_crio() { [ -d "$HOST/etc/crio" ]; }
has_containerd() { [ -e "$CONTAINERD" ] || [ -e "$HOST/run/containerd/containerd.sock" ]; }

# label VALUE: a merge patch by the service account's token; null takes the label away.
label() {
	account=/var/run/secrets/kubernetes.io/serviceaccount
	[ -n "${NODE_NAME:-}" ] || return 0
	curl --fail --silent --show-error --output /dev/null --max-time 30 --cacert "$account/ca.crt" \
		--header "Authorization: Bearer $(cat "$account/token")" --header 'Content-Type: application/merge-patch+json' \
		--request PATCH --data "{\"metadata\":{\"labels\":{\"$LABEL\":$1}}}" \
		"https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api/v1/nodes/$NODE_NAME"
}

copy_files() {
	[ "$HOST$PREFIX" != "$PREFIX" ] || return 0 # it is there already
	rm -rf "$HOST$PREFIX.new"
	mkdir -p "$HOST$PREFIX.new"
	cp -a "$PREFIX/." "$HOST$PREFIX.new"
	rm -rf "$HOST$PREFIX.old"
	[ ! -e "$HOST$PREFIX" ] || mv "$HOST$PREFIX" "$HOST$PREFIX.old"
	mv "$HOST$PREFIX.new" "$HOST$PREFIX"
	rm -rf "$HOST$PREFIX.old"
}

do_install() {
	has_crio || has_containerd || {
		say "neither containerd nor CRI-O is on this node" >&2
		exit 1
	}
	copy_files
	! has_containerd || install_containerd
	! has_crio || install_crio
	label '"true"'
	say "installed in $PREFIX"
}

do_remove() {
	label null
	if [ -e "$CONTAINERD" ]; then
		without_block "$CONTAINERD" >"$CONTAINERD.caisson"
		[ -z "$(replace "$CONTAINERD")" ] || restart containerd
	fi
	if [ -e "$CRIO" ]; then
		rm "$CRIO"
		restart crio
	fi
	[ "$HOST$PREFIX" = "$PREFIX" ] || rm -rf "$HOST$PREFIX"
	say "removed"
}

case ${1:-} in
install) do_install ;;
remove) do_remove ;;
serve)
	trap 'do_remove; exit 0' TERM INT
	do_install
	while :; do
		sleep 3600 &
		wait $! || true
	done
	;;
*)
	echo "usage: install.sh install|remove|serve" >&2
	exit 2
	;;
esac
