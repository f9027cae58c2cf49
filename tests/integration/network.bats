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
