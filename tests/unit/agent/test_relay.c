/* SPDX-License-Identifier: Apache-2.0 */
/* Relays between pipes, sockets and a terminal: every byte, both ends, nobody waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "agent/relay.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

struct fixture {
	struct loop *loop;
	struct relay_set set;
};

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);

	signal(SIGPIPE, SIG_IGN);
	f->loop = loop_new();
	relay_set_init(&f->set, f->loop);
	*state = f;
	return f->loop ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	relay_set_done(&f->set);
	loop_free(f->loop);
	free(f);
	return 0;
}

/* Turns the loop until nothing happens any more. */
static void settle(struct fixture *f)
{
	for (int i = 0; i < 50; i++)
		assert_int_equal(loop_run_once(f->loop, 2), 0);
}

static void make_sockets(int s[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s), 0);
}

static void make_pipe(int p[2])
{
	assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
}

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 31 + i / 251);
}

/*
 * Pushes @total bytes in at @in and takes them out at @out, in uneven pieces, with the loop
 * between; then closes @in and expects the end at @out.
 */
static void push_through(struct fixture *f, int in, int out, size_t total)
{
	static uint8_t chunk[200000];
	size_t sent = 0, got = 0;
	bool end = false;

	for (int idle = 0; !end && idle < 1000; idle++) {
		size_t n = MIN(total - sent, 1 + sent % sizeof(chunk));
		ssize_t r;

		for (size_t i = 0; i < n; i++)
			chunk[i] = pattern(sent + i);
		r = n ? write(in, chunk, n) : 0;
		sent += r > 0 ? (size_t)r : 0;
		if (sent == total)
			in = fd_close(in);
		assert_int_equal(loop_run_once(f->loop, 0), 0);
		r = read(out, chunk, 1 + got % sizeof(chunk));
		for (ssize_t i = 0; i < r; i++)
			if (chunk[i] != pattern(got + (size_t)i))
				fail_msg("byte %zu differs", got + (size_t)i);
		got += r > 0 ? (size_t)r : 0;
		end = r == 0;
		if (r > 0)
			idle = 0;
	}
	assert_true(end);
	assert_int_equal(got, total);
	close(out);
	settle(f);
	assert_int_equal(f->set.n, 0);
}

static void test_socket_to_pipe(void **state)
{
	struct fixture *f = *state;
	int s[2], p[2];

	make_sockets(s);
	make_pipe(p);
	assert_int_equal(relay_start(&f->set, s[1], p[1], NULL), 0);
	push_through(f, s[0], p[0], MIB(8) + 12345);
}

static void test_pipe_to_socket(void **state)
{
	struct fixture *f = *state;
	int s[2], p[2];

	make_sockets(s);
	make_pipe(p);
	assert_int_equal(relay_start(&f->set, p[0], s[1], NULL), 0);
	push_through(f, p[1], s[0], MIB(8) + 12345);
}

static void test_empty_stream_ends(void **state)
{
	struct fixture *f = *state;
	int s[2], p[2];

	make_sockets(s);
	make_pipe(p);
	assert_int_equal(relay_start(&f->set, p[0], s[1], NULL), 0);
	push_through(f, p[1], s[0], 0);
}

static void test_half_close_of_the_host_closes_stdin(void **state)
{
	struct fixture *f = *state;
	int s[2], p[2];
	char c[8];

	make_sockets(s);
	make_pipe(p);
	assert_int_equal(relay_start(&f->set, s[1], p[1], NULL), 0);
	assert_int_equal(write(s[0], "last", 4), 4);
	assert_int_equal(shutdown(s[0], SHUT_WR), 0);
	settle(f);
	assert_int_equal(read(p[0], c, sizeof(c)), 4);
	assert_int_equal(read(p[0], c, sizeof(c)), 0);
	close(s[0]);
	close(p[0]);
}

/* The reader of stdin is gone: the host hears of it, although it has sent nothing. */
static void test_closed_stdin_hangs_up(void **state)
{
	struct fixture *f = *state;
	int s[2], p[2];
	char c;

	make_sockets(s);
	make_pipe(p);
	assert_int_equal(relay_start(&f->set, s[1], p[1], NULL), 0);
	settle(f);
	assert_int_equal(f->set.n, 1);
	close(p[0]);
	settle(f);
	assert_int_equal(f->set.n, 0);
	assert_int_equal(read(s[0], &c, 1), 0);
	close(s[0]);
}

/* The host is gone: whoever writes gets EPIPE, and nobody is killed by it here. */
static void test_host_gone_closes_stdout(void **state)
{
	struct fixture *f = *state;
	int s[2], p[2];

	make_sockets(s);
	make_pipe(p);
	assert_int_equal(relay_start(&f->set, p[0], s[1], NULL), 0);
	settle(f);
	close(s[0]);
	settle(f);
	assert_int_equal(f->set.n, 0);
	assert_int_equal(write(p[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(p[1]);
}

/* A host that has shut down its sending side of an output stream still reads. */
static void test_half_closed_host_still_reads(void **state)
{
	struct fixture *f = *state;
	int s[2], p[2];

	make_sockets(s);
	make_pipe(p);
	assert_int_equal(shutdown(s[0], SHUT_WR), 0);
	assert_int_equal(relay_start(&f->set, p[0], s[1], NULL), 0);
	settle(f);
	push_through(f, p[1], s[0], 100000);
}

/* What was written before the end arrives, also when the reader is slow and the writer long gone.
 */
static void test_last_bytes_wait_for_a_slow_reader(void **state)
{
	struct fixture *f = *state;
	size_t total = 0, got = 0;
	char chunk[4096] = "";
	int s[2], p[2];
	ssize_t n;

	make_sockets(s);
	make_pipe(p);
	assert_int_equal(relay_start(&f->set, p[0], s[1], NULL), 0);
	for (int i = 0; i < 1000; i++) {
		n = write(p[1], chunk, sizeof(chunk));
		total += n > 0 ? (size_t)n : 0;
		assert_int_equal(loop_run_once(f->loop, 0), 0);
	}
	close(p[1]);
	settle(f);
	assert_int_equal(f->set.n, 1); /* the socket is full */
	for (n = 1; n != 0;) {
		n = read(s[0], chunk, 1000);
		got += n > 0 ? (size_t)n : 0;
		assert_int_equal(loop_run_once(f->loop, 0), 0);
	}
	assert_int_equal(got, total);
	close(s[0]);
}

static uint64_t cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* A writer that has hung up while the reader does not read must not make the loop spin. */
static void test_blocked_relay_is_idle(void **state)
{
	struct fixture *f = *state;
	static char big[MIB(1)];
	uint64_t before;
	int s[2], p[2];

	make_sockets(s);
	make_pipe(p);
	assert_true(fcntl(p[1], F_SETPIPE_SZ, sizeof(big)) > 0);
	assert_true(write(p[1], big, sizeof(big)) > 0);
	close(p[1]);
	assert_int_equal(relay_start(&f->set, p[0], s[1], NULL), 0);
	settle(f);
	before = cpu_us();
	assert_int_equal(loop_run_once(f->loop, 100), 0);
	assert_int_equal(loop_run_once(f->loop, 100), 0);
	assert_true(cpu_us() - before < 50000);
	assert_int_equal(f->set.n, 1);
	close(s[0]);
}

static void make_raw_pty(int *master, int *slave)
{
	struct termios t;

	assert_int_equal(openpty(master, slave, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(*slave, &t), 0);
	cfmakeraw(&t);
	assert_int_equal(tcsetattr(*slave, TCSANOW, &t), 0);
	assert_int_equal(fd_set_nonblock(*slave, true), 0);
}

static void test_terminal(void **state)
{
	struct fixture *f = *state;
	int in[2], out[2], master, slave;
	char c[16];

	make_sockets(in);
	make_sockets(out);
	make_raw_pty(&master, &slave);
	assert_int_equal(relay_start(&f->set, in[1], fcntl(master, F_DUPFD_CLOEXEC, 0), NULL), 0);
	assert_int_equal(relay_start(&f->set, master, out[1], NULL), 0);
	assert_int_equal(write(in[0], "typed", 5), 5);
	settle(f);
	assert_int_equal(read(slave, c, sizeof(c)), 5);
	assert_int_equal(write(slave, "printed", 7), 7);
	close(slave);
	settle(f);
	assert_int_equal(read(out[0], c, sizeof(c)), 7);
	assert_int_equal(read(out[0], c, sizeof(c)), 0);
	assert_int_equal(f->set.n, 0);
	close(in[0]);
	close(out[0]);
}

static void test_to_nowhere(void **state)
{
	struct fixture *f = *state;
	char chunk[65536] = "";
	int p[2];

	make_pipe(p);
	assert_int_equal(relay_start(&f->set, p[0], -1, NULL), 0);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(write(p[1], chunk, sizeof(chunk)), sizeof(chunk));
		settle(f);
	}
	close(p[1]);
	settle(f);
	assert_int_equal(f->set.n, 0);
}

static void test_bad_descriptors(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	int p[2];

	make_pipe(p);
	close(p[1]);
	assert_true(relay_start(&f->set, p[0], p[1], &e) < 0);
	assert_int_equal(fcntl(p[0], F_GETFD), -1); /* closed with the failure */
	assert_int_equal(f->set.n, 0);
	assert_true(*e.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_socket_to_pipe),
		T(test_pipe_to_socket),
		T(test_empty_stream_ends),
		T(test_half_close_of_the_host_closes_stdin),
		T(test_closed_stdin_hangs_up),
		T(test_host_gone_closes_stdout),
		T(test_half_closed_host_still_reads),
		T(test_last_bytes_wait_for_a_slow_reader),
		T(test_blocked_relay_is_idle),
		T(test_terminal),
		T(test_to_nowhere),
		T(test_bad_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
