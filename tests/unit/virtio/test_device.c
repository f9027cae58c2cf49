/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/log.h"
#include "vguest.h"
#include "virtio/device.h"

#include <errno.h>
#include <string.h>

/* A device that counts. */
struct counter {
	struct virtio_device dev;
	struct virtq queue[2];
	unsigned kicks[2], resets, frees, interrupts, broken;
};

static struct counter *counter_of(struct virtio_device *d)
{
	return container_of(d, struct counter, dev);
}

static void on_kick(struct virtio_device *d, unsigned q)
{
	counter_of(d)->kicks[q]++;
}

static void on_reset(struct virtio_device *d)
{
	counter_of(d)->resets++;
}

static void on_free(struct virtio_device *d)
{
	counter_of(d)->frees++;
}

static void on_interrupt(struct virtio_device *d, unsigned q)
{
	counter_of(d)->interrupts++;
}

static void on_broken(struct virtio_device *d)
{
	counter_of(d)->broken++;
}

static const struct virtio_host_ops host_ops = { .interrupt = on_interrupt, .broken = on_broken };
static const struct virtio_device_ops ops = {
	.name = "counter",
	.id = 1,
	.nqueues = 2,
	.features = VIRTIO_F_VERSION_1_BIT | 1,
	.kick = on_kick,
	.reset = on_reset,
	.free = on_free,
};

static void counter_init(struct counter *c, struct gmem *mem)
{
	static const uint8_t config[4] = { 1, 2, 3, 4 };

	*c = (struct counter){ 0 };
	c->dev = (struct virtio_device){
		.ops = &ops, .queue = c->queue, .config = config, .config_size = sizeof(config)
	};
	virtio_attach(&c->dev, &host_ops, NULL, mem);
}

static void test_features_must_have_been_offered(void **state)
{
	struct counter c;

	counter_init(&c, NULL);
	assert_int_equal(virtio_set_features(&c.dev, VIRTIO_F_VERSION_1_BIT | 2), -EINVAL);
	assert_int_equal(virtio_set_features(&c.dev, VIRTIO_F_VERSION_1_BIT), 0);
	assert_true(c.dev.features == VIRTIO_F_VERSION_1_BIT);
}

static void test_configuration_ends_in_zeroes(void **state)
{
	static const uint8_t want[4] = { 3, 4, 0, 0 };
	struct counter c;
	uint8_t got[4];

	counter_init(&c, NULL);
	virtio_read_config(&c.dev, 2, got, 4);
	assert_memory_equal(got, want, 4);
	virtio_read_config(&c.dev, SIZE_MAX, got, 4);
	assert_memory_equal(got, "\0\0\0\0", 4);
}

static void start(struct counter *c, struct vguest *g, struct gmem *mem)
{
	struct gmem_source s = { .gpa = VGUEST_GPA, .size = VGUEST_SIZE, .user = VGUEST_USER };
	struct virtq *q = &c->queue[0];

	assert_int_equal(gmem_add(mem, &s, g->memfd, NULL), 0);
	assert_int_equal(vq_set_num(q, g->q[0].num), 0);
	q->user = true;
	q->desc_addr = vguest_user(g, g->q[0].desc);
	q->avail_addr = vguest_user(g, g->q[0].avail);
	q->used_addr = vguest_user(g, g->q[0].used);
}

static void test_a_queue_starts_kicks_and_interrupts(void **state)
{
	struct gmem mem = { 0 };
	struct counter c;
	struct vguest g;

	counter_init(&c, &mem);
	vguest_init(&g, 8, false);
	assert_int_equal(virtio_start_queue(&c.dev, 0, 0), -EINVAL);
	assert_int_equal(c.kicks[0], 0);
	start(&c, &g, &mem);
	assert_int_equal(virtio_start_queue(&c.dev, 0, 0), 0);
	assert_int_equal(c.kicks[0], 1);
	virtio_publish(&c.dev, 0);
	assert_int_equal(c.interrupts, 0);
	vq_push(&c.queue[0], 0, 0);
	virtio_publish(&c.dev, 0);
	assert_int_equal(c.interrupts, 1);
	vguest_done(&g);
	gmem_done(&mem);
}

static void test_a_broken_device_rests_until_reset(void **state)
{
	struct gmem mem = { 0 };
	struct counter c;
	struct vguest g;

	log_init("test", -1, LOG_FORMAT_BARE, LOG_LEVEL_ERROR);
	counter_init(&c, &mem);
	vguest_init(&g, 8, false);
	start(&c, &g, &mem);
	assert_int_equal(virtio_start_queue(&c.dev, 0, 0), 0);
	virtio_break(&c.dev, 1);
	virtio_break(&c.dev, 0);
	assert_int_equal(c.broken, 1);
	assert_false(vq_usable(&c.queue[0]));
	virtio_kick(&c.dev, 0);
	assert_int_equal(virtio_start_queue(&c.dev, 0, 0), 0);
	assert_false(vq_usable(&c.queue[0]));
	assert_int_equal(c.kicks[0], 1);
	virtio_reset(&c.dev);
	assert_int_equal(c.resets, 1);
	assert_int_equal(c.queue[0].num, 0);
	virtio_kick(&c.dev, 0);
	assert_int_equal(c.kicks[0], 2);
	virtio_free(&c.dev);
	virtio_free(NULL);
	assert_int_equal(c.frees, 1);
	vguest_done(&g);
	gmem_done(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_features_must_have_been_offered),
		cmocka_unit_test(test_configuration_ends_in_zeroes),
		cmocka_unit_test(test_a_queue_starts_kicks_and_interrupts),
		cmocka_unit_test(test_a_broken_device_rests_until_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
