# SPDX-License-Identifier: Apache-2.0
# podman - a podman with everything of its own below $T: storage, state, configuration, image. No registry, no network, no systemd.
#
# podman_up after fixture_up, podman_down before fixture_down, podman_clean in teardown. `p` is podman with the runtime under test as its default.

IMAGE=localhost/box:test

podman_up() {
	local tool

	for tool in podman conmon; do
		command -v "$tool" >/dev/null || skip "needs $tool"
	done
	export P="$T/podman"
	mkdir -p "$P"/{home,cni,net,volumes}
	podman_runtime
	podman_config
	tar -C "$ROOTFS" --numeric-owner -cf "$P/image.tar" .
	p import --quiet --change 'CMD ["/bin/sh"]' --change 'ENV PATH=/bin' "$P/image.tar" "$IMAGE" >/dev/null
	snapshot >"$T/before" # the storage driver's own mount stays while podman is in use
}

podman_down() {
	[ -n "${P:-}" ] || return 0
	p rm --all --force --time 0 >/dev/null 2>&1 || true
	awk -v p="$P/" 'index($5, p) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r m; do
		umount -l "$m"
	done
}

# podman gives the runtime no --root: its state must not be the host's.
podman_runtime() {
	cat >"$P/caisson" <<-SH
		#!/bin/sh
		exec "$CAISSON" --root "$STATE" --config "$CONF" "\$@"
	SH
	chmod +x "$P/caisson"
}

podman_config() {
	local nofile nproc

	nofile=$(ulimit -Hn)
	nproc=$(ulimit -Hu)
	[ "$nofile" != unlimited ] || nofile=1048576
	[ "$nproc" != unlimited ] || nproc=32768
	cat >"$P/containers.conf" <<-TOML
		[containers]
		# No more than whoever runs the tests may have.
		default_ulimits = ["nofile=$nofile:$nofile", "nproc=$nproc:$nproc"]
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		lock_type = "file"
		tmp_dir = "$P/tmp"
		static_dir = "$P/static"
		volume_path = "$P/volumes"
		runtime = "caisson"
		runtime_supports_json = ["crun", "runc", "caisson"]
		[engine.runtimes]
		caisson = ["$P/caisson"]
		[network]
		network_config_dir = "$P/net"
		cni_plugin_dirs = ["$P/cni"]
	TOML
	cat >"$P/storage.conf" <<-TOML
		[storage]
		driver = "overlay"
		graphroot = "$P/root"
		runroot = "$P/run"
	TOML
	echo '{ "default": [ { "type": "insecureAcceptAnything" } ] }' >"$P/policy.json"
	export CONTAINERS_CONF="$P/containers.conf" CONTAINERS_STORAGE_CONF="$P/storage.conf"
	export HOME="$P/home" XDG_CONFIG_HOME="$P/home/.config"
	mkdir -p "$XDG_CONFIG_HOME/containers"
	cp "$P/policy.json" "$XDG_CONFIG_HOME/containers/policy.json"
}

# podman, with a bound on everything.
p() {
	timeout -k 5 "${P_TIMEOUT:-60}" podman --root "$P/root" --runroot "$P/run" --tmpdir "$P/tmp" "$@"
}

# on_terminal OUTPUT COMMAND: runs a shell command on a terminal of 33 rows and 99 columns; stdin is what is typed. The script's status is the command's.
on_terminal() {
	script --quiet --flush --return --command "stty rows 33 cols 99; $2" "$1" >/dev/null
}

# The same as words for a shell, for those that run a command line.
podman_words() {
	printf 'timeout --foreground -k 5 60 podman --root %q --runroot %q --tmpdir %q' "$P/root" "$P/run" "$P/tmp"
}

# No container, no volume, no conmon and nothing of the runtime is left.
podman_clean() {
	local left

	left=$(p ps --all --quiet; p volume ls --quiet)
	if [ -n "$left" ]; then
		echo "podman still has: $left"
		p rm --all --force --time 0 >/dev/null || true
		p volume rm --all --force >/dev/null || true
	fi
	assert_clean && [ -z "$left" ]
}
