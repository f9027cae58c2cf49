/* SPDX-License-Identifier: Apache-2.0 */
/* handover_recv: the first byte is the number of descriptors that come along (modulo five), the
 * rest the message. */
#include "base/fd.h"
#include "rpc/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The lowest free number shows whether descriptors were lost. */
static int lowest_free(void)
{
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 3);

	fd_close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int before = lowest_free(), s[2], out[4] = { 0, 0, 0, 0 }, in[3];
	size_t nfds = ARRAY_SIZE(in);
	struct handover_msg m;
	int r;

	if (size < 2 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s) < 0)
		return 0;
	if (fd_send(s[0], data + 1, size - 1, out, data[0] % 5u) > 0) {
		r = handover_recv(s[1], &m, in, &nfds);
		if (r != 1 && r != -EPROTO)
			abort();
		if (r < 0 && nfds)
			abort();
		/* What was accepted may be sent. */
		if (r == 1 && handover_send(s[0], &m, in, nfds) == -EINVAL)
			abort();
		for (size_t i = 0; i < nfds; i++)
			fd_close(in[i]);
	}
	fd_close(s[0]);
	fd_close(s[1]);
	if (lowest_free() != before)
		abort();
	return 0;
}
