/* SPDX-License-Identifier: Apache-2.0 */
/* fixture - a sandbox without a machine: its directory, its loop, and containers that nothing
 * boots. */
#pragma once

#include "sandbox/internal.h"

struct fixture {
	char dir[64];
	struct loop *loop;
	struct sandbox *sandbox;
	int proxies[4]; /* the other ends of those that the test does not hold */
	size_t nproxies;
};

/* cmocka's setup and teardown; *state is the struct fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* The spec that @json is, with what every spec needs added where @json lacks it. */
oci_spec *fixture_spec(const char *json);
/*
 * A container of that spec that waits for a machine that never comes. *ret_proxy is the other end
 * of its init proxy's socket; NULL: the fixture keeps that.
 */
struct container *fixture_container(struct fixture *f, const char *id, const char *json,
				    sandbox_done_fn *done, void *data, int *ret_proxy);
