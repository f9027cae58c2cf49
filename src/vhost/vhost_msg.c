/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost_msg - the requests of a vhost-user front-end: one table row and one handler each. The row
 * says which payload sizes and how many descriptors are right, so that handlers see only
 * well-formed messages.
 */
#include "vhost/vhost_priv.h"

#include <errno.h>

static int reply(struct vhost *v, size_t size)
{
	v->msg.hdr.size = (uint32_t)size;
	return 1;
}

static int reply_u64(struct vhost *v, uint64_t value)
{
	v->msg.p.u64 = value;
	return reply(v, sizeof(value));
}

static struct vhost_ring *ring(struct vhost *v, uint32_t index, struct error *e)
{
	if (index < v->dev->ops->nqueues)
		return &v->ring[index];
	error_plain(e, EINVAL, "ring %u of %u", index, v->dev->ops->nqueues);
	return NULL;
}

static int get_features(struct vhost *v, struct error *e)
{
	return reply_u64(v, v->dev->ops->features | VHOST_F_PROTOCOL_FEATURES);
}

static int set_features(struct vhost *v, struct error *e)
{
	uint64_t f = v->msg.p.u64;
	int r = virtio_set_features(v->dev, f & ~VHOST_F_PROTOCOL_FEATURES);

	if (r < 0)
		return error_plain(e, EINVAL, "features 0x%llx were not offered",
				   (unsigned long long)f);
	v->protocol = f & VHOST_F_PROTOCOL_FEATURES;
	return 0;
}

static int get_protocol_features(struct vhost *v, struct error *e)
{
	return reply_u64(v, VHOST_PF_OFFERED);
}

static int set_protocol_features(struct vhost *v, struct error *e)
{
	if (v->msg.p.u64 & ~VHOST_PF_OFFERED)
		return error_plain(e, EINVAL, "protocol features 0x%llx were not offered",
				   (unsigned long long)v->msg.p.u64);
	v->protocol_features = v->msg.p.u64;
	return 0;
}

/* One front-end from beginning to end: it owns the session by being connected. (RESET_OWNER is
 * deprecated, and the specification asks to ignore it.) */
static int set_owner(struct vhost *v, struct error *e)
{
	return 0;
}

static int reset_device(struct vhost *v, struct error *e)
{
	vhost_stop_rings(v);
	for (unsigned i = 0; i < v->dev->ops->nqueues; i++)
		v->ring[i].base = 0;
	virtio_reset(v->dev);
	return 0;
}

static int get_queue_num(struct vhost *v, struct error *e)
{
	return reply_u64(v, v->dev->ops->nqueues);
}

static int get_max_mem_slots(struct vhost *v, struct error *e)
{
	return reply_u64(v, LIMIT_GMEM_REGIONS);
}

static int add_region(struct vhost *v, const struct vhost_region *r, int fd, struct error *e)
{
	struct gmem_source s = {
		.gpa = r->gpa, .size = r->size, .user = r->user, .offset = r->offset
	};

	return gmem_add(&v->mem, &s, fd, e);
}

static int set_mem_table(struct vhost *v, struct error *e)
{
	struct vhost_msg *m = &v->msg;
	size_t n = m->p.table.n;

	if (n > VHOST_TABLE_REGIONS || m->nfds != n ||
	    m->hdr.size <
		    offsetof(union vhost_payload, table.region) + n * sizeof(struct vhost_region))
		return error_plain(e, EINVAL, "memory table of %zu regions with %zu descriptors", n,
				   m->nfds);
	gmem_done(&v->mem);
	for (size_t i = 0; i < n; i++) {
		int r = add_region(v, &m->p.table.region[i], m->fd[i], e);

		if (r < 0) {
			gmem_done(&v->mem);
			vhost_stop_rings(v);
			return r;
		}
	}
	return vhost_memory_changed(v, e);
}

static int add_mem_reg(struct vhost *v, struct error *e)
{
	int r = add_region(v, &v->msg.p.one.region, v->msg.fd[0], e);

	return r < 0 ? r : vhost_memory_changed(v, e);
}

static int rem_mem_reg(struct vhost *v, struct error *e)
{
	const struct vhost_region *g = &v->msg.p.one.region;
	int r = gmem_remove(&v->mem, g->gpa, g->size, g->user);

	if (r < 0)
		return error_set(e, r, "remove a memory region");
	return vhost_memory_changed(v, e);
}

/* Size, base and addresses of a running ring do not change. */
static struct vhost_ring *stopped_ring(struct vhost *v, uint32_t index, struct error *e)
{
	struct vhost_ring *r = ring(v, index, e);

	if (!r || !v->dev->queue[index].live)
		return r;
	error_plain(e, EBUSY, "ring %u is running", index);
	return NULL;
}

static int set_vring_num(struct vhost *v, struct error *e)
{
	struct vhost_ring_state s = v->msg.p.state;

	if (!stopped_ring(v, s.index, e))
		return -EINVAL;
	if (vq_set_num(&v->dev->queue[s.index], s.num) < 0)
		return error_plain(e, EINVAL, "ring %u of %u entries (a power of two, at most %d)",
				   s.index, s.num, LIMIT_VIRTQ_SIZE);
	return 0;
}

/* Rings are named by the front-end's addresses; they are translated when the ring starts. */
static int set_vring_addr(struct vhost *v, struct error *e)
{
	struct vhost_ring_addr a = v->msg.p.addr;
	struct virtq *q;

	if (!ring(v, a.index, e))
		return -EINVAL;
	q = &v->dev->queue[a.index];
	/* QEMU repeats them for a running ring when it switches the dirty log, which was not
	 * offered. */
	if (q->live &&
	    (q->desc_addr != a.desc || q->avail_addr != a.avail || q->used_addr != a.used))
		return error_plain(e, EBUSY, "ring %u is running", a.index);
	q->user = true;
	q->desc_addr = a.desc;
	q->avail_addr = a.avail;
	q->used_addr = a.used;
	return 0;
}

static int set_vring_base(struct vhost *v, struct error *e)
{
	struct vhost_ring_state s = v->msg.p.state;
	struct vhost_ring *r = stopped_ring(v, s.index, e);

	if (!r || s.num > UINT16_MAX)
		return error_plain(e, EINVAL, "ring %u from entry %u", s.index, s.num);
	r->base = (uint16_t)s.num;
	return 0;
}

static int get_vring_base(struct vhost *v, struct error *e)
{
	struct vhost_ring *r = ring(v, v->msg.p.state.index, e);
	int ret;

	if (!r)
		return -EINVAL;
	r->started = false;
	ret = vhost_ring_update(r, e);
	if (ret < 0)
		return ret;
	vhost_ring_set_kick(r, -1);
	v->msg.p.state.num = r->base;
	return reply(v, sizeof(struct vhost_ring_state));
}

static int set_vring_enable(struct vhost *v, struct error *e)
{
	struct vhost_ring_state s = v->msg.p.state;
	struct vhost_ring *r = ring(v, s.index, e);

	if (!r)
		return -EINVAL;
	r->enabled = s.num != 0;
	return vhost_ring_update(r, e);
}

/* The ring and the descriptor of KICK, CALL or ERR; *ret_fd is -1 where there is none. */
static struct vhost_ring *ring_fd(struct vhost *v, int *ret_fd, struct error *e)
{
	struct vhost_msg *m = &v->msg;
	bool none = m->p.u64 & VHOST_RING_NOFD;
	struct vhost_ring *r = ring(v, m->p.u64 & VHOST_RING_MASK, e);

	if (!r)
		return NULL;
	if (m->nfds != (none ? 0 : 1) || (!none && fd_set_nonblock(m->fd[0], true) < 0)) {
		error_plain(e, EINVAL, "ring %u: %zu descriptors", r->index, m->nfds);
		return NULL;
	}
	*ret_fd = none ? -1 : m->fd[0];
	m->nfds = 0;
	return r;
}

static int set_vring_kick(struct vhost *v, struct error *e)
{
	int fd;
	struct vhost_ring *r = ring_fd(v, &fd, e);

	if (!r)
		return -EINVAL;
	vhost_ring_set_kick(r, fd);
	r->started = true;
	return vhost_ring_update(r, e);
}

static int set_vring_call(struct vhost *v, struct error *e)
{
	int fd;
	struct vhost_ring *r = ring_fd(v, &fd, e);

	if (!r)
		return -EINVAL;
	fd_close(r->call);
	r->call = fd;
	if (v->dev->queue[r->index].live)
		vhost_signal(fd); /* what was signalled on the old one may not have been heard */
	return 0;
}

static int set_vring_err(struct vhost *v, struct error *e)
{
	int fd;
	struct vhost_ring *r = ring_fd(v, &fd, e);

	if (!r)
		return -EINVAL;
	fd_close(r->err);
	r->err = fd;
	return 0;
}

static int set_backend_req_fd(struct vhost *v, struct error *e)
{
	fd_close(v->backend_fd);
	v->backend_fd = v->msg.fd[0];
	v->msg.nfds = 0;
	return 0;
}

#define CONFIG_HEADER offsetof(struct vhost_config, data)

static int get_config(struct vhost *v, struct error *e)
{
	struct vhost_config *c = &v->msg.p.config;

	if (c->size == 0 || c->size > VHOST_CONFIG_MAX || v->msg.hdr.size < CONFIG_HEADER + c->size)
		return error_plain(e, EINVAL, "%u bytes of configuration", c->size);
	virtio_read_config(v->dev, c->offset, c->data, c->size);
	return reply(v, CONFIG_HEADER + c->size);
}

static const struct vhost_request {
	const char *name;
	size_t min_size;
	size_t min_fds, max_fds;
	int (*handle)(struct vhost *v, struct error *e);
} requests[] = {
#define STATE sizeof(struct vhost_ring_state)
	[VHOST_GET_FEATURES] = { "GET_FEATURES", 0, 0, 0, get_features },
	[VHOST_SET_FEATURES] = { "SET_FEATURES", 8, 0, 0, set_features },
	[VHOST_SET_OWNER] = { "SET_OWNER", 0, 0, 0, set_owner },
	[VHOST_RESET_OWNER] = { "RESET_OWNER", 0, 0, 0, set_owner },
	[VHOST_SET_MEM_TABLE] = { "SET_MEM_TABLE", 8, 0, VHOST_TABLE_REGIONS, set_mem_table },
	[VHOST_SET_VRING_NUM] = { "SET_VRING_NUM", STATE, 0, 0, set_vring_num },
	[VHOST_SET_VRING_ADDR] = { "SET_VRING_ADDR", sizeof(struct vhost_ring_addr), 0, 0,
				   set_vring_addr },
	[VHOST_SET_VRING_BASE] = { "SET_VRING_BASE", STATE, 0, 0, set_vring_base },
	[VHOST_GET_VRING_BASE] = { "GET_VRING_BASE", STATE, 0, 0, get_vring_base },
	[VHOST_SET_VRING_KICK] = { "SET_VRING_KICK", 8, 0, 1, set_vring_kick },
	[VHOST_SET_VRING_CALL] = { "SET_VRING_CALL", 8, 0, 1, set_vring_call },
	[VHOST_SET_VRING_ERR] = { "SET_VRING_ERR", 8, 0, 1, set_vring_err },
	[VHOST_GET_PROTOCOL_FEATURES] = { "GET_PROTOCOL_FEATURES", 0, 0, 0, get_protocol_features },
	[VHOST_SET_PROTOCOL_FEATURES] = { "SET_PROTOCOL_FEATURES", 8, 0, 0, set_protocol_features },
	[VHOST_GET_QUEUE_NUM] = { "GET_QUEUE_NUM", 0, 0, 0, get_queue_num },
	[VHOST_SET_VRING_ENABLE] = { "SET_VRING_ENABLE", STATE, 0, 0, set_vring_enable },
	[VHOST_SET_BACKEND_REQ_FD] = { "SET_BACKEND_REQ_FD", 0, 1, 1, set_backend_req_fd },
	[VHOST_GET_CONFIG] = { "GET_CONFIG", CONFIG_HEADER, 0, 0, get_config },
	[VHOST_RESET_DEVICE] = { "RESET_DEVICE", 0, 0, 0, reset_device },
	[VHOST_GET_MAX_MEM_SLOTS] = { "GET_MAX_MEM_SLOTS", 0, 0, 0, get_max_mem_slots },
	[VHOST_ADD_MEM_REG] = { "ADD_MEM_REG", 40, 1, 1, add_mem_reg },
	[VHOST_REM_MEM_REG] = { "REM_MEM_REG", 40, 0, 1, rem_mem_reg },
#undef STATE
};

int vhost_handle(struct vhost *v, struct error *e)
{
	const struct vhost_msg *m = &v->msg;
	const struct vhost_request *q =
		m->hdr.request < ARRAY_SIZE(requests) ? &requests[m->hdr.request] : NULL;
	int r;

	if ((m->hdr.flags & VHOST_FLAG_VERSION_MASK) != VHOST_FLAG_VERSION)
		return error_plain(e, EPROTO, "request %u has flags 0x%x", m->hdr.request,
				   m->hdr.flags);
	if (!q || !q->handle)
		return error_plain(e, EOPNOTSUPP, "request %u is not supported", m->hdr.request);
	if (m->hdr.size < q->min_size || m->nfds < q->min_fds || m->nfds > q->max_fds)
		return error_plain(e, EPROTO, "%s with %u bytes and %zu descriptors", q->name,
				   m->hdr.size, m->nfds);
	r = q->handle(v, e);
	return r < 0 ? error_prefix(e, "%s", q->name) : r;
}
