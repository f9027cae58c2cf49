#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the TOML parser against Python's tomllib: the documents below and some thousand mutations of them.

Usage: toml_compare.py TOML_DUMP [ROUNDS]. Both must accept or refuse a document alike, and read the same values. Where the two
differ on purpose, the document is left out and counted (see deliberate()).
"""
import datetime
import json
import math
import random
import re
import subprocess
import sys

if sys.version_info < (3, 11):
    print("SKIP: tomllib needs Python 3.11, this is", sys.version.split()[0])
    sys.exit(77)
import tomllib  # noqa: E402

DOCUMENTS = [
    '# a comment\ntitle = "TOML"\n\n[owner]\nname = "A B"\nborn = 1979-05-27T07:32:00-08:00\n',
    'a = 1\nb = +99\nc = -17\nd = 1_000\ne = 0xDEAD_BEEF\nf = 0o755\ng = 0b1101_0110\nh = 0\ni = -0\n',
    'a = 3.1415\nb = -0.01\nc = 5e+22\nd = 1e06\ne = -2E-2\nf = 6.626e-34\ng = 224_617.445_991_228\nh = inf\ni = -inf\nj = nan\n',
    'a = true\nb = false\n',
    'odt = 1979-05-27T00:32:00.999999-07:00\nodt2 = 1979-05-27 07:32:00Z\nldt = 1979-05-27T07:32:00\nld = 1979-05-27\nlt = 07:32:00.5\n',
    's1 = "tab\\tquote\\"nl\\nu\\u00E9U\\U0001F600"\ns2 = \'C:\\Users\\n\'\ns3 = """\nRoses\nViolets"""\ns4 = """a \\\n\n   b"""\n'
    "s5 = '''\nraw \\ '' text'''\n",
    'a = """"quoted""""\nb = \'\'\'\'x\'\'\'\'\nc = """""two"""\nd = """x"""""\n',
    'arr = [1, 2, 3]\nmixed = ["a", 1, [1.5, {x = 1}]]\nlines = [\n  1, # one\n  2,\n]\nempty = []\n',
    'point = {x = 1, y = 2}\ndeep = {a.b = 1, a.c = 2, d = {e = []}}\nnone = {}\n',
    'a.b.c = 1\na.b.d = 2\n"q k".\'l\' = 3\n1.2 = 4\n-_- = 5\n',
    '[a]\nx = 1\n[a.b]\nx = 2\n[a.b.c]\n[d.e.f]\n[d]\ny = 1\n',
    '[[p]]\nname = "h"\n[[p]]\n[[p]]\nname = "n"\n[p.sub]\nx = 1\n[[p.q]]\n[[p.q]]\ny = 2\n',
    '[fruit]\napple.color = "red"\napple.taste.sweet = true\n[fruit.apple.texture]\nsmooth = true\n',
    '[hypervisor.qemu]\npath = "/usr/bin/qemu"\nenable_annotations = ["kernel_params", "default_.*"]\ndefault_vcpus = -1\n'
    '[agent.kata]\nkernel_modules = []\n[runtime]\ninternetworking_model = "tcfilter"\n',
    'a = 1\r\nb = """x\r\ny"""\r\n# end\r\n[t]\r\n',
    '[ a . b ]\nc . d = 1\n',
    '["a.b"]\n"" = 1\n[\'\']\n',
    '[a.b.c]\nz = 9\n[a]\nb.d = 1\n',
    '[x.y.z.w]\n[x]\n',
    'a = [[1, 2], ["x"], [{}]]\nb = [ [ [ ] ] ]\n',
    'a = "\\\\"\nb = "\\b\\f\\r"\n',
    # Refused.
    'a = 1\na = 2\n', '[a]\n[a]\n', '[a]\nb = 1\n[a.b]\n', 'a = {b = 1}\na.c = 2\n', 'a = {b = 1}\n[a.c]\n',
    '[[a]]\n[a]\n', '[a]\n[[a]]\n', 'a = []\n[[a]]\n', '[a.b]\n[[a]]\n', '[[a]]\n[a.b]\n[[a.b]]\n',
    '[fruit]\napple.color = 1\n[fruit.apple]\n', '[fruit]\napple.taste.sweet = 1\n[fruit.apple.taste]\n',
    '[a.b.c]\nz = 9\n[a]\nb.c.t = 1\n', '[[a.b]]\n[a]\nb.y = 2\n', 'a = {b = {}, b.c = 1}\n', 'a.b = 1\na = {}\n',
    'a = {x = 1,}\n', 'a = {\nx = 1}\n', 'a = [1 2]\n', 'a = [,]\n', 'a = [1,,]\n', 'a = 1 2\n', 'a\n', 'a =\n', '= 1\n', 'a b = 1\n',
    'a = 01\n', 'a = 1__2\n', 'a = _1\n', 'a = 1_\n', 'a = 1.\n', 'a = .1\n', 'a = 1e\n', 'a = 1._5\n', 'a = 1_.5\n', 'a = 1e5_\n',
    'a = 0x\n', 'a = 0xg\n', 'a = 0b2\n', 'a = 0o8\n', 'a = +0b1\n', 'a = 0X1\n', 'a = 00.5\n', 'a = Inf\n', 'a = True\n',
    'a = 1979-5-27\n', 'a = 1979-02-30\n', 'a = 07:32\n', 'a = 25:00:00\n', 'a = 1979-05-27T\n', 'a = 1979-05-27T7:00:00\n',
    'a = 1979-05-27T00:00:00+25:00\n', 'a = 1979-05-27T00:00:00+01\n', 'a = 1979-05-27  00:00:00\n', 'a = 10:00:00.\n',
    'a = "x\n', 'a = "x\ny"\n', "a = 'x\n", 'a = """x\n', 'a = "\\x"\n', 'a = "\\ud800"\n', 'a = "\\u12"\n', "a = '''x''''''\n",
    'a = """x""""""\n', 'a = "\x01"\n', "a = '\x7f'\n", '# \x00\n', '# \x1f\n', 'a = 1\r', '[a\n', '[[a]\n', '[a]]\n', '[a]b\n', '[]\n', '[a..b]\n',
    '[.a]\n', '"""a""" = 1\n', 'a.= 1\n', '.a = 1\n', 'é = 1\n', 'a = é\n',
]

ALPHABET = list('ab01_-+.:eExobTZ"\'\\[]{}=,# \t\n\r') + ['"""', "'''", '\\u00e9', '[[', ']]', '1979-05-27', '07:32:00', 'inf', '\r\n', 'é']


def plain(value):
    """The tree as toml_dump writes it."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, bool):
        return {"type": "bool", "value": "true" if value else "false"}
    if isinstance(value, int):
        return {"type": "integer", "value": str(value)}
    if isinstance(value, float):
        return {"type": "float", "value": "nan" if math.isnan(value) else "%.17g" % value}
    if isinstance(value, str):
        return {"type": "string", "value": value}
    text = value.strftime("%H:%M:%S.%f") if not isinstance(value, datetime.date) else \
        "%04d-%02d-%02d" % (value.year, value.month, value.day)
    if isinstance(value, datetime.datetime):
        text += value.strftime("T%H:%M:%S.%f")
        if value.tzinfo:
            text += "%+d" % (value.utcoffset().total_seconds() // 60)
    return {"type": "time", "value": text}


def integers_fit(value):
    if isinstance(value, dict):
        return all(integers_fit(v) for v in value.values())
    if isinstance(value, list):
        return all(integers_fit(v) for v in value)
    return not isinstance(value, int) or -2**63 <= value < 2**63


def finite_overflow(text):
    """A float that Python rounds to infinity and we refuse."""
    return any(math.isinf(float(m.replace("_", ""))) for m in re.findall(r"\d[\d_]*(?:\.[\d_]+)?[eE][+-]?[\d_]+", text))


def deliberate(text, tree):
    """Where the two differ on purpose: U+0000, integers beyond 64 bits and floats beyond double are refused by us, the year 0
    and the second 60 by Python."""
    return "\\u0000" in text or "\\U00000000" in text or finite_overflow(text) or "0000-" in text or ":60" in text \
        or (tree is not None and not integers_fit(tree))


def mutate(rng):
    text = rng.choice(DOCUMENTS)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text) + 1)
        what = rng.randrange(5)
        if what == 0:
            text = text[:at] + rng.choice(ALPHABET) + text[at:]
        elif what == 1:
            text = text[:at] + text[at + rng.randint(1, 3):]
        elif what == 2:
            text = text[:at] + rng.choice(ALPHABET) + text[at + 1:]
        elif what == 3:
            other = rng.choice(DOCUMENTS)
            text = text[:at] + other[rng.randrange(len(other) + 1):]
        else:
            lines = text.splitlines(keepends=True)
            rng.shuffle(lines)
            text = "".join(lines)
    return text


def main():
    rng = random.Random(1)
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 4000
    texts = DOCUMENTS + [mutate(rng) for _ in range(rounds)]
    data = b"".join(b"%d\n%s" % (len(t.encode()), t.encode()) for t in texts)
    out = subprocess.run([sys.argv[1]], input=data, stdout=subprocess.PIPE, check=True, timeout=120).stdout
    answers = out.decode().split("\n")[:-1]
    assert len(answers) == len(texts), (len(answers), len(texts))
    failed = left_out = accepted = 0
    for text, answer in zip(texts, answers):
        ours = json.loads(answer)
        refused = isinstance(ours.get("error"), str)
        try:
            tree = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, ValueError, RecursionError):
            tree = None
        if deliberate(text, tree):
            left_out += 1
        elif refused != (tree is None) or (tree is not None and plain(tree) != ours):
            failed += 1
            if failed <= 10:
                print("DIFFERS: %r\n  ours:    %s\n  tomllib: %s" % (text, answer, "refused" if tree is None else plain(tree)))
        else:
            accepted += tree is not None
    print("%d documents, %d accepted by both, %d left out, %d differ" % (len(texts), accepted, left_out, failed))
    sys.exit(1 if failed or not accepted else 0)


main()
