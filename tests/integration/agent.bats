#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The agent's protocol, call by call: by an agent on this machine in namespaces of its own, and by the one of a guest, through its sandbox's
# hybrid vsock socket.

load lib.bash
load agent.bash

# Where the agent runs: each check is a test for both.
setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	fixture_up
}
teardown_file() { fixture_down; }

setup() {
	case $BATS_TEST_DESCRIPTION in
	host:*)
		[ -n "$(cgroup2_mount)" ] || skip "no cgroup2 is mounted here"
		agent_host_up
		;;
	guest:*) agent_guest_up ;;
	esac
}

teardown() {
	case $BATS_TEST_DESCRIPTION in
	host:*) [ -z "${AGENT_PID:-}" ] || agent_host_down || return 1 ;;
	guest:*) [ -z "${AGENT:-}" ] || agent_guest_down ;;
	esac
	assert_clean
}

# --- checks ---

check_life() {
	local info

	[ "$(agent Check)" = '{
  "status": "SERVING"
}' ]
	[ "$(agent Version | jq -r .agent_version)" = "$("$CAISSON" --version | awk 'NR == 1 { print $3 }')" ]
	info=$(agent GetGuestDetails '{"mem_block_size": true}')
	[ "$(jq .agent_details.supports_seccomp <<<"$info")" = true ]
	create a sh -c 'echo out; echo err >&2; hostname; exit 7'
	refused ALREADY_EXISTS CreateContainer "$(jq -nc --slurpfile s "$T/rpc-a/config.json" '{container_id: "a", OCI: $s[0]}')"
	agent StartContainer '{"container_id": "a"}'
	refused FAILED_PRECONDITION StartContainer '{"container_id": "a"}'
	[ "$(status_of a)" -eq 7 ]
	[ "$(output_of a "")" = "out
guest" ]
	[ "$(output_of a "" ReadStderr)" = err ]
	# Again, and by the container's name: the status stays.
	[ "$(status_of a a)" -eq 7 ]
	agent RemoveContainer '{"container_id": "a"}'
	refused NOT_FOUND WaitProcess '{"container_id": "a"}'
}

check_exec_and_stdio() {
	begin b sleep 600
	add b e1 cat
	[ "$(head -c 3000 /dev/urandom | tee "$T/in" | write_to b e1)" -eq 3000 ]
	refused NOT_FOUND WaitProcess '{"container_id": "b", "exec_id": "e2"}'
	agent StartContainer '{"container_id": "b"}' && return 1
	read_from ReadStdout b e1 >"$T/out"
	cmp "$T/in" "$T/out"
	agent CloseStdin "$(ids b e1)"
	[ "$(status_of b e1)" -eq 0 ]
	[ -z "$(output_of b e1)" ]
	# An id may come again once its process was waited for; user, directory and environment are the process's own.
	PROCESS_JQ='.process.user = {uid: 1000, gid: 1000} | .process.cwd = "/tmp" | .process.env += ["X=y"]' add b e3 sh -c 'id -u; pwd; echo $X'
	[ "$(status_of b e3)" -eq 0 ]
	[ "$(output_of b e3 | tr '\n' ' ')" = "1000 /tmp y " ]
	run add b e4 nosuchcommand
	[ "$status" -eq 1 ]
	[[ $output == *'exec: "nosuchcommand": executable file not found in $PATH'* ]]
	# Nobody has made another process of that name.
	add b e5 sleep 600
	refused ALREADY_EXISTS ExecProcess "$(ids b e5 '{"process": {"args": ["true"], "cwd": "/", "user": {}}}')"
	agent RemoveContainer '{"container_id": "b"}'
}

check_signals() {
	local s

	begin c sh -c 'trap "exit 9" USR1; echo ready; while :; do sleep 0.05; done'
	[ "$(read_from ReadStdout c "")" = ready ]
	for s in 1 2 9 15; do
		add c "s$s" sleep 600
		agent SignalProcess "$(ids c "s$s" "{\"signal\": $s}")"
		[ "$(status_of c "s$s")" -eq $((128 + s)) ]
		# The process has ended: that is what was wanted.
		agent SignalProcess "$(ids c "s$s" "{\"signal\": $s}")"
	done
	refused INVALID_ARGUMENT SignalProcess '{"container_id": "c", "signal": 65}'
	agent SignalProcess '{"container_id": "c", "signal": 10}'
	[ "$(status_of c)" -eq 9 ]
	agent RemoveContainer '{"container_id": "c"}'
	# All of it: the init ignores what it has no handler for, the others end.
	begin d sleep 600
	add d x sleep 600
	add d y sleep 600
	agent SignalProcess '{"container_id": "d", "signal": 15, "all": true}'
	[ "$(status_of d x)" -eq 143 ]
	[ "$(status_of d y)" -eq 143 ]
	agent SignalProcess '{"container_id": "d", "signal": 9}'
	[ "$(status_of d)" -eq 137 ]
	agent RemoveContainer '{"container_id": "d"}'
}

check_terminal() {
	BUNDLE_JQ='.process.terminal = true | .process.consoleSize = {height: 24, width: 80}' begin t sh -c 'stty size; read x; stty size'
	wait_for 10 eval '[[ $(read_from ReadStdout t "") == "24 80"* ]]'
	agent TtyWinResize "$(ids t "" '{"row": 50, "column": 132}')"
	[ "$(echo | write_to t "")" -eq 1 ]
	[ "$(status_of t)" -eq 0 ]
	[[ $(output_of t "") == *"50 132"* ]]
	agent RemoveContainer '{"container_id": "t"}'
	# Without a terminal there is nothing to resize.
	begin u sleep 600
	run agent TtyWinResize "$(ids u "" '{"row": 50, "column": 132}')"
	[ "$status" -eq 1 ]
	agent RemoveContainer '{"container_id": "u"}'
}

check_stats() {
	local stats

	begin s sh -c 'sleep 600 & wait'
	add s more sleep 600
	stats=$(agent StatsContainer '{"container_id": "s", "with_processes": true}')
	[ "$(jq -c '[.processes[].comm] | sort' <<<"$stats")" = '["sh","sleep","sleep"]' ] || [ "$(jq '.processes | length' <<<"$stats")" -eq 3 ]
	[ "$(jq '[.processes[] | select(.ppid != 0)] | length' <<<"$stats")" -ge 1 ]
	[ "$(jq '.cgroup_stats.cpu_stats.cpu_usage.total_usage' <<<"$stats")" -gt 0 ]
	if grep -qw pids "$1"; then
		[ "$(jq '.cgroup_stats.pids_stats.current' <<<"$stats")" -eq 3 ]
		[ "$(jq '.cgroup_stats.memory_stats.usage.usage' <<<"$stats")" -gt 0 ]
		agent UpdateContainer '{"container_id": "s", "resources": {"pids": {"limit": 7}}}'
		[ "$(agent StatsContainer '{"container_id": "s"}' | jq .cgroup_stats.pids_stats.limit)" -eq 7 ]
	else
		# What the kernel cannot do is refused by name.
		refused UNIMPLEMENTED UpdateContainer '{"container_id": "s", "resources": {"pids": {"limit": 7}}}'
		[[ $output == *pids.limit* ]]
	fi
	refused INVALID_ARGUMENT UpdateContainer '{"container_id": "s"}'
	agent RemoveContainer '{"container_id": "s"}'
}

check_pause() {
	begin p sleep 600
	add p cat cat
	agent PauseContainer '{"container_id": "p"}'
	[ "$(echo hello | write_to p cat)" -eq 6 ]
	AGENT_TIMEOUT=700ms refused DEADLINE_EXCEEDED ReadStdout "$(ids p cat '{"len": 100}')"
	agent ResumeContainer '{"container_id": "p"}'
	[ "$(read_from ReadStdout p cat)" = hello ]
	# Paused again: removing does not need its help.
	agent PauseContainer '{"container_id": "p"}'
	agent RemoveContainer '{"container_id": "p"}'
}

check_bad_ids() {
	local method id long

	long=$(printf 'x%.0s' {1..256})
	for method in StartContainer RemoveContainer UpdateContainer StatsContainer PauseContainer ResumeContainer SignalProcess WaitProcess \
		WriteStdin ReadStdout ReadStderr CloseStdin TtyWinResize; do
		refused NOT_FOUND "$method" '{"container_id": "nobody"}'
	done
	for id in "" . .. ../x a/b "a b" "$long"; do
		refused INVALID_ARGUMENT CreateContainer "$(jq -nc --arg id "$id" --arg root "$AGENT_ROOT" '{container_id: $id,
			OCI: {ociVersion: "1.0.2", root: {path: $root}, process: {args: ["true"], cwd: "/", user: {}}, linux: {}}}')"
	done
	begin v sleep 600
	for id in . .. ../x a/b "a b" "$long"; do
		refused INVALID_ARGUMENT ExecProcess "$(ids v "$id" '{"process": {"args": ["true"], "cwd": "/", "user": {}}}')"
	done
	refused INVALID_ARGUMENT CreateContainer '{"container_id": "w"}'
	refused INVALID_ARGUMENT ExecProcess "$(ids v w)"
	agent RemoveContainer '{"container_id": "v"}'
}

# What a container does is no other's concern: one floods its output, nobody reads it; others go on.
check_parallel() {
	local pids=() i

	begin loud sh -c 'while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done'
	for i in 1 2 3 4 5 6 7 8; do
		add loud "e$i" sh -c "echo $i; exit $i"
		(AGENT_TIMEOUT=60s; [ "$(status_of loud "e$i")" -eq "$i" ] && [ "$(output_of loud "e$i")" = "$i" ]) &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	agent RemoveContainer '{"container_id": "loud"}'
}

@test "host: a container lives and ends" { check_life; }
@test "host: exec, and stdio by calls" { check_exec_and_stdio; }
@test "host: signals" { check_signals; }
@test "host: a terminal and its size" { check_terminal; }
@test "host: statistics and limits" { check_stats "$AGENT_CGROUP/cgroup.controllers"; }
@test "host: pause and resume" { check_pause; }
@test "host: unknown and invalid ids" { check_bad_ids; }
@test "host: many at once" { check_parallel; }

@test "guest: every check, in one machine" {
	local check

	echo "cpu memory pids" >"$T/controllers"
	for check in check_life check_exec_and_stdio check_signals check_terminal "check_stats $T/controllers" check_pause check_bad_ids check_parallel; do
		echo "$check"
		$check
	done
}
