#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of check-layers on small trees made up here."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

CHECK_LAYERS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "check-layers")
TABLE = """# Architecture

| folder | what lives there | may use |
|---|---|---|
| `src/base` | errors, buffers | libc, kernel headers |
| `src/wire` | json | base |
| `src/rpc` | the generated `proto/` counts as rpc | base wire |
| `src/hv` | drivers | base wire |
| `src/sandbox` | the heart | base wire rpc hv |
| `src/shim` | the shim | sandbox and what it may use |
| `src/cli` | the command line | sandbox's row, not sandbox or hv themselves |

| program | from |
|---|---|
| `caisson` | `src/cli` |
"""


class CheckLayers(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="caisson-layers-test-")
        self.addCleanup(shutil.rmtree, self.root)
        self.write("docs/ARCHITECTURE.md", TABLE)
        self.write("src/base/error.c", '#include "base/error.h"\n#include <rpc/rpc.h>\n')

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    def run_on(self, *args):
        p = subprocess.run([sys.executable, CHECK_LAYERS, "--root", self.root, *args],
                           capture_output=True, text=True, check=False)
        return p.returncode, p.stdout, p.stderr

    def assert_clean(self):
        self.assertEqual(self.run_on(), (0, "", ""))

    def assert_fault(self, *lines):
        self.assertEqual(self.run_on(), (1, "".join(f"{line}\n" for line in lines), ""))

    def test_what_is_allowed(self):
        self.write("src/rpc/ttrpc.c", '#include "rpc/ttrpc.h"\n#include "wire/json.h"\n')
        self.write("src/hv/qemu/args.h", '\t#  include  "hv/qemu/qmp.h"\n#include "base/error.h"\n')
        self.write("src/notes.txt", '#include "rpc/ttrpc.h"\n')
        self.assert_clean()

    def test_upward(self):
        self.write("src/base/fd.c", '/* x */\n#include "base/fd.h"\n#include "rpc/ttrpc.h"\n')
        self.write("src/hv/qemu/args.c", '#include "rpc/ttrpc.h"\n')
        self.assert_fault("src/base/fd.c:3: base must not include rpc/ttrpc.h (allowed: )",
                          "src/hv/qemu/args.c:1: hv must not include rpc/ttrpc.h (allowed: base wire)")

    def test_headers_are_checked_too(self):
        self.write("src/wire/json.h", '#include "rpc/ttrpc.h"\n')
        self.assert_fault("src/wire/json.h:1: wire must not include rpc/ttrpc.h (allowed: base)")

    def test_generated_headers_count_as_rpc(self):
        text = '#include "agent.pb-c.h"\n#include "google/protobuf/any.pb-c.h"\n'
        self.write("src/rpc/a.c", text)
        self.write("src/sandbox/a.c", text)
        self.assert_clean()
        self.write("src/hv/a.c", text)
        self.assert_fault(
            "src/hv/a.c:1: hv must not include agent.pb-c.h (allowed: base wire)",
            "src/hv/a.c:2: hv must not include google/protobuf/any.pb-c.h (allowed: base wire)")

    def test_rows_that_name_rows(self):
        self.write("src/shim/a.c", '#include "sandbox/sandbox.h"\n#include "hv/hv.h"\n')
        self.write("src/cli/a.c", '#include "rpc/ttrpc.h"\n')
        self.assert_clean()
        self.write("src/cli/a.c", '#include "sandbox/sandbox.h"\n#include "hv/hv.h"\n#include "shim/a.h"\n')
        self.assert_fault(*[
            f"src/cli/a.c:{n}: cli must not include {header} (allowed: base wire rpc)"
            for n, header in enumerate(("sandbox/sandbox.h", "hv/hv.h", "shim/a.h"), 1)])

    def test_rows_that_name_each_other(self):
        self.write("docs/ARCHITECTURE.md", "| `src/a` | x | b's row |\n| `src/b` | x | a's row |\n")
        status, _, errors = self.run_on()
        self.assertEqual(status, 2)
        self.assertIn("refer to each other: a b a", errors)

    def test_spelling(self):
        self.write("src/wire/a.c", '#include "json.h"\n#include "../base/fd.h"\n#include "proto/x.h"\n')
        self.assert_fault('src/wire/a.c:1: write "json.h" from src/ on, as in "wire/..."',
                          'src/wire/a.c:2: write "../base/fd.h" from src/ on, as in "wire/..."',
                          'src/wire/a.c:3: "proto/x.h" is in no folder of the table')

    def test_folder_without_a_row(self):
        self.write("src/new/a.c", '#include "base/fd.h"\n')
        self.assert_fault("src/new/a.c:1: src/new has no row in the table")

    def test_nothing_to_check(self):
        for path, text, reason in (
                ("docs/ARCHITECTURE.md", "no table\n", "no table with rows"),
                ("docs/ARCHITECTURE.md", TABLE + "| `src/base` | x | wire |\n", "a second row")):
            self.write(path, text)
            status, out, errors = self.run_on()
            self.assertEqual((status, out), (2, ""))
            self.assertIn(reason, errors)
        self.assertIn("No such file", self.run_on("--table", "/nonexistent")[2])
        self.write("docs/ARCHITECTURE.md", TABLE)
        shutil.rmtree(os.path.join(self.root, "src"))
        self.assertIn("no C files", self.run_on()[2])


if __name__ == "__main__":
    unittest.main()
