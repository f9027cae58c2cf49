#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Networks: a container has what was in its network namespace, and the namespace is afterwards as it was.

load lib.bash
load network.bash

setup_file() {
	need_root
	fixture_up
	hub_up
	snapshot >"$T/before"
}

teardown_file() {
	hub_down
	fixture_down
}

teardown() {
	pods_del
	assert_clean
}

@test "addresses and routes of both families are the namespace's, and it is left as it was" {
	local before

	pod a 2
	in_pod a ip addr add 10.82.0.7/32 dev eth0
	in_pod a ip route add 10.83.0.0/16 via 10.81.0.9 metric 77 mtu 1400
	in_pod a ip route add 10.84.0.0/16 via 192.0.2.1 dev eth0 onlink
	in_pod a ip route add unreachable 10.85.0.0/16
	in_pod a ip neigh add 10.81.0.66 lladdr 02:00:00:00:00:66 nud permanent dev eth0
	in_pod a ip -6 route add fd83::/64 via fd81::9
	before=$(pod_state a)
	run -0 pod_run a sh -c '
		cat /sys/class/net/eth0/address; cat /sys/class/net/eth0/mtu
		ip addr show eth0; ip route; ip -6 route; ip neigh
		ping -c 1 -W 5 10.81.0.1 && ping -6 -c 1 -W 5 fd81::1 && ping -c 1 -W 5 127.0.0.1'
	[ "${lines[0]}" = "$(in_pod a ip -j link show eth0 | jq -r '.[0].address')" ]
	[ "${lines[1]}" = 1500 ]
	[[ $output == *"inet 10.81.0.2/24 brd 10.81.0.255 scope global eth0"* ]]
	[[ $output == *"inet 10.82.0.7/32"* ]]
	[[ $output == *"inet6 fd81::2/64 scope global"* ]]
	[[ $output == *"default via 10.81.0.1 dev eth0"* ]]
	[[ $output == *"10.83.0.0/16 via 10.81.0.9 dev eth0"*"metric 77"* ]]
	[[ $output == *"10.84.0.0/16 via 192.0.2.1 dev eth0 onlink"* ]]
	[[ $output == *"unreachable 10.85.0.0/16"* ]]
	[[ $output == *"default via fd81::1 dev eth0"* ]]
	[[ $output == *"fd83::/64 via fd81::9 dev eth0"* ]]
	[[ $output == *"10.81.0.66 dev eth0 lladdr 02:00:00:00:00:66"*PERMANENT* ]]
	diff <(echo "$before") <(pod_state a)
}

@test "two containers and the hub reach each other, both ways, by both families" {
	pod a 2
	pod b 3
	pod_start na a sh -c 'nc -ll -p 80 -e sh -c "echo from-a" & nc -ll -p 81 -e cat & wait'
	pod_start nb b sh -c 'nc -ll -p 80 -e sh -c "echo from-b" & wait'
	wait_for 30 tcp_up 10.81.0.2 80
	wait_for 30 tcp_up 10.81.0.3 80
	[ "$(tcp_get 10.81.0.2 80)" = from-a ]
	[ "$(tcp_get fd81::3 80)" = from-b ]
	[ "$(c exec na nc -w 5 10.81.0.3 80 </dev/null)" = from-b ]
	[ "$(c exec nb nc -w 5 fd81::2 80 </dev/null)" = from-a ]
	# More than one packet, and back.
	head -c 3000000 /dev/urandom >"$T/data"
	hub timeout -k 1 60 bash -c 'exec 3<>/dev/tcp/10.81.0.2/81; cat "$0" >&3 & head -c 3000000 <&3' "$T/data" | cmp - "$T/data"
	c delete --force na
	c delete --force nb
}

@test "large packets: an MTU of 9000, whole and in segments" {
	pod a 2 9000
	hub ip link set br0 mtu 9000
	run -0 pod_run a sh -c 'cat /sys/class/net/eth0/mtu; ping -c 2 -W 5 -s 8900 10.81.0.1'
	[ "${lines[0]}" = 9000 ]
	[[ $output == *" 0% packet loss"* ]]
	hub ip link set br0 mtu 1500
}

@test "ten interfaces, with the names, addresses and hardware addresses they have" {
	local i

	ip netns add "$HUB-a"
	for i in 0 1 2 3 4 5 6 7 8 9; do
		# Not the order that the guest's kernel would give them.
		pod_link a "eth$((9 - i))"
		in_pod a ip addr add "10.90.$i.2/24" dev "eth$((9 - i))"
	done
	in_pod a ip -j link show type veth | jq -r '.[] | .ifname + " " + .address' | sort >"$T/want"
	run -0 pod_run a sh -c '
		for i in /sys/class/net/eth*; do echo "${i##*/} $(cat $i/address)"; done | sort
		for i in 0 1 2 3 4 5 6 7 8 9; do ip -o addr show dev "eth$((9 - i))" | grep -c "10.90.$i.2/24"; done | sort | uniq -c'
	diff <(echo "${lines[@]:0:10}" | tr ' ' '\n' | paste -d ' ' - -) "$T/want"
	[[ ${lines[10]} =~ ^\ +10\ 1$ ]]
}

@test "a machine with several processors has as many queues" {
	local before

	pod a 2
	before=$(pod_state a)
	sed 's/^\[hypervisor.qemu\]/&\ndefault_vcpus = 2/' "$CONF" >"$T/two.toml"
	CONF="$T/two.toml" run -0 pod_run a sh -c 'ls -d /sys/class/net/eth0/queues/rx-* | wc -l; ping -c 3 -W 5 10.81.0.1'
	[ "${lines[0]}" = 2 ]
	[[ $output == *" 0% packet loss"* ]]
	diff <(echo "$before") <(pod_state a)
}

@test "macvtap: the same network, and nothing left of it" {
	local before

	pod a 2
	before=$(pod_state a)
	sed '$a [runtime]\ninternetworking_model = "macvtap"' "$CONF" >"$T/macvtap.toml"
	CONF="$T/macvtap.toml" run -0 pod_run a sh -c '
		cat /sys/class/net/eth0/address; ping -c 2 -W 5 10.81.0.1 && ping -6 -c 2 -W 5 fd81::1'
	[ "${lines[0]}" = "$(in_pod a ip -j link show eth0 | jq -r '.[0].address')" ]
	diff <(echo "$before") <(pod_state a)
}

@test "models and interfaces that do not fit are refused, with those that do" {
	pod a 2
	sed '$a [runtime]\ninternetworking_model = "l3forwarding"' "$CONF" >"$T/l3.toml"
	CONF="$T/l3.toml" run -1 pod_run a true
	[[ $output == *'"l3forwarding" is not supported: tcfilter, macvtap and none are'* ]]
	in_pod a ip tuntap add dev tun0 mode tun
	in_pod a ip addr add 10.91.0.1/24 dev tun0
	in_pod a ip link set tun0 up
	run -1 pod_run a true
	[[ $output == *"network interface tun0 (tun) is not an Ethernet interface"* ]]
	sed '$a [runtime]\ninternetworking_model = "none"' "$CONF" >"$T/none.toml"
	CONF="$T/none.toml" run -0 pod_run a ls /sys/class/net
	[ "$output" = lo ]
}

@test "two machines cannot have one namespace, and the first keeps it" {
	pod a 2
	pod_start first a sh -c 'nc -ll -p 80 -e echo here & wait'
	wait_for 30 tcp_up 10.81.0.2 80
	run -1 pod_run a true
	[[ $output == *"network interface eth0 is in use: another virtual machine is joined to it"* ]]
	[ "$(tcp_get 10.81.0.2 80)" = here ]
	c delete --force first
}

@test "a namespace that is torn down under a running machine" {
	pod a 2
	pod_start torn a sh -c 'trap "exit 7" TERM; while :; do sleep 0.2; done'
	hub ip link del a-eth0
	ip netns del "$HUB-a"
	[ "$(c exec torn cat /sys/class/net/eth0/mtu)" = 1500 ]
	c delete --force torn
}

@test "the machine's owner is killed: the namespace is as it was" {
	local before pid

	pod a 2
	before=$(pod_state a)
	pod_start k a sh -c 'while :; do sleep 1; done'
	pid=$(pgrep -f "containerd-shim-caisson-v2 .*-id k\.$(root_hash "$STATE")|containerd-shim-caisson-v2 .*-bundle $T/b-k ")
	kill -9 "$pid"
	c delete --force k
	diff <(echo "$before") <(pod_state a)
}

@test "a network that a hook builds while the container is made" {
	local far=hook-far

	cat >"$T/hook" <<-SH
		#!/bin/sh
		pid=\$(jq -r .pid)
		nsenter --net=/run/netns/$HUB ip link add $far type veth peer name eth7 netns \$pid || exit 1
		nsenter --net=/run/netns/$HUB ip link set $far master br0 up
		exec nsenter --target \$pid --net sh -c 'ip addr add 10.81.0.77/24 dev eth7; ip link set eth7 up; ip route add default via 10.81.0.1'
	SH
	chmod +x "$T/hook"
	BUNDLE_JQ=".hooks = { createRuntime: [ { path: \"$T/hook\", env: [\"PATH=$PATH\"] } ] } | .process.capabilities = ([\"CAP_NET_RAW\"] |
		{ bounding: ., effective: ., permitted: . })" bundle "$T/hooked" sh -c 'ip route; ping -c 1 -W 5 10.81.0.1'
	run -0 c run --bundle "$T/hooked" hooked
	[[ $output == *"default via 10.81.0.1 dev eth7"* ]]
	[[ $output == *" 0% packet loss"* ]]
}

@test "interfaces that have traded names" {
	pod a 2
	in_pod a ip link set eth0 down
	in_pod a ip link set eth0 name one
	pod_link a two
	in_pod a ip link set one name two-was
	in_pod a ip link set two down
	in_pod a ip link set two name one
	in_pod a ip link set two-was name two
	in_pod a ip link set one up
	in_pod a ip link set two up
	in_pod a ip -j link show type veth | jq -r '.[] | .ifname + " " + .address' | sort >"$T/want"
	run -0 pod_run a sh -c 'for i in one two; do echo "$i $(cat /sys/class/net/$i/address)"; done'
	diff <(echo "$output") "$T/want"
}

# 3 MB at 8 Mbit/s take 3 s, less what may come at once. A machine that is slow for other reasons is none the wiser.
@test "rates of receiving and sending are limited" {
	local before began

	pod a 2
	before=$(pod_state a)
	sed 's/^\[hypervisor.qemu\]/&\nrx_rate_limiter_max_rate = 8000000/' "$CONF" >"$T/rx.toml"
	sed 's/^\[hypervisor.qemu\]/&\ntx_rate_limiter_max_rate = 8000000/' "$CONF" >"$T/tx.toml"
	CONF="$T/rx.toml" pod_start rx a sh -c 'nc -ll -p 80 -e sh -c "head -c 3000000 | wc -c" & wait'
	wait_for 30 tcp_up 10.81.0.2 80
	began=${EPOCHREALTIME/./}
	[ "$(hub timeout -k 1 60 bash -c 'exec 3<>/dev/tcp/10.81.0.2/80; head -c 3000000 /dev/zero >&3; cat <&3')" = 3000000 ]
	[ $((${EPOCHREALTIME/./} - began)) -gt 2500000 ]
	c delete --force rx
	CONF="$T/tx.toml" pod_start tx a sh -c 'nc -ll -p 80 -e head -c 3000000 /dev/zero & wait'
	wait_for 30 tcp_up 10.81.0.2 80
	began=${EPOCHREALTIME/./}
	[ "$(hub timeout -k 1 60 bash -c 'exec 3<>/dev/tcp/10.81.0.2/80; head -c 3000000 <&3 | wc -c')" = 3000000 ]
	[ $((${EPOCHREALTIME/./} - began)) -gt 2500000 ]
	c delete --force tx
	diff <(echo "$before") <(pod_state a)
}

guest_has() {
	c exec "$1" ip -o addr show 2>/dev/null | grep -q " $2/"
}

guest_lacks() {
	! c exec "$1" ls "/sys/class/net/$2" >/dev/null 2>&1
}

@test "addresses and routes that change while the machine runs" {
	pod a 2
	pod_start later a sh -c 'while :; do sleep 1; done'
	in_pod a ip addr add 10.94.0.2/24 dev eth0
	in_pod a ip route add 10.95.0.0/16 via 10.94.0.9
	in_pod a ip addr del fd81::2/64 dev eth0
	wait_for 30 guest_has later 10.94.0.2
	routed() { c exec later ip route | grep -q "^10.95.0.0/16 via 10.94.0.9"; }
	wait_for 30 routed
	! guest_has later fd81::2
	guest_has later 10.81.0.2
	# An interface that cannot be plugged in is named in the log, and does no harm.
	pod_link a eth1
	named() { grep -q "network interface eth1 does not reach the guest: .*pcie_root_port" /run/caisson/later.*/shim.log; }
	wait_for 30 named
	guest_lacks later eth1
	c delete --force later
}

@test "interfaces that come and go while the machine runs" {
	local before i

	pod a 2
	before=$(pod_state a)
	sed 's/^\[hypervisor.qemu\]/&\npcie_root_port = 2/' "$CONF" >"$T/ports.toml"
	hub ip addr add 10.94.0.1/24 dev br0
	CONF="$T/ports.toml" pod_start hot a sh -c 'while :; do sleep 1; done'
	# Not the same address again: the hub would remember whose it was.
	for i in 2 3; do
		pod_link a eth1
		in_pod a ip addr add "10.94.0.$i/24" dev eth1
		wait_for 60 guest_has hot "10.94.0.$i"
		hub busybox ping -c 2 -W 10 "10.94.0.$i"
		hub ip link del a-eth1
		wait_for 60 guest_lacks hot eth1
	done
	c exec hot ping -c 1 -W 5 10.81.0.1
	c delete --force hot
	hub ip addr del 10.94.0.1/24 dev br0
	diff <(echo "$before") <(pod_state a)
}
