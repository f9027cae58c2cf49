#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What data/kubernetes and data/engines hold for clusters: readable, with the fields' right names, and accepted by containerd; the installer on a
# node of files.

bats_require_minimum_version 1.5.0

setup() {
	TREE=$(realpath "$BATS_TEST_DIRNAME/../..")
	T=$(mktemp -d "/tmp/caisson-k8s.XXXXXX")
}
teardown() { rm -rf "$T"; }

# node ENGINE: a node's root, and an installation to copy.
node() {
	mkdir -p "$T/host/etc/$1" "$T/opt/caisson/bin" "$T/opt/caisson/share/caisson/kubernetes"
	cp "$TREE/data/kubernetes/install.sh" "$T/opt/caisson/share/caisson/kubernetes/"
	echo program >"$T/opt/caisson/bin/containerd-shim-caisson-v2"
}
# installer ACTION: what it restarts is in $T/restarted.
installer() {
	printf '#!/bin/sh\necho "$1" >>"%s/restarted"\n' "$T" >"$T/restart"
	chmod +x "$T/restart"
	HOST="$T/host" RESTART="$T/restart" timeout 20 "$T/opt/caisson/share/caisson/kubernetes/install.sh" "$1" </dev/null
}

# TOML that containerd reads with the runtime in it.
accepted() {
	command -v containerd >/dev/null || skip "needs containerd"
	containerd --config "$1" config dump >"$T/dump"
	grep -q 'containerd.runtimes.caisson\]' "$T/dump"
	grep -q 'runtime_type = "'"${2:-io.containerd.caisson.v2}"'"' "$T/dump"
}

@test "the manifests have the fields that Kubernetes knows" {
	/usr/bin/python3 -c 'import yaml' 2>/dev/null || skip "needs the package python3-yaml"
	/usr/bin/python3 - "$TREE"/data/kubernetes/*.yaml <<-'PY'
		import sys, yaml
		KNOWN = {
		    "": "apiVersion kind metadata spec handler overhead scheduling rules roleRef subjects",
		    "metadata": "name namespace labels", "overhead": "podFixed", "scheduling": "nodeSelector", "podFixed": "memory cpu",
		    "roleRef": "apiGroup kind name", "subjects": "kind name namespace", "rules": "apiGroups resources verbs",
		    "selector": "matchLabels", "updateStrategy": "type rollingUpdate", "rollingUpdate": "maxUnavailable", "template": "metadata spec",
		    "spec": "selector updateStrategy template serviceAccountName hostPID nodeSelector containers terminationGracePeriodSeconds volumes "
		            "runtimeClassName restartPolicy",
		    "containers": "name image imagePullPolicy command env securityContext resources volumeMounts", "env": "name value valueFrom",
		    "valueFrom": "fieldRef", "fieldRef": "fieldPath", "securityContext": "privileged", "resources": "requests limits",
		    "requests": "memory cpu", "limits": "memory cpu", "volumeMounts": "name mountPath", "volumes": "name hostPath", "hostPath": "path type",
		}
		FREE = {"labels", "matchLabels", "nodeSelector"}
		def walk(name, value, where):
		    if isinstance(value, list):
		        for item in value:
		            walk(name, item, where)
		    elif isinstance(value, dict) and name not in FREE:
		        for key, inner in value.items():
		            assert key in KNOWN[name].split(), f"{where}: {name}.{key}"
		            walk(key, inner, where)
		kinds = []
		for path in sys.argv[1:]:
		    for document in yaml.safe_load_all(open(path)):
		        walk("", document, path)
		        kinds.append((document["apiVersion"], document["kind"]))
		        if document["kind"] == "DaemonSet":
		            spec = document["spec"]
		            assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
		        if document["kind"] == "RuntimeClass":
		            assert document["handler"] == document["metadata"]["name"] == "caisson"
		for wanted in (("node.k8s.io/v1", "RuntimeClass"), ("apps/v1", "DaemonSet"), ("v1", "Pod"), ("rbac.authorization.k8s.io/v1", "ClusterRole")):
		    assert wanted in kinds, wanted
	PY
}

@test "the snippets for containerd are accepted by containerd" {
	for f in containerd containerd-shim; do
		sed 's|@bindir@|/usr/local/bin|' "$TREE/data/engines/$f.toml.in" >"$T/$f.toml"
	done
	accepted "$T/containerd.toml" io.containerd.runc.v2
	accepted "$T/containerd-shim.toml"
	grep -q 'runtime_path = "/usr/local/bin/containerd-shim-caisson-v2"' "$T/dump"
}

@test "the installer adds to containerd's configuration, once, and takes it away" {
	node containerd
	printf 'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n  sandbox_image = "pause:1"\n' >"$T/host/etc/containerd/config.toml"
	cp "$T/host/etc/containerd/config.toml" "$T/original"
	installer install
	accepted "$T/host/etc/containerd/config.toml"
	grep -q 'sandbox_image = "pause:1"' "$T/dump"
	[ -e "$T/host$T/opt/caisson/bin/containerd-shim-caisson-v2" ]
	[ "$(cat "$T/restarted")" = containerd ]
	cp "$T/host/etc/containerd/config.toml" "$T/once"
	installer install
	cmp "$T/once" "$T/host/etc/containerd/config.toml"
	installer remove
	cmp "$T/original" "$T/host/etc/containerd/config.toml"
	[ ! -e "$T/host$T/opt/caisson" ]
}

@test "the installer knows version 3 of the configuration, and refuses version 1" {
	node containerd
	echo 'version = 3' >"$T/host/etc/containerd/config.toml"
	installer install
	grep -q '^\[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.caisson\]' "$T/host/etc/containerd/config.toml"
	installer remove
	echo '[debug]' >"$T/host/etc/containerd/config.toml"
	run installer install
	[ "$status" -ne 0 ]
	[[ $output == *"version 1, which is not supported"* ]]
}

@test "the installer serves CRI-O, restarts only for a change, and leaves a node without either alone" {
	node crio
	installer install
	grep -q 'runtime_type = "oci"' "$T/host/etc/crio/crio.conf.d/50-caisson.conf"
	[ "$(wc -l <"$T/restarted")" -eq 1 ]
	installer install
	[ "$(wc -l <"$T/restarted")" -eq 1 ]
	installer remove
	[ "$(cat "$T/restarted")" = $'crio\ncrio' ]
	[ ! -e "$T/host/etc/crio/crio.conf.d/50-caisson.conf" ]
	rmdir "$T/host/etc/crio/crio.conf.d" "$T/host/etc/crio"
	run installer install
	[ "$status" -ne 0 ]
	[[ $output == *"neither containerd nor CRI-O"* ]]
}

@test "the DaemonSet's process removes what it installed when it is told to end" {
	node crio
	HOST="$T/host" RESTART=true "$T/opt/caisson/share/caisson/kubernetes/install.sh" serve </dev/null >"$T/out" 2>&1 3>&- &
	pid=$!
	for _ in $(seq 100); do
		grep -q installed "$T/out" && break
		sleep 0.1
	done
	[ -e "$T/host/etc/crio/crio.conf.d/50-caisson.conf" ]
	kill -TERM "$pid"
	wait "$pid"
	[ ! -e "$T/host/etc/crio/crio.conf.d/50-caisson.conf" ]
	grep -q removed "$T/out"
}
