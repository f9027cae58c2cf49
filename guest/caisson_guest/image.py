# SPDX-License-Identifier: Apache-2.0
"""Make a disk image with the guest's root file system: the agent as /sbin/init, and mount points.

A partition table (MBR), the file system in the first partition and, with verity, its hash tree in the
second: where dm-verity, set up by the kernel itself, finds it (no superblock; root hash and salt are
given on the kernel's command line). Same inputs, same bytes: identities come from the inputs, times are 0,
and ext4 is filled by debugfs in a fixed order. The kernel must have the disk's driver and the file
system built in, for there is no initrd to load them from.
"""

import hashlib
import json
import os
import struct
import subprocess
import tempfile
import uuid

from . import GuestError, modules, product, strip

IMAGE = "image.img"
MANIFEST = "image.json"
FORMAT = 1  # of image.json and of the recipe
SECTOR = 512
BLOCK = 4096
ALIGN = 2 << 20  # of partitions: a huge page, should the image be mapped into the guest
DIRECTORIES = ("dev", "etc", "proc", "root", "run", "sbin", "sys", "tmp")
MODES = {"tmp": 0o1777}
INIT = "sbin/init"
NEEDED = {"erofs": ("virtio_blk", "erofs"), "ext4": ("virtio_blk", "ext4")}
VERITY_NEEDED = ("dm_mod", "dm_verity")


def _run(*args, stdin=None, env=None):
    try:
        p = subprocess.run(args, input=stdin, capture_output=True, text=True, check=False,
                           env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})})
    except FileNotFoundError:
        raise GuestError(f"{args[0]} not found (install erofs-utils, e2fsprogs)") from None
    if p.returncode != 0:
        lines = p.stderr.strip().splitlines() or [f"exit {p.returncode}"]
        raise GuestError(f"{args[0]}: {lines[-1]}")
    return p.stdout + p.stderr


def _identity(*parts):
    """A UUID that is always the same for the same contents."""
    h = hashlib.sha256(b"\0".join(parts)).digest()
    return str(uuid.UUID(bytes=h[:16], version=4))


def _erofs(tree, target, identity):
    _run("mkfs.erofs", "--quiet", "-T0", "--all-root", "-U", identity, target, tree)


def _ext4(tree, target, identity):
    size = os.path.getsize(os.path.join(tree, INIT))
    blocks = size // BLOCK + 256  # and what the file system itself takes
    clock = {"E2FSPROGS_FAKE_TIME": "1", "SOURCE_DATE_EPOCH": "1"}
    _run("mke2fs", "-q", "-t", "ext4", "-b", str(BLOCK), "-m", "0", "-U", identity, "-N", "64", "-O",
         "^has_journal,^resize_inode,^metadata_csum_seed", "-E",
         f"hash_seed={identity},lazy_itable_init=0,nodiscard,root_owner=0:0", target, str(blocks), env=clock)
    commands = []
    paths = [*DIRECTORIES, INIT]
    for path in paths:
        is_file = path == INIT
        mode = 0o100755 if is_file else 0o040000 | MODES.get(path, 0o755)
        commands.append(f"write {os.path.join(tree, path)} {path}" if is_file else f"mkdir {path}")
        commands.append(f"set_inode_field {path} mode 0{mode:o}")
    for path in ["/", "lost+found", *paths]:
        commands += [f"set_inode_field {path} {field} @1" for field in ("atime", "ctime", "mtime", "crtime")]
        commands += [f"set_inode_field {path} {field} 0" for field in ("uid", "gid", "generation")]
    said = _run("debugfs", "-w", "-f", "-", target, stdin="\n".join(commands) + "\n", env=clock)
    problems = [line for line in said.splitlines() if line and not line.startswith(("debugfs", "Allocated inode"))]
    if problems:
        raise GuestError(f"debugfs: {problems[0]}")
    _run("e2fsck", "-fn", target)


MAKERS = {"erofs": _erofs, "ext4": _ext4}


def file_system(agent, kind, identity):
    """The bytes of a file system, a whole number of blocks."""
    with tempfile.TemporaryDirectory(prefix="caisson-image-") as d:
        tree = os.path.join(d, "tree")
        for path in DIRECTORIES:
            os.makedirs(os.path.join(tree, path))
            os.chmod(os.path.join(tree, path), MODES.get(path, 0o755))
        with open(os.path.join(tree, INIT), "wb") as f:
            f.write(agent)
        os.chmod(os.path.join(tree, INIT), 0o755)
        target = os.path.join(d, "fs")
        MAKERS[kind](tree, target, identity)
        with open(target, "rb") as f:
            data = f.read()
    return data + bytes(-len(data) % BLOCK)


def hash_tree(data, salt):
    """(tree, root hash) as dm-verity has them: SHA-256, blocks of 4096, the topmost level first."""
    def digests(level):
        joined = b"".join(hashlib.sha256(salt + level[i:i + BLOCK]).digest()
                          for i in range(0, len(level), BLOCK))
        return joined + bytes(-len(joined) % BLOCK)

    levels = [digests(data)]
    while len(levels[-1]) > BLOCK:
        levels.append(digests(levels[-1]))
    return b"".join(reversed(levels)), hashlib.sha256(salt + levels[-1]).digest()


def partitioned(parts):
    """A disk with these contents as its partitions."""
    table, out = b"", bytearray(ALIGN)
    for data in parts:
        start = len(out)
        out += data + bytes(-len(data) % ALIGN)
        table += struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", start // SECTOR,
                             len(data) // SECTOR)
    out[446:446 + len(table)] = table
    out[510:512] = b"\x55\xaa"
    return bytes(out)


def _check_kernel(tree, needed):
    lacks = [n for n in needed if not tree.is_builtin(n)]
    if lacks:
        raise GuestError(f"kernel {tree.release} has not got built in what an image takes: {' '.join(lacks)} "
                         "(make guest-kernel)")


def build(agent_path, tree_path, kind, verity, directory):
    """Writes IMAGE and MANIFEST; what the configuration is to say about verity, or None."""
    tree = modules.Tree(tree_path)
    _check_kernel(tree, NEEDED[kind] + (VERITY_NEEDED if verity else ()))
    with open(agent_path, "rb") as f:
        agent = f.read()
    product.check_agent(agent, agent_path)
    agent = strip.strip(agent, "agent", "--strip-all")
    identity = _identity(str(FORMAT).encode(), kind.encode(), agent)
    data = file_system(agent, kind, identity)
    parts, params = [data], None
    if verity:
        salt = hashlib.sha256(identity.encode()).digest()
        hashes, root = hash_tree(data, salt)
        parts.append(hashes)
        params = (f"root_hash={root.hex()},salt={salt.hex()},data_blocks={len(data) // BLOCK},"
                  f"data_block_size={BLOCK},hash_block_size={BLOCK}")
    disk = partitioned(parts)
    manifest = {
        "format": FORMAT, "file_system": kind, "kernel": tree.release, "kernel_verity_params": params,
        "files": {IMAGE: {"size": len(disk), "sha256": hashlib.sha256(disk).hexdigest()}},
        "contents": [product.describe_agent(INIT, agent)],
    }
    os.makedirs(directory, exist_ok=True)
    product.write(directory, IMAGE, disk)
    product.write(directory, MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
    return params
