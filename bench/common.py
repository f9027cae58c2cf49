# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: a private place with a root file system of busybox, bundles, the runtimes, medians and the table.

Every figure is a ratio: what is measured and what it is measured against run in turns in the same minute on the same machine, so that a
loaded machine slows both. Absolute numbers are shown only to say what the ratio is of.
"""
import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

BUSYBOX = "/bin/busybox"


def options(about, runs):
    p = argparse.ArgumentParser(description=about)
    p.add_argument("--build", default=os.environ.get("CAISSON_BUILD"), help="build directory with guest/ ($CAISSON_BUILD)")
    p.add_argument("--json", action="store_true", help="print one line of JSON for each figure")
    p.add_argument("-n", "--runs", type=int, default=runs, help=f"turns of each side ({runs})")
    o = p.parse_args()
    if not o.build:
        p.error("--build or CAISSON_BUILD is needed")
    if os.geteuid() != 0:
        p.error("needs root")
    if o.runs < 1:
        p.error("at least one turn")
    o.build = os.path.realpath(o.build)
    return o


class Lab:
    """A directory that goes away with everything in it, and containers that do as well."""

    def __init__(self, build):
        self.build = build
        self.dir = tempfile.mkdtemp(prefix="caisson-bench.")
        self.rootfs = f"{self.dir}/rootfs"
        self.conf = f"{self.dir}/configuration.toml"
        self.serial = 0
        self.live = []
        for d in ("bin", "dev", "proc", "tmp"):
            os.makedirs(f"{self.rootfs}/{d}")
        shutil.copy(BUSYBOX, f"{self.rootfs}/bin/busybox")
        for name in ("cat", "dd", "sh", "sleep", "true"):
            os.symlink("busybox", f"{self.rootfs}/bin/{name}")
        with open(self.conf, "w") as f:
            f.write(f"""[hypervisor.qemu]
path = "/usr/bin/qemu-system-x86_64"
kernel = "{build}/guest/vmlinux"
initrd = "{build}/guest/initrd.cpio"
virtio_fs_daemon = "/usr/lib/qemu/virtiofsd"
""")

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that __exit__ runs
        return self

    def __exit__(self, *exc):
        for runtime, name in self.live:
            subprocess.run([*self.runtime(runtime), "delete", "--force", name], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.dir)

    @contextlib.contextmanager
    def configured(self, conf):
        """While it lasts, caisson is run with this configuration."""
        before, self.conf = self.conf, conf
        try:
            yield
        finally:
            self.conf = before

    def runtime(self, name):
        if name == "runc":
            return ["runc", "--root", f"{self.dir}/runc"]
        return [f"{self.build}/src/cli/caisson", "--root", f"{self.dir}/state", "--config", self.conf]

    def bundle(self, *args, namespaces=("pid", "mount", "ipc", "uts", "network")):
        self.serial += 1
        d = f"{self.dir}/bundle{self.serial}"
        os.mkdir(d)
        with open(f"{d}/config.json", "w") as f:
            json.dump({
                "ociVersion": "1.0.2",
                "process": {"user": {"uid": 0, "gid": 0}, "args": args, "env": ["PATH=/bin"], "cwd": "/"},
                "root": {"path": self.rootfs},
                "hostname": "bench",
                "mounts": [
                    {"destination": "/proc", "type": "proc", "source": "proc"},
                    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
                ],
                "linux": {"namespaces": [{"type": n} for n in namespaces]},
            }, f)
        return d

    def name(self):
        self.serial += 1
        return f"bench{os.getpid()}-{self.serial}"

    def start(self, runtime, bundle):
        """A container in the background; ends with the lab."""
        name = self.name()
        self.live.append((runtime, name))
        subprocess.run([*self.runtime(runtime), "run", "--detach", "--bundle", bundle, name], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, check=True)
        return name

    def stop(self, runtime, name):
        subprocess.run([*self.runtime(runtime), "delete", "--force", name], check=True)
        self.live.remove((runtime, name))

    def pid(self, name):
        out = subprocess.run([*self.runtime("caisson"), "state", name], stdout=subprocess.PIPE, check=True)
        return json.loads(out.stdout)["pid"]

    def processes(self, name):
        """{program: [pid, ...]} of a sandbox's processes; the proxy is 'proxy'."""
        found = {"proxy": [self.pid(name)]}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    argv = f.read().decode(errors="replace").split("\0")
            except OSError:
                continue
            if any(f"{name}." in a for a in argv):
                found.setdefault(os.path.basename(argv[0]), []).append(int(pid))
        return found


def one(processes, program):
    """The pid of the only process with that name."""
    pids = processes.get(program, [])
    if len(pids) != 1:
        sys.exit(f"expected one {program}, found {len(pids)}")
    return pids[0]


class Table:
    """Collects figures and prints them as they come."""

    def __init__(self, as_json):
        self.json = as_json

    def ratio(self, what, against, mine, theirs, unit, target=None):
        """Of medians; @mine and @theirs are lists from runs in turns."""
        a, b = statistics.median(mine), statistics.median(theirs)

        def side(times):
            at99 = sorted(times)[-(-99 * len(times) // 100) - 1]
            return {"median": statistics.median(times), "p99": at99, "min": min(times), "max": max(times), "n": len(times)}

        self.row({
            "what": what, "against": against, "ratio": float(f"{a / b:.3g}"), "unit": unit, "target": target,
            "mine": side(mine), "theirs": side(theirs),
        })

    def row(self, r):
        if self.json:
            print(json.dumps(r), flush=True)
            return
        side = "{median:.3g} [{min:.3g}..{max:.3g}] n={n}"
        target = f" (target {r['target']})" if r["target"] else ""
        print(f"{r['ratio']:>8.3g}x{target}  {r['what']}: {side.format(**r['mine'])} {r['unit']}, against "
              f"{r['against']}: {side.format(**r['theirs'])} {r['unit']}", flush=True)
