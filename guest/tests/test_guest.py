#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the guest builder on kernels and modules made up here; nothing is downloaded."""

import bz2
import gzip
import hashlib
import json
import lzma
import os
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import time
import unittest

GUEST = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, GUEST)
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from caisson_guest import GuestError, bzimage, compression, cpio, elf, image, modules, package, product  # noqa: E402

RELEASE = "6.1.0-9-cloud-amd64"
PVH_NOTE = struct.pack("<III", 4, 4, 18) + b"Xen\0" + struct.pack("<I", 0x1000450)


def lz4_legacy(data):
    """A frame of one block that has literals only."""
    block = bytearray([min(len(data), 15) << 4])
    rest = len(data) - 15
    while rest >= 0:
        block.append(min(rest, 255))
        rest -= 255
    block += data
    return b"\x02\x21\x4c\x18" + struct.pack("<I", len(block)) + bytes(block)


def zstd_raw(data):
    """A frame with its content's size and one raw block."""
    return b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(data)) + \
        (len(data) << 3 | 1).to_bytes(3, "little") + data


def make_elf(note=PVH_NOTE, machine=62):
    """A kernel of two loadable segments with holes between them, a tail, and a note."""
    segments = [(1, 5, 0x2000, 0xffffffff81000000, 0x1000000, b"text" + note, 0x3000),
                (1, 6, 0x8000, 0xffffffff82000123, 0x2000123, b"data" + bytes(60), 0x900)]
    if note:
        segments.append((4, 4, 0x2004, 0xffffffff81000004, 0x1000004, note, len(note)))
    out = bytearray(0x9000)
    elf.EHDR.pack_into(out, 0, b"\x7fELF\x02\x01\x01" + bytes(9), 2, machine, 1, 0x1000000, 64, 0, 0,
                       64, 56, len(segments), 64, 0, 0)
    for i, (kind, flags, offset, vaddr, paddr, contents, memsz) in enumerate(segments):
        elf.PHDR.pack_into(out, 64 + 56 * i, kind, flags, offset, vaddr, paddr, len(contents), memsz,
                           0x1000)
        out[offset:offset + len(contents)] = contents
    return bytes(out) + b"relocations"


def make_bzimage(payload, release=RELEASE):
    setup = bytearray(1024)
    setup[0x1f1] = 1
    setup[0x1fe:0x200] = b"\x55\xaa"
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, 0x20f)
    struct.pack_into("<H", setup, 0x20e, 0x300 - 0x200)
    struct.pack_into("<II", setup, 0x248, 16, len(payload))
    setup[0x300:0x300 + len(release) + 5] = release.encode() + b" (x)\0"
    return bytes(setup) + bytes(16) + payload + b"tail"


def make_module(path, name, depends="", softdep=None, release=RELEASE):
    """A real object file, so that strip takes it."""
    info = [f"depends={depends}", f"name={name}", f"vermagic={release} SMP mod_unload "]
    info += [f"softdep={softdep}"] if softdep else []
    text = '.section .modinfo,"a"\n' + "".join(f'.asciz "{i}"\n' for i in info) + \
        f'.section .BTF,"",@progbits\n.asciz "types"\n.text\n.globl {name}\n{name}: ret\n'
    os.makedirs(os.path.dirname(path), exist_ok=True)
    subprocess.run(["as", "-o", path, "-"], input=text, text=True, check=True)


def make_agent(path, *options):
    """A real program, with a symbol to strip."""
    text = ".globl _start\n_start: ret\nunneeded: ret\n"
    subprocess.run(["as", "-o", path + ".o", "-"], input=text, text=True, check=True)
    subprocess.run(["ld", *options, "-o", path, path + ".o"], check=True)
    return path


def read_cpio(data):
    """[(name, mode, ino, mtime, uid, gid, contents)]: a reader that shares no code with the writer."""
    entries, pos = [], 0
    while True:
        assert data[pos:pos + 6] == b"070701"
        f = [int(data[pos + 6 + 8 * i:pos + 14 + 8 * i], 16) for i in range(13)]
        name = data[pos + 110:pos + 109 + f[11]].decode()
        start = pos + 110 + f[11]
        start += -start % 4
        if name == "TRAILER!!!":
            return entries
        entries.append((name, f[1], f[0], f[5], f[2], f[3], data[start:start + f[6]]))
        pos = start + f[6]
        pos += -pos % 4


class Compression(unittest.TestCase):
    DATA = bytes(range(256)) * 40

    def test_each_format_with_trailing_size(self):
        for name, packed in (("gzip", gzip.compress(self.DATA)), ("bzip2", bz2.compress(self.DATA)),
                             ("xz", lzma.compress(self.DATA)),
                             ("lzma", lzma.compress(self.DATA, lzma.FORMAT_ALONE)),
                             ("lz4", lz4_legacy(self.DATA)), ("zstd", zstd_raw(self.DATA))):
            with self.subTest(name):
                self.assertEqual(compression.format_of(packed), name)
                tail = struct.pack("<I", len(self.DATA))
                self.assertEqual(compression.unpack(packed + tail), self.DATA)

    def test_each_format_damaged(self):
        for packed in (gzip.compress(self.DATA), bz2.compress(self.DATA), lzma.compress(self.DATA),
                       zstd_raw(self.DATA)):
            with self.subTest(packed[:4]), self.assertRaises(GuestError):
                compression.unpack(packed[:len(packed) // 2])
        with self.assertRaises(GuestError):
            compression.unpack(b"\x02\x21\x4c\x18\x04\0\0\0\xff\xff\xff\xff")

    def test_output_is_limited(self):
        limit, compression.OUTPUT_MAX = compression.OUTPUT_MAX, 1000
        try:
            for packed in (gzip.compress(self.DATA), lzma.compress(self.DATA), lz4_legacy(self.DATA),
                           zstd_raw(self.DATA)):
                with self.subTest(packed[:4]), self.assertRaises(GuestError):
                    compression.unpack(packed)
        finally:
            compression.OUTPUT_MAX = limit

    def test_plain_is_left_alone(self):
        self.assertIsNone(compression.format_of(b"plain"))
        self.assertEqual(compression.unpack(b"plain"), b"plain")


class Kernel(unittest.TestCase):
    def test_payload_and_release(self):
        image = make_bzimage(gzip.compress(make_elf()))
        self.assertEqual(bzimage.kernel(image), make_elf())
        self.assertEqual(bzimage.release(image), RELEASE)

    def test_elf_passes_through(self):
        self.assertEqual(bzimage.kernel(make_elf()), make_elf())
        self.assertIsNone(bzimage.release(make_elf()))

    def test_what_is_no_kernel(self):
        image = make_bzimage(gzip.compress(make_elf()))
        old = bytearray(image)
        struct.pack_into("<H", old, 0x206, 0x207)
        for bad in (b"", b"x" * 4096, image[:0x240], image[:1100], bytes(old),
                    make_bzimage(gzip.compress(b"no ELF")), make_bzimage(b"\x89LZO" + bytes(100))):
            with self.assertRaises(GuestError):
                bzimage.kernel(bad)

    def test_pvh_entry(self):
        self.assertEqual(elf.pvh_entry(make_elf()), 0x1000450)
        other = struct.pack("<III", 4, 4, 6) + b"Xen\0" + bytes(4)
        self.assertEqual(elf.pvh_entry(make_elf(other + PVH_NOTE)), 0x1000450)
        self.assertIsNone(elf.pvh_entry(make_elf(other)))
        self.assertIsNone(elf.pvh_entry(make_elf(b"")))
        with self.assertRaises(GuestError):
            elf.pvh_entry(make_elf(machine=40))

    def test_compact_keeps_memory(self):
        before, after = make_elf(), elf.compact(make_elf())
        self.assertLess(len(after), len(before))
        self.assertEqual(elf.pvh_entry(after), 0x1000450)
        self.assertEqual(elf.header(after).entry, 0x1000000)
        for old, new in zip(elf.segments(before), elf.segments(after)):
            self.assertEqual((old.type, old.flags, old.vaddr, old.paddr, old.memsz),
                             (new.type, new.flags, new.vaddr, new.paddr, new.memsz))
            contents = after[new.offset:new.offset + new.filesz]
            self.assertEqual(contents.ljust(old.filesz, b"\0"),
                             before[old.offset:old.offset + old.filesz])
            if new.type == elf.PT_LOAD:
                self.assertEqual(new.offset % 4096, new.vaddr % 4096)

    def test_damaged_elf(self):
        for at, value in ((32, 1 << 40), (64 + 8, 1 << 40), (64 + 32, 1 << 40)):
            bad = bytearray(make_elf())
            struct.pack_into("<Q", bad, at, value)
            with self.assertRaises(GuestError):
                elf.compact(bytes(bad))


class Cpio(unittest.TestCase):
    def test_entries(self):
        a = cpio.Archive()
        a.file("b/c", b"12345", 0o755)
        a.directory("b")
        a.character_device("a", 5, 1)
        a.symlink("d", "/b")
        entries = read_cpio(a.to_bytes())
        self.assertEqual([(e[0], e[2]) for e in entries], [("a", 1), ("b", 2), ("b/c", 3), ("d", 4)])
        self.assertEqual([stat.filemode(e[1]) for e in entries],
                         ["crw-------", "drwxr-xr-x", "-rwxr-xr-x", "lrwxrwxrwx"])
        self.assertEqual([e[6] for e in entries], [b"", b"", b"12345", b"/b"])
        self.assertEqual({e[3:6] for e in entries}, {(0, 0, 0)})

    def test_order_of_adding_does_not_matter(self):
        a, b = cpio.Archive(), cpio.Archive()
        for name in ("x", "y"):
            a.file(name, name.encode())
        for name in ("y", "x"):
            b.file(name, name.encode())
        self.assertEqual(a.to_bytes(), b.to_bytes())

    def test_refused(self):
        a = cpio.Archive()
        a.file("x", b"")
        for bad in ("x", "/y", ""):
            with self.assertRaises(ValueError):
                a.file(bad, b"")

    @unittest.skipUnless(shutil.which("cpio") or shutil.which("busybox"), "no cpio here")
    def test_cpio_reads_it(self):
        a = cpio.Archive()
        a.directory("dir")
        a.file("dir/file", b"x" * 4097)
        tool = ["cpio"] if shutil.which("cpio") else ["busybox", "cpio"]
        p = subprocess.run([*tool, "-t"], input=a.to_bytes(), capture_output=True, check=True)
        self.assertEqual(p.stdout.split(), [b"dir", b"dir/file"])


class InDirectory(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="caisson-guest-test-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.root = self.path("package")
        self.tree = self.path("package/lib/modules", RELEASE)
        self.module("a", "b,c-c")
        self.module("b", "c-c", softdep="pre: d crypto-alias post: e")
        self.module("c-c", "built")
        self.module("d")
        self.module("e")
        self.write(b"kernel/x/built.ko\n", self.tree, "modules.builtin")

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, data, *parts):
        path = self.path(*parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def module(self, name, depends="", **more):
        make_module(os.path.join(self.tree, "kernel/x", f"{name}.ko"), name.replace("-", "_"), depends,
                    **more)

    def select(self, text):
        wanted = modules.read_wanted(self.write(text.encode(), "modules.conf"))
        return modules.Selection(modules.Tree(self.tree), wanted)


class Modules(InDirectory):
    def test_order_and_parameters(self):
        s = self.select("[load]\ne\na x=1 y=2 # why\nbuilt\n[ondemand]\nd\nabsent?\n")
        self.assertEqual(s.load_list(), "e.ko\nc_c.ko\nd.ko\nb.ko\na.ko x=1 y=2\n")
        self.assertEqual(s.all, ["e", "c_c", "d", "b", "a"])
        self.assertEqual(s.dependencies(), "a.ko: b.ko d.ko c_c.ko\nb.ko: d.ko c_c.ko\nc_c.ko:\nd.ko:\n"
                                           "e.ko:\n")

    def test_late_ones_come_once(self):
        s = self.select("[load]\nd\n[late]\na x=1\n[ondemand]\ne\n")
        self.assertEqual(s.load_list(), "d.ko\n")
        self.assertEqual(s.late_list(), "c_c.ko\nb.ko\na.ko x=1\n")
        self.assertEqual(s.all, ["d", "c_c", "b", "a", "e"])

    def test_conditional_ones_bring_what_they_need_later(self):
        s = self.select("[load]\ne\na if=/sys/x y=2\n")
        self.assertEqual(s.load_list(), "e.ko\na.ko if=/sys/x y=2\n")
        self.assertEqual(s.all, ["e", "c_c", "d", "b", "a"])
        self.assertIn("a.ko: b.ko d.ko c_c.ko\n", s.dependencies())
        self.assertEqual(self.select("[load]\nbuilt if=/sys/x\n").load_list(), "")

    def test_compressed(self):
        path = os.path.join(self.tree, "kernel/x/e.ko")
        with open(path, "rb") as f:
            plain = f.read()
        os.unlink(path)
        self.write(lzma.compress(plain), path + ".xz")
        self.assertEqual(modules.Tree(self.tree).module("e").data, plain)

    def test_refused(self):
        for text in ("a\n", "[other]\na\n", "[load]\nabsent\n"):
            with self.subTest(text), self.assertRaises(GuestError):
                self.select(text)
        self.module("d", "a")
        with self.assertRaisesRegex(GuestError, "depend on each other"):
            self.select("[load]\na\n")

    def test_module_of_another_kernel(self):
        self.module("d", release="6.2")
        with self.assertRaisesRegex(GuestError, "is for kernel 6.2"):
            self.select("[load]\nd\n")

    def test_no_directory_of_modules(self):
        with self.assertRaisesRegex(GuestError, "modules.builtin"):
            modules.Tree(self.path("nowhere"))

    def test_strip(self):
        module = modules.Tree(self.tree).module("a")
        stripped = modules.stripped(module)
        self.assertIsNotNone(elf.section(module.data, b".BTF"))
        self.assertIsNone(elf.section(stripped, b".BTF"))
        self.assertEqual(modules.modinfo(stripped), modules.modinfo(module.data))
        with self.assertRaisesRegex(GuestError, "strip a: "):
            modules.stripped(module._replace(data=b"junk"))

    def test_the_list_we_ship(self):
        wanted = modules.read_wanted(os.path.join(GUEST, "modules.conf"))
        names = [w.name for w in wanted["load"]]
        self.assertLess(names.index("vsock"), names.index("vmw_vsock_virtio_transport"))
        self.assertLess(names.index("vmw_vsock_virtio_transport"), names.index("virtiofs"))
        self.assertIn("virtio_balloon", [w.name for w in wanted["late"]])


class Package(InDirectory):
    def test_newest_kernel_of_the_flavour(self):
        for release in (RELEASE, "6.1.0-10-cloud-amd64", "6.9.0-1-amd64", "6.1.0-99-cloud-amd64"):
            self.write(b"", self.root, f"boot/vmlinuz-{release}")
        for release in ("6.1.0-10-cloud-amd64", "6.9.0-1-amd64"):
            os.makedirs(os.path.join(self.root, "lib/modules", release, "kernel"))
        image, tree = package.kernel_files(self.root)
        self.assertTrue(image.endswith("vmlinuz-6.1.0-10-cloud-amd64"))
        self.assertTrue(tree.endswith("6.1.0-10-cloud-amd64"))
        self.assertEqual(package.installed(self.root), (image, tree))

    def test_other_flavours_are_not_taken_from_the_host(self):
        self.write(b"", self.root, "boot/vmlinuz-6.9.0-1-amd64")
        os.makedirs(os.path.join(self.root, "lib/modules/6.9.0-1-amd64/kernel"))
        self.assertIsNotNone(package.kernel_files(self.root))
        self.assertIsNone(package.installed(self.root))
        self.assertIsNone(package.kernel_files(self.path("nowhere")))

    def test_fetch_once(self):
        """With stand-ins for apt and dpkg-deb: unpacked, kept, older ones forgotten."""
        self.write(b"", self.root, f"boot/vmlinuz-{RELEASE}")
        name = f"linux-image-{RELEASE}"
        tools = {
            "apt-cache": f'echo "Depends: {name} (= 6.1-1)"\n',
            "apt-get": f'echo >>{self.path("log")} "$@"; touch {name}_6.1-1_amd64.deb\n',
            "dpkg-deb": f'cp -r {self.root} "$3"\n',
        }
        for tool, text in tools.items():
            os.chmod(self.write(f"#!/bin/sh\n{text}".encode(), "bin", tool), 0o755)
        os.makedirs(self.path("cache/linux-image-5-cloud-amd64_5"))
        path, os.environ["PATH"] = os.environ["PATH"], self.path("bin") + ":" + os.environ["PATH"]
        self.addCleanup(os.environ.__setitem__, "PATH", path)
        notes = []
        for _ in range(2):
            image, tree = package.fetch(self.path("cache"), notes.append)
            self.assertEqual(image, self.path("cache", f"{name}_6.1-1", "boot", f"vmlinuz-{RELEASE}"))
            self.assertTrue(os.path.isdir(tree))
        self.assertEqual(len(notes), 1)
        self.assertEqual(os.listdir(self.path("cache")), [f"{name}_6.1-1"])
        self.write(b"#!/bin/sh\necho 'W: x' >&2; echo 'E: no route' >&2; exit 100\n", "bin", "apt-cache")
        with self.assertRaisesRegex(GuestError, "^apt-cache --no-all-versions: no route$"):
            package.fetch(self.path("cache"), notes.append)


class Product(InDirectory):
    def setUp(self):
        super().setUp()
        self.agent = make_agent(self.path("agent"))
        self.image = self.write(make_bzimage(lz4_legacy(make_elf())), self.root,
                                f"boot/vmlinuz-{RELEASE}")
        self.list = self.write(b"[load]\na\n[ondemand]\ne\n", "list")

    def build(self, *more, image=()):
        return subprocess.run(
            [sys.executable, os.path.join(GUEST, "build"), "--agent", self.agent, "--out",
             self.path("out"), "--module-list", self.list,
             *(image or ("--kernel-package", self.root)), *more], capture_output=True, text=True,
            check=False)

    def products(self):
        made = {}
        for name in sorted(os.listdir(self.path("out"))):
            with open(self.path("out", name), "rb") as f:
                made[name] = f.read()
        return made

    def test_products(self):
        p = self.build()
        self.assertEqual((p.returncode, p.stdout), (0, ""), p.stderr)
        self.assertIn("made from", p.stderr)
        made = self.products()
        self.assertEqual(list(made), ["guest.json", "initrd.cpio", "vmlinux"])
        self.assertEqual(elf.pvh_entry(made["vmlinux"]), 0x1000450)
        entries = {e[0]: e for e in read_cpio(made["initrd.cpio"])}
        self.assertEqual(elf.header(entries["init"][6]).type, 2)
        self.assertNotIn(b"unneeded", entries["init"][6])
        self.assertEqual(stat.S_IMODE(entries["init"][1]), 0o755)
        self.assertTrue(stat.S_ISCHR(entries["dev/console"][1]))
        self.assertEqual(entries["modules/load"][6], b"c_c.ko\nd.ko\nb.ko\na.ko\n")
        self.assertEqual(entries["modules/modules.builtin"][6], b"kernel/x/built.ko\n")
        self.assertEqual(entries[f"lib/modules/{RELEASE}"][6], b"/modules")
        for name in "abde":
            self.assertIn(f"modules/{name}.ko", entries)

    def test_nothing_to_do(self):
        self.build()
        before = os.stat(self.path("out/initrd.cpio")).st_ino
        self.assertIn("up to date", self.build().stderr)
        self.assertEqual(os.stat(self.path("out/initrd.cpio")).st_ino, before)

    def test_what_makes_it_anew_and_the_same(self):
        self.build()
        first = self.products()
        self.write(b"damaged", "out/initrd.cpio")
        self.assertIn("made from", self.build().stderr)
        self.write(b"{}", "out/guest.json")
        self.assertIn("made from", self.build().stderr)
        self.assertEqual(self.products(), first)
        make_agent(self.agent, "-Ttext=0x500000")
        self.assertIn("made from", self.build().stderr)
        self.write(b"[load]\ne\n", "list")
        self.assertIn("made from", self.build().stderr)

    def assert_refused(self, p, text):
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertEqual(p.stderr.count("\n"), 1, p.stderr)
        self.assertIn(text, p.stderr)

    def test_errors_are_one_line(self):
        self.assert_refused(self.build("--agent", self.path("none")), "none: No such file")
        self.assert_refused(self.build("--agent", "/etc/passwd"), "not a 64-bit little-endian ELF")
        self.assert_refused(self.build("--module-list", self.path("none")), "none: No such file")
        self.assert_refused(self.build("--out", "/dev/null/x"), "/dev/null/x: Not a directory")
        self.assert_refused(self.build(image=("--kernel-package", self.path("x"))), "has no boot/vmlinuz")
        without = self.write(make_bzimage(lz4_legacy(make_elf(b""))), "without")
        self.assert_refused(self.build(image=("--bzimage", without, "--modules", self.tree)), "CONFIG_PVH")
        other = self.write(make_bzimage(lz4_legacy(make_elf()), "6.2"), "other")
        self.assert_refused(self.build(image=("--bzimage", other, "--modules", self.tree)), "is 6.2, but")
        self.assertFalse(os.path.exists(self.path("out", "guest.json")))

    def test_usage(self):
        self.assertEqual(self.build(image=("--bzimage", self.image)).returncode, 2)

    def test_the_contents_are_listed(self):
        self.build()
        manifest = json.loads(self.products()["guest.json"])
        entries = {e[0]: e for e in read_cpio(self.products()["initrd.cpio"])}
        init, = manifest["contents"]
        self.assertEqual(init["sha256"], hashlib.sha256(entries["init"][6]).hexdigest())
        self.assertEqual(init["version"], product.version())
        self.assertEqual(manifest["kernel"], RELEASE)

    def test_a_policy_is_in_the_initrd(self):
        self.build()
        self.assertNotIn("etc/kata-opa", {e[0] for e in read_cpio(self.products()["initrd.cpio"])})
        policy = self.write(b"package agent_policy\n", "policy")
        self.assertIn("made from", self.build("--policy", policy).stderr)
        self.assertIn("up to date", self.build("--policy", policy).stderr)
        entries = {e[0]: e for e in read_cpio(self.products()["initrd.cpio"])}
        self.assertEqual(entries["etc/kata-opa/default-policy.rego"][6], b"package agent_policy\n")
        self.write(b"package agent_policy # another\n", "policy")
        self.assertIn("made from", self.build("--policy", policy).stderr)
        self.assert_refused(self.build("--policy", self.path("none")), "none: No such file")
        self.assertEqual(self.build("--policy", policy, "--image", "erofs").returncode, 2)

    def test_image_needs_a_kernel_that_can_mount_it(self):
        self.assert_refused(self.build("--image", "erofs"), "virtio_blk erofs (make guest-kernel)")
        self.assertEqual(self.build("--verity").returncode, 2)

    def test_dynamic_agent_is_refused(self):
        make_agent(self.agent, "-pie", "-dynamic-linker=/lib64/ld-linux-x86-64.so.2")
        self.assert_refused(self.build(), "not a static executable")


class Image(unittest.TestCase):
    AGENT = bytes(range(256)) * 2000

    def test_hash_tree(self):
        """Levels by hand: 200 blocks have two leaves of digests and a root above them."""
        data = b"".join(bytes([i % 251]) * 4096 for i in range(200))
        tree, root = image.hash_tree(data, b"salt")
        self.assertEqual(len(tree), 3 * 4096)

        def digest(block):
            return hashlib.sha256(b"salt" + block).digest()

        for i in (0, 127, 128, 199):
            self.assertEqual(tree[4096 + 32 * i:4096 + 32 * i + 32], digest(data[4096 * i:4096 * i + 4096]))
        self.assertEqual(tree[:64], digest(tree[4096:8192]) + digest(tree[8192:]))
        self.assertEqual(tree[64:4096], bytes(4032))
        self.assertEqual(root, digest(tree[:4096]))

    def test_partitions(self):
        disk = image.partitioned([b"a" * 4096, b"b" * 8192])
        self.assertEqual(disk[510:512], b"\x55\xaa")
        for i, contents in enumerate((b"a" * 4096, b"b" * 8192)):
            start, sectors = struct.unpack_from("<II", disk, 446 + 16 * i + 8)
            self.assertEqual(disk[start * 512:(start + sectors) * 512], contents)
            self.assertEqual(start * 512 % image.ALIGN, 0)

    def check_file_system(self, kind):
        identity = "01234567-89ab-4def-8123-456789abcdef"
        first = image.file_system(self.AGENT, kind, identity)
        time.sleep(1.1)  # another second: no time of the making may be in it
        self.assertEqual(image.file_system(self.AGENT, kind, identity), first)
        self.assertEqual(len(first) % 4096, 0)
        self.assertIn(self.AGENT[:4096], first)
        self.assertNotEqual(image.file_system(self.AGENT + b"x", kind, identity), first)

    @unittest.skipUnless(shutil.which("mkfs.erofs"), "no mkfs.erofs here (erofs-utils)")
    def test_erofs_is_the_same_each_time(self):
        self.check_file_system("erofs")

    @unittest.skipUnless(shutil.which("debugfs"), "no debugfs here (e2fsprogs)")
    def test_ext4_is_the_same_each_time(self):
        self.check_file_system("ext4")


if __name__ == "__main__":
    unittest.main()
