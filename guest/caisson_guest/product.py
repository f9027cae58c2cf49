# SPDX-License-Identifier: Apache-2.0
"""Make the three products in the output directory: vmlinux, initrd.cpio, guest.json.

guest.json is written last and names the inputs and the SHA-256 of the other two, so a directory
whose manifest fits is complete; a build with the same inputs changes nothing. Each file is written
beside its final name and renamed.
"""

import hashlib
import json
import os
import tempfile
from collections import namedtuple

from . import GuestError, bzimage, cpio, elf, modules, strip

FORMAT = 1  # of guest.json
VMLINUX = "vmlinux"
INITRD = "initrd.cpio"
MANIFEST = "guest.json"
DIRECTORIES = ("dev", "etc", "lib", "lib/modules", "modules", "proc", "root", "run", "sys", "tmp")

POLICY = "etc/kata-opa/default-policy.rego"  # where the agent looks for it

Inputs = namedtuple("Inputs", "agent bzimage modules wanted policy", defaults=(None,))


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


def _read(path, what):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError as e:
        raise GuestError(f"{what} {path}: {e.strerror}") from None


def _builder_sha256():
    """Of the builder itself: another builder may make something else of the same inputs."""
    folder = os.path.dirname(os.path.abspath(__file__))
    names = sorted(n for n in os.listdir(folder) if n.endswith(".py"))
    return _sha256(b"".join(_read(os.path.join(folder, n), "builder") for n in names))


def _vmlinux(image, path):
    try:
        kernel = bzimage.kernel(image)
        entry = elf.pvh_entry(kernel)
        if entry is None:
            raise GuestError("no PVH entry (ELF note Xen 18): QEMU cannot start it directly; "
                             "build the kernel with CONFIG_PVH=y")
        return elf.compact(kernel)
    except GuestError as e:
        raise GuestError(f"kernel {path}: {e}") from None


def check_agent(agent, path):
    try:
        if not elf.is_static_executable(agent):
            raise GuestError("not a static executable (nothing else of user space is in the guest)")
    except GuestError as e:
        raise GuestError(f"agent {path}: {e}") from None


def _initrd(agent, selection, policy):
    """The archive, and the stripped modules by name."""
    archive = cpio.Archive()
    for path in DIRECTORIES:
        archive.directory(path, 0o1777 if path == "tmp" else 0o755)
    archive.character_device("dev/console", 5, 1)
    archive.file("init", agent, 0o755)
    if policy is not None:
        archive.directory(os.path.dirname(POLICY), 0o755)
        archive.file(POLICY, policy)
    archive.symlink(f"lib/modules/{selection.tree.release}", "/modules")
    archive.file("modules/load", selection.load_list().encode())
    archive.file("modules/late", selection.late_list().encode())
    archive.file("modules/modules.dep", selection.dependencies().encode())
    archive.file("modules/modules.builtin",
                 "".join(f"{p}\n" for p in selection.tree.builtin_paths).encode())
    stripped = {n: modules.stripped(selection.tree.module(n)) for n in selection.all}
    for name, data in stripped.items():
        archive.file(f"modules/{name}.ko", data)
    return archive.to_bytes(), stripped


def write(directory, name, data):
    fd, path = tempfile.mkstemp(prefix=f".{name}-", dir=directory)
    try:
        with os.fdopen(fd, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.chmod(path, 0o644)
        os.rename(path, os.path.join(directory, name))
    except BaseException:
        os.unlink(path)
        raise


def version():
    """Of the programs: the agent and the builder come from the same tree."""
    path = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../VERSION")
    return _read(path, "version").decode().strip()


def describe_agent(path, stripped_agent):
    """An entry of the list of contents."""
    return {"path": path, "program": "caisson-agent", "version": version(), "size": len(stripped_agent),
            "sha256": _sha256(stripped_agent)}


def _is_current(directory, inputs):
    """Whether the products in the directory were made of these inputs and are as they were made."""
    try:
        manifest = json.loads(_read(os.path.join(directory, MANIFEST), "manifest"))
        return manifest["format"] == FORMAT and manifest["inputs"] == inputs and all(
            _sha256(_read(os.path.join(directory, name), "product")) == about["sha256"]
            for name, about in manifest["files"].items())
    except (GuestError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _describe(selection, stripped):
    return [{"name": n, "source": selection.tree.module(n).source, "at_boot": n in selection.load,
             "late": n in selection.late,
             "size": len(data), "sha256": _sha256(data)} for n, data in stripped.items()]


def _inputs(builder_sha256, agent, image, selection, policy):
    return {
        **({} if policy is None else {"policy": _sha256(policy)}),
        "builder": builder_sha256,
        "agent": _sha256(agent),
        "kernel": _sha256(image),
        "modules": {n: selection.tree.module(n).sha256 for n in selection.all},
        "lists": _sha256("\0".join([selection.load_list(), selection.late_list(),
                                    selection.dependencies()]).encode()),
    }


def build(given, directory):
    """Makes the products; whether anything had to be made."""
    agent = _read(given.agent, "agent")
    image = _read(given.bzimage, "kernel")
    policy = None if given.policy is None else _read(given.policy, "policy")
    check_agent(agent, given.agent)
    try:
        release = bzimage.release(image)
    except GuestError as e:
        raise GuestError(f"kernel {given.bzimage}: {e}") from None
    tree = modules.Tree(given.modules)
    if release not in (None, tree.release):
        raise GuestError(f"kernel {given.bzimage} is {release}, but the modules are for {tree.release}")
    selection = modules.Selection(tree, given.wanted)
    inputs = _inputs(_builder_sha256(), agent, image, selection, policy)
    try:
        os.makedirs(directory, exist_ok=True)
        if _is_current(directory, inputs):
            return False
        vmlinux = _vmlinux(image, given.bzimage)
        stripped_agent = strip.strip(agent, "agent", "--strip-all")
        initrd, stripped = _initrd(stripped_agent, selection, policy)
        manifest = {
            "format": FORMAT,
            "kernel": tree.release,
            "files": {name: {"size": len(data), "sha256": _sha256(data)}
                      for name, data in ((VMLINUX, vmlinux), (INITRD, initrd))},
            "contents": [describe_agent("init", stripped_agent)],
            "modules": _describe(selection, stripped),
            "inputs": inputs,
        }
        write(directory, VMLINUX, vmlinux)
        write(directory, INITRD, initrd)
        write(directory, MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
    except OSError as e:
        raise GuestError(f"{e.filename or directory}: {e.strerror}") from None
    return True
