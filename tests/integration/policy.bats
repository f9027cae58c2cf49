#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A policy in the guest's image is in force from its first moment, one of the configuration before the first container; nothing that goes around
# the requests goes around it. And what else the configuration says to the agent.

load lib.bash

setup_file() {
	need_root
	fixture_up
	# The kernel unpacks what follows the image as well: the policy, and a shell for the debug console.
	cat >"$T/policy.rego" <<-REGO
		package agent_policy
		import future.keywords.in
		default CreateSandboxRequest := true
		default DestroySandboxRequest := true
		default CreateContainerRequest := true
		default StartContainerRequest := true
		default WaitProcessRequest := true
		default SignalProcessRequest := true
		default StatsContainerRequest := true
		default RemoveContainerRequest := true
		default ExecProcessRequest := false # not even by the debug console
	REGO
	{
		cat "$CAISSON_BUILD/guest/initrd.cpio"
		newc etc - 040755 etc/kata-opa - 040755 etc/kata-opa/default-policy.rego "$T/policy.rego" 0100644 \
			bin - 040755 bin/sh /bin/busybox 0100755
	} >"$T/initrd.cpio"
	# The same guest without a policy, and with a hook.
	cat >"$T/hook" <<-'SH'
		#!/bin/sh
		# The namespaces are there, the container's root is not entered yet.
		pid=$(/bin/sh -c 'cat' | sed 's/.*"pid":\([0-9]*\).*/\1/')
		[ -d "/proc/$pid/root/proc" ] && echo "hook $1 for $pid" >/dev/console
	SH
	{
		cat "$CAISSON_BUILD/guest/initrd.cpio"
		newc bin - 040755 bin/sh /bin/busybox 0100755 bin/cat /bin/busybox 0100755 bin/sed /bin/busybox 0100755 bin/uname /bin/busybox 0100755 \
			hooks - 040755 hooks/prestart - 040755 hooks/prestart/one "$T/hook" 0100755
	} >"$T/hooks.cpio"
	cat >>"$CONF" <<-TOML
		guest_hook_path = ""
		[agent.kata]
		debug_console_enabled = true
	TOML
	sed -i "s|^initrd = .*|initrd = \"$T/initrd.cpio\"|" "$CONF"
}
teardown_file() { fixture_down; }
teardown() { assert_clean; }

# newc NAME FILE MODE ...: a cpio archive of these entries; FILE is - for a directory.
newc() {
	python3 - "$@" <<-'PY'
		import os, sys

		def entry(name, data, mode):
		    name = name.encode() + b"\0"
		    fields = [0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
		    head = b"070701" + b"".join(b"%08x" % f for f in fields) + name
		    pad = lambda b: b + bytes(-len(b) % 4)
		    sys.stdout.buffer.write(pad(head) + pad(data))

		args = sys.argv[1:]
		for name, path, mode in zip(args[::3], args[1::3], args[2::3]):
		    entry(name, b"" if path == "-" else open(path, "rb").read(), int(mode, 8))
		entry("TRAILER!!!", b"", 0)
	PY
}

# What the guest says on a port of its hybrid vsock, after our word if there is one, until it hangs up.
talk_to() {
	python3 - "$@" <<-'PY'
		import socket, sys

		s = socket.socket(socket.AF_UNIX)
		s.settimeout(30)
		s.connect(sys.argv[1])
		s.sendall(b"CONNECT %s\n" % sys.argv[2].encode())
		if len(sys.argv) > 3:
		    s.sendall(sys.argv[3].encode() + b"\n")
		text = b""
		while True:
		    part = s.recv(4096)
		    if not part:
		        break
		    text += part
		print(text.decode())
	PY
}

@test "a policy of the guest's image: what it blocks, on every way" {
	local sandbox

	bundle "$T/p" sh -c 'echo secret; echo secret >&2; cat >/tmp/in; echo read=$?; exec sleep 600'
	echo typed | c run -d --bundle "$T/p" p1 >"$T/out" 2>&1
	# The container lives, but nobody outside hears from it.
	[ "$(c state p1 | jq -r .status)" = running ]
	[ ! -s "$T/out" ]
	run ! c exec p1 true
	[[ $output == *"ExecProcessRequest is blocked by policy"* ]]
	run ! c pause p1
	[[ $output == *"PauseContainerRequest is blocked by policy"* ]]
	run ! c agent --address p1 SetPolicy '{"policy": "package agent_policy"}'
	[[ $output == *"SetPolicyRequest is blocked by policy"* ]]
	c agent --address p1 Check >/dev/null
	sandbox=$(echo /run/caisson/p1.*/)
	run talk_to "$sandbox/vsock" 1026
	[[ $output == *"ExecProcessRequest is blocked by policy"* ]]
	c kill p1 KILL
	gone() { [ "$(c state p1 | jq -r .status)" = stopped ]; }
	wait_for 20 gone
	c delete p1
	[ ! -s "$ROOTFS/tmp/in" ]
}

@test "a policy that cannot be understood keeps the guest from starting" {
	printf 'package agent_policy\nCreateContainerRequest { input.x == 1 }\n' >"$T/bad.rego"
	{
		cat "$CAISSON_BUILD/guest/initrd.cpio"
		newc etc - 040755 etc/kata-opa - 040755 etc/kata-opa/default-policy.rego "$T/bad.rego" 0100644
	} >"$T/bad.cpio"
	sed -i "s|^initrd = .*|initrd = \"$T/bad.cpio\"|" "$CONF"
	bundle "$T/q" true
	run ! c run --bundle "$T/q" q1
	echo "$output"
	[[ $output == *"default-policy.rego: policy: 2:24: "* ]]
}

@test "a policy, hooks and a debug console by configuration" {
	local sandbox policy

	sed -i "s|^initrd = .*|initrd = \"$T/hooks.cpio\"|; s|^guest_hook_path = .*|guest_hook_path = \"/hooks\"|" "$CONF"
	bundle "$T/r" sleep 600
	c run -d --bundle "$T/r" r1
	sandbox=$(echo /run/caisson/r1.*/)
	hooked() { grep -q 'hook prestart for [0-9]' "$sandbox/console.log"; }
	wait_for 10 hooked
	run talk_to "$sandbox/vsock" 1026 'uname -r; exit'
	[[ $output == *"$(jq -r .kernel "$CAISSON_BUILD/guest/guest.json")"* ]]
	c delete --force r1
	policy=$(sed '/ExecProcess/d' "$T/policy.rego" | base64 -w 0)
	sed -i "s|^guest_hook_path = .*||; s|^debug_console_enabled = .*|policy = \"$policy\"|; s|^initrd = .*|initrd = \"$T/hooks.cpio\"|" "$CONF"
	bundle "$T/s" sleep 600
	c run -d --bundle "$T/s" s1
	run ! c exec s1 true
	[[ $output == *"ExecProcessRequest is blocked by policy"* ]]
	c delete --force s1
	sed -i "s|^policy = .*|policy = \"$(printf 'package agent_policy\nallow if input.x' | base64 -w 0)\"|" "$CONF"
	run ! c run --bundle "$T/s" s2
	[[ $output == *"policy: 2:7: "* ]]
}
