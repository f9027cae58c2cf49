# SPDX-License-Identifier: Apache-2.0
"""Kernel modules: which a guest needs, what they depend on, in which order, stripped.

Dependencies are read from the modules themselves (.modinfo: depends, softdep pre), because a kernel
package that is only unpacked has no modules.dep. '-' and '_' are the same in a module's name; files
in the initrd have '_'.

Stripped of BTF, of symbols nobody links with and of the signature, a module of Debian's loads in about
0.55 of the time under emulation. The kernel notes unsigned modules (taint E); a kernel that insists
on signatures (sig_enforce, lockdown) needs them unstripped.
"""

import hashlib
import os
import re
from collections import namedtuple

from . import GuestError, compression, elf, strip

SUFFIX = re.compile(r"\.ko(\.(gz|xz|zst))?$")

Wanted = namedtuple("Wanted", "name parameters optional")
Module = namedtuple("Module", "name source sha256 data needs prefers")


def canonical(name):
    return name.replace("-", "_")


def read_wanted(path):
    """The sections of modules.conf: {"load": [Wanted ...], "late": [...], "ondemand": [...]}."""
    sections = {"load": [], "late": [], "ondemand": []}
    section = None
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            if words[0].startswith("["):
                section = sections.get(words[0].strip("[]"))
            elif section is not None:
                name = words[0].rstrip("?")
                section.append(Wanted(canonical(name), words[1:], words[0].endswith("?")))
            if section is None:
                raise GuestError(f"{path}:{number}: {words[0]} is in no section [load], [late] or [ondemand]")
    return sections


def modinfo(data):
    """The key=value strings of a module: {key: [value ...]}."""
    info = {}
    for item in (elf.section(data, b".modinfo") or b"").split(b"\0"):
        key, equals, value = item.decode("utf-8", "replace").partition("=")
        if equals:
            info.setdefault(key, []).append(value)
    return info


def _needs(info):
    return [canonical(n) for value in info.get("depends", []) for n in value.split(",") if n]


def _prefers(info):
    """softdep: names or aliases of modules that are loaded before it where there are such."""
    before = (value.partition("post:")[0].replace("pre:", " ") for value in info.get("softdep", []))
    return [canonical(n) for text in before for n in text.split()]


class Tree:
    """A directory /lib/modules/RELEASE, installed or unpacked."""

    def __init__(self, directory):
        self.directory = directory
        self.release = os.path.basename(os.path.normpath(directory))
        self._files = {}
        self._read = {}
        self.builtin_paths = self._read_builtin()
        self._builtin = {canonical(SUFFIX.sub("", os.path.basename(p))) for p in self.builtin_paths}
        for folder, folders, files in os.walk(os.path.join(directory, "kernel")):
            folders.sort()
            for name in sorted(files):
                if SUFFIX.search(name):
                    path = os.path.join(folder, name)
                    self._files.setdefault(canonical(SUFFIX.sub("", name)), path)

    def _read_builtin(self):
        path = os.path.join(self.directory, "modules.builtin")
        try:
            with open(path, encoding="utf-8") as f:
                return [line.strip() for line in f if line.strip()]
        except OSError as e:
            raise GuestError(f"{path}: {e.strerror} (is that a directory of kernel modules?)") from None

    def has(self, name):
        return name in self._files

    def is_builtin(self, name):
        return name in self._builtin

    def module(self, name):
        """The module with that name, unpacked but not stripped."""
        if name not in self._read:
            path = self._files.get(name)
            if path is None:
                raise GuestError(f"kernel {self.release} has no module {name}")
            with open(path, "rb") as f:
                data = f.read()
            self._read[name] = self._parse(name, path, data)
        return self._read[name]

    def _parse(self, name, path, data):
        try:
            plain = compression.unpack(data)
            info = modinfo(plain)
        except GuestError as e:
            raise GuestError(f"{path}: {e}") from None
        magic = info.get("vermagic", [""])[0].split(" ")[0]
        if magic != self.release:
            raise GuestError(f"{path} is for kernel {magic or '(unknown)'}, not {self.release}")
        return Module(name, os.path.relpath(path, self.directory),
                      hashlib.sha256(data).hexdigest(), plain, _needs(info), _prefers(info))

    def closure(self, name, done=None, path=()):
        """The names of a module and all it needs, what is needed first."""
        done = {} if done is None else done
        if name in path:
            raise GuestError(f"modules depend on each other: {' '.join(path + (name,))}")
        if name not in done and not self.is_builtin(name):
            module = self.module(name)
            for needed in module.needs + [n for n in module.prefers if self.has(n)]:
                self.closure(needed, done, path + (name,))
            done[name] = True
        return list(done)


def stripped(module):
    return strip.strip(module.data, module.name, "--strip-unneeded", "--remove-section=.BTF",
                       "--remove-section=.comment")


def is_conditional(wanted):
    """Whether the guest loads it only where something is there: "NAME if=PATH PARAMETER ..."."""
    return any(p.startswith("if=") for p in wanted.parameters[:1])


class Selection:
    """The modules of a guest: order (of loading at boot), parameters, and all that is in the initrd."""

    def __init__(self, tree, wanted):
        self.tree = tree
        self.parameters = {}
        self.load = self._names(wanted["load"])
        self.late = [n for n in self._names(wanted["late"]) if n not in self.load]
        listed = self.load + self.late + self._names(wanted["ondemand"])
        self.all = list(dict.fromkeys(n for name in listed for n in [*tree.closure(name)]))

    def _names(self, wanted):
        names = {}
        for w in wanted:
            if w.optional and not self.tree.has(w.name):
                continue
            if not is_conditional(w):
                self.tree.closure(w.name, names)
            elif not self.tree.is_builtin(w.name):
                names[w.name] = True  # what it needs comes with it, if it does
            self.parameters[w.name] = w.parameters
        return list(names)

    def load_list(self):
        """The text of /modules/load: "file parameters", one a line."""
        return self._list(self.load)

    def late_list(self):
        """The text of /modules/late, likewise."""
        return self._list(self.late)

    def _list(self, names):
        return "".join(" ".join([f"{n}.ko", *self.parameters.get(n, [])]) + "\n" for n in names)

    def dependencies(self):
        """The text of modules.dep, as depmod writes it: what is needed first comes last."""
        text = ""
        for name in sorted(self.all):
            needed = reversed(self.tree.closure(name)[:-1])
            text += f"{name}.ko:" + "".join(f" {n}.ko" for n in needed) + "\n"
        return text
