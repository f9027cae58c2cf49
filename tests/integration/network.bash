# SPDX-License-Identifier: Apache-2.0
# network - namespaces for containers of the network tests: a hub that is their world, and any number of pods on it.
#
# hub_up in setup_file, hub_down in teardown_file. Everything is in namespaces made here: the hub's bridge is the far end of all pairs, and
# nothing is sent outside.

# The hub's namespace; pods are $HUB-NAME.
hub_up() {
	export HUB="caisson-net-$$"
	ip netns add "$HUB"
	hub ip link set lo up
	hub ip link add br0 type bridge
	hub ip addr add 10.81.0.1/24 dev br0
	hub ip -6 addr add fd81::1/64 dev br0 nodad
	hub ip link set br0 up
}

hub_down() {
	pods_del
	ip netns del "$HUB"
}

hub() {
	nsenter --net="/run/netns/$HUB" "$@"
}

# in_pod NAME COMMAND...
in_pod() {
	local ns=$HUB-$1

	shift
	nsenter --net="/run/netns/$ns" "$@"
}

# pod NAME NUMBER [MTU]: a namespace with eth0 on the hub: 10.81.0.NUMBER, fd81::NUMBER, default routes by the hub.
pod() {
	local ns=$HUB-$1

	ip netns add "$ns"
	in_pod "$1" ip link set lo up
	pod_link "$1" eth0 "${3:-1500}"
	in_pod "$1" ip addr add "10.81.0.$2/24" brd + dev eth0
	in_pod "$1" ip -6 addr add "fd81::$2/64" dev eth0 nodad
	in_pod "$1" ip route add default via 10.81.0.1
	in_pod "$1" ip -6 route add default via fd81::1
}

# pod_link NAME INTERFACE [MTU]: one more pair between the pod and the hub's bridge.
pod_link() {
	local far="$1-$2"

	hub ip link add "$far" mtu "${3:-1500}" type veth peer name "$2" mtu "${3:-1500}" netns "$HUB-$1"
	hub ip link set "$far" master br0 up
	in_pod "$1" ip link set "$2" up
}

pod_del() {
	ip netns del "$HUB-$1"
}

pods_del() {
	local ns

	for ns in /run/netns/"$HUB"-*; do
		[ ! -e "$ns" ] || ip netns del "$(basename "$ns")"
	done
}

# What of a pod's namespace must be the same after a container has used it.
pod_state() {
	in_pod "$1" ip -o link show | sed 's/ qlen [0-9]*//'
	in_pod "$1" ip -o addr show | sed 's, tentative,,'
	in_pod "$1" ip route show
	in_pod "$1" ip -6 route show
	in_pod "$1" tc qdisc show
}

# pod_bundle DIR POD COMMAND...: a bundle that joins the pod's namespace and may use raw sockets. More edits by POD_JQ.
pod_bundle() {
	local dir=$1 ns=/run/netns/$HUB-$2

	shift 2
	BUNDLE_JQ=".linux.namespaces |= map(if .type == \"network\" then .path = \"$ns\" else . end) |
		.process.capabilities = ([\"CAP_NET_RAW\", \"CAP_NET_ADMIN\", \"CAP_NET_BIND_SERVICE\"] |
			{ bounding: ., effective: ., permitted: . }) | ${POD_JQ:-.}" bundle "$dir" "$@"
}

# pod_run POD COMMAND...: in the foreground.
pod_run() {
	local id=n$RANDOM$RANDOM

	pod_bundle "$T/b-$id" "$@"
	c run --bundle "$T/b-$id" "$id"
}

# pod_start ID POD COMMAND...: in the background; `c delete --force ID` ends it.
pod_start() {
	local id=$1

	shift
	pod_bundle "$T/b-$id" "$@"
	c create --bundle "$T/b-$id" "$id" </dev/null >"$T/$id.out" 2>&1 || {
		cat "$T/$id.out"
		return 1
	}
	c start "$id"
}

# tcp_get ADDRESS PORT: what the other end sends to the hub, which sends nothing.
tcp_get() {
	hub timeout -k 1 20 bash -c 'exec 3<>"/dev/tcp/$0/$1" && cat <&3' "$1" "$2"
}

# tcp_up ADDRESS PORT: somebody listens there.
tcp_up() {
	hub timeout -k 1 5 bash -c ': <"/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null
}
