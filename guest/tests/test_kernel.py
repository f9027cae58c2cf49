#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the kernel builder with stand-ins for apt and make; nothing is downloaded or compiled."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

GUEST = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, GUEST)
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from caisson_guest import GuestError, config, kernel  # noqa: E402

# Configures as the fragments say (save what $LOSE names), "compiles" a step a line, and fails while $BREAK is there.
MAKE = r"""#!/bin/bash
for a in "$@"; do case $a in O=*) o=${a#O=} ;; KCONFIG_ALLCONFIG=*) f=${a#*=} ;; esac; done
echo "$@" >>"$LOG"
case " $* " in
*" allnoconfig "*) grep -v "${LOSE:-^$}" "$f" >"$o/.config"; exit ;;
esac
mkdir -p "$o/include/config" "$o/arch/x86/boot"
echo "  CC      a.o"; echo "  LD      vmlinux"
if [ -e "$BREAK" ]; then echo "x.c:1:2: error: no good"; exit 2; fi
echo 6.12.1-caisson >"$o/include/config/kernel.release"
echo image >"$o/arch/x86/boot/bzImage"
echo kernel/net/vmw_vsock/vsock.ko >"$o/modules.builtin"
"""


class Config(unittest.TestCase):
    def test_parse(self):
        text = 'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="x y"\n# words\nCONFIG_D=m\n'
        self.assertEqual(config.parse(text), {"CONFIG_A": "y", "CONFIG_B": "n", "CONFIG_C": '"x y"',
                                              "CONFIG_D": "m"})

    def test_missing(self):
        needs = (config.Need("one", "A B"), config.Need("two", "C"), config.Need("three", "A C"))
        self.assertEqual(config.missing({"CONFIG_A": "y", "CONFIG_B": "m"}, needs),
                         [("two", ["C"]), ("three", ["C"])])

    def test_the_fragments_have_what_containers_need(self):
        wanted = {}
        for path in kernel.recipe("x86_64").fragments:
            with open(path, encoding="utf-8") as f:
                for option, value in config.parse(f.read()).items():
                    self.assertNotIn(option, wanted, f"{path} says it again")
                    wanted[option] = value
        self.assertEqual(config.missing(wanted), [])
        self.assertEqual(wanted["CONFIG_MODULES"], "n")
        # Built in, they make links that nobody asked for.
        for option in ("DUMMY", "BONDING", "IFB", "IPV6_SIT", "NET_IPIP", "NET_IPGRE"):
            self.assertNotEqual(wanted.get(f"CONFIG_{option}"), "y")

    def test_files(self):
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "config")
            for data in (b"CONFIG_A=y\n", gzip.compress(b"CONFIG_A=y\n# CONFIG_B is not set\n"),
                         b"\x7fELF..IKCFG_ST" + gzip.compress(b"CONFIG_A=y\n") + b"IKCFG_ED.."):
                with open(path, "wb") as f:
                    f.write(data)
                self.assertEqual(config.read(path), {"CONFIG_A": "y"})
            for data in (b"\x7fELF", b"\x1f\x8bjunk", b"", gzip.compress(b"CONFIG_A=y")[:-9]):
                with open(path, "wb") as f:
                    f.write(data)
                with self.assertRaises(GuestError):
                    config.read(path)
            with self.assertRaises(GuestError):
                config.read(os.path.join(d, "none"))

    def test_program(self):
        with tempfile.NamedTemporaryFile("w") as f:
            f.write("CONFIG_NAMESPACES=y\n")
            f.flush()
            p = subprocess.run([os.path.join(GUEST, "check-config"), f.name], capture_output=True, text=True,
                               check=False)
        self.assertEqual((p.returncode, p.stderr), (1, ""))
        self.assertIn("namespaces: missing: UTS_NS IPC_NS", p.stdout)


class Cached(unittest.TestCase):
    """What containers need, in the kernel that is in this machine's cache."""

    def test_configuration(self):
        built = kernel.find(os.environ.get("CAISSON_CACHE", "/var/cache/caisson"))
        if not built:
            self.skipTest("no kernel of guest/build-kernel in the cache (make guest-kernel)")
        self.assertEqual(config.missing(config.read(built.config)), [])
        self.assertEqual(config.read(built.image), config.read(built.config))


class Build(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="caisson-kernel-test-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.cache = self.path("cache")
        os.mkdir(self.path("bin"))
        os.mkdir(self.path("source"))
        for name in ("Makefile", "file"):
            self.write(name, "source", name)
        with tarfile.open(self.path("source.tar.xz"), "w:xz") as t:
            t.add(self.path("source"), "linux-source-6.12")
        with tarfile.open(self.path("data.tar"), "w") as t:
            t.add(self.path("source.tar.xz"), f"./usr/src/{kernel.SOURCE}.tar.xz")
        self.tool("apt-cache", "#!/bin/sh\necho Version: 6.12.1-1\n")
        self.tool("apt-get", f'#!/bin/sh\necho get >>{self.path("log")}; touch x.deb\n')
        self.tool("dpkg-deb", f'#!/bin/sh\ncat {self.path("data.tar")}\n')
        self.tool("make", MAKE)
        for k, v in {"PATH": self.path("bin") + ":" + os.environ["PATH"], "LOG": self.path("log"),
                     "BREAK": self.path("break"), "LOSE": "^$"}.items():
            self.addCleanup(os.environ.__setitem__, k, os.environ.get(k, ""))
            os.environ[k] = v

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, text, *parts):
        with open(self.path(*parts), "w", encoding="utf-8") as f:
            f.write(text)

    def tool(self, name, text):
        self.write(text, "bin", name)
        os.chmod(self.path("bin", name), 0o755)

    def log(self):
        with open(self.path("log"), encoding="utf-8") as f:
            return f.read()

    def build(self):
        self.notes = []
        return kernel.build(self.cache, "x86_64", 1, self.notes.append)

    def test_built_once_and_found(self):
        self.assertIsNone(kernel.find(self.cache))
        built, made = self.build()
        self.assertTrue(made)
        self.assertIn("minutes", self.notes[0])
        with open(built.image, encoding="ascii") as f:
            self.assertEqual(f.read(), "image\n")
        self.assertTrue(built.image.endswith("/boot/vmlinuz-6.12.1-caisson"))
        self.assertTrue(os.path.isfile(os.path.join(built.modules, "modules.builtin")))
        self.assertEqual(built.manifest["source"], "6.12.1-1")
        self.assertEqual(kernel.find(self.cache), built)
        before = self.log()
        self.assertEqual(self.build(), (built, False))
        self.assertEqual((self.log(), self.notes), (before, []))

    def test_goes_on_after_a_failure(self):
        self.write("", "break")
        with self.assertRaisesRegex(GuestError, r"does not build: x.c:1:2: error: no good \(more in .*build.log"):
            self.build()
        self.assertIsNone(kernel.find(self.cache))
        os.unlink(self.path("break"))
        built, made = self.build()
        self.assertTrue(made)
        self.assertIn("going on", self.notes[0])
        self.assertEqual(self.log().count("get"), 1)
        left = {n for n in os.listdir(self.cache) if not n.endswith(".lock")}
        self.assertEqual(left, {os.path.basename(os.path.dirname(os.path.dirname(built.image))),
                                f"{kernel.SOURCE}_6.12.1-1"})

    def test_an_option_that_is_lost(self):
        os.environ["LOSE"] = "CONFIG_OVERLAY_FS="
        with self.assertRaisesRegex(GuestError, "CONFIG_OVERLAY_FS is n and not y"):
            self.build()

    def test_other_fragments_make_it_stale(self):
        built, _ = self.build()
        mine = self.path("fragments")
        os.makedirs(os.path.join(mine, "x86_64"))
        self.write("CONFIG_64BIT=y\n", mine, "x86_64", "a.conf")
        self.assertIsNone(kernel.find(self.cache, directory=mine))
        self.assertTrue(kernel.stale(self.cache, directory=mine))
        self.assertFalse(kernel.stale(self.cache))
        path = os.path.join(os.path.dirname(os.path.dirname(built.image)), kernel.MANIFEST)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(["no manifest"], f)
        self.assertIsNone(kernel.find(self.cache))

    def test_without_apt_the_cache_does(self):
        self.build()
        self.tool("apt-cache", "#!/bin/sh\nexit 100\n")
        self.assertFalse(self.build()[1])
        shutil.rmtree(self.cache)
        with self.assertRaisesRegex(GuestError, "apt knows no linux-source"):
            self.build()


if __name__ == "__main__":
    unittest.main()
