/* SPDX-License-Identifier: Apache-2.0 */
/*
 * echo - sends back what it gets on a vsock port: the floor that bench/stdio measures against. One connection at a time, blocking, with a
 * buffer as large as a packet: nothing in a guest can be simpler.
 */
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static char buf[65536];

static void echo(int fd)
{
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t off = 0, w; off < n; off += w) {
			w = write(fd, buf + off, (size_t)(n - off));
			if (w < 0)
				return;
		}
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_vm a = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY };
	int s = socket(AF_VSOCK, SOCK_STREAM, 0);

	a.svm_port = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 1) < 0) {
		perror("vsock");
		return 1;
	}
	for (;;) {
		int fd = accept(s, NULL, NULL);

		if (fd < 0)
			return 1;
		echo(fd);
		close(fd);
	}
}
