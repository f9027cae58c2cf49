/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink messages: what is built can be read, what is malformed is refused, and the kernel's words
 * reach the error. */
#include "systest.h"

#include "sys/nl.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#define TYPE 20 /* some message of a family */

static void test_build_and_read(void **state)
{
	const uint32_t header = 7;
	struct nl_req q;
	struct nl_attrs it, inner;
	struct nl_attr a;
	char name[8];

	nl_req_init(&q, TYPE, 0, &header, sizeof(header));
	nl_put_str(&q, 1, "eth0");
	nl_nest(&q, 2);
	nl_put_u32(&q, 3, 0x01020304);
	nl_put_u8(&q, 4, 9);
	nl_nest_end(&q);
	nl_put_u16(&q, 5, 1);
	it = nl_attrs_of(q.data + NLMSG_HDRLEN, q.len - NLMSG_HDRLEN, sizeof(header));

	assert_true(nl_attr_next(&it, &a));
	assert_int_equal(a.type, 1);
	nl_attr_str(&a, name, sizeof(name));
	assert_string_equal(name, "eth0");
	nl_attr_str(&a, name, 3);
	assert_string_equal(name, "et");

	assert_true(nl_attr_next(&it, &a));
	assert_int_equal(a.type, 2); /* without the flag of nesting */
	inner = nl_attr_nested(&a);
	assert_true(nl_attr_next(&inner, &a));
	assert_int_equal(nl_attr_u32(&a), 0x01020304);
	assert_int_equal(nl_attr_u8(&a), 0); /* of another size */
	assert_true(nl_attr_next(&inner, &a));
	assert_int_equal(nl_attr_u8(&a), 9);
	assert_int_equal(nl_attr_u32(&a), 0);
	assert_false(nl_attr_next(&inner, &a));

	assert_true(nl_attr_next(&it, &a));
	assert_int_equal(a.type, 5);
	assert_false(nl_attr_next(&it, &a));
}

static void test_too_long(void **state)
{
	static const char big[NL_REQ_MAX];
	struct error e = ERROR_INIT;
	struct nl n = NL_INIT;
	struct nl_req q;

	nl_req_init(&q, TYPE, 0, NULL, 0);
	nl_put(&q, 1, big, sizeof(big));
	assert_true(q.full);
	assert_int_equal(nl_do(&n, &q, &e), -EMSGSIZE);
	nl_req_init(&q, TYPE, 0, NULL, 0);
	for (int i = 0; i <= NL_NEST_MAX; i++)
		nl_nest(&q, 1);
	assert_true(q.full);
	nl_req_init(&q, TYPE, 0, NULL, 0);
	nl_nest(&q, 1); /* and never ended */
	assert_int_equal(nl_do(&n, &q, &e), -EMSGSIZE);
}

static void test_malformed_attributes(void **state)
{
	static const struct nlattr cases[] = {
		{ .nla_len = 0 }, { .nla_len = 3 }, { .nla_len = 5 }, { .nla_len = 0xffff }
	};
	struct nl_attr a;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nl_attrs it = { (const unsigned char *)&cases[i], sizeof(cases[i]) };

		assert_false(nl_attr_next(&it, &a));
	}
	assert_int_equal(nl_attrs_of("12345678", 8, 8).n, 0);
	assert_int_equal(nl_attrs_of("12345678", 8, 100).n, 0);
}

static void count(uint16_t type, const void *p, size_t n, void *data)
{
	int *counted = data;

	assert_int_equal(type, TYPE);
	(*counted)++;
}

/* A datagram of messages. */
struct datagram {
	_Alignas(4) unsigned char data[1024];
	size_t n;
};

static void add(struct datagram *d, uint16_t type, uint16_t flags, uint32_t seq, const void *p,
		size_t n)
{
	struct nlmsghdr h = { .nlmsg_len = (uint32_t)(NLMSG_HDRLEN + n),
			      .nlmsg_type = type,
			      .nlmsg_flags = flags,
			      .nlmsg_seq = seq };

	memcpy(d->data + d->n, &h, sizeof(h));
	memcpy(d->data + d->n + NLMSG_HDRLEN, p, n);
	d->n += NLMSG_ALIGN(NLMSG_HDRLEN + n);
}

static void test_walk(void **state)
{
	const int32_t done = 0;
	struct datagram d = { .n = 0 };
	int n = 0;

	add(&d, TYPE, 0, 5, "abcd", 4);
	add(&d, TYPE, 0, 6, "abcd", 4); /* of another request */
	add(&d, NLMSG_NOOP, 0, 5, "", 0);
	add(&d, TYPE, 0, 5, "abcde", 5);
	assert_int_equal(nl_walk(d.data, d.n, 5, count, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(nl_walk(d.data, d.n, 0, count, &n, NULL), 0);
	assert_int_equal(n, 5);
	add(&d, NLMSG_DONE, 0, 5, &done, sizeof(done));
	assert_int_equal(nl_walk(d.data, d.n, 5, NULL, NULL, NULL), 1);
	assert_int_equal(nl_walk(d.data, d.n, 7, count, &n, NULL), 0);
	assert_int_equal(n, 5);
}

static void test_malformed_messages(void **state)
{
	struct datagram d = { .n = 0 };
	struct error e = ERROR_INIT;
	uint32_t length;
	int n = 0;

	add(&d, TYPE, 0, 5, "abcd", 4);
	length = 3;
	memcpy(d.data, &length, sizeof(length));
	assert_int_equal(nl_walk(d.data, d.n, 5, count, &n, &e), -EPROTO);
	length = 4000;
	memcpy(d.data, &length, sizeof(length));
	assert_int_equal(nl_walk(d.data, d.n, 5, count, &n, &e), -EPROTO);
	assert_int_equal(nl_walk(d.data, 10, 5, count, &n, &e), 0); /* not even a header */
	assert_int_equal(n, 0);
	d.n = 0;
	add(&d, NLMSG_ERROR, 0, 5, "ab", 2);
	assert_int_equal(nl_walk(d.data, d.n, 5, count, &n, &e), -EPROTO);
}

static void test_verdicts(void **state)
{
	struct {
		struct nlmsgerr err;
		struct nlattr attr;
		char words[16];
	} answer = { .err = { .error = -EINVAL },
		     .attr = { .nla_type = NLMSGERR_ATTR_MSG, .nla_len = NLA_HDRLEN + 12 },
		     .words = "what\nis this" };
	struct datagram d = { .n = 0 };
	struct error e = ERROR_INIT;

	add(&d, NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, 5, &answer, sizeof(answer));
	assert_int_equal(nl_walk(d.data, d.n, 5, NULL, NULL, &e), -EINVAL);
	assert_string_equal(e.text, "Invalid argument (what is this)");
	/* Without the flag, what follows is the request. */
	d.n = 0;
	add(&d, NLMSG_ERROR, NLM_F_CAPPED, 5, &answer, sizeof(answer));
	assert_int_equal(nl_walk(d.data, d.n, 5, NULL, NULL, &e), -EINVAL);
	assert_string_equal(e.text, "Invalid argument");
	answer.err.error = 0;
	d.n = 0;
	add(&d, NLMSG_ERROR, 0, 5, &answer, sizeof(answer));
	assert_int_equal(nl_walk(d.data, d.n, 5, NULL, NULL, &e), 1);
	answer.err.error = 5;
	d.n = 0;
	add(&d, NLMSG_ERROR, 0, 5, &answer, sizeof(answer));
	assert_int_equal(nl_walk(d.data, d.n, 5, NULL, NULL, &e), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build_and_read),       cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_malformed_attributes), cmocka_unit_test(test_walk),
		cmocka_unit_test(test_malformed_messages),   cmocka_unit_test(test_verdicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
