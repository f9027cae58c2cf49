/* SPDX-License-Identifier: Apache-2.0 */
/* fixture - see fixture.h. */
#include "fixture.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void on_interrupt(struct virtio_device *d, unsigned q)
{
	struct fixture *f = d->host;

	f->g.interrupts[q]++;
}

static void on_broken(struct virtio_device *d)
{
	struct fixture *f = d->host;

	f->broken = true;
}

static const struct virtio_host_ops host_ops = { .interrupt = on_interrupt, .broken = on_broken };

static void kick(void *data, unsigned q)
{
	struct fixture *f = data;

	virtio_kick(f->d, q);
}

int fixture_setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	struct gmem_source s = { .gpa = VGUEST_GPA, .size = VGUEST_SIZE, .user = VGUEST_USER };
	struct vsock_options o = { .guest_cid = VGUEST_CID };

	log_init("test", -1, LOG_FORMAT_BARE, LOG_LEVEL_ERROR);
	f->loop = loop_new();
	vguest_init(&f->g, 64, true);
	assert_int_equal(gmem_add(&f->mem, &s, f->g.memfd, NULL), 0);
	strcpy(f->dir, "/tmp/caisson-vsock-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/vsock", f->dir);
	o.loop = f->loop;
	o.path = f->path;
	o.listen_fd = unix_listen(f->path, SOCK_STREAM, 0600);
	assert_true(o.listen_fd >= 0);
	f->d = vsock_new(&o);
	assert_non_null(f->d);
	virtio_attach(f->d, &host_ops, f, &f->mem);
	*state = f;
	return 0;
}

static void start_queue(struct fixture *f, unsigned i)
{
	struct virtq *q = &f->d->queue[i];

	assert_int_equal(vq_set_num(q, f->g.q[i].num), 0);
	q->desc_addr = vguest_gpa(&f->g, f->g.q[i].desc);
	q->avail_addr = vguest_gpa(&f->g, f->g.q[i].avail);
	q->used_addr = vguest_gpa(&f->g, f->g.q[i].used);
	assert_int_equal(virtio_start_queue(f->d, i, f->g.q[i].next_avail), 0);
}

void fixture_start(struct fixture *f)
{
	assert_int_equal(virtio_set_features(f->d, f->d->ops->features), 0);
	f->g.kick = kick;
	f->g.data = f;
	for (unsigned i = 0; i < VGUEST_QUEUES; i++)
		start_queue(f, i);
	vguest_rx_post(&f->g, f->g.q[0].num);
}

int fixture_setup_running(void **state)
{
	int r = fixture_setup(state);

	fixture_start(*state);
	return r;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	virtio_free(f->d);
	loop_free(f->loop);
	gmem_done(&f->mem);
	vguest_done(&f->g);
	assert_int_equal(path_remove_tree_at(AT_FDCWD, f->dir), 0);
	free(f);
	return 0;
}

void fixture_run(struct fixture *f)
{
	/* each turn answers what the one before caused; nothing here needs more */
	for (int i = 0; i < 8; i++)
		assert_int_equal(loop_run_once(f->loop, 0), 0);
}

void fixture_wait(struct fixture *f, int ms)
{
	int64_t end = loop_now_ms() + ms;

	for (int64_t left = ms; left > 0; left = end - loop_now_ms())
		assert_int_equal(loop_run_once(f->loop, (int)left), 0);
}

void fixture_expect(struct fixture *f, uint16_t op)
{
	if (!vguest_receive(&f->g, &f->h, f->data))
		fail_msg("no packet where operation %u was expected", op);
	assert_int_equal(f->h.op, op);
	assert_int_equal(f->h.dst_cid, VGUEST_CID);
}

void fixture_expect_nothing(struct fixture *f)
{
	if (vguest_receive(&f->g, &f->h, f->data))
		fail_msg("operation %u, nothing was expected", f->h.op);
}

void fixture_send(struct fixture *f, uint16_t op, uint32_t guest_port, uint32_t host_port,
		  uint32_t flags, const void *data, size_t len)
{
	assert_true(vguest_packet(&f->g, op, guest_port, host_port, flags, data, len));
	fixture_run(f);
}

int fixture_connect(struct fixture *f, uint32_t port)
{
	int fd = unix_connect(f->path, SOCK_STREAM);
	char line[32];
	int n = snprintf(line, sizeof(line), "CONNECT %u\n", port);

	assert_true(fd >= 0);
	assert_int_equal(fd_set_nonblock(fd, true), 0);
	assert_int_equal(write(fd, line, (size_t)n), n);
	fixture_run(f);
	return fd;
}

int fixture_open(struct fixture *f, uint32_t port, uint32_t *ret_host_port)
{
	int fd = fixture_connect(f, port);
	char line[32] = "", want[32];

	fixture_expect(f, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(f->h.dst_port, port);
	*ret_host_port = f->h.src_port;
	fixture_send(f, VIRTIO_VSOCK_OP_RESPONSE, port, *ret_host_port, 0, NULL, 0);
	snprintf(want, sizeof(want), "OK %u\n", *ret_host_port);
	assert_int_equal(fixture_read(fd, line, sizeof(line)), strlen(want));
	assert_string_equal(line, want);
	return fd;
}

int fixture_listen(struct fixture *f, uint32_t port, int backlog)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s_%u", f->path, port);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

int fixture_accept(struct fixture *f, int listener, uint32_t guest_port, uint32_t host_port)
{
	int fd;

	fixture_send(f, VIRTIO_VSOCK_OP_REQUEST, guest_port, host_port, 0, NULL, 0);
	fixture_expect(f, VIRTIO_VSOCK_OP_RESPONSE);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(fd >= 0);
	return fd;
}

long fixture_read(int fd, void *p, size_t max)
{
	ssize_t n = recv(fd, p, max, MSG_DONTWAIT);

	assert_true(n >= 0 || errno == EAGAIN);
	return n;
}
