# SPDX-License-Identifier: Apache-2.0
"""Build the guest's own kernel from Debian's source package, with the fragments of guest/kernel/ARCH.

What it is made of (source version, fragments, patches, compiler, this recipe) names the directory in
the cache; a complete one has kernel.json, which is written last. A build that was interrupted goes on
where it was: its objects stay in a directory of the same name with ".work". Nothing is installed.

A finished kernel lies there like an unpacked package: boot/vmlinuz-RELEASE (an executable "linux" for
ARCH um), boot/config-RELEASE and lib/modules/RELEASE/modules.builtin, which names what is built in.
"""

import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections import namedtuple

from . import GuestError, config, package

SOURCE = "linux-source-6.12"
FORMAT = 1  # of kernel.json and of the recipe: how make is called, what is kept
MANIFEST = "kernel.json"
FRAGMENTS = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "kernel")
# Of the source, what no kernel here is made of: a third of its size.
LEFT_OUT = ("*/drivers/gpu/drm/amd/include/*", "*/tools/testing/*", "*/Documentation/*/*")
# The time is in the kernel's version, and the name of the machine: the same everywhere.
FIXED = ("KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970", "KBUILD_BUILD_USER=caisson",
         "KBUILD_BUILD_HOST=caisson")
REPORT_S = 15  # between two lines of progress
STEP = re.compile(r"  (?:CC|AS|AR|LD|HOSTCC|GEN|OBJCOPY)\s")

# What make is asked for; the image it leaves; how many lines of progress it writes, about; and the time, said first.
Target = namedtuple("Target", "goals image steps minutes")
TARGETS = {
    "x86_64": Target(("bzImage",), "arch/x86/boot/bzImage", 2550, 20),
    "um": Target(("linux",), "linux", 1300, 6),
}
Built = namedtuple("Built", "image modules config manifest")
Recipe = namedtuple("Recipe", "arch fragments patches sha256")


def recipe(arch, directory=FRAGMENTS):
    """The fragments and patches for an architecture, and the sum that a kernel made of them has."""
    fragments = sorted(glob.glob(os.path.join(directory, arch, "*.conf")))
    patches = sorted(glob.glob(os.path.join(directory, arch, "*.patch")))
    if not fragments:
        raise GuestError(f"no kernel fragments in {os.path.join(directory, arch)}")
    h = hashlib.sha256(f"{FORMAT} {arch}".encode())
    for path in fragments + patches:
        with open(path, "rb") as f:
            h.update(f"\0{os.path.basename(path)}\0".encode() + f.read())
    return Recipe(arch, fragments, patches, h.hexdigest())


def _version_key(version):
    return [int(n) for n in re.findall(r"\d+", version)]


def _read_manifest(directory, r):
    try:
        with open(os.path.join(directory, MANIFEST), encoding="utf-8") as f:
            m = json.load(f)
        if m["format"] == FORMAT and m["recipe"] == r.sha256:
            return m
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _built(directory, m):
    release = m["release"]
    name = "vmlinuz" if m["arch"] == "x86_64" else "linux"
    return Built(os.path.join(directory, "boot", f"{name}-{release}"),
                 os.path.join(directory, "lib/modules", release),
                 os.path.join(directory, "boot", f"config-{release}"), m)


def find(cache, arch="x86_64", directory=FRAGMENTS):
    """The newest kernel in the cache that was made of today's fragments, or None."""
    r = recipe(arch, directory)
    found = []
    for path in glob.glob(os.path.join(cache, f"kernel-{arch}-*")):
        m = _read_manifest(path, r)
        if m and os.path.isfile(_built(path, m).image):
            found.append((_version_key(m["source"]), path, m))
    return _built(*max(found)[1:]) if found else None


def stale(cache, arch="x86_64", directory=FRAGMENTS):
    """Whether there are kernels in the cache, but none of today's fragments."""
    complete = glob.glob(os.path.join(cache, f"kernel-{arch}-*", MANIFEST))
    return bool(complete) and find(cache, arch, directory) is None


# --- the source ---

def _candidate(cache):
    """The version of the source package that apt would install, else the newest in the cache."""
    try:
        record = package.run("apt-cache", "--no-all-versions", "show", SOURCE)
        return re.search(r"^Version: (\S+)", record, re.MULTILINE).group(1)
    except (GuestError, AttributeError):
        there = [os.path.basename(p).removeprefix(f"{SOURCE}_")
                 for p in glob.glob(os.path.join(cache, f"{SOURCE}_*"))]
        if not there:
            raise GuestError(f"apt knows no {SOURCE} (run apt-get update)") from None
        return max(there, key=_version_key)


def _unpack(deb, target):
    """The archive in the package into an empty directory."""
    left_out = [f"--exclude={p}" for p in LEFT_OUT]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as outer, \
         subprocess.Popen(["tar", "-xO", "--wildcards", f"./usr/src/{SOURCE}.tar.*"],
                          stdin=outer.stdout, stdout=subprocess.PIPE) as inner, \
         subprocess.Popen(["xz", "-dcT0"], stdin=inner.stdout, stdout=subprocess.PIPE) as xz:
        tar = subprocess.run(["tar", "-x", "-C", target, "--strip-components=1", *left_out],
                             stdin=xz.stdout, capture_output=True, text=True, check=False)
    if tar.returncode != 0 or not os.path.isfile(os.path.join(target, "Makefile")):
        reason = (tar.stderr.strip() or "no kernel source in it").splitlines()[-1]
        raise GuestError(f"unpack {os.path.basename(deb)}: {reason}")


def _patched(source, r):
    """The source with the patches of the architecture; without any, the source itself."""
    if not r.patches:
        return source
    target = f"{source}_{r.sha256[:16]}"
    if not os.path.isdir(target):
        work = tempfile.mkdtemp(prefix=".new-", dir=os.path.dirname(source))
        try:
            package.run("cp", "-al", f"{source}/.", work)
            for p in r.patches:
                # patch writes new files: the links of the unpatched source stay as they are
                package.run("patch", "-p1", "-s", "-d", work, "-i", p)
            os.rename(work, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return target


def _source(cache, version, note):
    """The unpacked source of that version, from the cache where it is there already."""
    target = os.path.join(cache, f"{SOURCE}_{version}")
    if os.path.isfile(os.path.join(target, "Makefile")):
        return target
    note(f"downloading {SOURCE} {version}")
    work = tempfile.mkdtemp(prefix=".new-", dir=cache)
    try:
        package.run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download",
                    f"{SOURCE}={version}", cwd=work)
        debs = glob.glob(os.path.join(work, "*.deb"))
        if len(debs) != 1:
            raise GuestError(f"apt-get download left {len(debs)} packages instead of one")
        tree = os.path.join(work, "tree")
        os.mkdir(tree)
        note("unpacking it (1.1 GB)")
        _unpack(debs[0], tree)
        os.rename(tree, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for other in glob.glob(os.path.join(cache, f"{SOURCE}_*")):
        if not os.path.basename(other).startswith(os.path.basename(target)):
            shutil.rmtree(other, ignore_errors=True)
    return target


# --- the build ---

def _compiler():
    return package.run("gcc", "--version").splitlines()[0]


def _make(source, work, arch):
    cc = "ccache gcc" if shutil.which("ccache") else "gcc"
    return ["make", "-C", source, f"O={work}", f"ARCH={arch}", f"CC={cc}", f"HOSTCC={cc}", *FIXED]


def _configure(make, work, r):
    """Everything the fragments do not name is off; what they name must come out as they say."""
    wish = os.path.join(work, "fragments")
    text = ""
    for path in r.fragments:
        with open(path, encoding="utf-8") as f:
            text += f.read()
    with open(wish, "w", encoding="utf-8") as f:
        f.write(text)
    package.run(*make, "-s", f"KCONFIG_ALLCONFIG={wish}", "allnoconfig")
    got = config.read(os.path.join(work, ".config"))
    lost = [f"{k} is {got.get(k, 'n')} and not {v}" for k, v in config.parse(text).items()
            if got.get(k, "n") != v]
    if lost:
        raise GuestError(f"the kernel's configuration does not take the fragments: {'; '.join(lost)}")


def _fail(log):
    with open(log, encoding="utf-8", errors="replace") as f:
        lines = f.read().splitlines()
    errors = [line for line in lines if re.search(r"\berror\b|\*\*\*", line)] or lines[-1:] or ["no message"]
    raise GuestError(f"the kernel does not build: {errors[0].strip()} (more in {log})")


def _compile(make, work, target, jobs, note):
    log = os.path.join(work, "build.log")
    begin = last = time.monotonic()
    steps = 0
    with open(log, "w", encoding="utf-8") as out, \
         subprocess.Popen([*make, f"-j{jobs}", *target.goals], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as p:
        for line in p.stdout:
            out.write(line)
            steps += bool(STEP.match(line))
            now = time.monotonic()
            if now - last >= REPORT_S:
                last = now
                note(f"{steps} steps of about {target.steps} in {(now - begin) / 60:.1f} minutes")
    if p.returncode != 0:
        _fail(log)
    return steps


def _keep(work, target, r, final, about):
    """The few files that matter, into the directory of the finished kernel."""
    with open(os.path.join(work, "include/config/kernel.release"), encoding="ascii") as f:
        release = f.read().strip()
    new = tempfile.mkdtemp(prefix=".new-", dir=os.path.dirname(final))
    try:
        os.chmod(new, 0o755)
        m = {"format": FORMAT, "recipe": r.sha256, "arch": r.arch, "release": release, **about}
        b = _built(new, m)
        os.makedirs(os.path.dirname(b.image))
        os.makedirs(b.modules)
        image = os.path.join(work, target.image)
        shutil.copyfile(image, b.image)
        if r.arch == "um":
            package.run("strip", b.image)
            os.chmod(b.image, 0o755)
        shutil.copyfile(os.path.join(work, ".config"), b.config)
        shutil.copyfile(os.path.join(work, "modules.builtin"), os.path.join(b.modules, "modules.builtin"))
        with open(os.path.join(new, MANIFEST), "w", encoding="utf-8") as f:
            json.dump(m, f, indent=1)
        shutil.rmtree(final, ignore_errors=True)
        os.rename(new, final)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return _built(final, m)


def _forget_others(cache, arch, keep):
    for path in glob.glob(os.path.join(cache, f"kernel-{arch}-*")):
        if path not in (keep, f"{keep}.lock"):
            shutil.rmtree(path, ignore_errors=True)


def build(cache, arch, jobs, note):
    """(Built, whether it had to be made)."""
    r = recipe(arch)
    target = TARGETS[arch]
    os.makedirs(cache, mode=0o755, exist_ok=True)
    version = _candidate(cache)
    compiler = _compiler()
    name = hashlib.sha256("\0".join([r.sha256, version, compiler]).encode()).hexdigest()[:16]
    final = os.path.join(cache, f"kernel-{arch}-{name}")
    with open(os.path.join(cache, f".kernel-{arch}.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        m = _read_manifest(final, r)
        if m:
            return _built(final, m), False
        work = f"{final}.work"
        going_on = os.path.isfile(os.path.join(work, ".config"))
        note(f"{'going on with' if going_on else 'building'} Linux {version.split('-')[0]} for {arch}: about "
             f"{target.minutes} minutes of processor time, on {jobs} at a time, and 2 GB in {cache}")
        source = _patched(_source(cache, version, note), r)
        os.makedirs(work, exist_ok=True)
        make = _make(source, work, arch)
        _configure(make, work, r)
        steps = _compile(make, work, target, jobs, note)
        built = _keep(work, target, r, final, {"source": version, "compiler": compiler, "steps": steps})
        _forget_others(cache, arch, final)
    return built, True
