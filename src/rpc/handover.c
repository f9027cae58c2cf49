/* SPDX-License-Identifier: Apache-2.0 */
/* handover - see handover.h. Whatever is received has been checked against the table below: type,
 * value, descriptors, strings. */
#include "rpc/handover.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <signal.h>

/* What each type may carry. */
static const struct rule {
	uint32_t max_value;
	uint32_t min_value;
	bool names; /* pid and ids */
	bool text;
	size_t nfds;
	bool fd_per_bit; /* one descriptor for each bit of value instead */
} rules[] = {
	[HANDOVER_ATTACH] = { .names = true, .nfds = 1 },
	[HANDOVER_OK] = { 0 },
	[HANDOVER_ERROR] = { .text = true },
	[HANDOVER_STREAMS] = {
		.max_value = HANDOVER_STDIN | HANDOVER_STDOUT | HANDOVER_STDERR, .fd_per_bit = true,
	},
	[HANDOVER_EXIT] = { .max_value = 255, .text = true },
	[HANDOVER_SIGNAL] = { .min_value = 1, .max_value = 64 },
	[HANDOVER_WINSIZE] = { .max_value = UINT32_MAX },
};

static bool terminated(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

static bool names_good(const struct handover_msg *m)
{
	return m->pid > 0 && id_check(m->id, "container", NULL) == 0 &&
	       (!m->exec_id[0] || id_check(m->exec_id, "exec", NULL) == 0);
}

/* Is @m what its type allows, with @nfds descriptors? */
static bool msg_good(const struct handover_msg *m, size_t nfds)
{
	const struct rule *r;

	if (m->type < HANDOVER_ATTACH || m->type > HANDOVER_WINSIZE)
		return false;
	r = &rules[m->type];
	if (m->value < r->min_value || m->value > r->max_value)
		return false;
	if (nfds != (r->fd_per_bit ? (size_t)__builtin_popcount(m->value) : r->nfds))
		return false;
	if (!terminated(m->id, sizeof(m->id)) || !terminated(m->exec_id, sizeof(m->exec_id)) ||
	    !terminated(m->text, sizeof(m->text)))
		return false;
	if (r->names ? !names_good(m) : (m->pid || m->id[0] || m->exec_id[0]))
		return false;
	return r->text || !m->text[0];
}

int handover_send(int sock, const struct handover_msg *m, const int *fds, size_t nfds)
{
	ssize_t n;

	if (!msg_good(m, nfds))
		return -EINVAL;
	n = fd_send(sock, m, sizeof(*m), fds, nfds);
	return n < 0 ? (int)n : 0;
}

int handover_recv(int sock, struct handover_msg *m, int *fds, size_t *nfds)
{
	/* One byte more than a message has, so that a longer one is noticed. */
	union {
		struct handover_msg m;
		char raw[sizeof(struct handover_msg) + 1];
	} in;
	size_t room = *nfds;
	ssize_t n = fd_recv(sock, &in, sizeof(in.raw), fds, nfds);

	/* The other side closed without reading all of ours. Linux says so once, and before what it
	 * sent last. */
	if (n == -ECONNRESET) {
		*nfds = room;
		n = fd_recv(sock, &in, sizeof(in.raw), fds, nfds);
	}
	if (n < 0)
		return (int)n;
	if ((size_t)n == sizeof(in.m) && msg_good(&in.m, MIN(*nfds, room))) {
		*m = in.m;
		str_make_printable(m->text);
		return 1;
	}
	for (size_t i = 0; i < *nfds; i++)
		fds[i] = fd_close(fds[i]);
	/* An empty packet and the end look alike; nobody sends the former. */
	if (n == 0 && *nfds == 0)
		return 0;
	*nfds = 0;
	return -EPROTO;
}
