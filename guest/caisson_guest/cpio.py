# SPDX-License-Identifier: Apache-2.0
"""A writer of "newc" cpio archives, the format of an initramfs.

The same contents give the same bytes: entries in order of their names, which also puts a directory
before what it holds; inode numbers in that order; times, owners and device of the file 0. No hard
links, which the agent's initrd does not need.
"""

import stat

FIELD_MAX = 0xffffffff
TRAILER = "TRAILER!!!"


class Archive:
    def __init__(self):
        self._entries = {}

    def _add(self, path, mode, data=b"", device=(0, 0)):
        if path in self._entries or path.startswith("/") or not path:
            raise ValueError(f"cpio entry {path!r} is double or not relative")
        if len(data) > FIELD_MAX:
            raise ValueError(f"cpio entry {path!r} is too large")
        self._entries[path] = (mode, data, device)

    def directory(self, path, mode=0o755):
        self._add(path, stat.S_IFDIR | mode)

    def file(self, path, data, mode=0o644):
        self._add(path, stat.S_IFREG | mode, data)

    def symlink(self, path, target):
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, path, major, minor, mode=0o600):
        self._add(path, stat.S_IFCHR | mode, device=(major, minor))

    def to_bytes(self):
        out = bytearray()
        for number, path in enumerate(sorted(self._entries), 1):
            mode, data, device = self._entries[path]
            links = 2 if stat.S_ISDIR(mode) else 1
            _write(out, path, number, mode, links, data, device)
        _write(out, TRAILER, 0, 0, 1, b"", (0, 0))
        return bytes(out)


def _write(out, path, number, mode, links, data, device):
    name = path.encode() + b"\0"
    fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(name), 0)
    out += b"070701" + b"".join(b"%08X" % f for f in fields) + name
    out += bytes(-len(out) % 4)
    out += data
    out += bytes(-len(out) % 4)
