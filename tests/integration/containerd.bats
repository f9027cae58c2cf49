#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# containerd 1.6 and ctr against the shim: containers and their processes, events, what survives containerd's restart, and what is left of a container
# whose shim, machine or guest has gone.

load lib.bash
load containerd.bash

setup_file() {
	need_root
	fixture_up
	# Small machines: some tests have many.
	sed -i 's/^\[hypervisor.qemu\]/&\ndefault_memory = 256/' "$CONF"
	printf '[agent.kata]\ndial_timeout = 200\n' >>"$CONF" # many of them boot at the same time
	containerd_up
}

teardown_file() {
	containerd_down
	fixture_down
}

teardown() {
	[ ! -s "$BATS_TEST_TMPDIR/events.pid" ] || kill "$(cat "$BATS_TEST_TMPDIR/events.pid")" || true
	containerd_clean
}

# Everything that containerd's subscribers hear from now on.
record_events() {
	ctr -a "$CTD" events >"$BATS_TEST_TMPDIR/events" 2>&1 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/events.pid"
	# Until it listens.
	wait_for 30 heard_of_probe
}

heard_of_probe() {
	k namespaces label default probe="$RANDOM" && grep -q /namespaces/update "$BATS_TEST_TMPDIR/events"
}

# heard ID: the topics of events about a container, in order, with the exec's id behind.
heard() {
	sed -n 's/^.* default \(\/tasks\/[a-z-]*\) \({.*\)$/\1 \2/p' "$BATS_TEST_TMPDIR/events" | while read -r topic json; do
		jq -r --arg topic "$topic" --arg id "$1" 'select(.container_id == $id) |
			"\($topic)\(if .exec_id then " " + .exec_id elif .id and .id != $id then " " + .id else "" end)"' <<<"$json"
	done
}

has_heard() {
	heard "$1" | grep -qx "$2"
}

task_status() {
	k tasks ls | awk -v id="$1" '$1 == id { print $3 }'
}

is_status() {
	[ "$(task_status "$1")" = "$2" ]
}

# Deletes a task that has ended and prints the exit status that containerd knows of it.
exit_status() {
	k tasks rm "$1" 2>&1 | sed -n 's/.*non-zero exit code \([0-9]*\).*/\1/p' | grep . || echo 0
}

has_ended() {
	! kill -0 "$1" 2>/dev/null || grep -q '^State:.*[ZX]' "/proc/$1/status"
}

log_has() {
	grep -q "$2" "$1"
}

@test "run: output, standard error and status come through; nothing is left" {
	run --separate-stderr k_run --rm r1 sh -c 'echo out; echo err >&2; exit 7'
	[ "$status" -eq 7 ]
	[ "$output" = out ]
	[ "$stderr" = err ]
	run k_run --rm r2 sh -c 'cat /proc/version; yes | head -c 3000000 | md5sum'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" != "$(cat /proc/version)" ]
	[ "${lines[1]}" = "$(yes | head -c 3000000 | md5sum)" ]
	[ ! -e "$(containerd_socket r1)" ]
}

@test "stdin: what is piped in arrives whole, and its end" {
	head -c 2000000 /dev/urandom >"$BATS_TEST_TMPDIR/in"
	run k_run --rm i1 sha256sum <"$BATS_TEST_TMPDIR/in"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = "$(sha256sum <"$BATS_TEST_TMPDIR/in")" ]
}

@test "a terminal: its size, what is typed, and one that is closed" {
	run script --quiet --return --command "stty rows 33 cols 99; ctr -a $CTD run --rm -t --runtime $RUNTIME $BOX t1 \
		sh -c 'tty; for i in 1 2 3 4 5 6 7 8 9; do stty size | grep -q 33 && break; sleep 1; done; stty size; read x; echo got \$x; exit 5'" \
		/dev/null <<<hello
	[ "$status" -eq 5 ]
	[[ "$output" = */dev/pts/0* ]]
	[[ "$output" = *"33 99"* ]]
	[[ "$output" = *"got hello"* ]]
}

@test "the shim: bare address, socket at the conventional place, address file, and what it says of itself" {
	local bundle="$D/state/io.containerd.runtime.v2.task/default/b1" shim="$D/bin/containerd-shim-caisson-v2"

	k_run -d b1 sleep 1000
	[ "$(cat "$bundle/address")" = "unix://$(containerd_socket b1)" ]
	[ "$(stat -c %a "$(containerd_socket b1)")" = 600 ]
	# A second one is refused, in one line.
	run "$shim" -namespace default -address "$CTD" -publish-binary /usr/bin/containerd -id b1 -bundle "$bundle" start </dev/null
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" = *"sandbox b1"*"exists and runs"* ]]
	# Its mounts are its own: the host does not see the root file system.
	[ -z "$(find "$bundle/rootfs" -mindepth 1)" ]
	k tasks kill -s KILL b1
	wait_for 30 is_status b1 STOPPED
	k tasks rm b1 || true
	k containers rm b1
	[ ! -e "$(containerd_socket b1)" ]
	run "$shim" -v
	[[ "$output" = *Version:* ]]
	"$shim" -info </dev/null | grep -aq io.containerd.caisson.v2
}

# by_hand ID ACTION: the shim as containerd calls it, in the bundle $T/ID.
by_hand() {
	cd "$T/$1" && timeout -k 5 30 "$D/bin/containerd-shim-caisson-v2" -namespace default -address "$CTD" -publish-binary /usr/bin/containerd \
		-id "$1" -bundle "$T/$1" "$2"
}

@test "start and delete by hand: the forms of the answer, a container of a pod, and what delete says" {
	local id pod='.annotations = { "io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": $id }'

	bundle "$T/h1" true
	bundle "$T/h2" true
	BUNDLE_JQ=${pod/\$id/\"h1\"} bundle "$T/h3" true
	BUNDLE_JQ=${pod/\$id/\"nobody\"} bundle "$T/h4" true
	# Of containerd 2: JSON with the newest version that it speaks.
	MAX_SHIM_VERSION=3 run by_hand h1 start </dev/null
	[ "$status" -eq 0 ]
	[ "$(jq -c '[.version, .address, .protocol]' <<<"$output")" = "[3,\"unix://$(containerd_socket h1)\",\"ttrpc\"]" ]
	[ "$(cat "$T/h1/address")" = "unix://$(containerd_socket h1)" ]
	# Of containerd 2.3: parameters on stdin (instance_id and namespace).
	run by_hand h2 start < <(printf '\012\002h2\022\007default')
	[ "$status" -eq 0 ]
	[ "$(jq -r .address <<<"$output")" = "unix://$(containerd_socket h2)" ]
	# One shim a pod.
	run by_hand h3 start </dev/null
	[ "$output" = "unix://$(containerd_socket h1)" ]
	run by_hand h4 start </dev/null
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" = *"sandbox nobody"* ]]
	run by_hand h2 start < <(echo nonsense)
	[ "$status" -eq 1 ]
	[[ "$output" = *stdin* ]]
	# The pod's own shim stays when a container of it goes; then it goes itself: exit status 137, killed now.
	by_hand h3 delete </dev/null | od -An -tx1 | grep -q '10 89 01'
	[ -S "$(containerd_socket h1)" ]
	for id in h1 h2; do
		by_hand "$id" delete </dev/null | od -An -tx1 | grep -q '10 89 01'
		[ ! -e "$(containerd_socket "$id")" ]
	done
	rm -r "$T"/h[1-4]
}

@test "exec: status, stdin, terminal, and the order of events" {
	record_events
	k_run -d e1 sh -c 'trap "exit 9" TERM; echo up; while :; do sleep 1; done'
	run k tasks exec --exec-id x1 e1 sh -c 'echo in exec; exit 5' </dev/null
	[ "$status" -eq 5 ]
	[ "$output" = "in exec" ]
	run k tasks exec --exec-id x2 e1 md5sum <<<piped
	[ "$output" = "$(md5sum <<<piped)" ]
	# A terminal of the size that ctr's own has.
	run script --quiet --return --command "stty rows 33 cols 99; ctr -a $CTD tasks exec -t --exec-id x3 e1 \
		sh -c 'tty; for i in 1 2 3 4 5 6 7 8 9; do stty size | grep -q 33 && break; sleep 1; done; stty size; exit 4'" /dev/null </dev/null
	[ "$status" -eq 4 ]
	[[ "$output" = */dev/pts/* ]]
	[[ "$output" = *"33 99"* ]]
	# One in the background, and a signal for it alone.
	k tasks exec -d --exec-id x5 e1 sleep 1000
	k tasks kill --exec-id x5 -s TERM e1
	wait_for 30 has_heard e1 '/tasks/exit x5'
	is_status e1 RUNNING
	# A program that is not there.
	run k tasks exec --exec-id x4 e1 no-such-program </dev/null
	[ "$status" -ne 0 ]
	echo "$output"
	[[ "$output" = *no-such-program* ]]
	k tasks kill e1
	wait_for 30 is_status e1 STOPPED
	[ "$(exit_status e1)" -eq 9 ]
	k containers rm e1
	wait_for 30 has_heard e1 /tasks/delete
	heard e1 >"$BATS_TEST_TMPDIR/heard"
	[ "$(grep -v ' x' "$BATS_TEST_TMPDIR/heard" | tr '\n' ' ')" = "/tasks/create /tasks/start /tasks/exit /tasks/delete " ]
	for x in x1 x2 x3 x5; do
		[ "$(grep " $x\$" "$BATS_TEST_TMPDIR/heard" | tr '\n' ' ')" = "/tasks/exec-added $x /tasks/exec-started $x /tasks/exit $x " ]
	done
}

@test "pause and resume, metrics, pids, checkpoint, a limit that changes" {
	record_events
	k_run --memory-limit 67108864 -d p1 sh -c 'while :; do echo tick >>/ticks; sleep 0.2; done'
	k tasks metrics --format json p1 >"$BATS_TEST_TMPDIR/metrics"
	jq -e '.memory.usage.usage > 100000 and .memory.usage.limit == 67108864 and .cpu.usage.total > 0 and .pids.current > 0' \
		"$BATS_TEST_TMPDIR/metrics" >/dev/null || jq -e '.memory.usage > 100000 and .pids.current > 0' "$BATS_TEST_TMPDIR/metrics"
	k tasks pause p1
	is_status p1 PAUSED
	k tasks resume p1
	is_status p1 RUNNING
	# The pid is the machine's: a process of this host, in the sandbox's cgroup.
	run k tasks ps p1
	[ "$status" -eq 0 ]
	[ "$(awk 'NR == 2 { print $1 }' <<<"$output")" = "$(sandbox_pid vmm p1)" ]
	grep -q "p1" "/proc/$(sandbox_pid vmm p1)/cgroup"
	run k tasks checkpoint p1
	[ "$status" -ne 0 ]
	[[ "$output" = *"checkpoint is not supported"* ]]
	is_status p1 RUNNING
	k tasks kill -s KILL p1
	wait_for 30 is_status p1 STOPPED
	run k tasks kill p1
	[ "$status" -ne 0 ]
	k tasks rm p1 || true
	k containers rm p1
	wait_for 30 has_heard p1 /tasks/delete
	# containerd itself pauses around the checkpoint.
	[ "$(heard p1 | uniq | tr '\n' ' ')" = "/tasks/create /tasks/start /tasks/paused /tasks/resumed /tasks/paused /tasks/resumed /tasks/exit /tasks/delete " ]
}

@test "logs: a file, a logger with arguments, and nowhere" {
	k_run --rm --log-uri "file://$BATS_TEST_TMPDIR/deep/er/log" l1 sh -c 'echo to a file; echo and errors >&2'
	wait_for 30 log_has "$BATS_TEST_TMPDIR/deep/er/log" 'to a file'
	grep -q 'and errors' "$BATS_TEST_TMPDIR/deep/er/log"
	cat >"$BATS_TEST_TMPDIR/logger" <<-SH
		#!/bin/sh
		exec 5>&-
		{ echo "\$CONTAINER_NAMESPACE \$CONTAINER_ID \$*"; cat <&3; cat <&4; echo end; } >"$BATS_TEST_TMPDIR/logged"
	SH
	chmod +x "$BATS_TEST_TMPDIR/logger"
	k_run --rm --log-uri "binary://$BATS_TEST_TMPDIR/logger?key=a%20value" l2 sh -c 'echo out; echo err >&2'
	wait_for 30 log_has "$BATS_TEST_TMPDIR/logged" '^end$'
	[ "$(cat "$BATS_TEST_TMPDIR/logged")" = "$(printf 'default l2 key a value\nout\nerr\nend')" ]
	k_run --rm --null-io l3 sh -c 'echo nobody reads this'
	run k_run --rm --log-uri "binary://$BATS_TEST_TMPDIR/no-such-logger" l4 true
	[ "$status" -ne 0 ]
	[[ "$output" = *no-such-logger* ]]
}

@test "a configuration by the runtime's options, and one that is wrong" {
	sed 's/default_memory = 256/default_memory = 200/' "$CONF" >"$BATS_TEST_TMPDIR/small.toml"
	run k_run --rm --runtime-config-path "$BATS_TEST_TMPDIR/small.toml" c1 sh -c "awk '/MemTotal/ { print (\$2 < 205 * 1024) }' /proc/meminfo"
	[ "$status" -eq 0 ]
	[ "$output" = 1 ]
	echo 'nonsense' >"$BATS_TEST_TMPDIR/bad.toml"
	run k_run --rm --runtime-config-path "$BATS_TEST_TMPDIR/bad.toml" c2 true
	[ "$status" -ne 0 ]
	[[ "$output" = *bad.toml:1* ]]
}

@test "containerd is killed and starts again: the container lives, nothing it says is lost" {
	mkfifo "$BATS_TEST_TMPDIR/go"
	k_run --mount "type=bind,src=$BATS_TEST_TMPDIR,dst=/host,options=rbind:rw" -d --log-uri "file://$BATS_TEST_TMPDIR/log" k1 \
		sh -c 'i=0; until [ -e /host/stop ]; do i=$((i + 1)); echo $i; sleep 0.1; done; echo last; exit 6'
	wait_for 30 log_has "$BATS_TEST_TMPDIR/log" '^3$'
	containerd_stop KILL
	[ -S "$(containerd_socket k1)" ]
	kill -0 "$(sandbox_pid shim k1)"
	# It ends while nobody listens.
	touch "$BATS_TEST_TMPDIR/stop"
	wait_for 30 log_has "$BATS_TEST_TMPDIR/log" '^last$'
	containerd_start
	wait_for 30 is_status k1 STOPPED
	[ "$(exit_status k1)" -eq 6 ]
	k containers rm k1
	[ "$(grep -c '^[0-9]*$' "$BATS_TEST_TMPDIR/log")" -eq "$(tail -n 2 "$BATS_TEST_TMPDIR/log" | head -n 1)" ]
	# And one that outlives two of them.
	k_run -d k2 sleep 1000
	containerd_stop
	containerd_start
	is_status k2 RUNNING
	run k tasks exec --exec-id x k2 echo still here
	[ "$output" = "still here" ]
	k tasks kill -s KILL k2
	wait_for 30 is_status k2 STOPPED
	[ "$(exit_status k2)" -eq 137 ]
	k containers rm k2
}

@test "the shim is killed: exit 137, and containerd's clean-up leaves nothing" {
	record_events
	k_run -d d1 sleep 1000
	vmm=$(sandbox_pid vmm d1)
	kill -9 "$(sandbox_pid shim d1)"
	wait_for 30 has_heard d1 /tasks/delete
	grep -q '"exit_status":137' <(grep '/tasks/exit .*"d1"' "$BATS_TEST_TMPDIR/events")
	has_ended "$vmm"
	[ ! -e "$(sandbox_dir d1)" ]
	[ ! -e "$(containerd_socket d1)" ]
	k containers rm d1
}

@test "the machine is killed: exit 137, and deleting works" {
	record_events
	k_run -d d2 sleep 1000
	kill -9 "$(sandbox_pid vmm d2)"
	wait_for 30 is_status d2 STOPPED
	[ "$(exit_status d2)" -eq 137 ]
	k containers rm d2
	wait_for 30 has_heard d2 /tasks/delete
	[ "$(heard d2 | tr '\n' ' ')" = "/tasks/create /tasks/start /tasks/exit /tasks/delete " ]
}

@test "the guest is frozen: state answers, killing and deleting end within a bound" {
	k_run -d d3 sleep 1000
	kill -STOP "$(sandbox_pid vmm d3)"
	is_status d3 RUNNING
	began=$SECONDS
	k tasks kill -s KILL d3
	wait_for 30 is_status d3 STOPPED
	[ "$(exit_status d3)" -eq 137 ]
	k containers rm d3
	[ $((SECONDS - began)) -lt 30 ]
}

@test "no memory: in the container's limit, and in the sandbox's on the host" {
	local group usage

	record_events
	k_run --memory-limit 33554432 -d o1 sh -c 'sleep 1; dd if=/dev/zero of=/dev/null bs=64M count=1; sleep 1000'
	wait_for 60 has_heard o1 /tasks/oom
	k tasks kill -s KILL o1 || true
	wait_for 30 is_status o1 STOPPED
	k tasks rm o1 || true
	k containers rm o1
	group=/sys/fs/cgroup/memory
	[ -e "$group/memory.limit_in_bytes" ] || skip "needs cgroup v1's memory controller to set a limit on a machine that runs"
	k_run -d o2 sleep 1000
	group+=$(sed -n 's/^[0-9]*:memory://p' "/proc/$(sandbox_pid vmm o2)/cgroup")
	usage=$(cat "$group/memory.usage_in_bytes")
	echo $((usage + 16777216)) >"$group/memory.limit_in_bytes"
	k tasks exec --exec-id x o2 sh -c 'head -c 60000000 /dev/zero >/dev/shm/x' </dev/null || true
	wait_for 60 has_heard o2 /tasks/exit
	[ "$(heard o2 | grep -v ' x$' | tr '\n' ' ')" = "/tasks/create /tasks/start /tasks/oom /tasks/exit " ]
	[ "$(exit_status o2)" -eq 137 ]
	k containers rm o2
}

@test "root file systems: of a bind mount, and read-only" {
	run k_run --rm --snapshotter native m1 sh -c 'echo x >/new && cat /new'
	[ "$output" = x ]
	run k_run --rm --read-only m2 sh -c 'touch /new'
	[ "$status" -ne 0 ]
	[ "$(k snapshots --snapshotter native ls | grep -c m1)" -eq 0 ]
}

# Started and removed side by side: CAISSON_TEST_PARALLEL containers, of 256 MiB at the most each. 20 is the full run.
@test "many containers at once" {
	local n=${CAISSON_TEST_PARALLEL:-$(($(nproc) * 4))} i pids=()

	for ((i = 0; i < n; i++)); do
		K_TIMEOUT=400 k_run --rm "n$i" sh -c "echo $i; exit $i" >"$BATS_TEST_TMPDIR/out$i" 2>&1 3>&- &
		pids+=($!)
	done
	for ((i = 0; i < n; i++)); do
		status=0
		wait "${pids[i]}" || status=$?
		[ "$status" -eq "$i" ] || { echo "container $i: status $status"; cat "$BATS_TEST_TMPDIR/out$i"; false; }
		[ "$(cat "$BATS_TEST_TMPDIR/out$i")" = "$i" ]
	done
}

# fds_and_half_mibs PID: descriptors, and resident memory rounded up to half MiBs.
fds_and_half_mibs() {
	ls "/proc/$1/fd" | wc -l
	awk '/^VmRSS:/ { print int($2 / 512) + 1 }' "/proc/$1/status"
}

# CAISSON_TEST_SOAK execs: 200 is the full run.
@test "execs in a row leave the processes of the sandbox as they were" {
	local n=${CAISSON_TEST_SOAK:-20} i name pid now

	k_run -d q1 sleep 1000
	for ((i = 0; i < n + 5; i++)); do
		k tasks exec --exec-id "x$i" q1 sh -c 'head -c 100000 /dev/zero' </dev/null >"$BATS_TEST_TMPDIR/out"
		[ "$(stat -c %s "$BATS_TEST_TMPDIR/out")" -eq 100000 ]
		[ "$i" -eq 4 ] || continue
		for name in shim devd-vsock; do
			fds_and_half_mibs "$(sandbox_pid "$name" q1)" >"$BATS_TEST_TMPDIR/$name"
		done
	done
	for name in shim devd-vsock; do
		pid=$(sandbox_pid "$name" q1)
		mapfile -t before <"$BATS_TEST_TMPDIR/$name"
		mapfile -t now < <(fds_and_half_mibs "$pid")
		echo "$name: descriptors ${before[0]} -> ${now[0]}, memory ${before[1]} -> ${now[1]} half MiB"
		[ "${now[0]}" -eq "${before[0]}" ]
		[ "${now[1]}" -le $((before[1] + 1)) ]
	done
	k tasks kill -s KILL q1
	wait_for 30 is_status q1 STOPPED
	k tasks rm q1 || true
	k containers rm q1
}

# CAISSON_TEST_SOAK starts, one after the other; afterwards containerd has no more descriptors open than after the first ones. 200 is the full run.
@test "containers in a row leave containerd as it was" {
	local n=${CAISSON_TEST_SOAK:-6} i before after

	for ((i = 0; i < n; i++)); do
		k_run --rm "s$i" true
		[ "$i" -ne 1 ] || before=$(ls "/proc/$(cat "$D/pid")/fd" | wc -l)
	done
	after=$(ls "/proc/$(cat "$D/pid")/fd" | wc -l)
	[ "$after" -le $((before + 2)) ]
	[ -z "$(ls "$D/state/io.containerd.runtime.v2.task/default")" ]
}
