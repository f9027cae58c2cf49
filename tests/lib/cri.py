#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""cri - calls one method of Kubernetes' container runtime interface (runtime.v1), for the tests.

usage: cri.py SOCKET METHOD [JSON]

The request is JSON with the interface's field names, the answer is printed as JSON. Of the interface there is what the tests use: MESSAGES gives
fields their numbers and types; fields of an answer that it does not name are skipped. Bytes are text. Needs Debian's python3-grpcio.
"""
import json
import sys

import grpc

from pb import decode, encode

RESOURCES = {"cpu_period": (1, int), "cpu_quota": (2, int), "cpu_shares": (3, int), "memory_limit_in_bytes": (4, int)}
NAMESPACES = {"network": (1, int), "pid": (2, int), "ipc": (3, int), "target_id": (4, str)}
METADATA = {"name": (1, str), "uid": (2, str), "namespace": (3, str), "attempt": (4, int)}
POD = {
    "metadata": (1, METADATA), "hostname": (2, str), "log_directory": (3, str),
    "dns_config": (4, {"servers": (1, [str]), "searches": (2, [str]), "options": (3, [str])}),
    "labels": (6, [{"key": (1, str), "value": (2, str)}]), "annotations": (7, [{"key": (1, str), "value": (2, str)}]),
    "linux": (8, {"cgroup_parent": (1, str), "security_context": (2, {"namespace_options": (1, NAMESPACES), "privileged": (6, bool)}),
                  "sysctls": (3, [{"key": (1, str), "value": (2, str)}]), "resources": (5, RESOURCES)}),
}
CONTAINER = {
    "metadata": (1, {"name": (1, str), "attempt": (2, int)}), "image": (2, {"image": (1, str)}), "command": (3, [str]), "args": (4, [str]),
    "working_dir": (5, str), "envs": (6, [{"key": (1, str), "value": (2, str)}]),
    "mounts": (7, [{"container_path": (1, str), "host_path": (2, str), "readonly": (3, bool)}]),
    "log_path": (11, str), "stdin": (12, bool), "tty": (14, bool),
    "linux": (15, {"resources": (1, RESOURCES), "security_context": (2, {"privileged": (2, bool), "namespace_options": (3, NAMESPACES)})}),
}
STATUS = {"id": (1, str), "state": (3, int), "exit_code": (7, int), "reason": (10, str), "message": (11, str)}
COUNTER = {"value": (1, int)}
POD_ID = {"pod_sandbox_id": (1, str)}
ID = {"container_id": (1, str)}
# method: (request, answer)
METHODS = {
    "Version": ({}, {"version": (1, str), "runtime_name": (2, str), "runtime_version": (3, str)}),
    "RunPodSandbox": ({"config": (1, POD), "runtime_handler": (2, str)}, POD_ID),
    "StopPodSandbox": (POD_ID, {}),
    "RemovePodSandbox": (POD_ID, {}),
    "PodSandboxStatus": (POD_ID, {"status": (1, {"id": (1, str), "state": (3, int), "network": (5, {"ip": (1, str)})})}),
    "ListPodSandbox": ({}, {"items": (1, [{"id": (1, str), "state": (3, int)}])}),
    "CreateContainer": ({"pod_sandbox_id": (1, str), "config": (2, CONTAINER), "sandbox_config": (3, POD)}, ID),
    "StartContainer": (ID, {}),
    "StopContainer": ({"container_id": (1, str), "timeout": (2, int)}, {}),
    "RemoveContainer": (ID, {}),
    "ListContainers": ({}, {"containers": (1, [{"id": (1, str), "state": (6, int)}])}),
    "ContainerStatus": (ID, {"status": (1, STATUS)}),
    "ContainerStats": (ID, {"stats": (1, {"cpu": (2, {"usage_core_nano_seconds": (2, COUNTER)}),
                                          "memory": (3, {"working_set_bytes": (2, COUNTER), "usage_bytes": (4, COUNTER)})})}),
    "UpdateContainerResources": ({"container_id": (1, str), "linux": (2, RESOURCES)}, {}),
    "ExecSync": ({"container_id": (1, str), "cmd": (2, [str]), "timeout": (3, int)}, {"stdout": (1, str), "stderr": (2, str), "exit_code": (3, int)}),
    "PortForward": ({"pod_sandbox_id": (1, str), "port": (2, [int])}, {"url": (1, str)}),
    "Attach": ({"container_id": (1, str), "stdin": (2, bool), "tty": (3, bool), "stdout": (4, bool), "stderr": (5, bool)}, {"url": (1, str)}),
    "ReopenContainerLog": (ID, {}),
}


def main():
    socket, method = sys.argv[1:3]
    request, answer = METHODS[method]
    values = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    with grpc.insecure_channel(f"unix://{socket}") as channel:
        call = channel.unary_unary(f"/runtime.v1.RuntimeService/{method}", request_serializer=bytes, response_deserializer=bytes)
        try:
            print(json.dumps(decode(answer, call(encode(request, values), timeout=100))))
        except grpc.RpcError as e:
            raise SystemExit(f"cri: {method}: {e.details()}")


main()
