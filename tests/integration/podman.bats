#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# podman runs containers in virtual machines through the command line, as it does with runc.

load lib.bash
load podman.bash

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	fixture_up
	podman_up
}
teardown_file() {
	podman_down
	fixture_down
}
setup() { RUN=(run --rm --network none); }
teardown() { podman_clean; }

# idle NAME [OPTION ...]: a container in the background that waits and ends at once when it is told to.
idle() {
	local name=$1

	shift
	p run -d --network none --name "$name" "$@" "$IMAGE" sh -c 'trap "exit 5" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
	wait_for 20 says "$name" ready
}

says() { [[ $(p logs "$1" 2>&1) == *"$2"* ]]; }
status_of() { p inspect --format '{{.State.Status}}' "$1"; }
is() { [ "$(status_of "$1")" = "$2" ]; }

@test "run: streams, environment, directory, user and host name" {
	run --separate-stderr p "${RUN[@]}" -i -e A=b -w /tmp -u 1000:1000 --hostname box "$IMAGE" \
		sh -c 'uname -r; echo $A; pwd; id -u; id -g; hostname; echo err >&2; cat' <<<typed
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "$(jq -r .kernel "$CAISSON_BUILD/guest/guest.json")" ]
	[ "${lines[*]:1}" = "b /tmp 1000 1000 box typed" ]
	[ "$stderr" = err ]
}

@test "run: exit statuses are the command's, 127 and 126 the runtime's" {
	local s
	for s in 1 42; do
		run p "${RUN[@]}" "$IMAGE" sh -c "exit $s"
		[ "$status" -eq "$s" ]
	done
	run -127 p "${RUN[@]}" "$IMAGE" nosuchcommand
	[[ $output == *'"nosuchcommand": executable file not found in $PATH'* ]]
	run -126 p "${RUN[@]}" "$IMAGE" /etc/passwd
	[[ $output == *'permission denied'* ]]
}

@test "run -it: a terminal with its size, line discipline and status" {
	command -v script >/dev/null || skip "needs script"
	typed() {
		wait_for 30 grep -q ready "$T/tty"
		printf 'stty size\rtty\rexit 7\r'
		sleep 5
	}
	typed | { on_terminal "$T/tty" "$(podman_words) run --rm -it --network none $IMAGE sh -c 'echo ready; exec sh'" || echo $? >"$T/status"; }
	cat "$T/tty"
	[ "$(cat "$T/status")" -eq 7 ]
	grep -q '33 99' "$T/tty"
	grep -q '/dev/' "$T/tty"
}

@test "run: mounts: directories, files, volumes, tmpfs and a read-only root" {
	mkdir -p "$T/rw" "$T/ro"
	echo host | tee "$T/rw/in" "$T/ro/in" >"$T/file"
	p volume create data >/dev/null
	run p "${RUN[@]}" -v "$T/rw:/rw" -v "$T/ro:/ro:ro" -v "$T/file:/etc/file:ro" -v data:/data --tmpfs /scratch:size=1m,mode=1777 \
		--read-only "$IMAGE" sh -c '
			cat /rw/in /ro/in /etc/file
			echo guest >/rw/out; echo guest >/data/out; echo guest >/scratch/out
			for f in /ro/x /etc/file /x; do (echo no >$f) 2>/dev/null && echo "wrote $f"; done
			grep " /scratch " /proc/mounts; cat /scratch/out'
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[*]:0:3}" = "host host host" ]
	[[ ${lines[3]} == "tmpfs /scratch tmpfs "*size=1024k* ]]
	[ "${#lines[@]}" -eq 5 ]
	[ "$(cat "$T/rw/out")" = guest ]
	# A named volume keeps what one machine wrote for the next.
	[ "$(p "${RUN[@]}" -v data:/again "$IMAGE" cat /again/out)" = guest ]
	p volume rm data
}

@test "run: limits of memory, processors, processes and files, sysctls, devices, shared memory" {
	run p "${RUN[@]}" --memory 96m --cpus 0.5 --pids-limit 40 --ulimit nofile=123:456 --sysctl kernel.msgmax=9999 \
		--device /dev/null:/dev/nothing --shm-size 2m "$IMAGE" sh -c '
			cd /sys/fs/cgroup; cat memory.max cpu.max pids.max
			ulimit -n; ulimit -Hn; cat /proc/sys/kernel/msgmax
			echo x >/dev/nothing; stat -c %F,%t,%T /dev/nothing
			df -k /dev/shm | tail -1
			i=0; while [ $i -lt 60 ]; do sleep 99 >/dev/null 2>&1 & i=$((i + 1)); done 2>&1 | grep -m1 -o "can.t fork"'
	echo "$output"
	[ "${lines[0]}" = $((96 * 1024 * 1024)) ]
	[ "${lines[1]}" = "50000 100000" ]
	[ "${lines[2]}" = 40 ]
	[ "${lines[*]:3:3}" = "123 456 9999" ]
	[ "${lines[6]}" = "character special file,1,3" ]
	[[ ${lines[7]} == *" 2048 "*"/dev/shm" ]]
	[ "${lines[8]}" = "can't fork" ]
}

@test "run: a process that takes more memory than its limit is killed" {
	run p "${RUN[@]}" --memory 32m "$IMAGE" sh -c 'tail /dev/zero; echo "ended with $?"'
	echo "$output"
	[[ $output == *"ended with 137"* ]]
}

@test "run: capabilities, seccomp and no-new-privileges" {
	cat >"$T/seccomp.json" <<-JSON
		{ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
		  "syscalls": [ { "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 } ] }
	JSON
	run p "${RUN[@]}" --cap-drop all --cap-add chown --security-opt seccomp="$T/seccomp.json" --security-opt no-new-privileges "$IMAGE" sh -c '
		grep -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status
		touch /tmp/x; chown 5:6 /tmp/x && echo chowned
		hostname other 2>&1; mkdir /tmp/d 2>&1; rmdir /tmp 2>&1'
	echo "$output"
	[ "${lines[0]}" = $'CapEff:\t0000000000000001' ]
	[ "${lines[1]}" = $'CapBnd:\t0000000000000001' ]
	[ "${lines[2]}" = $'NoNewPrivs:\t1' ]
	[ "${lines[3]}" = $'Seccomp:\t2' ]
	[ "${lines[4]}" = chowned ]
	[[ ${lines[5]} == *"not permitted"* ]]
	[[ ${lines[6]} == *"'/tmp/d': Operation not permitted"* ]]
	[[ ${lines[7]} != *"not permitted"* ]]
}

@test "run --init: an init reaps and forwards signals" {
	[ -x /usr/libexec/podman/catatonit ] || command -v catatonit >/dev/null || skip "needs catatonit"
	p run -d --init --network none --name i "$IMAGE" sh -c 'trap "exit 6" TERM; echo ready; while :; do sleep 0.1; done'
	wait_for 20 says i ready
	[ "$(p exec i cat /proc/1/comm)" = catatonit ] || [ "$(p exec i cat /proc/1/comm)" = podman-init ]
	p exec i sh -c 'sh -c "sleep 0.1 & exec true" & wait; sleep 0.5'
	[ "$(p exec i sh -c 'grep -l "State:.Z" /proc/[0-9]*/status | wc -l')" -eq 0 ]
	p stop -t 20 i
	[ "$(p inspect --format '{{.State.ExitCode}}' i)" -eq 6 ]
	p rm i
}

@test "exec: statuses, streams, user, environment, terminal" {
	local s
	idle e
	for s in 0 1 42 255; do
		run p exec e sh -c "exit $s"
		[ "$status" -eq "$s" ]
	done
	run p exec e sh -c 'kill -9 $$'
	[ "$status" -eq 137 ]
	run p exec -u user -w /tmp -e X=y e sh -c 'id -u; pwd; echo $X'
	[ "${lines[*]}" = "1000 /tmp y" ]
	run -127 p exec e nosuchcommand
	[[ $output == *'executable file not found in $PATH'* ]]
	run -126 p exec e /etc/passwd

	head -c 4000000 /dev/urandom >"$T/in"
	p exec -i e cat <"$T/in" | cmp - "$T/in"

	if command -v script >/dev/null; then
		typed() {
			wait_for 30 grep -q ready "$T/tty2"
			printf 'stty size\rexit 8\r'
			sleep 3
		}
		typed | { on_terminal "$T/tty2" "$(podman_words) exec -it e sh -c 'echo ready; exec sh'" || echo $? >"$T/status2"; }
		cat "$T/tty2"
		[ "$(cat "$T/status2")" -eq 8 ]
		grep -q '33 99' "$T/tty2"
	fi
	p exec -d e sh -c 'echo later >/tmp/detached'
	wait_for 10 p exec e test -s /tmp/detached
	p rm -f -t 0 e
}

@test "a running container: inspect, top, stats, pause, health" {
	idle r --health-cmd 'test ! -e /tmp/sick' --health-interval disable --health-retries 1
	local pid
	pid=$(p inspect --format '{{.State.Pid}}' r)
	kill -0 "$pid"
	is r running

	p top r >"$T/top"
	cat "$T/top"
	[ "$(wc -l <"$T/top")" -eq 2 ]

	run p stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDs}}' r
	echo "$output"
	[ "$status" -eq 0 ]
	# The machine's memory, not that of podman's own processes.
	[[ ${lines[-1]} =~ ^r\ ([0-9]+)[.0-9]*MB ]]
	[ "${BASH_REMATCH[1]}" -gt 40 ]

	p exec r sh -c 'echo 0 >/tmp/n'
	p exec -d r sh -c 'i=0; while :; do i=$((i + 1)); echo $i >/tmp/n; done'
	p pause r
	is r paused
	p cp r:/tmp/n "$T/n1"
	sleep 1
	p cp r:/tmp/n "$T/n2"
	cmp "$T/n1" "$T/n2"
	p unpause r
	is r running

	p healthcheck run r
	p exec r touch /tmp/sick
	run p healthcheck run r
	[ "$status" -eq 1 ]
	[ "$(p inspect --format '{{.State.Health.Status}}' r)" = unhealthy ]
	p rm -f -t 0 r
}

@test "cp: into and out of a running container, whose / is never the host's" {
	local name="copied-$RANDOM$RANDOM"
	mkdir "$T/shared"
	idle c -v "$T/shared:/shared" --tmpfs /scratch
	# Names that the guest has looked for before appear nevertheless.
	p exec c sh -c "test ! -e /tmp/$name; ls /tmp /shared >/dev/null"
	head -c 300000 /dev/urandom >"$T/copy"
	p cp "$T/copy" "c:/tmp/$name"
	p cp "$T/copy" "c:/shared/$name"
	sleep 0.2
	p exec c cat "/tmp/$name" | cmp - "$T/copy"
	p exec c cat "/shared/$name" | cmp - "$T/copy"
	cmp "$T/shared/$name" "$T/copy"
	[ ! -e "/tmp/$name" ]

	p exec c sh -c 'mkdir /root/made; echo 1 >/root/made/file'
	p cp c:/root/made "$T/made"
	[ "$(cat "$T/made/file")" = 1 ]
	p cp c:/etc/passwd "$T/passwd"
	cmp "$T/passwd" "$ROOTFS/etc/passwd"
	run p cp "c:$T/copy" "$T/host"
	[ "$status" -ne 0 ]

	# What is in the guest's memory alone cannot be written from here, and says so.
	run p cp "$T/copy" c:/scratch/x
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"read-only file system"* ]]
	p rm -f -t 0 c
}

@test "logs -f follows until the container ends, and loses nothing" {
	p run -d --network none --name l "$IMAGE" sh -c 'i=0; while [ $i -lt 300 ]; do i=$((i + 1)); echo line $i; done; echo err >&2; sleep 1; printf last' >/dev/null
	p logs -f l >"$T/log" 2>"$T/log.err"
	[ "$(grep -c '^line' "$T/log")" -eq 300 ]
	[ "$(tail -c 4 "$T/log")" = last ]
	[ "$(cat "$T/log.err")" = err ]
	[ "$(p wait l)" -eq 0 ]
	p rm l
}

@test "stop, kill and wait" {
	idle s
	p stop -t 20 s
	[ "$(p wait s)" -eq 5 ]
	p start s
	wait_for 20 is s running
	p kill -s USR1 s # the default action of a signal without handler does not reach PID 1
	is s running
	p kill -s KILL s
	[ "$(p wait s)" -eq 137 ]
	p rm s

	# A program that ignores the signal is killed when the time is over.
	p run -d --network none --name d "$IMAGE" sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
	wait_for 20 says d ready
	local t0=$SECONDS
	p stop -t 1 d
	[ $((SECONDS - t0)) -lt 8 ]
	[ "$(p inspect --format '{{.State.ExitCode}}' d)" -eq 137 ]
	p rm d
}

@test "restart, and rm -f of a running container" {
	idle a
	p exec a sh -c 'echo kept >/root/kept'
	local pid
	pid=$(p inspect --format '{{.State.Pid}}' a)
	p restart -t 10 a
	is a running
	[ "$(p inspect --format '{{.State.Pid}}' a)" -ne "$pid" ]
	[ "$(p exec a cat /root/kept)" = kept ]
	p rm -f -t 0 a
	run -1 p container exists a
}

@test "the network of the host is not joined" {
	run p run --rm --network host "$IMAGE" true
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"the host's network cannot be shared"* ]]
	[ "$(p run --rm --network none "$IMAGE" sh -c 'ls /sys/class/net')" = lo ]
}
