# SPDX-License-Identifier: Apache-2.0
"""Take from ELF files what running or loading them does not need, with strip of binutils."""

import subprocess
import tempfile

from . import GuestError


def strip(data, name, *options):
    """The stripped file's bytes. name is what errors call it."""
    with tempfile.NamedTemporaryFile(prefix="caisson-") as f:
        f.write(data)
        f.flush()
        try:
            subprocess.run(["strip", *options, f.name], check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise GuestError("strip not found (install binutils)") from None
        except subprocess.CalledProcessError as e:
            reason = (e.stderr.strip() or f"exit {e.returncode}").splitlines()[0]
            raise GuestError(f"strip {name}: {reason}") from None
        with open(f.name, "rb") as result:
            return result.read()
