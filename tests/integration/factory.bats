#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Templates: made beforehand or on the way, copied, no two copies alike, and never used when they do not fit.

load lib.bash

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	fixture_up
	export TEMPLATES="$T/templates"
	cat >>"$CONF" <<-TOML
		[factory]
		enable_template = true
		template_path = "$TEMPLATES"
		[runtime]
		enable_debug = true
	TOML
}
teardown_file() { fixture_down; }
teardown() {
	c delete --force t1 >/dev/null 2>&1 || true
	c delete --force t2 >/dev/null 2>&1 || true
	no_builders
	assert_clean
}

# Templates ordered by a sandbox are made after it: wait for them, so that the next test knows what is there.
builders() { pgrep -f -- "--config $CONF factory" >/dev/null; }
no_builders() {
	not() { ! builders; }
	wait_for 90 not
}

ready() { [ "$(c factory --json status | jq -r .state)" = ready ]; }

# The shim's own words on how its machine came to be.
says() { c logs --shim "$1" | grep -F "$2"; }

@test "a template is made, shown and removed" {
	run c factory status
	[ "$status" -eq 0 ]
	[[ $output == *"none that fits"* ]]
	run c factory init
	[ "$status" -eq 0 ]
	[[ $output == *"made the template of caisson"* ]]
	ready
	run c factory init
	[[ $output == *"is there"* ]]
	dir=$(c factory --json status | jq -r .path)
	[ "$(stat -c %a "$dir/memory" "$dir/state" "$dir/template.json" | sort -u)" = 400 ]
	[ -z "$(find "$TEMPLATES" -name '.build*')" ]
	c factory destroy
	[ ! -e "$TEMPLATES/caisson" ]
	run c factory sell
	[ "$status" -eq 1 ]
	[[ $output == *"init, status or destroy"* ]]
}

@test "copies run containers, and no two are alike" {
	c factory init
	bundle "$T/b" sh -c 'cat /proc/sys/kernel/random/boot_id; head -c 16 /dev/urandom | od -An -tx1; date +%s; hostname; sleep 600'
	for i in 1 2; do
		c run -d --bundle "$T/b" "t$i" >"$T/out$i"
		says "t$i" "boot: let the copy run"
		says "t$i" "boot: make the copy its own"
	done
	for i in 1 2; do
		c exec "t$i" cat /proc/sys/kernel/random/boot_id >"$T/boot$i"
		c exec "t$i" sh -c 'head -c 16 /dev/urandom | od -An -tx1' >"$T/random$i"
		# The clock is the host's, not the template's.
		now=$(c exec "t$i" date +%s)
		[ $(($(date +%s) - now)) -lt 10 ]
		[ $((now - $(date +%s))) -lt 10 ]
	done
	run ! cmp "$T/boot1" "$T/boot2"
	run ! cmp "$T/random1" "$T/random2"
	# The share is the sandbox's own, both ways.
	c exec t1 sh -c 'echo from the copy >/tmp/copy'
	[ "$(cat "$ROOTFS/tmp/copy")" = "from the copy" ]
	# Nothing of the template is written.
	ready
}

@test "status and output of a copy's container are exact" {
	c factory init
	run run_container sh -c 'echo out; echo err >&2; exit 42'
	[ "$status" -eq 42 ]
	[[ $output == *out* ]]
	[[ $output == *err* ]]
}

@test "more than the template has comes before the container" {
	c factory init
	BUNDLE_JQ='.linux.resources = {memory: {limit: 838860800}}' bundle "$T/big" sh -c 'grep MemTotal /proc/meminfo; sleep 600'
	c run -d --bundle "$T/big" t1
	says t1 "boot: let the copy run"
	kib=$(c exec t1 awk '/MemTotal/ {print $2}' /proc/meminfo)
	[ "$kib" -gt $((700 * 1024)) ]
}

@test "a damaged template is not used, and is made anew" {
	c factory init
	dir=$(c factory --json status | jq -r .path)
	truncate -s -1000 "$dir/state"
	[[ $(c factory status) == *damaged* ]]
	bundle "$T/d" sleep 600
	c run -d --bundle "$T/d" t1
	run ! says t1 "boot: let the copy run: [1-9]"
	says t1 "is damaged"
	c exec t1 true
	c delete --force t1
	wait_for 90 ready
}

# What the check cannot see, QEMU does: the machine boots all the same.
@test "a state that cannot be loaded costs time, not the container" {
	c factory init
	dir=$(c factory --json status | jq -r .path)
	n=$(stat -c %s "$dir/state")
	dd if=/dev/zero of="$dir/state" bs=1 count=64 seek=$((n / 2)) conv=notrunc status=none
	truncate -s $((n / 2)) "$dir/state"
	# As if it had been saved like that.
	python3 - "$dir" <<-'PY'
		import json, os, sys
		d = sys.argv[1]
		h = 14695981039346656037
		data = open(d + "/state", "rb").read()
		for b in data:
		    h = (h ^ b) * 1099511628211 % (1 << 64)
		j = json.load(open(d + "/template.json"))
		j["state_size"], j["state_hash"] = len(data), h
		os.unlink(d + "/template.json")
		json.dump(j, open(d + "/template.json", "w"))
	PY
	ready
	bundle "$T/d" sleep 600
	c run -d --bundle "$T/d" t1
	says t1 "the machine boots instead"
	c exec t1 true
	run ! ready
}

@test "another kernel command line, another template" {
	c factory init
	first=$(c factory --json status | jq -r .path)
	sed -i 's/^kernel = /kernel_params = "quiet audit=0"\nkernel = /' "$CONF"
	[[ $(c factory status) == *"none that fits"* ]]
	c factory init
	second=$(c factory --json status | jq -r .path)
	sed -i '/^kernel_params/d' "$CONF"
	[ "$first" != "$second" ]
	[ ! -e "$first" ]
}

@test "two at once make one template" {
	c factory destroy
	c factory init >"$T/one" 2>&1 &
	one=$!
	building() { [ -e "$TEMPLATES/caisson/.build" ]; }
	wait_for 30 building
	run c factory init
	[ "$status" -eq 1 ]
	[[ $output == *"is being made by another process"* ]]
	wait "$one"
	ready
}

@test "killed while it makes one: the next begins anew" {
	c factory destroy
	"$CAISSON" --root "$STATE" --config "$CONF" factory init >/dev/null 2>&1 &
	one=$!
	building() { [ -s "$TEMPLATES/caisson/.build/console.log" ] || [ -e "$TEMPLATES/caisson/.build/vmm.log" ]; }
	wait_for 30 building
	kill -9 "$one"
	wait "$one" || true
	c factory init
	ready
	[ ! -e "$TEMPLATES/caisson/.build" ]
}
