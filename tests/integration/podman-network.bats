#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# podman's networks (netavark): bridges, published ports, names, both address families. All of it is in a network namespace of the test's: the
# bridges, the packet filter's rules, the name server and who asks.

load lib.bash
load podman.bash

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	command -v /usr/lib/podman/netavark >/dev/null || skip "needs netavark"
	command -v /usr/lib/podman/aardvark-dns >/dev/null || skip "needs aardvark-dns"
	fixture_up
	export WORLD="caisson-world-$$"
	ip netns add "$WORLD"
	ip -n "$WORLD" link set lo up
	sed -i 's/^\[hypervisor.qemu\]/&\npcie_root_port = 2/' "$CONF"
	podman_up
	p network create --ipv6 --subnet 10.92.0.0/24 --subnet fd92::/64 one
	p network create --subnet 10.93.0.0/24 two
}

teardown_file() {
	[ -z "${P:-}" ] || end_names
	podman_down
	ip netns del "$WORLD"
	fixture_down
}

teardown() {
	podman_clean
}

world() {
	nsenter --net="/run/netns/$WORLD" "$@"
}

p() {
	timeout -k 5 "${P_TIMEOUT:-60}" nsenter --net="/run/netns/$WORLD" podman --root "$P/root" --runroot "$P/run" --tmpdir "$P/tmp" "$@"
}

# The name server lives on for a moment after its last container.
end_names() {
	local pid

	for pid in $(ip netns pids "$WORLD"); do
		kill "$pid"
	done
}

# served NAME WORD [ARG ...]: a container that answers WORD on port 80.
served() {
	local name=$1 word=$2

	shift 2
	p run -d --name "$name" "$@" "$IMAGE" sh -c "nc -ll -p 80 -e echo $word & wait" >/dev/null
}

get() {
	world timeout -k 1 20 bash -c 'exec 3<>"/dev/tcp/$0/$1" && cat <&3' "$1" "$2"
}

answers() {
	[ "$(get "$1" "$2" 2>/dev/null)" = "$3" ]
}

@test "the default network: address, gateway, hosts file" {
	run -0 p run --rm --hostname box --name d "$IMAGE" sh -c 'ip -o -4 addr show dev eth0; ip route; cat /etc/hosts'
	[[ $output == *"inet 10.88."*"/16 brd 10.88.255.255 scope global eth0"* ]]
	[[ $output == *"default via 10.88.0.1 dev eth0"* ]]
	[[ $output =~ 10\.88\.[0-9.]+$'\t'box\ d ]]
}

@test "published ports, names, and both families on one network" {
	served web from-web --network one -p 8080:80
	wait_for 30 answers 127.0.0.1 8080 from-web
	answers "$(p inspect --format '{{.NetworkSettings.Networks.one.IPAddress}}' web)" 80 from-web
	answers "$(p inspect --format '{{.NetworkSettings.Networks.one.GlobalIPv6Address}}' web)" 80 from-web
	run -0 p run --rm --network one "$IMAGE" sh -c '
		nslookup web; nc -w 5 web 80 </dev/null; nc -w 5 web.dns.podman 80 </dev/null; ping -6 -c 1 -W 5 web'
	[[ $output == *"10.92.0."* && $output == *"fd92::"* ]]
	[ "$(grep -c '^from-web$' <<<"$output")" -eq 2 ]
	[[ $output == *" 0% packet loss"* ]]
	p rm -f -t 0 web
	# What podman set up for it is gone with it: nothing answers.
	! answers 127.0.0.1 8080 from-web
}

@test "two networks, and a static address" {
	run -0 p run --rm --network one:ip=10.92.0.77 --network two "$IMAGE" sh -c 'ip -o -4 addr; ls /sys/class/net | sort | xargs'
	[[ $output == *"inet 10.92.0.77/24"* ]]
	[[ $output == *"inet 10.93.0."*"/24"* ]]
	[ "${lines[-1]}" = "eth0 eth1 lo" ]
}

@test "a restarted container is reached again" {
	served again first --network one -p 8081:80
	wait_for 30 answers 127.0.0.1 8081 first
	p restart -t 0 again
	wait_for 30 answers 127.0.0.1 8081 first
	p rm -f -t 0 again
}

@test "no network, the host's, and another container's" {
	[ "$(p run --rm --network none "$IMAGE" sh -c 'ls /sys/class/net | xargs')" = lo ]
	run p run --rm --network host "$IMAGE" true
	[ "$status" -ne 0 ]
	[[ $output == *"the host's network cannot be shared with a virtual machine"* ]]
	served owner here --network one
	# In the same machine, which has one network.
	[ "$(p run --rm --network container:owner "$IMAGE" nc -w 5 127.0.0.1 80 </dev/null)" = here ]
	wait_for 30 answers "$(p inspect --format '{{.NetworkSettings.Networks.one.IPAddress}}' owner)" 80 here
	p rm -f -t 0 owner
}

@test "a running container is connected to a network, and disconnected" {
	served c here --network one
	wait_for 30 answers "$(p inspect --format '{{.NetworkSettings.Networks.one.IPAddress}}' c)" 80 here
	p network connect --ip 10.93.0.99 two c
	wait_for 60 answers 10.93.0.99 80 here
	[[ "$(p exec c ip -o -4 addr show dev eth1)" == *"inet 10.93.0.99/24"* ]]
	p network disconnect two c
	gone() { ! p exec c ls /sys/class/net/eth1 >/dev/null 2>&1; }
	wait_for 60 gone
	wait_for 30 answers "$(p inspect --format '{{.NetworkSettings.Networks.one.IPAddress}}' c)" 80 here
	p rm -f -t 0 c
}
