#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The benchmarks work and say what they measured in JSON. What the figures are is not looked at.

load lib.bash

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	fixture_up
	export BENCH=$BATS_TEST_DIRNAME/../../bench
}
teardown_file() { fixture_down; }
teardown() { assert_clean; }

# figures NAME LINES: one run each; every line is a complete figure, of finite positive numbers.
figures() {
	timeout -k 5 240 "$BENCH/run" --build "$CAISSON_BUILD" --json -n 1 "$1" >"$T/$1.json"
	jq -es --argjson n "$2" 'length == $n and all(.[];
		(.what | type == "string" and length > 0) and (.against | type == "string") and (.unit | type == "string") and .ratio > 0 and
		all(.mine, .theirs; .n >= 1 and .min <= .median and .median > 0 and .median <= .max))' "$T/$1.json" || { cat "$T/$1.json"; return 1; }
}

@test "start" {
	# With the other kernel, where it is at hand, there are more.
	CAISSON_BENCH_AT_ONCE=2 figures start 4 || [ "$(jq -s length "$T/start.json")" -gt 4 ]
}
@test "memory" { figures memory 10; }
@test "stdio" { CAISSON_BENCH_MIB=1 figures stdio 2; }
@test "net" { CAISSON_BENCH_MIB=1 figures net 10; }
@test "shim" {
	for tool in containerd ctr runc; do
		command -v "$tool" >/dev/null || skip "$tool is not installed"
	done
	figures shim 6
}
@test "agent" {
	command -v crun >/dev/null || skip "crun is not installed"
	figures agent 11
}

@test "a figure as a line of text and of JSON" {
	cat >"$T/figure.py" <<-'PY'
		from common import Table

		for as_json in (False, True):
		    Table(as_json).ratio("a", "b", [3, 1, 2], [8, 8], "s", 1)
	PY
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$BENCH run python3 "$T/figure.py"
	[ "${lines[0]}" = "    0.25x (target 1)  a: 2 [1..3] n=3 s, against b: 8 [8..8] n=2 s" ]
	[ "$(jq -c '[.ratio, .mine.n, .theirs.median, .target]' <<<"${lines[1]}")" = '[0.25,3,8,1]' ]
}

@test "options that make no sense" {
	run "$BENCH/run" --build "$CAISSON_BUILD" -n 0 stdio
	[ "$status" -eq 2 ]
	run env -u CAISSON_BUILD "$BENCH/memory"
	[ "$status" -eq 2 ]
	[[ $output == *"--build or CAISSON_BUILD is needed"* ]]
}
