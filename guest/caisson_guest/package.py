# SPDX-License-Identifier: Apache-2.0
"""Find the kernel package on this host, or get it from Debian without installing it.

apt checks what it downloads against the archive's signatures. The package is only unpacked, into a
cache directory of its own version; no hook runs and the host's boot loader does not hear of it.
"""

import glob
import os
import re
import shutil
import subprocess
import tempfile

from . import GuestError

METAPACKAGE = "linux-image-cloud-amd64"
FLAVOUR = "cloud-amd64"


def run(*args, cwd=None):
    try:
        p = subprocess.run(args, cwd=cwd, capture_output=True, text=True,
                           env={**os.environ, "LC_ALL": "C.UTF-8"}, check=False)
    except FileNotFoundError:
        raise GuestError(f"{args[0]} not found (give --kernel-package or --bzimage)") from None
    if p.returncode != 0:
        lines = p.stderr.strip().splitlines() or [f"exit {p.returncode}"]
        reason = next((line for line in lines if line.startswith("E: ")), lines[-1])
        raise GuestError(f"{' '.join(args[:2])}: {reason.removeprefix('E: ')}")
    return p.stdout


def _version_key(path):
    return [int(n) for n in re.findall(r"\d+", os.path.basename(path))]


def kernel_files(root):
    """(bzImage, module directory) of the newest kernel of the cloud flavour, else any, under root."""
    images = glob.glob(os.path.join(root, "boot", "vmlinuz-*"))
    images = [i for i in images if i.endswith(FLAVOUR)] or images
    for image in sorted(images, key=_version_key, reverse=True):
        release = os.path.basename(image).removeprefix("vmlinuz-")
        for lib in ("lib", "usr/lib"):
            modules = os.path.join(root, lib, "modules", release)
            if os.path.isdir(os.path.join(modules, "kernel")):
                return image, modules
    return None


def installed(root="/"):
    """kernel_files of the cloud kernel that is installed on this host, or None."""
    found = kernel_files(root)
    return found if found and found[0].endswith(FLAVOUR) else None


def candidate():
    """(name, version) of the kernel package that the metapackage asks for."""
    record = run("apt-cache", "--no-all-versions", "show", METAPACKAGE)
    depends = re.search(r"^Depends: (linux-image-\S+) \(= (\S+)\)", record, re.MULTILINE)
    if not depends:
        raise GuestError(f"apt knows no kernel package for {METAPACKAGE} (run apt-get update)")
    return depends.groups()


def _unpack(name, version, cache):
    """Downloads and unpacks into a new directory in cache; its path."""
    work = tempfile.mkdtemp(prefix=".new-", dir=cache)
    try:
        run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", f"{name}={version}",
             cwd=work)
        packages = glob.glob(os.path.join(work, "*.deb"))
        if len(packages) != 1:
            raise GuestError(f"apt-get download left {len(packages)} packages instead of one")
        tree = os.path.join(work, "tree")
        run("dpkg-deb", "-x", packages[0], tree)
        if kernel_files(tree) is None:
            raise GuestError(f"package {name} has no kernel with modules")
        target = os.path.join(cache, f"{name}_{version}")
        shutil.rmtree(target, ignore_errors=True)
        os.rename(tree, target)
        return target
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _forget_others(cache, keep):
    for path in glob.glob(os.path.join(cache, f"linux-image-*-{FLAVOUR}_*")):
        if path != keep:
            shutil.rmtree(path, ignore_errors=True)


def fetch(cache, note):
    """kernel_files of Debian's current cloud kernel, from the cache where it is there already.

    note is called with a line of text before something that takes long.
    """
    name, version = candidate()
    target = os.path.join(cache, f"{name}_{version}")
    found = kernel_files(target)
    if found:
        return found
    try:
        os.makedirs(cache, mode=0o755, exist_ok=True)
        note(f"downloading {name} {version}")
        target = _unpack(name, version, cache)
    except OSError as e:
        raise GuestError(f"{cache}: {e.strerror} (choose another with --cache)") from None
    _forget_others(cache, target)
    return kernel_files(target)
