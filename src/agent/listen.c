/* SPDX-License-Identifier: Apache-2.0 */
/* listen - see listen.h. */
#include "agent/listen.h"

#include "rpc/address.h"

#include "base/str.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/un.h>

int agent_listen(const struct rpc_address *base, uint32_t port, struct error *e)
{
	struct rpc_address a = *base; /* borrows the path */

	if (port)
		a.port = port;
	if (port && a.kind == RPC_ADDRESS_UNIX)
		a.kind = RPC_ADDRESS_HVSOCK;
	return rpc_address_listen(&a, e);
}

int agent_peer_check(int fd, void *data)
{
	struct sockaddr_vm sa = { 0 };
	socklen_t len = sizeof(sa);

	if (getpeername(fd, (struct sockaddr *)&sa, &len) < 0)
		return -errno;
	return sa.svm_family == AF_VSOCK && sa.svm_cid != VMADDR_CID_HOST ? -EPERM : 0;
}

static uint32_t unix_port(const struct sockaddr_un *un, socklen_t len)
{
	size_t head = offsetof(struct sockaddr_un, sun_path) + 1;
	char text[16] = "";
	uint32_t port;

	if (len <= head || len - head >= sizeof(text) || un->sun_path[0])
		return 0;
	memcpy(text, un->sun_path + 1, len - head);
	return str_to_u32(text, 10, &port) < 0 ? 0 : port;
}

uint32_t agent_peer_port(int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0)
		return 0;
	if (ss.ss_family == AF_VSOCK)
		return ((struct sockaddr_vm *)&ss)->svm_port;
	return ss.ss_family == AF_UNIX ? unix_port((struct sockaddr_un *)&ss, len) : 0;
}
