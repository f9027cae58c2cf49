# SPDX-License-Identifier: Apache-2.0
"""QEMU alone: machine, CPU model, memory, kernel, initrd and kernel command line of a running sandbox, without the vhost-user devices, which need
their daemons, until the first instructions of a program in the guest have written a byte to the console."""
import os
import struct
import subprocess
import time

from common import one

# write(1, "!", 1); for (;;) pause();
CODE = bytes.fromhex("b801000000bf01000000488d3510000000ba010000000f05b8220000000f05ebf721")
FIRST = "first-program"


def program():
    """An ELF file of CODE and nothing else."""
    base, head = 0x400000, 64 + 56
    elf = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, base + head, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return elf + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, head + len(CODE), head + len(CODE), 4096) + CODE


def cpio(name, data, mode):
    def pad(b):
        return b + bytes(-len(b) % 4)

    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    return pad(b"070701" + b"".join(b"%08x" % f for f in fields) + name.encode() + b"\0") + pad(data)


def floor_argv(lab):
    """What QEMU needs to boot the guest of a sandbox to its first program."""
    name = lab.start("caisson", lab.bundle("sleep", "600"))
    pid = one(lab.processes(name), "qemu-system-x86_64")
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        argv = f.read().decode().rstrip("\0").split("\0")
    lab.stop("caisson", name)
    value = {k: argv[i + 1] for i, k in enumerate(argv[:-1]) if k.startswith("-")}
    objects = [argv[i + 1] for i, k in enumerate(argv) if k == "-object" and argv[i + 1].startswith("memory-backend")]
    with open(value["-initrd"], "rb") as f:
        initrd = f.read()
    initrd += bytes(-len(initrd) % 4)
    path = f"{lab.dir}/initrd{lab.name()}"
    with open(path, "wb") as f:
        f.write(initrd + cpio(FIRST, program(), 0o100755) + cpio("TRAILER!!!", b"", 0))
    keep = ["-machine", "-global", "-accel", "-cpu", "-smp", "-m", "-kernel"]
    out = [argv[0], "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-no-reboot"]
    for k in keep:
        out += [k, value[k]] if k in value else []
    for o in objects:
        out += ["-object", o]
    return out + ["-initrd", path, "-append", f"{value['-append']} rdinit=/{FIRST}", "-serial", "stdio"]


def time_floor(argv):
    t = time.monotonic()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as p:
        said = b""
        while not said.endswith(b"!"):
            b = os.read(p.stdout.fileno(), 256)
            if not b:
                raise SystemExit("the guest ended before its first program")
            said += b
        t = time.monotonic() - t
        p.kill()
    return t
