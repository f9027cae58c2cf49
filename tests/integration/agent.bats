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
	guest:*)
		[ -e "$CAISSON_BUILD/guest/vmlinux" ] || skip "this build has no guest (make guest)"
		agent_guest_up
		;;
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

# words WORDS COMMAND [ARG ...]: it fails with these words.
words() {
	local want=$1

	shift
	run "$@"
	[ "$status" -eq 1 ] && [[ $output == *"$want"* ]] || { echo "not \"$want\" but $status: $output"; return 1; }
}

# What version 2 of cgroups does not have, and what no guest has, is refused with the words of docs/agent-protocol.md.
check_refusals() {
	local json what

	begin r sleep 600
	while IFS='|' read -r json what; do
		words "caisson: UNIMPLEMENTED: $what" agent UpdateContainer "{\"container_id\": \"r\", \"resources\": $json}"
	done <<-'TABLE'
		{"memory": {"kernel": 4096}}|memory.kernel cannot be set: cgroup v2 does not have it
		{"memory": {"kernelTCP": 4096}}|memory.kernel cannot be set: cgroup v2 does not have it
		{"memory": {"swappiness": 0}}|memory.swappiness cannot be set: cgroup v2 does not have it
		{"memory": {"disableOOMKiller": true}}|memory.disableOOMKiller cannot be set: cgroup v2 does not have it
		{"cpu": {"realtimeRuntime": 1000}}|cpu.realtimeRuntime cannot be set: cgroup v2 does not have it
		{"cpu": {"realtimePeriod": 1000}}|cpu.realtimeRuntime cannot be set: cgroup v2 does not have it
		{"blockIO": {"leafWeight": 100}}|blockIO.leafWeight cannot be set: cgroup v2 does not have it
		{"blockIO": {"weightDevice": [{"major": 1, "minor": 0, "leafWeight": 100}]}}|blockIO.leafWeight cannot be set: cgroup v2 does not have it
		{"network": {"classID": 1}}|network.classID and priorities cannot be set: cgroup v2 does not have them
		{"network": {"priorities": [{"name": "lo", "priority": 1}]}}|network.classID and priorities cannot be set: cgroup v2 does not have them
	TABLE
	agent UpdateContainer '{"container_id": "r", "resources": {"memory": {"useHierarchy": true}}}'
	agent RemoveContainer '{"container_id": "r"}'
	while IFS='|' read -r json what; do
		BUNDLE_JQ=$json words "caisson: UNIMPLEMENTED: $what" create r true
	done <<-'TABLE'
		.linux.intelRdt = {"closID": "x"}|intelRdt cannot be used in a guest
		.linux.netDevices = {"eth0": {}}|netDevices cannot be moved into a guest's container
		.linux.memoryPolicy = {"mode": "MPOL_BIND", "nodes": "0"}|memoryPolicy is not supported in a guest
		.linux.mountLabel = "x"|SELinux label: the guest has no SELinux
		.process.selinuxLabel = "x"|SELinux label: the guest has no SELinux
	TABLE
	# Sections of other systems mean nothing here, and a container with them is one like others.
	BUNDLE_JQ='.solaris = {} | .windows = {}' begin r true
	[ "$(status_of r)" -eq 0 ]
	agent RemoveContainer '{"container_id": "r"}'
}

# Where a filter has a default errno, a call that it does not name fails with it. With no_new_privs it comes last and need not allow the set-up.
check_seccomp() {
	BUNDLE_JQ='.process.noNewPrivileges = true | .linux.seccomp = { defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 38, syscalls: [{ action: "SCMP_ACT_ALLOW", names: (
		"execve brk arch_prctl set_tid_address set_robust_list rseq prlimit64 readlink getrandom mprotect ioctl getuid getgid geteuid getegid getpid " +
		"getppid rt_sigaction rt_sigprocmask rt_sigreturn read write writev close fcntl exit exit_group fstat newfstatat stat lstat open openat " +
		"access getcwd uname prctl futex poll sendfile umask time clock_gettime dup2 wait4 clone fork vfork munmap mmap setuid setgid sigaltstack " +
		"setpgid sysinfo lseek getdents64 capget capset" | split(" ")) }] }' begin f sh -c 'mkdir /tmp/f; echo $?'
	[ "$(status_of f)" -eq 0 ]
	[ "$(output_of f "")" = 1 ]
	[[ $(output_of f "" ReadStderr) == *"Function not implemented"* ]]
	agent RemoveContainer '{"container_id": "f"}'
}

check_affinity() {
	local last=$(($(nproc --all) - 1))

	begin g sleep 600
	PROCESS_JQ=".process.execCPUAffinity = {final: \"$last\"}" add g e1 sh -c 'grep Cpus_allowed_list: /proc/self/status'
	[ "$(output_of g e1 | awk '{ print $2 }')" = "$last" ]
	PROCESS_JQ='.process.execCPUAffinity = {final: "x"}' words 'bad CPU list "x"' add g e2 true
	agent RemoveContainer '{"container_id": "g"}'
}

# limit FILE VALUE: of the container l's group, as it sees it.
limit() {
	local id=v$RANDOM$RANDOM have

	add l "$id" cat "/sys/fs/cgroup/$1"
	have=$(output_of l "$id"; output_of l "$id" ReadStderr)
	[ "$have" = "$2" ] || { echo "$1 is \"$have\""; return 1; }
}

# What the specification calls its limits, and what the kernel has of them: at creation, and after an update.
check_limits() {
	BUNDLE_JQ='.linux.namespaces += [{type: "cgroup"}] | .linux.resources = {
		memory: {limit: 33554432, reservation: 16777216, swap: 50331648}, cpu: {shares: 512, quota: 50000, period: 100000, burst: 10000, cpus: "0"},
		pids: {limit: 30}, blockIO: {weight: 100}, hugepageLimits: [{pageSize: "2MB", limit: 4194304}], unified: {"memory.high": "30408704"} }' \
		begin l sleep 600
	limit memory.max 33554432
	limit memory.low 16777216
	limit memory.high 30408704
	limit cpu.weight 20
	limit cpu.max "50000 100000"
	limit cpu.max.burst 10000
	limit cpuset.cpus 0
	limit pids.max 30
	limit io.weight "default 910"
	limit hugetlb.2MB.max 4194304
	agent UpdateContainer '{"container_id": "l", "resources": {"cpu": {"quota": -1, "idle": 1}, "pids": {"limit": -1}, "memory": {"limit": 41943040}}}'
	limit cpu.max "max 100000"
	limit cpu.idle 1
	limit pids.max max
	limit memory.max 41943040
	# The guest has no such devices: the kernel's word shows what it was asked for.
	local key
	for key in throttleReadBpsDevice:rbps throttleWriteBpsDevice:wbps throttleReadIOPSDevice:riops throttleWriteIOPSDevice:wiops; do
		words "write \"1:0 ${key#*:}=1000\" to io.max" agent UpdateContainer \
			"{\"container_id\": \"l\", \"resources\": {\"blockIO\": {\"${key%:*}\": [{\"major\": 1, \"minor\": 0, \"rate\": 1000}]}}}"
	done
	words 'write "mlx5_1 hca_handle=3 hca_object=10" to rdma.max' agent UpdateContainer \
		'{"container_id": "l", "resources": {"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10}}}}'
	agent RemoveContainer '{"container_id": "l"}'
}

# A tmpfs that comes with a container: how full it is, and made larger while it is used.
check_volumes() {
	local vol=$AGENT_RUN/sandbox/vol

	BUNDLE_JQ=".mounts += [{destination: \"/vol\", type: \"bind\", source: \"$vol\", options: [\"rbind\", \"rw\"]}]" \
		REQUEST_JQ=".storages = [{driver: \"ephemeral\", fstype: \"tmpfs\", source: \"tmpfs\", mount_point: \"$vol\", options: [\"size=1048576\"]}]" \
		begin m sh -c 'dd if=/dev/zero of=/vol/half bs=64k count=8 2>/dev/null; echo written; sleep 600'
	[ "$(read_from ReadStdout m "")" = written ]
	agent GetVolumeStats "{\"volume_guest_path\": \"$vol\"}" | jq -e '.usage | any(.total == 1048576 and .used == 524288 and .available == 524288)'
	agent UpdateEphemeralMounts "{\"storages\": [{\"driver\": \"ephemeral\", \"fstype\": \"tmpfs\", \"source\": \"tmpfs\", \"mount_point\": \"$vol\",
		\"options\": [\"size=2097152\"]}]}"
	agent GetVolumeStats "{\"volume_guest_path\": \"$vol\"}" | jq -e '.usage | any(.total == 2097152)'
	run agent GetVolumeStats '{"volume_guest_path": "/etc"}'
	[ "$status" -eq 1 ]
	run agent ResizeVolume "{\"volume_guest_path\": \"$vol\", \"size\": 4194304}"
	[ "$status" -eq 1 ]
	agent RemoveContainer '{"container_id": "m"}'
	run agent GetVolumeStats "{\"volume_guest_path\": \"$vol\"}"
	[ "$status" -eq 1 ]
}

# copy PATH MODE SIZE OFFSET DATA: one CopyFile below the share.
copy() {
	agent CopyFile "$(jq -nc --arg path "$AGENT_RUN/shared/containers/$1" --argjson mode "$(($2))" --argjson size "$3" --argjson at "$4" \
		--arg data "$(printf %s "$5" | base64 -w0)" '{path: $path, file_mode: $mode, dir_mode: 493, file_size: $size, offset: $at, data: $data}')"
}

check_copy() {
	local shared=$AGENT_RUN/shared/containers

	copy a/b/file 0100640 11 0 "hello "
	[ ! -e "$shared/a/b/file" ]
	copy a/b/file 0100640 11 6 world
	[ "$(cat "$shared/a/b/file")" = "hello world" ]
	[ "$(stat -c %a "$shared/a/b/file")" = 640 ]
	copy a/dir 040750 0 0 ""
	[ "$(stat -c %F:%a "$shared/a/dir")" = directory:750 ]
	copy a/link 0120777 0 0 /etc
	[ "$(readlink "$shared/a/link")" = /etc ]
	# No way out: neither by name nor through what was copied.
	run copy ../../../outside 0100644 1 0 x
	[ ! -e "$T/outside" ]
	run copy a/link/caisson-test-escape 0100644 1 0 x
	[ ! -e /etc/caisson-test-escape ]
	run agent CopyFile '{"path": "/etc/caisson-test-escape", "file_mode": 33188, "file_size": 1, "data": "eA=="}'
	[ "$status" -eq 1 ]
	[ ! -e /etc/caisson-test-escape ]
	! find "$shared" -name '*.tmp' | grep .
}

# Every method once, with a request that is small and does no harm: the agent has those that the documentation says it has, and is there afterwards.
check_every_method() {
	local method json unimplemented known

	unimplemented=$("$BATS_TEST_DIRNAME/../../tools/check-protocol" --unimplemented)
	known=$("$CAISSON" agent --list | sed 's/^[^.]*\.\([^ ]*\) .*/\1/' | sort)
	while read -r method json; do
		echo "$method" >>"$T/asked"
		AGENT_TIMEOUT=3s run agent "$method" "$json"
		echo "$method: $status: $output"
		if grep -qx "$method" <<<"$unimplemented"; then
			[ "$status" -eq 1 ]
			[[ $output == "caisson: UNIMPLEMENTED: "* ]]
		else
			[[ $output != *UNIMPLEMENTED* ]]
			[ "$status" -eq 0 ] || [ "${#lines[@]}" -eq 1 ]
		fi
		agent Check >/dev/null
	done <<-TABLE
		Check {}
		Version {}
		CreateContainer {}
		StartContainer {}
		RemoveContainer {}
		ExecProcess {}
		SignalProcess {}
		WaitProcess {}
		UpdateContainer {}
		UpdateEphemeralMounts {}
		StatsContainer {}
		PauseContainer {}
		ResumeContainer {}
		RemoveStaleVirtiofsShareMounts {}
		GetDiagnosticData {"log_type": "termination_log", "container_id": "nobody"}
		WriteStdin {}
		ReadStdout {}
		ReadStderr {}
		CloseStdin {}
		TtyWinResize {}
		UpdateInterface {}
		UpdateRoutes {}
		ListInterfaces {}
		ListRoutes {}
		AddARPNeighbors {}
		GetIPTables {}
		SetIPTables {}
		GetMetrics {}
		MemAgentMemcgSet {}
		MemAgentCompactSet {}
		CreateSandbox {}
		OnlineCPUMem {"wait": true}
		ReseedRandomDev {"data": "$(head -c 64 /dev/urandom | base64 -w0)"}
		GetGuestDetails {"mem_block_size": true, "mem_hotplug_probe": true}
		MemHotplugByProbe {}
		SetGuestDateTime {"Sec": $(date +%s)}
		CopyFile {}
		GetOOMEvent {}
		AddSwap {}
		AddSwapPath {"path": "/dev/none"}
		GetVolumeStats {}
		ResizeVolume {}
		SetPolicy {"policy": "nonsense"}
	TABLE
	# The one that ends it is what ends the tests on this machine.
	echo DestroySandbox >>"$T/asked"
	diff <(sort "$T/asked") <(echo "$known")
}

# In the agent's namespaces, with a pair of interfaces of which one end stays without a configuration.
check_network() {
	local ns mac mac2

	ns=/proc/$(pgrep -P "$AGENT_PID")/ns/net
	in_agent() { nsenter --net="$ns" "$@"; }
	in_agent ip link add k0 type veth peer name k1
	in_agent ip link set k1 up
	mac=$(in_agent ip -j link show k0 | jq -r '.[0].address')
	mac2=$(in_agent ip -j link show k1 | jq -r '.[0].address')

	# By its hardware address: name, MTU, addresses of both families.
	agent UpdateInterface "$(jq -nc --arg mac "$mac" '{ interface: { name: "eth0", hwAddr: $mac, mtu: 1400, IPAddresses: [
		{ address: "10.5.0.2", mask: "24" }, { address: "10.6.0.2", mask: "24" }, { family: "v6", address: "fd05::2", mask: "64" } ] } }')"
	[ "$(in_agent ip -j addr show eth0 | jq -c '.[0] | [.mtu, .operstate, ([.addr_info[] | select(.scope == "global") | .local] | sort)]')" = \
		'[1400,"UP",["10.5.0.2","10.6.0.2","fd05::2"]]' ]
	# Again with less: what is no longer wanted goes.
	agent UpdateInterface "$(jq -nc --arg mac "$mac" '{ interface: { name: "eth0", hwAddr: $mac, IPAddresses: [ { address: "10.5.0.2", mask: "24" },
		{ family: "v6", address: "fd05::2", mask: "64" } ] } }')"
	[ "$(in_agent ip -j addr show eth0 | jq -c '[.[0].addr_info[] | select(.scope == "global") | .local] | sort')" = '["10.5.0.2","fd05::2"]' ]
	# Another takes the name, and the first makes room.
	agent UpdateInterface "{ \"interface\": { \"name\": \"eth0\", \"hwAddr\": \"$mac2\" } }"
	[ "$(in_agent ip -j link show eth0 | jq -r '.[0].address')" = "$mac2" ]
	agent UpdateInterface "$(jq -nc --arg mac "$mac" '{ interface: { name: "eth1", hwAddr: $mac, IPAddresses: [
		{ address: "10.5.0.2", mask: "24" }, { family: "v6", address: "fd05::2", mask: "64" } ] } }')"
	[ "$(agent ListInterfaces | jq -r --arg mac "$mac" '.Interfaces[] | select(.hwAddr == $mac) | .name')" = eth1 ]
	[ "$(agent ListInterfaces | jq -c '[.Interfaces[] | select(.name == "eth1") | .IPAddresses[] | .address + "/" + .mask] | sort | .[0:2]')" = \
		'["10.5.0.2/24","fd05::2/64"]' ]

	# In the order in which they are of no use: the gateway of the first is reached by the second.
	agent UpdateRoutes '{ "routes": { "Routes": [
		{ "gateway": "10.7.0.1" }, { "dest": "10.7.0.0/24", "device": "eth1", "scope": 253 },
		{ "dest": "10.8.0.0/16", "gateway": "10.5.0.1", "device": "eth1", "metric": 42, "mtu": 1300 },
		{ "family": "v6", "gateway": "fd05::1", "device": "eth1" } ] } }' >"$T/routes"
	[ "$(jq -c '[.Routes[] | select(.gateway) | .gateway] | sort' "$T/routes")" = '["10.5.0.1","10.7.0.1","fd05::1"]' ]
	in_agent ip route | grep -q '^default via 10.7.0.1 dev eth1'
	in_agent ip route | grep -q '^10.8.0.0/16 via 10.5.0.1 dev eth1 metric 42 mtu 1300'
	in_agent ip -6 route | grep -q '^default via fd05::1 dev eth1'
	agent UpdateRoutes '{ "routes": { "Routes": [ { "gateway": "10.5.0.9", "device": "eth1" } ] } }' >/dev/null
	[ "$(agent ListRoutes | jq -c '[.Routes[] | select(.gateway) | .gateway]')" = '["10.5.0.9"]' ]
	in_agent ip route | grep -q '^10.5.0.0/24 dev eth1 proto kernel' # the kernel's own stays

	agent AddARPNeighbors '{ "neighbors": { "ARPNeighbors": [
		{ "toIPAddress": { "address": "10.5.0.3" }, "device": "eth1", "lladdr": "02:00:00:00:00:03", "state": 128 } ] } }'
	in_agent ip neigh | grep -q '^10.5.0.3 dev eth1 lladdr 02:00:00:00:00:03 PERMANENT'

	refused NOT_FOUND UpdateInterface '{ "interface": { "name": "x", "hwAddr": "02:11:22:33:44:55" } }'
	refused INVALID_ARGUMENT UpdateInterface '{ "interface": { "name": "eth1", "hwAddr": "nonsense" } }'
	refused INVALID_ARGUMENT UpdateInterface "{ \"interface\": { \"name\": \"averyveryverylongname\", \"hwAddr\": \"$mac\" } }"
	refused INVALID_ARGUMENT UpdateInterface "{ \"interface\": { \"name\": \"eth1\", \"hwAddr\": \"$mac\", \"IPAddresses\": [ { \"address\": \"1.2.3\" } ] } }"
	refused INVALID_ARGUMENT UpdateInterface '{}'
	refused INVALID_ARGUMENT UpdateRoutes '{ "routes": { "Routes": [ { "dest": "10.0.0.0/99" } ] } }'
	refused INVALID_ARGUMENT UpdateRoutes '{ "routes": { "Routes": [ { "dest": "10.0.0.0/8", "gateway": "fd00::1" } ] } }'
	refused INVALID_ARGUMENT AddARPNeighbors '{ "neighbors": { "ARPNeighbors": [ { "device": "eth1" } ] } }'
}

# The programs of the machine the agent runs on, in its own network.
check_iptables() {
	command -v iptables-save >/dev/null || skip "needs iptables"
	agent SetIPTables "{ \"data\": \"$(printf '*filter\n-A INPUT -p tcp --dport 4711 -j DROP\nCOMMIT\n' | base64 -w0)\" }"
	agent GetIPTables | jq -r .data | base64 -d | grep -q -e '--dport 4711 -j DROP'
	agent SetIPTables "{ \"is_ipv6\": true, \"data\": \"$(printf '*filter\n-A INPUT -p tcp --dport 4712 -j DROP\nCOMMIT\n' | base64 -w0)\" }"
	agent GetIPTables '{ "is_ipv6": true }' | jq -r .data | base64 -d | grep -q -e '--dport 4712 -j DROP'
	refused INVALID_ARGUMENT SetIPTables "{ \"data\": \"$(printf 'nonsense' | base64 -w0)\" }"
}

@test "host: a container lives and ends" { check_life; }
@test "host: exec, and stdio by calls" { check_exec_and_stdio; }
@test "host: signals" { check_signals; }
@test "host: a terminal and its size" { check_terminal; }
@test "host: statistics and limits" { check_stats "$AGENT_CGROUP/cgroup.controllers"; }
@test "host: pause and resume" { check_pause; }
@test "host: unknown and invalid ids" { check_bad_ids; }
@test "host: many at once" { check_parallel; }
@test "host: refusals, and what means nothing here" { check_refusals; }
@test "host: a filter's default errno" { check_seccomp; }
@test "host: processors of a process" { check_affinity; }
@test "host: interfaces, routes, neighbours" { check_network; }
@test "host: packet filter rules" { check_iptables; }
@test "host: volumes of a container" { check_volumes; }
@test "host: files that are copied" { check_copy; }

@test "guest: every check, in one machine" {
	local check

	echo "cpu memory pids" >"$T/controllers"
	for check in check_life check_exec_and_stdio check_signals check_terminal "check_stats $T/controllers" check_pause check_bad_ids check_parallel check_refusals \
		check_seccomp check_limits check_volumes check_every_method; do
		echo "$check"
		$check
	done
}
