/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock_priv - what the parts of the vsock device share: vsock.c (the device and its two queues),
 * vsock_conn.c (the table of connections), vsock_guest.c (packets from the guest), vsock_host.c
 * (sockets of the host).
 */
#pragma once

#include "virtio/vsock.h"

#include "base/list.h"

#include <linux/virtio_vsock.h>

#define VSOCK_HOST_CID 2
#define VSOCK_HDR sizeof(struct virtio_vsock_hdr)
#define VSOCK_SHUTDOWN_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

enum { VSOCK_RX, VSOCK_TX, VSOCK_EVENT, VSOCK_QUEUES };

/*
 *  host connects                          guest connects
 *       |                                      |
 *   HANDSHAKE (reads "CONNECT port")       DIALING (backlog of the host listener is full)
 *       |                                      |
 *   REQUESTED (held, then asked) --accepted--> OPEN --host gone--> CLOSING (guest owes RST)
 *                                               \------ RST, guest closed, violation ------> ENDED
 *
 * ENDED: over for the guest as soon as a RST we may owe it is sent, over for the host as soon as
 * the ring is drained; then the slot is free. Bytes the guest sent before it closed are never
 * dropped while somebody may read them.
 */
enum vsock_state {
	VSOCK_FREE,
	VSOCK_HANDSHAKE,
	VSOCK_REQUESTED,
	VSOCK_DIALING,
	VSOCK_OPEN,
	VSOCK_CLOSING,
	VSOCK_ENDED
};

/* Packets a connection owes the guest. */
enum {
	OWE_RST = 1,
	OWE_REQUEST = 2,
	OWE_RESPONSE = 4,
	OWE_SHUTDOWN = 8,
	OWE_CREDIT = 16, /* CREDIT_UPDATE */
	OWE_ASK = 32,    /* CREDIT_REQUEST */
};

struct vsock_conn {
	struct vsock *v;
	struct vsock_conn *next; /* in a hash chain or the free list */
	struct list ready;       /* in v->ready */
	struct list timed;       /* in v->timed, oldest first: all deadlines are equally long */
	int64_t deadline;        /* ms of loop_now_ms */
	struct loop_source *io;
	int fd; /* the host socket, -1 when the host side is over */
	uint32_t host_port, guest_port;
	enum vsock_state state;
	uint8_t owe;      /* OWE_* */
	uint8_t shutdown; /* VIRTIO_VSOCK_SHUTDOWN_* the guest is, or will be, told */
	bool by_guest, hashed;
	bool redial;                /* counted in v->ndialing */
	bool readable;              /* the host socket may have bytes, or its end */
	bool hup;                   /* both directions of the host socket are closed */
	bool host_eof;              /* the host's end was read */
	bool host_deaf;             /* the host reads no more */
	bool guest_eof, guest_deaf; /* the guest sends, or reads, no more */
	bool asked;                 /* for credit, since it last changed */
	uint32_t peer_alloc, peer_forwarded, sent; /* the guest's window; bytes sent to it */
	uint32_t received, forwarded,
		told;  /* bytes from the guest; passed on; passed on when we last said so */
	uint8_t *ring; /* LIMIT_VSOCK_WINDOW bytes, NULL while empty */
	uint32_t ring_start, ring_len;
};

#define VSOCK_HASH 1024
#define VSOCK_BATCH 32 /* receive buffers filled by one read */

struct vsock {
	struct virtio_device dev;
	struct virtq queue[VSOCK_QUEUES];
	struct virtio_vsock_config config;
	struct loop *loop;
	char *path;
	int listen_fd;
	struct loop_source *listener;
	bool listener_paused;      /* no descriptors or slots left */
	struct loop_source *timer; /* the oldest deadline */
	struct loop_source *again; /* work left over after a budget was used up */
	struct list ready, timed;
	struct vsock_conn *conns;  /* LIMIT_VSOCK_CONNS; pages behind @high were never touched */
	struct vsock_conn *unused; /* freed slots */
	size_t high, nguest, ndialing, nrings;
	struct vsock_conn *hash[VSOCK_HASH];
	uint32_t next_port;
	/* RSTs for packets that belong to no connection */
	struct virtio_vsock_hdr resets[LIMIT_VSOCK_RESETS];
	size_t first_reset, nresets;
	/* scratch space of one turn */
	struct iovec iov[LIMIT_VIRTQ_SIZE], payload[LIMIT_VIRTQ_SIZE];
	struct virtq_chain batch[VSOCK_BATCH];
};

/* A packet from the guest; the header is a copy, the payload pieces are exactly hdr->len bytes. */
struct vsock_packet {
	const struct virtio_vsock_hdr *hdr;
	const struct iovec *iov;
	size_t n;
};

/* vsock.c */
/* Works both queues as far as possible. Entry points from the loop end with it. */
void vsock_run(struct vsock *v);

/* vsock_conn.c */
struct vsock_conn *conn_new(struct vsock *v, bool by_guest); /* NULL: the table is full */
struct vsock_conn *conn_find(struct vsock *v, uint32_t host_port, uint32_t guest_port);
void conn_hash(struct vsock_conn *c);
void conn_unhash(struct vsock_conn *c);
/* Must follow everything that happened to @c: frees it if both sides are over, else puts it where
 * it belongs. */
void conn_update(struct vsock_conn *c);
/* Ends it for the guest with a RST and for the host at once. */
void conn_abort(struct vsock_conn *c);
void conn_close_host(struct vsock_conn *c);
void conn_deadline(struct vsock_conn *c);
void conn_no_deadline(struct vsock_conn *c);
uint32_t conn_credit(const struct vsock_conn *c);
bool conn_can_read(const struct vsock_conn *c);
/* Passes a payload on: to the host socket, and what it does not take into the ring. */
void conn_write(struct vsock_conn *c, const struct iovec *iov, size_t n, size_t len);
void conn_flush(struct vsock_conn *c);
/* The guest knows it no more: what it sent still goes to the host. */
void conn_guest_gone(struct vsock_conn *c);
/* Gives up all connections; with @keep_held, those that wait for the guest's driver start over. */
void conn_drop_all(struct vsock *v, bool keep_held);
void conn_timer(struct loop_source *s, void *data);

/* vsock_guest.c */
void vsock_from_guest(struct vsock *v, const struct vsock_packet *p);

/* vsock_host.c */
void vsock_accept(struct loop_source *s, int fd, uint32_t events, void *data);
void vsock_resume_listener(struct vsock *v);
/* Connects to the host listener of a guest's request, or tries again. */
void conn_dial(struct vsock_conn *c);
/* The guest accepted: tells the host. */
void conn_accepted(struct vsock_conn *c);
