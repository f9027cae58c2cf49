# SPDX-License-Identifier: Apache-2.0
# docker - a dockerd with everything of its own: data below $T, mount and network namespaces, no systemd, no registry.
#
# docker_up after fixture_up, docker_down before fixture_down, docker_clean in teardown. `d` is docker; its containers run under the runtime under
# test, the daemon's default.

DOCKER_IMAGE=box:test

docker_up() {
	local tool

	for tool in dockerd docker containerd iptables nsenter; do
		command -v "$tool" >/dev/null || skip "needs $tool"
	done
	export D="$T/docker"
	mkdir -p "$D"
	docker_runtime
	docker_config
	docker_daemon
	wait_for 60 d version >/dev/null 2>&1 || { tail -5 "$D/log"; return 1; }
	tar -C "$ROOTFS" --numeric-owner -c . | d import --change 'CMD ["/bin/sh"]' --change 'ENV PATH=/bin' - "$DOCKER_IMAGE" >/dev/null
	snapshot >"$T/before"
}

# docker gives the runtime a --root of its own, by which the sandboxes' names differ from all others'.
docker_runtime() {
	export STATE="$D/exec/runtime-runc/moby"
	cat >"$D/caisson" <<-SH
		#!/bin/sh
		exec "$CAISSON" --config "$CONF" "\$@"
	SH
	chmod +x "$D/caisson"
}

docker_config() {
	local nofile

	nofile=$(ulimit -Hn)
	[ "$nofile" != unlimited ] || nofile=1048576
	jq -n --arg d "$D" --argjson nofile "$nofile" '{
		"data-root": "\($d)/data", "exec-root": "\($d)/exec", "pidfile": "\($d)/pid", "hosts": ["unix://\($d)/docker.sock"],
		"storage-driver": "overlay2", "exec-opts": ["native.cgroupdriver=cgroupfs"],
		"default-ulimits": {"nofile": {"Name": "nofile", "Soft": $nofile, "Hard": $nofile}},
		"runtimes": {"caisson": {"path": "\($d)/caisson"}}, "default-runtime": "caisson"
	}' >"$D/daemon.json"
}

# In namespaces of its own: its bridge, its firewall and its mounts are not the host's. The daemon ends with the first process of the pid namespace.
docker_daemon() {
	cat >"$D/up" <<-SH
		#!/bin/sh
		mkdir -p /run/docker
		mount -t tmpfs tmpfs /run/docker
		mount -t sysfs -o nosuid,nodev,noexec sysfs "$D/sys"
		ip link set lo up
		echo 1 >/proc/sys/net/ipv4/ip_forward
		exec dockerd --config-file "$D/daemon.json"
	SH
	mkdir -p "$D/sys"
	setsid unshare --net --mount --propagation private sh "$D/up" >"$D/log" 2>&1 </dev/null 3>&- &
	echo $! >"$D/daemon.pid"
}

docker_down() {
	local pid

	[ -n "${D:-}" ] || return 0
	d ps --all --quiet 2>/dev/null | xargs -r timeout 60 docker --host "unix://$D/docker.sock" rm --force >/dev/null 2>&1
	pid=$(cat "$D/pid" 2>/dev/null) && kill "$pid" && wait_for 20 test ! -e "/proc/$pid"
	pid=$(cat "$D/daemon.pid") && [ -e "/proc/$pid" ] && kill -KILL "$pid"
	return 0
}

# docker, with a bound on everything.
d() {
	HOME="$D" timeout -k 5 "${D_TIMEOUT:-90}" docker --host "unix://$D/docker.sock" "$@"
}

docker_clean() {
	local left

	left=$(d ps --all --quiet; d volume ls --quiet)
	if [ -n "$left" ]; then
		echo "docker still has: $left"
		d ps --all --quiet | while read -r id; do d rm --force "$id"; done >/dev/null
		d volume prune --force >/dev/null
	fi
	assert_clean && [ -z "$left" ]
}
