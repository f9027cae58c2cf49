# SPDX-License-Identifier: Apache-2.0
# lib - what the integration tests share: a private place, bundles, the runtime under test, and the check that nothing is left.
#
# Every test file loads it and calls fixture_up in setup_file, fixture_down in teardown_file, and assert_clean in teardown. CAISSON_BUILD names the
# build directory with the guest in guest/.

bats_require_minimum_version 1.5.0

# How often a test that failed is tried again; each retry is told aloud (assert_clean) and listed at the end of tests/run.
BATS_TEST_RETRIES=${CAISSON_TEST_RETRIES:-0}

need_root() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
}

# A directory of this test file, with a root file system of busybox and a configuration of the build's guest.
fixture_up() {
	CAISSON_BUILD=$(realpath "${CAISSON_BUILD:?set it to the build directory}")
	export CAISSON_BUILD
	T=$(mktemp -d "/tmp/caisson-it.XXXXXX")
	export T
	export CAISSON="$CAISSON_BUILD/src/cli/caisson"
	export ROOTFS="$T/rootfs" CONF="$T/configuration.toml" STATE="$T/state"
	make_rootfs "$ROOTFS"
	cat >"$CONF" <<-TOML
		[hypervisor.qemu]
		path = "/usr/bin/qemu-system-x86_64"
		kernel = "$CAISSON_BUILD/guest/vmlinux"
		initrd = "$CAISSON_BUILD/guest/initrd.cpio"
		virtio_fs_daemon = "/usr/lib/qemu/virtiofsd"
	TOML
	# One file that is the runtime with its options, for engines that take a path.
	cat >"$T/caisson" <<-SH
		#!/bin/sh
		exec "$CAISSON" --config "$CONF" "\$@"
	SH
	chmod +x "$T/caisson"
	snapshot >"$T/before"
}

fixture_down() {
	[ -n "${T:-}" ] && rm -rf "$T"
}

make_rootfs() {
	local a

	mkdir -p "$1"/{bin,dev,etc,proc,root,run,sys,tmp,var/tmp,home}
	chmod 1777 "$1/tmp" "$1/var/tmp"
	cp /bin/busybox "$1/bin/busybox"
	for a in $(/bin/busybox --list); do
		[ "$a" = busybox ] || ln -s busybox "$1/bin/$a"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:u:/home:/bin/sh\n' >"$1/etc/passwd"
	printf 'root:x:0:\nuser:x:1000:\n' >"$1/etc/group"
}

# bundle DIR COMMAND [ARG ...]: a bundle on the shared rootfs. BUNDLE_JQ edits its config.json.
bundle() {
	local dir=$1

	shift
	mkdir -p "$dir"
	jq -n --arg root "$ROOTFS" '{
		ociVersion: "1.0.2",
		process: { user: { uid: 0, gid: 0 }, args: $ARGS.positional, env: ["PATH=/bin"], cwd: "/" },
		root: { path: $root },
		hostname: "guest",
		mounts: [
			{ destination: "/proc", type: "proc", source: "proc" },
			{ destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"] },
			{ destination: "/dev/pts", type: "devpts", source: "devpts",
			  options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"] },
			{ destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
			{ destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["nosuid", "noexec", "nodev", "ro"] }
		],
		linux: { namespaces: [ {type: "pid"}, {type: "mount"}, {type: "ipc"}, {type: "uts"}, {type: "network"} ] }
	}' --args -- "$@" | jq "${BUNDLE_JQ:-.}" >"$dir/config.json"
}

# The runtime under test, with a bound on everything.
c() {
	timeout -k 5 "${C_TIMEOUT:-90}" "$CAISSON" --root "$STATE" --config "$CONF" "$@"
}

# run_container COMMAND [ARG ...]: in the foreground, in a machine of its own.
run_container() {
	local id=t$RANDOM$RANDOM

	bundle "$T/b-$id" "$@"
	c run --bundle "$T/b-$id" "$id"
}

# FNV-1a, as src/cli/container.c makes the suffix of a sandbox's name from "ROOT/ID".
fnv1a() {
	local h=2166136261 i

	for ((i = 0; i < ${#1}; i++)); do
		h=$((((h ^ $(printf %d "'${1:i:1}")) * 16777619) & 0xffffffff))
	done
	printf %08x "$h"
}

# Of the names on stdin, those of sandboxes that belong to this test file's --root.
own_names() {
	local name

	grep -oE '[A-Za-z0-9_+.-]+\.[0-9a-f]{8}' | sort -u | while read -r name; do
		[ "${name##*.}" != "$(fnv1a "$STATE/${name%.*}")" ] || echo "$name"
	done
}

# The directories of this test file's sandboxes.
sandboxes() {
	find /run/caisson -mindepth 1 -maxdepth 1 -name '*.????????' 2>/dev/null | own_names
}

# What could be left behind: processes of ours, mounts, cgroups, network namespaces, taps, directories.
snapshot() {
	{
		ps -eo args= | grep -F "$T/" | grep -v -e bats -e grep -e 'ps -eo' | sed 's/^/process: /'
		ps -eo args= | own_names | sed 's/^/process of: /'
		awk '{ print "mount: " $5 }' /proc/self/mountinfo | grep -F "$T"
		awk '{ print $5 }' /proc/self/mountinfo | own_names | sed 's/^/mount of: /'
		sandboxes | sed 's/^/file: /'
		find "$STATE" -mindepth 1 -maxdepth 1 | sed 's/^/file: /'
		find /sys/fs/cgroup -type d -name '*.????????' | own_names | sed 's/^/cgroup: /'
		find /run/netns -mindepth 1 | own_names | sed 's/^/netns: /'
		ip -o link show type tun | sed 's/^/tap: /'
	} 2>/dev/null || true
}

# A test that failed and is to be tried again says what it saw: bats forgets it.
tell_retry() {
	[ -n "${BATS_TEST_COMPLETED:-}${BATS_TEST_SKIPPED:-}" ] || [ "$BATS_TEST_TRY_NUMBER" -gt "$BATS_TEST_RETRIES" ] && return
	{
		echo "# retried: $BATS_TEST_DESCRIPTION"
		tail -n 10 <<<"${output:-}" | cut -c1-500 | sed 's/^/#   /'
	} >&3
}

# Compares with what was there before the file's first test. Ended processes may take a moment to be reaped.
assert_clean() {
	local i

	tell_retry
	for i in 1 2 3 4 5 6 7 8 9 10; do
		snapshot >"$T/after"
		# Only what was added: others may take away what was theirs.
		diff "$T/before" "$T/after" | grep '^>' >"$T/left" || return 0
		sleep 0.2
	done
	echo "left behind:"
	cut -c1-160 "$T/left"
	# So that the next test starts clean and fails only for its own reasons.
	for i in "$STATE"/*; do
		[ -d "$i" ] && c delete --force "$(basename "$i")"
	done
	return 1
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}
