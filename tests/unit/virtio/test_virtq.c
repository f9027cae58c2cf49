/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "vguest.h"
#include "virtio/virtq.h"

#include <errno.h>
#include <string.h>

#define NUM 8
#define AT(off) (VGUEST_GPA + 0x100000 + (off)) /* where buffers and indirect tables lie */

struct ring {
	struct vguest g;
	struct gmem mem;
	struct virtq q;
	struct iovec iov[64];
	struct virtq_chain c;
};

static struct ring *ring_new(uint64_t features)
{
	struct ring *r = xnew(struct ring);
	struct gmem_source s = { .gpa = VGUEST_GPA, .size = VGUEST_SIZE, .user = VGUEST_USER };

	vguest_init(&r->g, NUM, features & VIRTQ_F_EVENT_IDX);
	assert_int_equal(gmem_add(&r->mem, &s, r->g.memfd, NULL), 0);
	vq_init(&r->q);
	assert_int_equal(vq_set_num(&r->q, NUM), 0);
	r->q.desc_addr = vguest_gpa(&r->g, r->g.q[0].desc);
	r->q.avail_addr = vguest_gpa(&r->g, r->g.q[0].avail);
	r->q.used_addr = vguest_gpa(&r->g, r->g.q[0].used);
	assert_int_equal(vq_map(&r->q, &r->mem), 0);
	vq_start(&r->q, 0, features);
	return r;
}

static void ring_free(struct ring *r)
{
	gmem_done(&r->mem);
	vguest_done(&r->g);
	free(r);
}

static void desc(struct ring *r, unsigned i, uint64_t addr, uint32_t len, uint16_t flags,
		 uint16_t next)
{
	r->g.q[0].desc[i] =
		(struct vring_desc){ .addr = addr, .len = len, .flags = flags, .next = next };
}

static int pop(struct ring *r)
{
	return vq_pop(&r->q, &r->mem, r->iov, ARRAY_SIZE(r->iov), &r->c);
}

/* Sizes and alignments that no ring has. */
static void test_refuses_impossible_rings(void **state)
{
	struct ring *r = ring_new(0);
	uint64_t desc_addr = r->q.desc_addr;

	assert_int_equal(vq_set_num(&r->q, 0), -EINVAL);
	assert_int_equal(vq_set_num(&r->q, 3), -EINVAL);
	assert_int_equal(vq_set_num(&r->q, LIMIT_VIRTQ_SIZE * 2), -EINVAL);
	assert_int_equal(vq_set_num(&r->q, 65536 + 8), -EINVAL);
	r->q.desc_addr = desc_addr + 8;
	assert_int_equal(vq_map(&r->q, &r->mem), -EINVAL);
	r->q.desc_addr = VGUEST_GPA + VGUEST_SIZE - 16;
	assert_int_equal(vq_map(&r->q, &r->mem), -EFAULT);
	r->q.desc_addr = UINT64_MAX & ~15ULL;
	assert_int_equal(vq_map(&r->q, &r->mem), -EFAULT);
	assert_false(vq_usable(&r->q));
	assert_int_equal(pop(r), 0);
	r->q.desc_addr = desc_addr;
	r->q.used_addr += 2;
	assert_int_equal(vq_map(&r->q, &r->mem), -EINVAL);
	ring_free(r);
}

static void test_pops_a_chain_readable_then_writable(void **state)
{
	struct ring *r = ring_new(0);

	desc(r, 3, AT(0), 10, VRING_DESC_F_NEXT, 5);
	desc(r, 5, AT(100), 20, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	desc(r, 1, AT(200), 30, VRING_DESC_F_WRITE, 0);
	assert_int_equal(pop(r), 0);
	vguest_post(&r->g, 0, 3);
	assert_int_equal(vq_available(&r->q), 1);
	assert_int_equal(pop(r), 1);
	assert_int_equal(r->c.head, 3);
	assert_int_equal(r->c.nout, 1);
	assert_int_equal(r->c.nin, 2);
	assert_int_equal(r->c.out_len, 10);
	assert_int_equal(r->c.in_len, 50);
	assert_ptr_equal(r->iov[0].iov_base, gmem_translate(&r->mem, AT(0), 1));
	assert_ptr_equal(r->iov[2].iov_base, gmem_translate(&r->mem, AT(200), 1));
	assert_int_equal(pop(r), 0);
	ring_free(r);
}

static void test_used_entries_show_when_published(void **state)
{
	struct ring *r = ring_new(0);
	struct vring_used *u = r->g.q[0].used;

	desc(r, 0, AT(0), 10, VRING_DESC_F_WRITE, 0);
	/* several times round the ring and over the 16-bit index */
	r->q.next_avail = r->q.next_used = r->q.published = r->g.q[0].next_avail = 0xfffa;
	u->idx = 0xfffa;
	for (unsigned i = 0; i < 3 * NUM; i++) {
		uint16_t idx = u->idx;

		vguest_post(&r->g, 0, 0);
		assert_int_equal(pop(r), 1);
		vq_push(&r->q, r->c.head, i);
		assert_int_equal(u->idx, idx);
		assert_true(vq_publish(&r->q));
		assert_int_equal(u->idx, (uint16_t)(idx + 1));
		assert_int_equal(u->ring[idx % NUM].len, i);
	}
	assert_false(vq_publish(&r->q));
	ring_free(r);
}

static void test_unpop_gives_chains_back_in_order(void **state)
{
	struct ring *r = ring_new(0);

	for (unsigned i = 0; i < 3; i++) {
		desc(r, i, AT(i * 64), 10, VRING_DESC_F_WRITE, 0);
		vguest_post(&r->g, 0, (uint16_t)i);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pop(r), 1);
	vq_unpop(&r->q, 2);
	assert_int_equal(pop(r), 1);
	assert_int_equal(r->c.head, 1);
	assert_int_equal(vq_available(&r->q), 1);
	ring_free(r);
}

static void test_walks_an_indirect_table(void **state)
{
	struct ring *r = ring_new(VIRTQ_F_INDIRECT);
	struct vring_desc *t = (void *)(r->g.mem + 0x200000);

	t[0] = (struct vring_desc){
		.addr = AT(0), .len = 7, .flags = VRING_DESC_F_NEXT, .next = 2
	};
	t[2] = (struct vring_desc){ .addr = AT(8), .len = 9, .flags = VRING_DESC_F_WRITE };
	desc(r, 0, vguest_gpa(&r->g, t), 3 * 16, VRING_DESC_F_INDIRECT, 0);
	vguest_post(&r->g, 0, 0);
	assert_int_equal(pop(r), 1);
	assert_int_equal(r->c.out_len, 7);
	assert_int_equal(r->c.in_len, 9);
	/* behind direct descriptors, too */
	desc(r, 1, AT(100), 5, VRING_DESC_F_NEXT, 0);
	vguest_post(&r->g, 0, 1);
	assert_int_equal(pop(r), 1);
	assert_int_equal(r->c.out_len, 12);
	assert_int_equal(r->c.descs, 3);
	ring_free(r);
}

/* Chains that a sane driver does not build; each is -EBADMSG and takes nothing. */
static void test_refuses_malformed_chains(void **state)
{
	static const struct {
		const char *what;
		struct vring_desc d[3];
	} cases[] = {
		{ "loop", { { AT(0), 1, VRING_DESC_F_NEXT, 0 } } },
		{ "long loop",
		  { { AT(0), 1, VRING_DESC_F_NEXT, 1 },
		    { AT(0), 1, VRING_DESC_F_NEXT, 2 },
		    { AT(0), 1, VRING_DESC_F_NEXT, 1 } } },
		{ "empty loop", { { AT(0), 0, VRING_DESC_F_NEXT, 0 } } },
		{ "next outside", { { AT(0), 1, VRING_DESC_F_NEXT, NUM } } },
		{ "address outside", { { 0x1000, 1, 0, 0 } } },
		{ "behind the end", { { VGUEST_GPA + VGUEST_SIZE - 1, 2, 0, 0 } } },
		{ "length wraps", { { UINT64_MAX - 10, 100, 0, 0 } } },
		{ "readable behind writable",
		  { { AT(0), 1, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1 }, { AT(0), 1, 0, 0 } } },
		{ "indirect of no size", { { AT(0), 0, VRING_DESC_F_INDIRECT, 0 } } },
		{ "indirect of part of one", { { AT(0), 17, VRING_DESC_F_INDIRECT, 0 } } },
		{ "indirect outside", { { 0x1000, 16, VRING_DESC_F_INDIRECT, 0 } } },
		{ "indirect too long", { { AT(0), 16 * (NUM + 1), VRING_DESC_F_INDIRECT, 0 } } },
		{ "indirect with next",
		  { { AT(0), 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1 } } },
		{ "indirect not aligned", { { AT(4), 16, VRING_DESC_F_INDIRECT, 0 } } },
		{ "indirect in indirect", { { AT(0x100000), 16, VRING_DESC_F_INDIRECT, 0 } } },
		{ "indirect next outside", { { AT(0x100010), 16, VRING_DESC_F_INDIRECT, 0 } } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ring *r = ring_new(VIRTQ_F_INDIRECT);
		struct vring_desc *t = (void *)(r->g.mem + 0x200000);

		t[0] = (struct vring_desc){ .addr = AT(0),
					    .len = 16,
					    .flags = VRING_DESC_F_INDIRECT };
		t[1] = (struct vring_desc){
			.addr = AT(0), .len = 16, .flags = VRING_DESC_F_NEXT, .next = 1
		};
		for (unsigned j = 0; j < 3; j++)
			r->g.q[0].desc[j] = cases[i].d[j];
		vguest_post(&r->g, 0, 0);
		if (pop(r) != -EBADMSG)
			fail_msg("%s was accepted", cases[i].what);
		assert_int_equal(vq_available(&r->q), 1);
		ring_free(r);
	}
}

static void test_indirect_needs_to_be_negotiated(void **state)
{
	struct ring *r = ring_new(0);

	desc(r, 0, AT(0), 16, VRING_DESC_F_INDIRECT, 0);
	vguest_post(&r->g, 0, 0);
	assert_int_equal(pop(r), -EBADMSG);
	ring_free(r);
}

static void test_refuses_impossible_indices(void **state)
{
	struct ring *r = ring_new(0);

	vguest_post(&r->g, 0, NUM);
	assert_int_equal(pop(r), -EBADMSG);
	r->g.q[0].avail->idx = NUM + 1;
	assert_int_equal(vq_available(&r->q), -EBADMSG);
	assert_int_equal(pop(r), -EBADMSG);
	r->q.broken = true;
	assert_int_equal(pop(r), 0);
	ring_free(r);
}

static void test_a_chain_of_too_many_pieces_is_left(void **state)
{
	struct ring *r = ring_new(0);

	desc(r, 0, AT(0), 1, VRING_DESC_F_NEXT, 1);
	desc(r, 1, AT(0), 1, 0, 0);
	vguest_post(&r->g, 0, 0);
	assert_int_equal(vq_pop(&r->q, &r->mem, r->iov, 1, &r->c), -ENOBUFS);
	assert_int_equal(pop(r), 1);
	ring_free(r);
}

static void test_interrupts_follow_the_flag(void **state)
{
	struct ring *r = ring_new(0);

	desc(r, 0, AT(0), 1, VRING_DESC_F_WRITE, 0);
	for (int wanted = 0; wanted < 2; wanted++) {
		r->g.q[0].avail->flags = wanted ? 0 : VRING_AVAIL_F_NO_INTERRUPT;
		vguest_post(&r->g, 0, 0);
		assert_int_equal(pop(r), 1);
		vq_push(&r->q, 0, 0);
		assert_int_equal(vq_publish(&r->q), wanted);
	}
	ring_free(r);
}

static void test_interrupts_follow_the_event_index(void **state)
{
	struct ring *r = ring_new(VIRTQ_F_EVENT_IDX);
	uint16_t *event = &r->g.q[0].avail->ring[NUM];

	desc(r, 0, AT(0), 1, VRING_DESC_F_WRITE, 0);
	*event = 3;
	for (int i = 0; i < 6; i++) {
		vguest_post(&r->g, 0, 0);
		assert_int_equal(pop(r), 1);
		vq_push(&r->q, 0, 0);
		/* the first has no predecessor, so it is safer to say it; then only entry 3 is
		 * asked for */
		assert_int_equal(vq_publish(&r->q), i == 0 || i == 3);
	}
	ring_free(r);
}

static void test_kicks_are_asked_for(void **state)
{
	struct ring *r = ring_new(0);
	struct vring_used *u = r->g.q[0].used;

	desc(r, 0, AT(0), 1, 0, 0);
	assert_int_equal(u->flags, 0);
	vq_disarm(&r->q);
	assert_int_equal(u->flags, VRING_USED_F_NO_NOTIFY);
	assert_false(vq_arm(&r->q));
	assert_int_equal(u->flags, 0);
	vguest_post(&r->g, 0, 0);
	assert_true(vq_arm(&r->q)); /* it came before: no kick will tell */
	ring_free(r);

	r = ring_new(VIRTQ_F_EVENT_IDX);
	desc(r, 0, AT(0), 1, 0, 0);
	vguest_post(&r->g, 0, 0);
	assert_int_equal(pop(r), 1);
	assert_false(vq_arm(&r->q));
	assert_int_equal(*(uint16_t *)&r->g.q[0].used->ring[NUM], 1);
	ring_free(r);
}

static void test_starts_where_it_is_told(void **state)
{
	struct ring *r = ring_new(0);

	desc(r, 0, AT(0), 1, 0, 0);
	desc(r, 1, AT(0), 2, 0, 0);
	vguest_post(&r->g, 0, 0);
	vguest_post(&r->g, 0, 1);
	vq_stop(&r->q);
	assert_int_equal(pop(r), 0);
	vq_start(&r->q, 1, 0);
	assert_int_equal(pop(r), 1);
	assert_int_equal(r->c.out_len, 2);
	ring_free(r);
}

static void test_pieces_are_copied_and_cut(void **state)
{
	char a[] = "abc", b[] = "defg", c[] = "h", to[9] = "";
	struct iovec iov[] = { { a, 3 }, { b, 4 }, { c, 1 } }, cut[3];

	assert_int_equal(iov_read(iov, 3, 0, to, 8), 8);
	assert_string_equal(to, "abcdefgh");
	assert_int_equal(iov_read(iov, 3, 6, to, 8), 2);
	assert_int_equal(iov_write(iov, 3, 2, "CDE", 3), 3);
	assert_string_equal(a, "abC");
	assert_string_equal(b, "DEfg");
	assert_int_equal(iov_write(iov, 3, 8, "x", 1), 0);
	assert_int_equal(iov_slice(iov, 3, 1, 5, cut, 3), 2);
	assert_ptr_equal(cut[0].iov_base, a + 1);
	assert_int_equal(cut[0].iov_len, 2);
	assert_int_equal(cut[1].iov_len, 3);
	assert_int_equal(iov_slice(iov, 3, 3, 100, cut, 3), 2);
	assert_int_equal(iov_slice(iov, 3, 0, 100, cut, 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuses_impossible_rings),
		cmocka_unit_test(test_pops_a_chain_readable_then_writable),
		cmocka_unit_test(test_used_entries_show_when_published),
		cmocka_unit_test(test_unpop_gives_chains_back_in_order),
		cmocka_unit_test(test_walks_an_indirect_table),
		cmocka_unit_test(test_refuses_malformed_chains),
		cmocka_unit_test(test_indirect_needs_to_be_negotiated),
		cmocka_unit_test(test_refuses_impossible_indices),
		cmocka_unit_test(test_a_chain_of_too_many_pieces_is_left),
		cmocka_unit_test(test_interrupts_follow_the_flag),
		cmocka_unit_test(test_interrupts_follow_the_event_index),
		cmocka_unit_test(test_kicks_are_asked_for),
		cmocka_unit_test(test_starts_where_it_is_told),
		cmocka_unit_test(test_pieces_are_copied_and_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
