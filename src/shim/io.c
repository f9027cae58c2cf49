/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io - where init proxies are handed over (rpc/handover.h): accepts connections on io.sock, takes
 * one HANDOVER_ATTACH each and answers.
 *
 * Only root's processes may: the socket is 0600, and the credentials are looked at as well.
 */
#include "shim/shim.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "rpc/handover.h"
#include "sys/ns.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct io_client {
	struct list link;
	struct shim *shim;
	int fd;
	pid_t pid; /* of the peer, which waits for the answer */
	struct loop_source *source;
};

static void client_free(struct io_client *c)
{
	list_del(&c->link);
	loop_source_free(c->source);
	fd_close(c->fd);
	free(c);
}

static int attach(struct io_client *c, const struct handover_msg *m, int *fd, size_t nfds,
		  struct error *e)
{
	int r, mnt_ns;

	if (m->type != HANDOVER_ATTACH || nfds != 1)
		return error_plain(e, EPROTO, "expected one attach message with one descriptor");
	r = id_check(m->id, "container id", e);
	if (r == 0 && *m->exec_id)
		r = id_check(m->exec_id, "exec id", e);
	if (r < 0)
		return r;
	mnt_ns = ns_open(c->pid, NS_MOUNT);
	if (mnt_ns < 0)
		return error_set(e, mnt_ns, "mount namespace of process %d", (int)c->pid);
	return sandbox_attach_proxy(c->shim->sandbox, m->id, m->exec_id, m->pid, take_fd(*fd),
				    mnt_ns, e);
}

static void client_ready(struct loop_source *src, int fd, uint32_t events, void *data)
{
	struct io_client *c = data;
	struct handover_msg m, answer = { .type = HANDOVER_OK };
	struct error e = ERROR_INIT;
	autoclose int passed = -1;
	size_t nfds = 1;
	int r = handover_recv(fd, &m, &passed, &nfds);

	if (r == -EAGAIN)
		return;
	if (r <= 0) {
		client_free(c);
		return;
	}
	if (attach(c, &m, &passed, nfds, &e) < 0) {
		answer.type = HANDOVER_ERROR;
		snprintf(answer.text, sizeof(answer.text), "%s", error_text(&e));
	}
	if (handover_send(fd, &answer, NULL, 0) < 0)
		client_free(c);
}

static void accept_ready(struct loop_source *src, int fd, uint32_t events, void *data)
{
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct shim *s = data;
	struct io_client *c;
	struct ucred cred;

	if (conn < 0)
		return;
	if (fd_peer_cred(conn, &cred) < 0 || cred.uid != geteuid()) {
		fd_close(conn);
		return;
	}
	c = xnew(struct io_client);
	c->shim = s;
	c->fd = conn;
	c->pid = cred.pid;
	list_init(&c->link);
	list_add(&s->io_clients, &c->link);
	c->source = loop_add_io(s->loop, conn, EPOLLIN, client_ready, c);
}

int shim_io_init(struct shim *s)
{
	s->io_source = loop_add_io(s->loop, s->io_listener, EPOLLIN, accept_ready, s);
	return s->io_source ? 0 : -errno;
}

void shim_io_done(struct shim *s)
{
	while (!list_empty(&s->io_clients))
		client_free(list_entry(s->io_clients.next, struct io_client, link));
	s->io_source = loop_source_free(s->io_source);
	s->io_listener = fd_close(s->io_listener);
}
