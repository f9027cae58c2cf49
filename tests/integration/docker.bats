#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docker runs containers in virtual machines through the command line (--add-runtime), as it does with runc.

load lib.bash
load docker.bash

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	fixture_up
	docker_up
}
teardown_file() {
	docker_down
	fixture_down
}
setup() { RUN=(run --rm --network none); }
teardown() { docker_clean; }

# idle NAME [OPTION ...]: a container in the background that waits and ends when it is told to.
idle() {
	local name=$1

	shift
	d run -d --network none --name "$name" "$@" "$DOCKER_IMAGE" sh -c 'trap "exit 5" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
	wait_for 20 says "$name" ready
}

says() { [[ $(d logs "$1" 2>&1) == *"$2"* ]]; }
is() { [ "$(d inspect --format '{{.State.Status}}' "$1")" = "$2" ]; }

@test "run: streams, environment, directory, user, host name, statuses" {
	run --separate-stderr d "${RUN[@]}" -i -e A=b -w /tmp -u 1000:1000 --hostname box "$DOCKER_IMAGE" \
		sh -c 'uname -r; echo $A; pwd; id -u; hostname; echo err >&2; cat; exit 42' <<<typed
	[ "$status" -eq 42 ]
	[ "${lines[0]}" = "$(jq -r .kernel "$CAISSON_BUILD/guest/guest.json")" ]
	[ "${lines[*]:1}" = "b /tmp 1000 box typed" ]
	[ "$stderr" = err ]
	run -127 d "${RUN[@]}" "$DOCKER_IMAGE" nosuchcommand
	[[ $output == *'"nosuchcommand": executable file not found in $PATH'* ]]
}

@test "a running container: exec, logs, top, stats, pause, update, stop" {
	idle box
	run d exec -e X=y -w /tmp box sh -c 'echo $X; pwd; exit 3'
	[ "$status" -eq 3 ]
	[ "${lines[*]}" = "y /tmp" ]
	[ "$(echo in | d exec -i box cat)" = in ]
	[[ $(d top box) == *"trap"* ]]
	run d stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' box
	[ "$status" -eq 0 ]
	[[ $output =~ ^[0-9.]+MiB ]]
	d pause box
	is box paused
	d unpause box
	is box running
	d update --memory 96m --memory-swap 96m --pids-limit 77 box
	[ "$(d exec box cat /sys/fs/cgroup/memory.max)" -eq $((96 << 20)) ]
	[ "$(d exec box cat /sys/fs/cgroup/pids.max)" -eq 77 ]
	d stop -t 20 box
	[ "$(d inspect --format '{{.State.ExitCode}}' box)" -eq 5 ]
	d rm box
}

@test "cp, volumes and tmpfs" {
	echo host >"$T/file"
	d volume create vol
	idle box --volume vol:/vol --tmpfs /tmpfs:size=1m --shm-size 2m --volume "$T/file:/etc/one:ro"
	d exec box sh -c 'echo data >/vol/x'
	[ "$(d "${RUN[@]}" --volume vol:/v "$DOCKER_IMAGE" cat /v/x)" = data ]
	[ "$(d exec box cat /etc/one)" = host ]
	run d exec box sh -c 'echo x >/etc/one'
	[ "$status" -ne 0 ]
	[[ $(d exec box df -k /tmpfs /dev/shm) =~ 1024.*/tmpfs.*2048.*/dev/shm ]]
	d cp "$T/file" box:/tmp/copied
	[ "$(d exec box cat /tmp/copied)" = host ]
	[ "$(d cp box:/etc/hostname - | tar -xO)" = "$(d exec box hostname)" ]
	d rm --force box
	d volume rm vol
}

@test "restart, by hand and by policy" {
	idle box --restart on-failure
	boot=$(d exec box cat /proc/sys/kernel/random/boot_id)
	d restart -t 20 box
	is box running
	[ "$(d exec box cat /proc/sys/kernel/random/boot_id)" != "$boot" ]
	# A process that is killed from inside is a failure: the daemon starts it again.
	d exec box sh -c 'kill -TERM 1'
	again() { [ "$(d inspect --format '{{.RestartCount}}' box)" -ge 1 ] && is box running; }
	wait_for 60 again
	d rm --force box
}

@test "a process over its memory limit is killed, and its status says so" {
	run d run --network none --name box --memory 64m --memory-swap 64m "$DOCKER_IMAGE" sh -c 'x=$(tr "\0" x </dev/zero)'
	[ "$status" -ne 0 ]
	[ "$(d inspect --format '{{.State.ExitCode}}' box)" -eq "$status" ]
	d rm box
}

@test "privileged: all there is in the guest, and no disk of the host" {
	run d "${RUN[@]}" --privileged "$DOCKER_IMAGE" sh -c 'grep CapEff /proc/self/status; ls /dev; mount -t tmpfs x /tmp && echo mounted'
	[ "$status" -eq 0 ]
	[[ $output == *mounted ]]
	[[ ${lines[0]} =~ fffff$ ]]
	[[ $'\n'$output$'\n' == *$'\n'kmsg$'\n'* ]]
	[ "$(d "${RUN[@]}" --privileged "$DOCKER_IMAGE" sh -c 'for d in /dev/*; do [ ! -b "$d" ] || [ -e "/sys/dev/block/$(printf "%d:%d" \
		$(stat -c "0x%t 0x%T" "$d"))" ] || echo "$d"; done')" = "" ]
}

@test "a bridge network: the container's address answers, and it reaches its gateway" {
	d run -d --name web "$DOCKER_IMAGE" sh -c 'mkdir /www; echo hello >/www/index.html; exec httpd -f -p 80 -h /www' >/dev/null
	ip=$(d inspect --format '{{.NetworkSettings.IPAddress}}' web)
	[ -n "$ip" ]
	answers() { [ "$(printf 'GET / HTTP/1.0\r\n\r\n' | nsenter --net="/proc/$(cat "$D/pid")/ns/net" timeout 10 busybox nc -w 2 "$ip" 80 | tail -1)" = hello ]; }
	wait_for 30 answers
	d exec web ping -c 1 -W 5 "$(d inspect --format '{{.NetworkSettings.Gateway}}' web)"
	[[ $(d exec web ip -o -4 addr show eth0) == *"$ip"* ]]
	d rm --force web
}
