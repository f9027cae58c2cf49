#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# kill -9 of any one process at any moment: state and delete --force answer within 5 s, and nothing is left.

load lib.bash

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	fixture_up
}
teardown_file() { fixture_down; }
teardown() { assert_clean; }

# The pid of a part of the sandbox of container $1.
part_pid() {
	local dir

	dir=$(echo /run/caisson/"$1".*)
	case $2 in
	proxy) jq -r .pid "$STATE/$1/state.json" ;;
	*) jq -r --arg n "$2" '.processes[] | select(.name == $n) | .pid' "$dir/state.json" ;;
	esac
}

# within SECONDS COMMAND...
within() {
	local t0=$EPOCHREALTIME limit=$1 t

	shift
	"$@"
	t=$(awk -v a="$t0" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
	awk -v t="$t" -v l="$limit" 'BEGIN { exit !(t < l) }' || { echo "took $t s: $*"; return 1; }
}

check_after_kill() {
	within 5 c state "$1"
	within 5 c delete --force "$1"
	[ ! -e "$STATE/$1" ]
}

@test "one process of a running container killed" {
	local part
	for part in shim vmm devd-vsock virtiofsd proxy; do
		bundle "$T/k" sleep 600
		c run -d --bundle "$T/k" "t-$part" </dev/null >/dev/null 2>"$T/err"
		kill -KILL "$(part_pid "t-$part" "$part")"
		check_after_kill "t-$part"
	done
}

@test "one process of a created container killed" {
	local part
	for part in shim vmm devd-vsock virtiofsd proxy; do
		bundle "$T/k" sleep 600
		c create --bundle "$T/k" "t-$part" </dev/null >/dev/null 2>"$T/err"
		kill -KILL "$(part_pid "t-$part" "$part")"
		check_after_kill "t-$part"
	done
}

@test "the command killed while it creates, at many moments" {
	local ms pid
	bundle "$T/k" sleep 600
	for ms in 005 020 050 100 300 700 1200; do
		"$CAISSON" --root "$STATE" --config "$CONF" create --bundle "$T/k" "t-$ms" </dev/null >/dev/null 2>&1 &
		pid=$!
		sleep "$(awk -v m=$ms 'BEGIN { print m / 1000 }')"
		kill -KILL $pid 2>/dev/null || true
		wait $pid || true
		within 5 c delete --force "t-$ms"
		[ ! -e "$STATE/t-$ms" ]
	done
}

@test "the shim or the machine killed while it boots" {
	local part pid
	bundle "$T/k" sleep 600
	for part in shim vmm virtiofsd devd-vsock; do
		"$CAISSON" --root "$STATE" --config "$CONF" create --bundle "$T/k" "t-$part" </dev/null >/dev/null 2>"$T/err" &
		pid=$!
		there() { [ -n "$(part_pid "t-$part" "$part" 2>/dev/null)" ]; }
		wait_for 10 there
		kill -KILL "$(part_pid "t-$part" "$part")"
		run wait $pid
		within 5 c delete --force "t-$part"
	done
}

@test "a machine that dies ends the container with 137 and says why" {
	bundle "$T/v" sleep 600
	c run --bundle "$T/v" t-v >/dev/null 2>"$T/err" </dev/null &
	local pid=$!
	running() { [ "$(c state t-v 2>/dev/null | jq -r .status)" = running ]; }
	wait_for 20 running
	kill -KILL "$(part_pid t-v vmm)"
	run wait $pid
	wait $pid || status=$?
	[ "$status" -eq 137 ]
	grep -q 'virtual machine' "$T/err"
}

@test "a guest that panics ends the container and shows the console" {
	bundle "$T/panic" sh -c 'echo c >/proc/sysrq-trigger; sleep 60'
	BUNDLE_JQ='.' c run --bundle "$T/panic" t-p >/dev/null 2>"$T/err" </dev/null || status=$?
	cat "$T/err"
	[ "$status" -ge 128 ]
	grep -qi 'panic' "$T/err"
}
