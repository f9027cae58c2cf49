#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many containers, one after another and at once.

load lib.bash

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	fixture_up
}
teardown_file() { fixture_down; }
teardown() { assert_clean; }

@test "100 containers one after another" {
	bundle "$T/one" sh -c 'exit 5'
	for i in $(seq "${CAISSON_TEST_SOAK:-100}"); do
		run c run --bundle "$T/one" "t$i"
		[ "$status" -eq 5 ]
	done
}

@test "4 containers at once" {
	local i pids=()
	bundle "$T/par" sh -c 'echo here; sleep 1; exit 6'
	for i in 1 2 3 4; do
		c run --bundle "$T/par" "t$i" >"$T/out$i" 2>&1 &
		pids+=($!)
	done
	for i in 1 2 3 4; do
		local s=0
		wait "${pids[$((i - 1))]}" || s=$?
		[ "$s" -eq 6 ]
		[ "$(cat "$T/out$i")" = here ]
	done
}
