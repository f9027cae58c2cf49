/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that wait for their request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "agent/listen.h"
#include "agent/streams.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "rpc/address.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct fixture {
	struct loop *loop;
	struct streams s;
	char dir[64], path[128];
	unsigned base; /* abstract names are the machine's: ours start here */
};

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	struct rpc_address a = { .kind = RPC_ADDRESS_UNIX };
	struct error e = ERROR_INIT;
	char address[64];

	log_set_fd(-1);
	f->loop = loop_new();
	f->base = (unsigned)getpid() * 1000;
	snprintf(f->dir, sizeof(f->dir), "/tmp/test-streams-XXXXXX");
	if (!f->loop || !mkdtemp(f->dir))
		return -1;
	snprintf(address, sizeof(address), "%s/a", f->dir);
	snprintf(f->path, sizeof(f->path), "%s/a_1027", f->dir);
	a.path = address;
	streams_init(&f->s);
	if (streams_start(&f->s, f->loop, agent_listen(&a, 1027, &e), &e) < 0)
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	streams_done(&f->s);
	loop_free(f->loop);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

/* Connects from "port" @port. */
static int dial(struct fixture *f, uint32_t port)
{
	struct sockaddr_un me = { .sun_family = AF_UNIX }, to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int n = snprintf(me.sun_path + 1, sizeof(me.sun_path) - 1, "%u", port);

	assert_int_equal(
		bind(fd, (struct sockaddr *)&me,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) + (socklen_t)n),
		0);
	memcpy(to.sun_path, f->path, strlen(f->path));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void assert_closed(int fd)
{
	char c;

	assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), 0);
	close(fd);
}

static void test_taken_by_port(void **state)
{
	struct fixture *f = *state;
	int a = dial(f, f->base + 1), b = dial(f, f->base + 2), got;
	char c = 0;

	/* The loop has not run: what is in the backlog counts. */
	got = streams_take(&f->s, f->base + 2, NULL);
	assert_true(got >= 0);
	assert_int_equal(write(b, "b", 1), 1);
	assert_int_equal(read(got, &c, 1), 1);
	assert_int_equal(c, 'b');
	assert_int_equal(f->s.n, 1);
	close(got);
	close(a);
	close(b);
}

static void test_taken_once(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	int a = dial(f, f->base + 1), got = streams_take(&f->s, f->base + 1, NULL);

	assert_true(got >= 0);
	assert_int_equal(streams_take(&f->s, f->base + 1, &e), -ENOENT);
	assert_non_null(strstr(e.text, "no stream was opened from port"));
	close(got);
	close(a);
}

static void test_the_oldest_makes_room(void **state)
{
	struct fixture *f = *state;
	int fd[LIMIT_AGENT_STREAMS + 1];

	for (unsigned i = 0; i <= LIMIT_AGENT_STREAMS; i++) {
		fd[i] = dial(f, f->base + i);
		assert_int_equal(loop_run_once(f->loop, 0), 0);
	}
	assert_int_equal(f->s.n, LIMIT_AGENT_STREAMS);
	assert_closed(fd[0]);
	for (unsigned i = 1; i <= LIMIT_AGENT_STREAMS; i++) {
		int got = streams_take(&f->s, f->base + i, NULL);

		assert_true(got >= 0);
		close(got);
		close(fd[i]);
	}
}

static void test_done_closes_all(void **state)
{
	struct fixture *f = *state;
	int a = dial(f, f->base + 1);

	assert_int_equal(loop_run_once(f->loop, 0), 0);
	streams_done(&f->s);
	assert_closed(a);
}

static void test_unnamed_peer_has_no_port(void **state)
{
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	assert_int_equal(agent_peer_port(s[0]), 0);
	assert_int_equal(agent_peer_check(s[0], NULL), 0);
	close(s[0]);
	close(s[1]);
	assert_true(agent_peer_check(s[0], NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_taken_by_port),
		T(test_taken_once),
		T(test_the_oldest_makes_room),
		T(test_done_closes_all),
		T(test_unnamed_peer_has_no_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
