#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The guest itself: its kernel's configuration, the kernel that the other tests do not use, and where a start's time went.

load lib.bash

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	fixture_up
}
teardown_file() { fixture_down; }
teardown() { assert_clean; }

builder="$BATS_TEST_DIRNAME/../../guest"

# at MARK: the milliseconds in front of the only line with that mark.
at() {
	awk -v what="$1" 'index($0, what) { n++; at = $1 } END { if (n != 1) exit 1; print at }' "$T/timeline"
}

# A guest's clock can lose milliseconds where the host's processors disagree about theirs.
before() {
	awk -v a="$(at "$1")" -v b="$(at "$2")" 'BEGIN { exit !(a <= b + 20) }' || {
		echo "\"$1\" is not before \"$2\":"
		cat "$T/timeline"
		return 1
	}
}

@test "the timeline joins host and guest, in the order of causes" {
	bundle "$T/t" sleep 600
	c create --bundle "$T/t" gt
	c start gt
	told() {
		c logs --timeline gt >"$T/timeline"
		grep -q ' guest  StartContainer' "$T/timeline"
	}
	wait_for 30 told
	grep -q "the guest's clock is placed to within" "$T/timeline"
	before "the sandbox's owner starts" "Create arrives"
	before "Create arrives" "boot: start the virtual machine"
	before "boot: start the virtual machine" "the agent starts"
	before "the agent starts" "the agent listens"
	before "host   CreateSandbox" "guest  CreateSandbox"
	before "guest  CreateSandbox" "host   CreateContainer"
	before "host   CreateContainer" "guest  CreateContainer"
	before "guest  CreateContainer" "guest  StartContainer"
	c delete --force gt
}

@test "the guest's own kernel has what containers need" {
	[[ $(jq -r .kernel "$CAISSON_BUILD/guest/guest.json") == *-caisson ]] || skip "the guest has Debian's kernel (make guest-kernel)"
	run_container cat /proc/config.gz >"$T/config.gz"
	run "$builder/check-config" "$T/config.gz"
	[ "$status" -eq 0 ]
	[[ $output == *"cgroups: complete"* ]]
}

# Image and configuration in $T for a guest without an initrd.
image_up() {
	command -v "$2" >/dev/null || skip "no $2 here"
	run "$builder/build" --kernel own --agent "$CAISSON_BUILD/src/agent/caisson-agent" --out "$T/$1" --image "$1" --verity
	[ "$status" -eq 0 ] || skip "$output"
	sed "s|^kernel = .*|kernel = \"$T/$1/vmlinux\"|; s|^initrd = .*|initrd = \"\"\nimage = \"$T/$1/image.img\"\nkernel_verity_params = \"$(
		jq -r .kernel_verity_params "$T/$1/image.json")\"|" "$CONF" >"$T/$1.toml"
	CONF=$T/$1.toml
}

@test "a guest boots from an ext4 image that dm-verity checks" {
	image_up ext4 debugfs
	run run_container sh -c 'cat /proc/cmdline; exit 3'
	[ "$status" -eq 3 ]
	[[ $output == *"dm-mod.create="*"root=/dev/dm-0"* ]]
}

@test "a guest boots from an erofs image, and not when a block of it was changed" {
	image_up erofs mkfs.erofs
	run run_container true
	[ "$status" -eq 0 ]
	# In the agent's code: past the partition table and the file system's own head.
	printf X | dd of="$T/erofs/image.img" bs=1 seek=$((2 * 1024 * 1024 + 200000)) conv=notrunc status=none
	run run_container true
	[ "$status" -ne 0 ]
}

# The same agent with the kernel that $CAISSON_BUILD/guest was not made of.
@test "containers run with the other kernel" {
	local other=own

	[[ $(jq -r .kernel "$CAISSON_BUILD/guest/guest.json") != *-caisson ]] || other=debian
	run "$builder/build" --kernel "$other" --agent "$CAISSON_BUILD/src/agent/caisson-agent" --out "$T/guest"
	[ "$status" -eq 0 ] || skip "$output"
	sed "s|$CAISSON_BUILD/guest/|$T/guest/|" "$CONF" >"$T/other.toml"
	CONF=$T/other.toml
	bundle "$T/o" sh -c 'uname -r; echo here >/tmp/x && cat /tmp/x; exit 7'
	run c run --bundle "$T/o" go
	[ "$status" -eq 7 ]
	[ "${lines[0]}" = "$(jq -r .kernel "$T/guest/guest.json")" ]
	[ "${lines[1]}" = here ]
}

# KiB of the guest's page cache, seen by a container.
cache_kib() { c exec gm awk '/^(Cached|Buffers):/ { n += $2 } /^Shmem:/ { n -= $2 } END { print n }' /proc/meminfo; }

@test "a guest at rest drops its page cache" {
	sed 's|^virtio_fs_daemon|kernel_params = "agent.idle_reclaim=2"\n&|' "$CONF" >"$T/rest.toml"
	CONF=$T/rest.toml
	head -c 33554432 /dev/zero >"$ROOTFS/large"
	bundle "$T/m" sleep 600
	c run -d --bundle "$T/m" gm
	c exec gm cat /large >/dev/null
	[ "$(cache_kib)" -gt 32768 ]
	# Each look from inside is work for the guest: its log is asked first.
	dropped() { c logs --agent gm | grep -q 'at rest: [0-9]* KiB of page cache dropped'; }
	wait_for 60 dropped
	[ "$(cache_kib)" -lt 20000 ]
	c delete --force gm
}
