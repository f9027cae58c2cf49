#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the agent does with disks, mounts, files, swap and plugged-in processors: by an agent on this machine, with loop devices, and by one in a
# guest of QEMU's with disks of every kind.

load lib.bash
load agent.bash

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
		RUN=$AGENT_DIR/run
		;;
	machine:*) machine_up ;;
	esac
}

teardown() {
	local d down=0

	case $BATS_TEST_DESCRIPTION in
	host:*) [ -z "${AGENT_PID:-}" ] || agent_host_down || down=1 ;;
	machine:*) machine_down ;;
	esac
	for d in "$T"/*.loop; do
		[ ! -e "$d" ] || losetup -d "$(cat "$d")"
		rm -f "$d"
	done
	rm -f "$T"/*.img
	[ $down -eq 0 ]
	assert_clean
}

# disk NAME MIB [FSTYPE]: a loop device in $DISK.
disk() {
	truncate -s "$2M" "$T/$1.img"
	if [ -n "${3:-}" ]; then
		command -v "mkfs.$3" >/dev/null || return 1
		"mkfs.$3" -q "$T/$1.img" 2>/dev/null >&2
	fi
	DISK=$(losetup -f --show "$T/$1.img") || return 1
	echo "$DISK" >"$T/$1.loop"
}

# vm_create ID STORAGES DEVICES COMMAND [ARG ...]: a CreateContainer with these; BUNDLE_JQ edits its specification.
vm_create() {
	local id=$1 storages=$2 devices=$3

	shift 3
	bundle "$T/rpc-$id" "$@"
	jq --arg id "$id" --arg root "$AGENT_ROOT" --argjson st "$storages" --argjson dev "$devices" '
		.root.path = $root | .linux.cgroupsPath = "/" + $id |
		{ container_id: $id, OCI: ., storages: $st, devices: $dev }' "$T/rpc-$id/config.json" | agent CreateContainer -
}

# storage DRIVER SOURCE FSTYPE MOUNT_POINT [JSON]: one, with more fields.
storage() {
	jq -nc --arg d "$1" --arg s "$2" --arg t "$3" --arg m "$4" --argjson more "${5:-{\}}" \
		'{ driver: $d, source: $s, fstype: $t, mount_point: $m } + $more'
}

# total VOLUME [UNIT]: its size.
total() {
	agent GetVolumeStats "{\"volume_guest_path\": \"$1\"}" | jq --arg u "${2:-BYTES}" '.usage[] | select(.unit == $u) | .total // 0'
}

# copy PATH MODE SIZE OFFSET [JSON]: one CopyFile with stdin as data.
copy() {
	base64 -w0 >"$T/base64"
	jq -nc --arg p "$RUN/shared/containers/$1" --argjson m "$(($2))" --argjson s "$3" --argjson o "$4" --rawfile d "$T/base64" --argjson more "${5:-{\}}" \
		'{ path: $p, file_mode: $m, dir_mode: 493, file_size: $s, offset: $o, data: $d } + $more' | agent CopyFile -
}

# --- on this machine ---

@test "host: files are copied in, whole or not at all" {
	local dir=$RUN/shared/containers

	head -c 5000000 /dev/urandom >"$T/big"
	head -c 3000000 "$T/big" | copy x/y/file 0100640 5000000 0 '{"uid": 1000, "gid": 1001}'
	[ ! -e "$dir/x/y/file" ]
	[ -e "$dir/x/y/file.tmp" ]
	tail -c 2000000 "$T/big" | copy x/y/file 0100640 5000000 3000000 '{"uid": 1000, "gid": 1001}'
	cmp "$T/big" "$dir/x/y/file"
	[ "$(stat -c '%a %u %g' "$dir/x/y/file")" = "640 1000 1001" ]
	[ ! -e "$dir/x/y/file.tmp" ]
	[ "$(stat -c %a "$dir/x")" = 755 ]
	# Again, from the start, and empty.
	copy x/y/file 0100600 0 0 </dev/null
	[ "$(stat -c '%s %a' "$dir/x/y/file")" = "0 600" ]
	copy x/dir 040711 0 0 '{"uid": 7}' </dev/null
	[ "$(stat -c '%a %u %F' "$dir/x/dir")" = "711 7 directory" ]
	printf ../y | copy x/link 0120777 0 0 '{"gid": 5}'
	[ "$(readlink "$dir/x/link")" = ../y ]
	printf y | copy x/link 0120777 0 0
	[ "$(readlink "$dir/x/link")" = y ]
	# Links lead nowhere but below the directory.
	mkdir "$dir/etc"
	ln -s /etc "$dir/x/etc"
	echo hello | copy x/etc/file 0100644 6 0
	[ ! -e /etc/file ]
	[ "$(cat "$dir/etc/file")" = hello ]
	ln -s /nowhere/passwd "$dir/x/target.tmp"
	run copy x/target 0100644 1 0 <<<x
	[ "$status" -eq 1 ]
	for path in ../../../etc/x /etc/x x/.. ""; do
		run copy "$path" 0100644 0 0 </dev/null
		[ "$status" -eq 1 ] || [ ! -e /etc/x ]
	done
	refused INVALID_ARGUMENT CopyFile '{"path": "/etc/x"}'
	refused INVALID_ARGUMENT CopyFile "{\"path\": \"$dir/x/f\", \"file_mode\": 8576}"
	refused INVALID_ARGUMENT CopyFile "{\"path\": \"$dir/x/f\", \"file_size\": 1, \"offset\": 2}"
	refused UNKNOWN CopyFile "{\"path\": \"$dir/x/f\", \"file_size\": -1}"
	# A piece is missing.
	run copy x/gap 0100644 10 5 <<<x
	[ "$status" -eq 1 ]
	[ ! -e "$dir/x/gap" ]
}

# The kernel's own ext4 asks for more than root of a container may have.
may_use_resources() {
	(((0x$(awk '/^CapEff:/ { print $2 }' /proc/self/status) >> 24) & 1))
}

# let_go FSTYPE: the second container of the next test, and its disk, which nothing uses any more.
let_go() {
	local volume=$RUN/shared/containers/vol

	agent RemoveContainer "{\"container_id\": \"v2$1\"}"
	refused NOT_FOUND GetVolumeStats "{\"volume_guest_path\": \"$volume\"}"
	# It is not in use any more.
	losetup -d "$DISK"
	rm "$T/$1.loop"
	! losetup -j "$T/$1.img" | grep -q .
}

@test "host: a volume on a disk, counted, grown" {
	local volume=$RUN/shared/containers/vol before after fs tried=0

	for fs in ext4 xfs btrfs; do
		if ! disk "$fs" "$([ $fs = ext4 ] && echo 16 || echo 310)" "$fs"; then
			echo "# no mkfs.$fs: not tried" >&3
			continue
		fi
		tried=$((tried + 1))
		BUNDLE_JQ=".mounts += [{destination: \"/vol\", type: \"bind\", source: \"$volume\", options: [\"rbind\"]}]" \
			vm_create "v1$fs" "[$(storage mmioblk "$DISK" $fs "$volume")]" "[]" sh -c 'echo kept >/vol/file; df /vol | tail -1'
		agent StartContainer "{\"container_id\": \"v1$fs\"}"
		[ "$(status_of "v1$fs")" -eq 0 ]
		[[ $(output_of "v1$fs" "") == */vol* ]]
		# Another container holds it as well.
		vm_create "v2$fs" "[$(storage mmioblk "$DISK" $fs "$volume")]" "[]" sleep 600
		agent RemoveContainer "{\"container_id\": \"v1$fs\"}"
		before=$(total "$volume")
		if [ $fs = ext4 ] && ! may_use_resources; then
			echo "# no CAP_SYS_RESOURCE: ext4 is not grown here" >&3
			let_go $fs
			continue
		fi
		truncate -s +64M "$T/$fs.img"
		losetup -c "$DISK"
		agent ResizeVolume "{\"volume_guest_path\": \"$volume\"}"
		after=$(total "$volume")
		[ "$after" -gt $((before + 50000000)) ]
		refused UNKNOWN ResizeVolume "{\"volume_guest_path\": \"$volume\", \"size\": 900000000000}"
		run agent ResizeVolume "{\"volume_guest_path\": \"$volume\", \"size\": 8000000}"
		[ "$status" -eq 1 ]
		[ "$(total "$volume")" -eq "$after" ]
		[ "$(total "$volume" INODES)" -gt 0 ] || [ $fs = btrfs ]
		let_go $fs
	done
	[ $tried -gt 0 ] || skip "no mkfs"
	refused INVALID_ARGUMENT ResizeVolume '{"volume_guest_path": "/etc"}'
	refused INVALID_ARGUMENT GetVolumeStats '{"volume_guest_path": "/"}'
	ln -s /etc "$RUN/link"
	run agent GetVolumeStats "{\"volume_guest_path\": \"$RUN/link/apt\"}"
	[ "$status" -eq 1 ]
	rm "$RUN/link"
}

# The specification has numbers of the host's; rules for them become rules for what the device is here.
@test "host: a device of a container has the numbers of the guest" {
	local spec='.linux.devices = [{path: "/dev/data", type: "b", major: 8, minor: 99, fileMode: 432}] |
		.linux.resources.devices = [{allow: false, access: "rwm"}, {allow: true, type: "b", major: 8, minor: 99, access: "rm"}]'

	disk data 1 || skip "no loop device"
	printf 'the disk' | dd of="$DISK" conv=notrunc status=none
	BUNDLE_JQ=$spec vm_create d1 "[]" "[{\"type\": \"mmioblk\", \"vm_path\": \"$DISK\", \"container_path\": \"/dev/data\"}]" \
		sh -c 'head -c 8 /dev/data; echo; ls -l /dev/data | cut -c1-10; echo x >/dev/data || echo refused'
	agent StartContainer '{"container_id": "d1"}'
	[ "$(status_of d1)" -eq 0 ]
	output_of d1 "" >"$T/out"
	grep -qx 'the disk' "$T/out"
	grep -qx 'brw-rw----' "$T/out"
	grep -qx refused "$T/out" || { cat "$T/out"; return 1; }
	agent RemoveContainer '{"container_id": "d1"}'
	run vm_create d2 "[]" "[{\"type\": \"mmioblk\", \"vm_path\": \"$DISK\", \"container_path\": \"/dev/other\"}]" true
	[[ $output == *"INVALID_ARGUMENT: the specification does not list device /dev/other" ]]
	BUNDLE_JQ=$spec run vm_create d3 "[]" '[{"type": "blk", "id": "1f/1f", "container_path": "/dev/data"}]' true
	[[ $output == *"device blk 1f/1f did not appear within"* ]]
	BUNDLE_JQ=$spec run vm_create d4 "[]" '[{"type": "vfio-pci", "id": "1", "container_path": "/dev/data"}]' true
	[[ $output == *"UNIMPLEMENTED: devices of type vfio-pci are not supported"* ]]
	# Nothing of them is left: the names are free.
	create d3 true
	agent RemoveContainer '{"container_id": "d3"}'
}

# A container that waits for a disk delays nobody, and can be removed.
@test "host: waiting for a disk is the container's own affair" {
	vm_create w1 "[$(storage blk /dev/no-such-disk ext4 "$RUN/shared/containers/none")]" "[]" true >"$T/w1" 2>&1 &
	waiter=$!
	waits() { run agent StartContainer '{"container_id": "w1"}'; [[ $output == *"container w1 has no process yet"* ]]; }
	wait_for 30 waits
	begin w2 true
	[ "$(status_of w2)" -eq 0 ]
	agent RemoveContainer '{"container_id": "w2"}'
	agent RemoveContainer '{"container_id": "w1"}' || grep -q "did not appear" "$T/w1"
	wait $waiter || true
	grep -q -e "is being removed" -e "went away" -e "did not appear" "$T/w1"
	create w1 true
	agent RemoveContainer '{"container_id": "w1"}'
}

@test "host: memory in place of disks" {
	local volume=$RUN/sandbox/ephemeral

	vm_create m1 "[$(storage ephemeral tmpfs tmpfs "$volume" '{"options": ["size=1m", "fsgid=77"], "shared": true}')]" "[]" true
	[ "$(total "$volume")" -eq 1048576 ]
	agent UpdateEphemeralMounts "{\"storages\": [$(storage ephemeral tmpfs tmpfs "$volume" '{"options": ["size=3m"]}')]}"
	[ "$(total "$volume")" -eq 3145728 ]
	run agent UpdateEphemeralMounts "{\"storages\": [$(storage ephemeral tmpfs tmpfs "$volume" '{"options": ["size=nonsense"]}')]}"
	[ "$status" -eq 1 ]
	refused UNIMPLEMENTED UpdateEphemeralMounts "{\"storages\": [$(storage blk tmpfs ext4 "$volume")]}"
	refused NOT_FOUND UpdateEphemeralMounts "{\"storages\": [$(storage ephemeral tmpfs tmpfs "$RUN/sandbox/other")]}"
	refused UNIMPLEMENTED ResizeVolume "{\"volume_guest_path\": \"$volume\"}"
	agent RemoveContainer '{"container_id": "m1"}'
	# It is the sandbox's now.
	[ "$(total "$volume")" -eq 3145728 ]
	agent RemoveStaleVirtiofsShareMounts
}

# --- in a guest ---

# QEMU with a disk of each kind, and a place to plug one in; the agent is asked through caisson-devd.
machine_up() {
	local d

	M=$T/machine
	RUN=/run/kata-containers
	mkdir "$M"
	for d in blk scsi pmem swap late; do
		truncate -s 32M "$M/$d"
	done
	# What is plugged in behind it must lie at a multiple of a memory block.
	truncate -s 128M "$M/pmem"
	for d in blk scsi pmem late; do
		mkfs.ext4 -q "$M/$d"
	done
	# A root file system in two layers; the upper one changes a file of the other.
	mkdir "$M/top" "$M/top/etc"
	echo 'root:x:0:0:changed:/:/bin/sh' >"$M/top/etc/passwd"
	mkfs.erofs "$M/layer1" "$M/top" >/dev/null 2>&1
	mkfs.erofs "$M/layer2" "$ROOTFS" >/dev/null 2>&1
	mkswap "$M/swap" >/dev/null 2>&1
	"$CAISSON_BUILD/src/devd/caisson-devd" vsock --uds-path "$M/vsock" --guest-cid 3 --socket "$M/vhost" --log-fd 2 </dev/null 2>"$M/devd.log" 3>&- &
	DEVD_PID=$!
	listens() { [ -S "$M/vhost" ]; }
	wait_for 30 listens
	qemu-system-x86_64 -machine q35,memory-backend=mem,nvdimm=on -accel tcg -cpu max -smp 1,maxcpus=2,sockets=2,cores=1 -m 256,slots=4,maxmem=1G \
		-object memory-backend-memfd,id=mem,size=256M,share=on -kernel "$CAISSON_BUILD/guest/vmlinux" -initrd "$CAISSON_BUILD/guest/initrd.cpio" \
		-append "console=ttyS0 quiet panic=1 agent.log=debug" -nodefaults -display none -no-reboot -serial "file:$M/console" \
		-qmp "unix:$M/qmp,server=on,wait=off" -chardev "socket,id=v,path=$M/vhost" -device vhost-user-vsock-pci,chardev=v \
		-device pcie-root-port,id=rp1,slot=1,addr=0x10 -device pcie-root-port,id=rp2,slot=2,addr=0x11 \
		-drive "file=$M/blk,if=none,id=d1,format=raw" -device virtio-blk-pci,drive=d1,addr=0x05 \
		-device virtio-scsi-pci,id=scsi0,addr=0x06 -drive "file=$M/scsi,if=none,id=d2,format=raw" -device scsi-hd,drive=d2,bus=scsi0.0,scsi-id=1,lun=2 \
		-drive "file=$M/swap,if=none,id=d3,format=raw" -device virtio-blk-pci,drive=d3,bus=rp1 \
		-drive "file=$M/late,if=none,id=d4,format=raw" \
		-drive "file=$M/layer1,if=none,id=d5,format=raw,readonly=on" -device virtio-blk-pci,drive=d5,addr=0x07 \
		-drive "file=$M/layer2,if=none,id=d6,format=raw,readonly=on" -device virtio-blk-pci,drive=d6,addr=0x08 \
		-object "memory-backend-file,id=nv,share=on,mem-path=$M/pmem,size=128M" -device nvdimm,memdev=nv \
		</dev/null >"$M/qemu.log" 2>&1 3>&- &
	QEMU_PID=$!
	AGENT=hvsock://$M/vsock:1024
	answers() { AGENT_TIMEOUT=2s agent Check >/dev/null 2>&1; }
	wait_for 60 answers || { cat "$M/qemu.log" "$M/console" "$M/devd.log"; return 1; }
}

machine_down() {
	[ -z "${QEMU_PID:-}" ] || { kill -KILL "$QEMU_PID" && wait "$QEMU_PID" || true; }
	[ -z "${DEVD_PID:-}" ] || { kill "$DEVD_PID" && wait "$DEVD_PID" || true; }
	rm -rf "$M"
}

# qmp COMMAND [ARGUMENTS]: one command to QEMU.
qmp() {
	python3 - "$M/qmp" "$1" "${2:-{\}}" <<-'PYTHON'
		import json, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.settimeout(30)
		s.connect(sys.argv[1])
		f = s.makefile("rw")
		f.readline()
		for command, arguments in (("qmp_capabilities", {}), (sys.argv[2], json.loads(sys.argv[3]))):
		    f.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
		    f.flush()
		    while "event" in (answer := json.loads(f.readline())):
		        pass
		    if "error" in answer:
		        sys.exit(str(answer["error"]))
	PYTHON
}

@test "machine: disks of each kind, swap, a processor" {
	local d

	[[ $(agent GetGuestDetails '{"mem_block_size": true}' | jq -r '.mem_block_size_bytes') == 134217728 ]]
	agent GetGuestDetails | jq -e '.agent_details | .device_handlers == ["blk", "mmioblk", "scsi", "nvdimm"] and (.storage_handlers | index("overlayfs"))'
	# What is wrong is said, and leaves nothing: it is tried again.
	refused INVALID_ARGUMENT CreateSandbox "{\"sandbox_id\": \"s\", \"storages\": [$(storage blk 05/06/ ext4 $RUN/sandbox/blk)]}"
	run agent CreateSandbox "{\"sandbox_id\": \"s\", \"storages\": [$(storage blk 05 ext4 $RUN/sandbox/blk), $(storage scsi 1:3 ext4 $RUN/sandbox/scsi)]}"
	[[ $output == *"device scsi 1:3 did not appear within"* ]]
	refused NOT_FOUND GetVolumeStats "{\"volume_guest_path\": \"$RUN/sandbox/blk\"}"
	agent CreateSandbox "{\"sandbox_id\": \"s\", \"storages\": [
		$(storage blk 05 ext4 $RUN/sandbox/blk), $(storage scsi 1:2 ext4 $RUN/sandbox/scsi),
		$(storage nvdimm /dev/pmem0 ext4 $RUN/sandbox/pmem '{"options": ["ro"]}'),
		$(storage ephemeral shm tmpfs $RUN/sandbox/shm '{"options": ["size=1m"]}'),
		$(storage overlayfs none overlay $RUN/sandbox/over "{\"options\": [\"lowerdir=$RUN/sandbox/blk:$RUN/sandbox/scsi\"]}")]}"
	for d in blk scsi pmem over; do
		[ "$(total $RUN/sandbox/$d)" -gt 20000000 ]
	done
	# The disk has grown.
	qmp block_resize '{"device": "d1", "size": 67108864}'
	agent ResizeVolume "{\"volume_guest_path\": \"$RUN/sandbox/blk\", \"size\": 67108864}"
	[ "$(total $RUN/sandbox/blk)" -gt 50000000 ]
	qmp block_resize '{"device": "d2", "size": 67108864}'
	agent ResizeVolume "{\"volume_guest_path\": \"$RUN/sandbox/scsi\", \"size\": 67108864}"
	[ "$(total $RUN/sandbox/scsi)" -gt 50000000 ]
	agent AddSwap '{"PCIPath": [16, 0]}'
	agent AddSwap '{"PCIPath": [16, 0]}'
	refused INVALID_ARGUMENT AddSwap '{"PCIPath": [300]}'
	refused INVALID_ARGUMENT AddSwapPath '{"path": "/run/file"}'
	run agent AddSwapPath '{"path": "/dev/pmem0"}'
	[ "$status" -eq 1 ]
	# One processor more is there; none is.
	refused DEADLINE_EXCEEDED OnlineCPUMem '{"wait": true, "nb_cpus": 1}'
	agent OnlineCPUMem '{"wait": true}'
	qmp device_add '{"driver": "max-x86_64-cpu", "socket-id": 1, "core-id": 0, "thread-id": 0, "id": "cpu1"}'
	agent OnlineCPUMem '{"wait": true, "nb_cpus": 1, "cpu_only": true}'
	# Memory that is plugged in is used.
	memory() { agent GetMetrics | jq -r .metrics | awk '/^kata_guest_meminfo\{item="mem_total"\}/ { printf "%d", $2 / 1048576 }'; }
	d=$(memory)
	qmp object-add '{"qom-type": "memory-backend-memfd", "id": "more", "size": 134217728, "share": true}'
	qmp device_add '{"driver": "pc-dimm", "memdev": "more", "id": "dimm1"}'
	grown() { agent OnlineCPUMem && [ "$(memory)" -gt $((d + 100)) ]; }
	wait_for 30 grown
	refused INVALID_ARGUMENT SetGuestDateTime '{"Sec": 1, "Usec": 1000000}'
	agent SetGuestDateTime "{\"Sec\": $(date +%s)}"
	agent RemoveStaleVirtiofsShareMounts
	agent MemHotplugByProbe
	refused UNIMPLEMENTED MemHotplugByProbe '{"memHotplugProbeAddr": [4294967296]}'
}

# The request is there first.
@test "machine: a disk that is plugged in while it is waited for" {
	agent CreateSandbox "{\"sandbox_id\": \"s\", \"storages\": [$(storage blk 11/00 ext4 $RUN/sandbox/late)]}" >"$T/late.out" 2>&1 &
	late=$!
	qmp device_add '{"driver": "virtio-blk-pci", "drive": "d4", "bus": "rp2", "id": "late"}'
	wait $late || { cat "$T/late.out" "$M/console"; return 1; }
	[ "$(total $RUN/sandbox/late)" -gt 20000000 ]
}

@test "machine: a root file system of layers, each on a disk" {
	local root=$RUN/shared/containers/r1/rootfs layered='{"options": ["X-kata.multi-layer=true", "X-kata.overlay-lower"]}'

	agent CreateSandbox '{"sandbox_id": "s"}'
	AGENT_ROOT=$root vm_create r1 "[
		$(storage blk 05 ext4 "$root" '{"options": ["X-kata.multi-layer=true", "X-kata.overlay-upper"]}'),
		$(storage blk 07 erofs "$root" "$layered"), $(storage blk 08 erofs "$root" "$layered")]" "[]" \
		sh -c 'cat /etc/passwd; ls /bin/busybox; echo new >/etc/passwd && cat /etc/passwd'
	agent StartContainer '{"container_id": "r1"}'
	[ "$(status_of r1)" -eq 0 ]
	[ "$(output_of r1 "")" = "root:x:0:0:changed:/:/bin/sh
/bin/busybox
new" ]
	agent RemoveContainer '{"container_id": "r1"}'
	refused NOT_FOUND GetVolumeStats "{\"volume_guest_path\": \"$root\"}"
	# The disks are free again, and what was written is in the upper layer's.
	AGENT_ROOT=$root vm_create r2 "[
		$(storage blk 05 ext4 "$root" '{"options": ["X-kata.multi-layer=true", "X-kata.overlay-upper"]}'),
		$(storage blk 08 erofs "$root" "$layered")]" "[]" cat /etc/passwd
	agent StartContainer '{"container_id": "r2"}'
	[ "$(status_of r2)" -eq 0 ]
	[ "$(output_of r2 "")" = new ]
	agent RemoveContainer '{"container_id": "r2"}'
}
