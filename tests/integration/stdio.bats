#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Bytes in, bytes out: nothing lost, nothing added, ends seen.

load lib.bash

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	fixture_up
}
teardown_file() { fixture_down; }
teardown() { assert_clean; }

@test "stdin to stdout through cat keeps every byte" {
	head -c "${CAISSON_TEST_STDIO:-1073741824}" /dev/urandom >"$T/in"
	bundle "$T/cat" cat
	C_TIMEOUT=600 c run --bundle "$T/cat" t1 <"$T/in" | sha256sum >"$T/sum"
	[ "$(cut -d' ' -f1 <"$T/sum")" = "$(sha256sum <"$T/in" | cut -d' ' -f1)" ]
}

@test "exec without a terminal keeps every byte" {
	head -c 268435456 /dev/urandom >"$T/in"
	bundle "$T/idle" sleep 600
	c run -d --bundle "$T/idle" t2
	C_TIMEOUT=300 c exec t2 cat <"$T/in" | cmp - "$T/in"
	c delete --force t2
}

@test "stdout and stderr stay apart" {
	run --separate-stderr run_container sh -c 'echo out; echo err >&2'
	[ "$output" = out ]
	[ "$stderr" = err ]
}

@test "closing stdin ends cat" {
	bundle "$T/close" cat
	run c run --bundle "$T/close" t3 </dev/null
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "the last line of a process that ends at once is never lost" {
	bundle "$T/last" sleep 600
	c run -d --bundle "$T/last" t4
	for i in $(seq 40); do
		[ "$(c exec t4 sh -c "echo first; printf last-$i")" = "first"$'\n'"last-$i" ]
	done
	c delete --force t4
}

@test "a terminal: size, echo, line discipline" {
	command -v python3 >/dev/null || skip "needs python3"
	BUNDLE_JQ='.process.terminal = true' bundle "$T/tty" sh -c 'stty size; tty; read x; echo "got $x"'
	python3 - "$CAISSON" "$STATE" "$CONF" "$T/tty" >"$T/tty.out" <<-'PY'
		import fcntl, os, pty, struct, sys, termios, time
		caisson, root, conf, bundle = sys.argv[1:]
		pid, fd = pty.fork()
		if pid == 0:
		    os.execv(caisson, [caisson, "--root", root, "--config", conf, "run", "--bundle", bundle, "t5"])
		fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
		out, sent, end = b"", False, time.time() + 60
		while time.time() < end:
		    try:
		        data = os.read(fd, 4096)
		    except OSError:
		        break
		    if not data:
		        break
		    out += data
		    if b"/dev/" in out and not sent:
		        os.write(fd, b"hello\r")
		        sent = True
		sys.stdout.write(out.decode())
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	PY
	cat "$T/tty.out"
	grep -q '33 99' "$T/tty.out"
	grep -q '/dev/' "$T/tty.out"
	grep -q 'got hello' "$T/tty.out"
}
