#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Wrong input: one clear line, the right status, nothing left.

load lib.bash

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	fixture_up
}
teardown_file() { fixture_down; }
teardown() { assert_clean; }

# fails PATTERN COMMAND...: status 1 and one line that matches.
fails() {
	local pattern=$1

	shift
	run "$@"
	echo "status $status: $output"
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output =~ $pattern ]]
}

@test "bundles that are missing, malformed or huge" {
	fails 'No such file' c create --bundle "$T/absent" t1
	mkdir -p "$T/bad"
	echo '{ "ociVersion": ' >"$T/bad/config.json"
	fails 'config.json:[0-9]+:[0-9]+' c create --bundle "$T/bad" t1
	echo '{ "ociVersion": "1.0.2", "process": 5 }' >"$T/bad/config.json"
	fails 'process' c create --bundle "$T/bad" t1
	head -c 104857600 /dev/zero | tr '\0' ' ' >"$T/bad/config.json"
	fails 'config.json' c create --bundle "$T/bad" t1
}

@test "a root file system that is absent" {
	BUNDLE_JQ='.root.path = "/nonexistent/rootfs"' bundle "$T/r" true
	fails '/nonexistent/rootfs' c create --bundle "$T/r" t1
}

@test "commands that are not there, or not to be executed" {
	bundle "$T/n" nosuchcommand
	fails 'exec: "nosuchcommand": executable file not found in \$PATH' c run --bundle "$T/n" t1
	bundle "$T/n" /no/such
	fails 'exec: "/no/such": stat /no/such: no such file or directory' c run --bundle "$T/n" t1
	bundle "$T/n" /etc/passwd
	fails 'exec: "/etc/passwd": permission denied' c run --bundle "$T/n" t1
}

@test "hostile container ids" {
	bundle "$T/i" true
	fails 'invalid container id' c create --bundle "$T/i" ../x
	fails 'too long' c create --bundle "$T/i" "$(printf 'a%.0s' $(seq 1000))"
	fails 'must not be empty' c create --bundle "$T/i" ''
	fails 'invalid container id' c create --bundle "$T/i" $'a\nb'
	fails 'invalid container id' c delete ..
}

@test "an id that is in use" {
	bundle "$T/u" sleep 600
	c run -d --bundle "$T/u" t2
	fails 'container with given ID already exists' c create --bundle "$T/u" t2
	[ "$(c state t2 | jq -r .status)" = running ]
	c delete --force t2
}

@test "unknown ids" {
	fails 'container does not exist' c state nosuch
	fails 'container does not exist' c start nosuch
	fails 'container does not exist' c kill nosuch
	fails 'container does not exist' c delete nosuch
	c delete --force nosuch
}

@test "kernel, initrd, QEMU or the file server missing" {
	bundle "$T/m" true
	local key
	for key in kernel initrd path virtio_fs_daemon; do
		sed "s|^$key = .*|$key = \"/nonexistent/$key\"|" "$CONF" >"$T/broken.toml"
		fails "/nonexistent/$key" timeout 60 "$CAISSON" --root "$STATE" --config "$T/broken.toml" run --bundle "$T/m" t3
	done
}

@test "configuration: malformed, unknown, missing" {
	bundle "$T/c" true
	printf '[hypervisor.qemu]\nkernel = \n' >"$T/broken.toml"
	fails 'broken.toml:2:' "$CAISSON" --root "$STATE" --config "$T/broken.toml" create --bundle "$T/c" t4
	printf '[hypervisor.qemu]\ndefault_memory = "much"\n' >"$T/broken.toml"
	fails 'default_memory' "$CAISSON" --root "$STATE" --config "$T/broken.toml" create --bundle "$T/c" t4
	fails '/nonexistent.toml' "$CAISSON" --root "$STATE" --config /nonexistent.toml create --bundle "$T/c" t4
}

@test "a state directory on a full disk" {
	mkdir -p "$T/full"
	mount -t tmpfs -o size=4k,nr_inodes=8 tmpfs "$T/full"
	head -c 4096 /dev/zero >"$T/full/fill"
	bundle "$T/d" true
	run "$CAISSON" --root "$T/full/state" --config "$CONF" create --bundle "$T/d" t5
	local left
	left=$(ls "$T/full/state" 2>/dev/null)
	umount "$T/full"
	echo "$output"
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *"No space left"* ]]
	[ -z "$left" ]
}

@test "the host's network is refused" {
	BUNDLE_JQ='.linux.namespaces |= map(select(.type != "network"))' bundle "$T/net" true
	fails "the host's network cannot be shared" c create --bundle "$T/net" t6
}

@test "checkpoint and restore say that they are not supported" {
	fails 'not supported' c checkpoint t7
	fails 'not supported' c restore t7
}
