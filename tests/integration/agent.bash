# SPDX-License-Identifier: Apache-2.0
# agent - an agent to call: one on this machine in namespaces of its own, or the one of a sandbox's guest. Both set AGENT, which agent() asks,
# AGENT_ROOT, the root file system of fixture_up as the agent sees it, and AGENT_RUN, the agent's own directory.

# One call: agent METHOD [JSON|-]. AGENT_TIMEOUT is the bound of the answer.
agent() {
	timeout -k 5 90 "$CAISSON" --root "$STATE" agent --timeout "${AGENT_TIMEOUT:-60s}" --address "$AGENT" "$@"
}

cgroup2_mount() {
	awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts
}

# The program in fresh mount, pid, network, ipc, uts and cgroup namespaces, with a cgroup2 of its own: the host's tree from a new group on. It
# has the controllers that the host's version 2 has, which on a host with version 1 beside it may be none.
agent_host_up() {
	AGENT_DIR=$T/a$BATS_TEST_NUMBER
	AGENT_CGROUP=$(cgroup2_mount)/$(basename "$T")
	mkdir "$AGENT_DIR" "$AGENT_CGROUP"
	(
		echo "$BASHPID" >"$AGENT_CGROUP/cgroup.procs"
		exec unshare --fork --mount --pid --net --ipc --uts --cgroup --kill-child sh -c '
			umount -R -l /sys && mount -t sysfs sysfs /sys && mount -t proc proc /proc && mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit
			# A group with groups that have controllers has no processes.
			mkdir /sys/fs/cgroup/agent && echo 0 >/sys/fs/cgroup/agent/cgroup.procs || exit
			ip link set lo up
			"$1/src/agent/caisson-agent" --address "unix://$2/sock" --run-dir "$2/run" --log-level debug 2>"$2/log"
			echo $? >"$2/status"
		' sh "$CAISSON_BUILD" "$AGENT_DIR"
	) </dev/null >/dev/null 2>"$AGENT_DIR/unshare.log" 3>&- &
	AGENT_PID=$!
	AGENT=unix://$AGENT_DIR/sock
	AGENT_ROOT=$ROOTFS
	AGENT_RUN=$AGENT_DIR/run
	export AGENT AGENT_ROOT AGENT_RUN AGENT_PID AGENT_CGROUP AGENT_DIR
	answers() { agent Check >/dev/null 2>&1; }
	wait_for 30 answers || { cat "$AGENT_DIR/unshare.log" "$AGENT_DIR/log"; return 1; }
	agent CreateSandbox '{"sandbox_id": "sb", "hostname": "inside"}'
}

# The agent must end by itself, with status 0, and leave no group.
agent_host_down() {
	local group

	agent DestroySandbox
	ended() { ! kill -0 "$AGENT_PID" 2>/dev/null; }
	wait_for 30 ended || kill -KILL "$AGENT_PID"
	find "$AGENT_CGROUP" -depth -type d >"$T/groups"
	while read -r group; do
		rmdir "$group"
	done <"$T/groups"
	[ "$(cat "$AGENT_DIR/status")" -eq 0 ] || { cat "$AGENT_DIR/log"; return 1; }
	# What a build with sanitizers has to say.
	if grep -E 'runtime error|ERROR: .*Sanitizer' "$AGENT_DIR/log"; then
		return 1
	fi
	# All that may be there are the group and the agent's own.
	[ "$(wc -l <"$T/groups")" -le 2 ] || { cat "$T/groups"; return 1; }
}

# A container of the command line, in whose guest the calls make others.
agent_guest_up() {
	AGENT=agent-guest
	AGENT_RUN=/run/kata-containers
	AGENT_ROOT=$AGENT_RUN/shared/containers/$AGENT/rootfs
	export AGENT AGENT_ROOT AGENT_RUN
	bundle "$T/guest" sleep 600
	c run -d --bundle "$T/guest" "$AGENT" </dev/null >/dev/null 2>"$T/err" || { cat "$T/err"; return 1; }
}

agent_guest_down() {
	c delete --force "$AGENT"
}

# create ID COMMAND [ARG ...]: a CreateContainer. BUNDLE_JQ edits its specification, REQUEST_JQ the request around it.
create() {
	local id=$1

	shift
	bundle "$T/rpc-$id" "$@"
	jq --arg id "$id" --arg root "$AGENT_ROOT" \
		'.root.path = $root | .linux.cgroupsPath = "/" + $id | { container_id: $id, OCI: . }' "$T/rpc-$id/config.json" | jq "${REQUEST_JQ:-.}" |
		agent CreateContainer -
}

# begin ID COMMAND [ARG ...]: create and start.
begin() {
	create "$@" && agent StartContainer "{\"container_id\": \"$1\"}"
}

# add ID EXEC_ID COMMAND [ARG ...]: an ExecProcess. PROCESS_JQ edits the process.
add() {
	local id=$1 exec_id=$2

	shift 2
	jq -n --arg id "$id" --arg exec "$exec_id" '{
		container_id: $id, exec_id: $exec,
		process: { user: { uid: 0, gid: 0 }, args: $ARGS.positional, env: ["PATH=/bin"], cwd: "/" }
	}' --args -- "$@" | jq "${PROCESS_JQ:-.}" | agent ExecProcess -
}

# ids ID [EXEC_ID [JSON]]: a request's first fields, and more.
ids() {
	jq -nc --arg id "$1" --arg exec "${2:-}" --argjson more "${3:-{\}}" '{ container_id: $id, exec_id: $exec } + $more'
}

# Answers as plain text. A status of 0 is not in the answer, as all that is at its default.
status_of() { agent WaitProcess "$(ids "$@")" | jq '.status // 0'; }
read_from() { agent "$1" "$(ids "$2" "$3" '{"len": 65536}')" | jq -r '.data // ""' | base64 -d; }
write_to() { agent WriteStdin "$(ids "$1" "$2" "{\"data\": \"$(base64 -w0)\"}")" | jq '.len // 0'; }

# All of a stream, to its end.
output_of() {
	local piece

	while piece=$(agent "${3:-ReadStdout}" "$(ids "$1" "$2" '{"len": 65536}')" | jq -r '.data // ""') && [ -n "$piece" ]; do
		base64 -d <<<"$piece"
	done
}

# refused STATUS METHOD JSON: it fails so, in one line.
refused() {
	run agent "$2" "$3"
	[ "$status" -eq 1 ] && [ "${#lines[@]}" -eq 1 ] && [[ $output == "caisson: $1: "* ]] ||
		{ echo "$2 $3: not $1 but $status: $output"; return 1; }
}
