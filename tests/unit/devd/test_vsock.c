/* SPDX-License-Identifier: Apache-2.0 */
/* caisson-devd vsock as a program: its command line, its jail, its end, and a connection through
 * all of it. */
#include "frontend.h"

#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define JAIL_UID "54321"

static const char *program;

/* Runs it to the end with these arguments. The exit status; what it printed in *ret_out. */
static int run(char *const *argv, char **ret_out)
{
	struct proc_spec s = PROC_SPEC_INIT;
	struct error e = ERROR_INIT;
	int r;

	s.path = program;
	s.argv = argv;
	r = proc_run(&s, NULL, 0, 10000, 65536, ret_out, &e);
	if (r < 0)
		fail_msg("%s", error_text(&e));
	return r;
}

static void test_describes_itself(void **state)
{
	static char *const help[] = { "caisson-devd", "vsock", "--help", NULL };
	static char *const version[] = { "caisson-devd", "--version", NULL };
	static char *const caps[] = { "caisson-devd", "vsock", "--print-capabilities", NULL };
	autofree char *a = NULL, *b = NULL, *c = NULL;

	assert_int_equal(run(help, &a), 0);
	assert_non_null(strstr(a, "--guest-cid"));
	assert_int_equal(run(version, &b), 0);
	assert_non_null(strstr(b, CAISSON_VERSION));
	assert_int_equal(run(caps, &c), 0);
	assert_string_equal(c, "{\"type\":\"vsock\"}\n");
}

static void test_refuses_wrong_arguments(void **state)
{
	static char *const wrong[][9] = {
		{ "caisson-devd" },
		{ "caisson-devd", "teapot" },
		{ "caisson-devd", "vsock" },
		{ "caisson-devd", "vsock", "--fd=0", "--uds-path=/tmp/x" },
		{ "caisson-devd", "vsock", "--fd=0", "--uds-path=/tmp/x", "--guest-cid=2" },
		{ "caisson-devd", "vsock", "--fd=0", "--uds-path=/tmp/x",
		  "--guest-cid=4294967295" },
		{ "caisson-devd", "vsock", "--fd=0", "--uds-path=/tmp/", "--guest-cid=3" },
		{ "caisson-devd", "vsock", "--fd=0", "--uds-path=/nonexistent/x", "--guest-cid=3" },
		{ "caisson-devd", "vsock", "--fd=0", "--socket=/tmp/y", "--uds-path=/tmp/x",
		  "--guest-cid=3" },
		{ "caisson-devd", "vsock", "--fd=0", "--uds-path=/tmp/x", "--guest-cid=3",
		  "--uid=5" },
		{ "caisson-devd", "vsock", "--fd=0", "--uds-path=/tmp/x", "--guest-cid=3",
		  "--uid=5", "--gid=4294967295" },
		{ "caisson-devd", "vsock", "--fd=99", "--uds-path=/tmp/x", "--guest-cid=3" },
		{ "caisson-devd", "vsock", "--fd=0", "--uds-path=/tmp/x", "--guest-cid=3",
		  "stray" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		autofree char *out = NULL;

		if (run(wrong[i], &out) != 1)
			fail_msg("case %zu was accepted", i);
		assert_int_equal(access("/tmp/x", F_OK), -1);
	}
}

struct served {
	struct frontend f;
	pid_t pid;
};

/* Started with one end of a socketpair, confined to the directory of the sockets. */
static int served_setup(void **state)
{
	struct served *s = xnew(struct served);
	struct proc_spec spec = PROC_SPEC_INIT;
	struct error e = ERROR_INIT;
	autodone(strv) argv = STRV_INIT;
	int pair[2];

	frontend_init(&s->f);
	s->f.pace_ms = 5;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	s->f.fd = pair[0];
	strv_add(&argv, program);
	strv_add(&argv, "vsock");
	strv_addf(&argv, "--fd=%d", pair[1]);
	strv_addf(&argv, "--uds-path=%s", s->f.path);
	strv_addf(&argv, "--guest-cid=%d", VGUEST_CID);
	if (geteuid() == 0) {
		strv_add(&argv, "--uid=" JAIL_UID);
		strv_add(&argv, "--gid=" JAIL_UID);
	}
	spec.path = program;
	spec.argv = argv.v;
	spec.keep = &pair[1];
	spec.nkeep = 1;
	s->pid = proc_spawn(&spec, &e);
	if (s->pid < 0)
		fail_msg("%s", error_text(&e));
	close(pair[1]);
	*state = s;
	return 0;
}

/* Its exit status within some seconds; 128 + n for a signal (seccomp's: 159). */
static int ended(struct served *s)
{
	int status = 0;

	assert_int_equal(proc_wait(s->pid, 10000, &status), 0);
	s->pid = 0;
	return proc_exit_code(status);
}

static int served_teardown(void **state)
{
	struct served *s = *state;

	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		ended(s);
	}
	frontend_done(&s->f);
	free(s);
	return 0;
}

/* The answer comes when the jail is complete, for only then the loop runs. */
static void wait_until_it_serves(struct served *s)
{
	struct vhost_header h = { VHOST_GET_FEATURES, 1, 0 };
	char reply[20];

	assert_int_equal(write(s->f.fd, &h, sizeof(h)), sizeof(h));
	assert_int_equal(recv(s->f.fd, reply, sizeof(reply), MSG_WAITALL), sizeof(reply));
}

/* The value of a field of /proc/PID/status. */
static char *status_field(pid_t pid, const char *name)
{
	autofree char *path = xasprintf("/proc/%d/status", (int)pid), *text = NULL,
		      *key = xasprintf("\n%s:\t", name);
	const char *p;

	assert_int_equal(file_read_at(AT_FDCWD, path, 65536, &text, NULL), 0);
	p = strstr(text, key);
	assert_non_null(p);
	p += strlen(key);
	return xstrndup(p, strcspn(p, "\n"));
}

static void expect_status(pid_t pid, const char *name, const char *want)
{
	autofree char *got = status_field(pid, name);

	assert_string_equal(got, want);
}

static void test_gives_up_what_it_does_not_need(void **state)
{
	struct served *s = *state;
	autofree char *root = NULL, *ns = NULL;
	char here[64], there[64];

	wait_until_it_serves(s);
	expect_status(s->pid, "Seccomp", "2");
	expect_status(s->pid, "NoNewPrivs", "1");
	expect_status(s->pid, "CapPrm", "0000000000000000");
	expect_status(s->pid, "CapEff", "0000000000000000");
	expect_status(s->pid, "CapAmb", "0000000000000000");
	if (geteuid() != 0)
		return; /* the rest cannot be had, or not be looked at */
	expect_status(s->pid, "Uid", JAIL_UID "\t" JAIL_UID "\t" JAIL_UID "\t" JAIL_UID);
	expect_status(s->pid, "Gid", JAIL_UID "\t" JAIL_UID "\t" JAIL_UID "\t" JAIL_UID);
	expect_status(s->pid, "Groups", " ");
	expect_status(s->pid, "CapBnd", "0000000000000000");
	root = xasprintf("/proc/%d/root/vsock", (int)s->pid);
	assert_int_equal(access(root, F_OK), 0);
	free(take_ptr(root));
	root = xasprintf("/proc/%d/root/proc", (int)s->pid);
	assert_int_equal(access(root, F_OK), -1);
	ns = xasprintf("/proc/%d/ns/net", (int)s->pid);
	assert_true(readlink("/proc/self/ns/net", here, sizeof(here)) > 0);
	assert_true(readlink(ns, there, sizeof(there)) > 0);
	assert_memory_not_equal(here, there, strlen("net:[4026531840]"));
}

/* Both directions, through the jail: memory and eventfds by descriptor, connect by name. */
static void test_carries_connections(void **state)
{
	struct served *s = *state;
	struct frontend *f = &s->f;
	struct virtio_vsock_hdr h;
	uint8_t data[VGUEST_RX_SIZE];
	autofree char *name = xasprintf("%s_77", f->path);
	int listener = unix_listen(name, SOCK_STREAM, 0666), fd;
	char got[64];

	assert_int_equal(chmod(f->dir, 0711), 0);
	frontend_start(f);
	fd = unix_connect(f->path, SOCK_STREAM);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "CONNECT 1024\nhello", 18), 18);
	frontend_run(f);
	assert_true(vguest_receive(&f->g, &h, data));
	assert_int_equal(h.op, VIRTIO_VSOCK_OP_REQUEST);
	assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_RESPONSE, 1024, h.src_port, 0, NULL, 0));
	frontend_run(f);
	assert_true(vguest_receive(&f->g, &h, data));
	assert_int_equal(h.op, VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(data, "hello", 5);
	assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_RW, 1024, h.src_port, 0, "world", 5));
	frontend_run(f);
	assert_int_equal(recv(fd, got, 19, MSG_WAITALL), 19);
	assert_memory_equal(got, "OK 1073741824\nworld", 19);
	close(fd);
	frontend_run(f);
	assert_true(vguest_receive(&f->g, &h, data));
	assert_int_equal(h.op, VIRTIO_VSOCK_OP_SHUTDOWN);

	assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_REQUEST, 5000, 77, 0, NULL, 0));
	frontend_run(f);
	assert_true(vguest_receive(&f->g, &h, data));
	assert_int_equal(h.op, VIRTIO_VSOCK_OP_RESPONSE);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
	close(listener);
}

/* A slow host program, so that a ring is mapped; deadlines; idle memory: whatever makes system
 * calls of its own. */
static void test_survives_its_rarer_ways(void **state)
{
	struct served *s = *state;
	struct frontend *f = &s->f;
	struct virtio_vsock_hdr h;
	uint8_t data[VGUEST_RX_SIZE];
	static uint8_t block[60000];
	int fd, silent;
	uint32_t port;

	frontend_start(f);
	silent = unix_connect(f->path, SOCK_STREAM);
	fd = unix_connect(f->path, SOCK_STREAM);
	assert_int_equal(write(fd, "CONNECT 1024\n", 13), 13);
	frontend_run(f);
	assert_true(vguest_receive(&f->g, &h, data));
	port = h.src_port;
	assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_RESPONSE, 1024, port, 0, NULL, 0));
	for (int i = 0; i < 7; i++) {
		assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_RW, 1024, port, 0, block,
					  sizeof(block)));
		frontend_run(f);
	}
	assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_SHUTDOWN, 1024, port, 3, NULL, 0));
	assert_int_equal(recv(silent, block, 1, 0), 0); /* after VSOCK_TIMEOUT_MS */
	for (size_t left = 14 + 7 * sizeof(block); left > 0;) {
		ssize_t n = recv(fd, block, MIN(left, sizeof(block)), 0);

		assert_true(n > 0);
		left -= (size_t)n;
	}
	assert_int_equal(recv(fd, block, 1, 0), 0);
	close(fd);
	close(silent);
	f->fd = fd_close(f->fd);
	assert_int_equal(ended(s), 0);
}

static void test_ends_with_the_front_end(void **state)
{
	struct served *s = *state;

	wait_until_it_serves(s);
	s->f.fd = fd_close(s->f.fd);
	assert_int_equal(ended(s), 0);
}

static void test_ends_on_sigterm(void **state)
{
	struct served *s = *state;

	wait_until_it_serves(s);
	assert_int_equal(kill(s->pid, SIGTERM), 0);
	assert_int_equal(ended(s), 0);
}

static void test_a_wrong_front_end_is_an_error(void **state)
{
	struct served *s = *state;
	struct vhost_header h = { 0, 1, 0 };

	wait_until_it_serves(s);
	assert_int_equal(write(s->f.fd, &h, sizeof(h)), sizeof(h));
	assert_int_equal(ended(s), 1);
}

int main(int argc, char **argv)
{
#define SERVED(name) cmocka_unit_test_setup_teardown(name, served_setup, served_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_describes_itself),
		cmocka_unit_test(test_refuses_wrong_arguments),
		SERVED(test_gives_up_what_it_does_not_need),
		SERVED(test_carries_connections),
		SERVED(test_survives_its_rarer_ways),
		SERVED(test_ends_with_the_front_end),
		SERVED(test_ends_on_sigterm),
		SERVED(test_a_wrong_front_end_is_an_error),
	};

	if (argc < 2) {
		fprintf(stderr, "usage: %s CAISSON-DEVD\n", argv[0]);
		return 2;
	}
	program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
