#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Machines that grow: with dynamic sizes a guest gets what its containers ask for while it runs.

load lib.bash

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	fixture_up
	cat >>"$CONF" <<-TOML
		default_memory = 256
		default_maxmemory = 2048
		[runtime]
		static_sandbox_resource_mgmt = false
	TOML
}
teardown_file() { fixture_down; }
teardown() {
	c delete --force t1 >/dev/null 2>&1 || true
	assert_clean
}

mem_mib() { echo $(($(c exec t1 awk '/MemTotal/ {print $2}' /proc/meminfo) / 1024)); }

@test "a container starts with the defaults and its limits" {
	BUNDLE_JQ='.linux.resources = {memory: {limit: 268435456}}' bundle "$T/a" sleep 600
	c run -d --bundle "$T/a" t1
	m=$(mem_mib)
	[ "$m" -gt 380 ]
	[ "$m" -lt 512 ]
}

@test "a raised limit makes the machine larger" {
	BUNDLE_JQ='.linux.resources = {memory: {limit: 134217728}, cpu: {quota: 50000, period: 100000}}' bundle "$T/a" sleep 600
	c run -d --bundle "$T/a" t1
	before=$(mem_mib)
	[ "$before" -lt 384 ]
	c update --memory $((512 << 20)) t1
	after=$(mem_mib)
	echo "memory: $before MiB, then $after MiB"
	[ $((after - before)) -gt 300 ]
}

@test "more processors come online, as far as there are any" {
	[ "$(nproc)" -ge 2 ] || skip "the host has one processor"
	BUNDLE_JQ='.linux.resources = {cpu: {quota: 10000, period: 100000}}' bundle "$T/a" sleep 600
	sed -i 's/^default_memory = 256/default_memory = 256\ndefault_vcpus = 0.5/' "$CONF"
	c run -d --bundle "$T/a" t1
	sed -i '/^default_vcpus/d' "$CONF"
	[ "$(c exec t1 nproc)" -eq 1 ]
	c update --cpu-quota 150000 --cpu-period 100000 t1
	[ "$(c exec t1 nproc)" -eq 2 ]
}

@test "a machine type that cannot grow is refused, by name" {
	sed -i 's/^default_memory = 256/default_memory = 256\nmachine_type = "microvm"/' "$CONF"
	bundle "$T/a" true
	run c run --bundle "$T/a" t1
	sed -i '/^machine_type/d' "$CONF"
	[ "$status" -ne 0 ]
	[[ $output == *"microvm cannot be given memory while it runs"* ]]
	[[ $output == *"q35"* ]]
}

@test "by memory modules instead of virtio-mem" {
	sed -i 's/^default_memory = 256/default_memory = 256\nenable_virtio_mem = false/' "$CONF"
	BUNDLE_JQ='.linux.resources = {memory: {limit: 134217728}}' bundle "$T/a" sleep 600
	c run -d --bundle "$T/a" t1
	sed -i '/^enable_virtio_mem/d' "$CONF"
	before=$(mem_mib)
	c update --memory $((384 << 20)) t1
	after=$(mem_mib)
	[ $((after - before)) -gt 200 ]
}
