#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# podman's pods, and containers that share another's namespaces: one machine for all of them.

load lib.bash
load podman.bash

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	fixture_up
	podman_up
	tar -C "$ROOTFS" --numeric-owner -cf "$P/pause.tar" .
	p import --quiet --change 'ENTRYPOINT ["/bin/sh","-c","trap exit TERM; while :; do sleep 3600 & wait; done"]' \
		--change 'ENV PATH=/bin' "$P/pause.tar" localhost/pause:test >/dev/null
	snapshot >"$T/before"
}
teardown_file() {
	podman_down
	fixture_down
}
teardown() {
	p pod rm --all --force --time 0 >/dev/null 2>&1 || true
	podman_clean
}

boot_id() { p exec "$1" cat /proc/sys/kernel/random/boot_id; }
running() { [ "$(p inspect --format '{{.State.Status}}' "$1")" = running ]; }

@test "a pod is one machine: its containers share network, memory and, if asked, processes" {
	p pod create --name pd --infra-image localhost/pause:test --network none --share net,ipc,uts,pid
	p run -d --pod pd --name a "$IMAGE" sleep 601
	p run -d --pod pd --name b "$IMAGE" sh -c 'trap "exit 5" TERM; while :; do sleep 0.1; done'
	boot=$(boot_id a)
	[ "$(boot_id b)" = "$boot" ]
	[ "$(p exec a hostname)" = pd ]
	p exec b sh -c 'echo shared >/dev/shm/x'
	[ "$(p exec a cat /dev/shm/x)" = shared ]
	[[ $(p exec b ps) == *"sleep 601"* ]]
	# One of them is restarted in the living machine.
	p restart -t 20 b
	running b
	[ "$(boot_id b)" = "$boot" ]
	p rm -f -t 0 a
	running b
	p pod stop -t 20 pd
	p pod start pd
	running b
	[ "$(boot_id b)" != "$boot" ]
}

@test "a container that shares another's namespaces is in the other's machine" {
	p run -d --network none --name owner "$IMAGE" sleep 602
	[ "$(p run --rm --network container:owner "$IMAGE" cat /proc/sys/kernel/random/boot_id)" = "$(boot_id owner)" ]
	[[ $(p run --rm --network none --pid container:owner "$IMAGE" ps) == *"sleep 602"* ]]
	running owner
	p rm -f -t 0 owner
}
