#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ttrpc - calls one method of a shim: containerd's Sandbox service and what the tests need of its Task service.

usage: ttrpc.py SOCKET METHOD [JSON]

The request is JSON with the services' field names, the answer is printed as JSON; a failure is its code and text, and status 1.
"""
import json
import socket
import struct
import sys

from pb import decode, encode

ANY = {"type_url": (1, str), "value": (2, bytes)}
TIME = {"seconds": (1, int), "nanos": (2, int)}
POD = {"sandbox_id": (1, str)}
ENTRY = [{"key": (1, str), "value": (2, str)}]
CONFIG = {"hostname": (2, str), "annotations": (7, ENTRY),
          "linux": (8, {"cgroup_parent": (1, str), "resources": (5, {"cpu_period": (1, int), "cpu_quota": (2, int), "memory_limit_in_bytes": (4, int)})})}
SANDBOX = {
    "CreateSandbox": ({"sandbox_id": (1, str), "bundle_path": (2, str), "options": (4, ANY), "netns_path": (5, str)}, {}),
    "StartSandbox": (POD, {"pid": (1, int), "created_at": (2, TIME)}),
    "Platform": (POD, {"platform": (1, {"os": (1, str), "architecture": (2, str)})}),
    "StopSandbox": (POD, {}),
    "WaitSandbox": (POD, {"exit_status": (1, int), "exited_at": (2, TIME)}),
    "SandboxStatus": ({"sandbox_id": (1, str), "verbose": (2, bool)},
                      {"sandbox_id": (1, str), "pid": (2, int), "state": (3, str), "info": (4, ENTRY), "created_at": (5, TIME), "exited_at": (6, TIME)}),
    "PingSandbox": (POD, {}),
    "ShutdownSandbox": (POD, {}),
    "SandboxMetrics": (POD, {"metrics": (1, {"id": (2, str), "data": (3, {"type_url": (1, str)})})}),
}
TASK = {
    "Create": ({"id": (1, str), "bundle": (2, str), "terminal": (4, bool), "stdin": (5, str), "stdout": (6, str), "stderr": (7, str)}, {"pid": (1, int)}),
    "Start": ({"id": (1, str)}, {"pid": (1, int)}),
    "State": ({"id": (1, str)}, {"pid": (3, int), "status": (4, int), "exit_status": (9, int)}),
    "Wait": ({"id": (1, str)}, {"exit_status": (1, int)}),
    "Kill": ({"id": (1, str), "signal": (3, int), "all": (4, bool)}, {}),
    "Delete": ({"id": (1, str)}, {"exit_status": (2, int)}),
}
REQUEST = {"service": (1, str), "method": (2, str), "payload": (3, bytes)}
RESPONSE = {"status": (1, {"code": (1, int), "message": (2, str)}), "payload": (2, bytes)}


def read(s, n):
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        if not part:
            raise SystemExit("ttrpc: the connection was closed")
        data += part
    return data


def call(path, service, method, payload):
    request = encode(REQUEST, {"service": service, "method": method, "payload": payload})
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(100)
        s.connect(path)
        s.sendall(struct.pack(">IIBB", len(request), 1, 1, 0) + request)
        size, _, _, _ = struct.unpack(">IIBB", read(s, 10))
        return decode(RESPONSE, read(s, size))


def main():
    path, method = sys.argv[1:3]
    values = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    if "config" in values:
        values["options"] = {"type_url": "runtime.v1.PodSandboxConfig", "value": encode(CONFIG, values.pop("config"))}
    service, methods = ("containerd.runtime.sandbox.v1.Sandbox", SANDBOX) if method in SANDBOX else ("containerd.task.v2.Task", TASK)
    request, answer = methods[method]
    response = call(path, service, method, encode(request, values))
    if response.get("status", {}).get("code"):
        raise SystemExit(f"ttrpc: {method}: {response['status']['code']} {response['status'].get('message', '')}")
    print(json.dumps(decode(answer, response.get("payload", b""))))


main()
