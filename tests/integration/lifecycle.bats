#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The life of a container through the command line: what the guest is, states, statuses, signals.

load lib.bash

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	fixture_up
}
teardown_file() { fixture_down; }
teardown() { assert_clean; }

@test "kernel, command line, processors and memory are the guest's" {
	# The kernel's log is for CAP_SYSLOG, in the guest as on a host.
	export BUNDLE_JQ='.process.capabilities = (["bounding", "effective", "permitted"] | map({(.): ["CAP_SYSLOG"]}) | add)'
	run --separate-stderr run_container sh -c 'uname -r; cat /proc/cmdline; nproc; head -1 /proc/meminfo; dmesg | head -1'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "$(jq -r .kernel "$CAISSON_BUILD/guest/guest.json")" ]
	[[ ${lines[1]} == *panic=-1* ]]
	[ "${lines[2]}" -eq 1 ]
	[[ ${lines[3]} =~ MemTotal:\ +([0-9]+) ]]
	[ "${BASH_REMATCH[1]}" -lt $((512 * 1024)) ]
	[[ ${lines[4]} == *"Linux version"* ]]
}

@test "exit statuses are exact" {
	bundle "$T/x" sleep 600
	c run -d --bundle "$T/x" tx
	for s in 0 1 2 7 100 126 127 128 200 254 255; do
		run c exec tx sh -c "exit $s"
		[ "$status" -eq "$s" ]
	done
	for s in HUP INT KILL TERM USR1; do
		run c exec tx sh -c "kill -$s \$\$; sleep 5"
		[ "$status" -eq $((128 + $(kill -l $s))) ]
	done
	c delete --force tx
	run run_container sh -c 'exit 42'
	[ "$status" -eq 42 ]
	run run_container sh -c 'kill -KILL $$'
	[ "$status" -eq 0 ] # PID 1 of a pid namespace cannot kill itself
}

@test "states go from created over running to stopped" {
	bundle "$T/s" sh -c 'trap "exit 3" TERM; touch /tmp/ready; while :; do sleep 0.1; done'
	c create --bundle "$T/s" --pid-file "$T/s/pid" t1
	[ "$(c state t1 | jq -r .status)" = created ]
	[ "$(c state t1 | jq -r .pid)" = "$(cat "$T/s/pid")" ]
	kill -0 "$(cat "$T/s/pid")"
	c start t1
	[ "$(c state t1 | jq -r .status)" = running ]
	run c start t1
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	run c delete t1
	[ "$status" -eq 1 ]
	wait_for 10 test -e "$ROOTFS/tmp/ready" # before it has its trap, PID 1 ignores the signal
	c kill t1 TERM
	stopped() { [ "$(c state t1 | jq -r .status)" = stopped ]; }
	wait_for 10 stopped
	run c kill t1 TERM
	[ "$status" -eq 1 ]
	[[ $output == *"container not running"* ]]
	c delete t1
	run c state t1
	[ "$status" -eq 1 ]
	[[ $output == *"does not exist"* ]]
}

@test "the init proxy is the container: its status, its death" {
	bundle "$T/p" sh -c 'trap "exit 9" USR1; touch /tmp/ready2; while :; do sleep 0.1; done'
	c create --bundle "$T/p" --pid-file "$T/p/pid" t2
	c start t2
	wait_for 10 test -e "$ROOTFS/tmp/ready2"
	kill -USR1 "$(cat "$T/p/pid")"
	gone() { ! kill -0 "$(cat "$T/p/pid")" 2>/dev/null; }
	wait_for 10 gone
	c delete t2

	bundle "$T/p" sleep 600
	c create --bundle "$T/p" --pid-file "$T/p/pid" t3
	c start t3
	kill -KILL "$(cat "$T/p/pid")"
	stopped() { [ "$(c state t3 | jq -r .status)" = stopped ]; }
	wait_for 10 stopped
	c delete t3
}

@test "exec runs in the container with user, directory and environment" {
	bundle "$T/e" sleep 600
	c run -d --bundle "$T/e" t4
	run c exec --user 1000:1000 --cwd /tmp --env X=y t4 sh -c 'id -u; id -g; pwd; echo $X; hostname'
	[ "$status" -eq 0 ]
	[ "${lines[*]}" = "1000 1000 /tmp y guest" ]
	run c exec t4 nosuchcommand
	[ "$status" -ne 0 ]
	[[ $output == *'exec: "nosuchcommand": executable file not found in $PATH'* ]]
	[ "${#lines[@]}" -eq 1 ]
	[ "$(c exec t4 cat /proc/1/comm)" = sleep ]
	c delete --force t4
}

@test "pause and resume" {
	bundle "$T/z" sh -c 'i=0; while :; do i=$((i+1)); echo $i >/tmp/z; done'
	c run -d --bundle "$T/z" t5
	wait_for 10 test -s "$ROOTFS/tmp/z"
	c pause t5
	[ "$(c state t5 | jq -r .status)" = paused ]
	a=$(cat "$ROOTFS/tmp/z"); sleep 1; b=$(cat "$ROOTFS/tmp/z")
	[ "$a" = "$b" ]
	c resume t5
	[ "$(c state t5 | jq -r .status)" = running ]
	moved() { [ "$(cat "$ROOTFS/tmp/z")" != "$b" ]; }
	wait_for 10 moved
	c delete --force t5
}

@test "hooks run in their places with the state on stdin" {
	cat >"$T/hook" <<-SH
		#!/bin/sh
		cat >"$T/hook-\$1.json"
		echo "\$1" >>"$T/hooks"
	SH
	chmod +x "$T/hook"
	BUNDLE_JQ=".hooks = {
		prestart: [{path: \"$T/hook\", args: [\"hook\", \"prestart\"]}],
		createRuntime: [{path: \"$T/hook\", args: [\"hook\", \"createRuntime\"]}],
		poststart: [{path: \"$T/hook\", args: [\"hook\", \"poststart\"]}],
		poststop: [{path: \"$T/hook\", args: [\"hook\", \"poststop\"]}] }" bundle "$T/h" true
	c run --bundle "$T/h" t6
	[ "$(tr '\n' ' ' <"$T/hooks")" = "prestart createRuntime poststart poststop " ]
	[ "$(jq -r .id "$T/hook-prestart.json")" = t6 ]
	[ "$(jq -r .status "$T/hook-poststop.json")" = stopped ]
}

@test "a prestart hook that fails fails the creation and leaves nothing" {
	BUNDLE_JQ='.hooks = { prestart: [{path: "/bin/false"}] }' bundle "$T/hf" true
	run c create --bundle "$T/hf" t7
	[ "$status" -eq 1 ]
	[[ $output == *hook* ]]
}
