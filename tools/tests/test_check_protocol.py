#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of check-protocol: the tree as it is, and with a row of its tables changed."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOC = "docs/agent-protocol.md"


class CheckProtocol(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="caisson-protocol-test-")
        self.addCleanup(shutil.rmtree, self.root)
        for name in ("proto", "src", "tests"):
            os.symlink(f"{TOP}/{name}", f"{self.root}/{name}")
        os.mkdir(f"{self.root}/docs")
        with open(f"{TOP}/{DOC}", encoding="utf-8") as f:
            self.text = f.read()

    def run_on(self, text, *args):
        with open(f"{self.root}/{DOC}", "w", encoding="utf-8") as f:
            f.write(text)
        p = subprocess.run([sys.executable, f"{TOP}/tools/check-protocol", "--root", self.root, *args], capture_output=True, text=True,
                           check=False)
        return p.returncode, p.stdout

    def row(self, name):
        return next(line for line in self.text.splitlines(True) if line.startswith(f"| `{name}` |"))

    def assert_complains(self, words, old, new):
        self.assertIn(old, self.text)
        status, out = self.run_on(self.text.replace(old, new, 1))
        self.assertEqual(status, 1)
        self.assertIn(words, out)

    def test_as_it_is(self):
        self.assertEqual(self.run_on(self.text), (0, ""))

    def test_rows_are_complete(self):
        for name, words in (("WaitProcess", "0 rows for method WaitProcess"), ("root.readonly", "0 rows for field root.readonly"),
                            ("linux.intelRdt", "0 rows for field linux.intelRdt.closID")):
            self.assert_complains(words, self.row(name), "")
            self.assert_complains(words.replace("0 rows", "2 rows"), self.row(name), self.row(name) * 2)

    def test_rows_without_a_thing(self):
        self.assert_complains("there is no method WaitForIt", "| `WaitProcess` |", "| `WaitForIt` |")
        self.assert_complains("there is no field root.colour", "| `root.readonly` |", "| `root.colour` |")

    def test_handlers(self):
        row = self.row("WaitProcess")
        self.assert_complains("WaitProcess has a handler", row, "| `WaitProcess` | **UNIMPLEMENTED** | integration/agent.bats |\n")

    def test_tests(self):
        row = self.row("root.readonly")
        self.assert_complains("there is no test unit/none.c", row, "| `root.readonly` | yes | unit/none.c |\n")
        self.assert_complains("does not speak of root.readonly", row, "| `root.readonly` | yes | unit/wire/test_utf8.c |\n")

    def test_words(self):
        self.assert_complains('nothing says "no such words"', self.row("root.readonly"),
                              '| `root.readonly` | "no such words" | integration/runtime-spec.bats |\n')

    def test_unimplemented(self):
        status, out = self.run_on(self.text, "--unimplemented")
        self.assertEqual(status, 0)
        self.assertIn("MemAgentMemcgSet", out.split())
        self.assertNotIn("WaitProcess", out.split())


unittest.main()
