/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's statistics in containerd's two shapes: which number goes where, in which unit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "shim/shim.h"

#include "cgroups_v1.pb-c.h"
#include "cgroups_v2.pb-c.h"
#include "google/protobuf/any.pb-c.h"

/* An answer with a different number in every field. */
struct answer {
	Grpc__StatsContainerResponse resp;
	Grpc__CgroupStats cgroup;
	Grpc__CpuStats cpu;
	Grpc__CpuUsage usage;
	Grpc__ThrottlingData throttling;
	Grpc__MemoryStats memory;
	Grpc__MemoryData mem, swap;
	Grpc__Uint64Entry stat[2], *stats[2];
	Grpc__PidsStats pids;
};

static void answer_init(struct answer *a)
{
	grpc__stats_container_response__init(&a->resp);
	grpc__cgroup_stats__init(&a->cgroup);
	grpc__cpu_stats__init(&a->cpu);
	grpc__cpu_usage__init(&a->usage);
	grpc__throttling_data__init(&a->throttling);
	grpc__memory_stats__init(&a->memory);
	grpc__memory_data__init(&a->mem);
	grpc__memory_data__init(&a->swap);
	grpc__pids_stats__init(&a->pids);
	for (int i = 0; i < 2; i++) {
		grpc__uint64_entry__init(&a->stat[i]);
		a->stats[i] = &a->stat[i];
	}
	a->resp.cgroup_stats = &a->cgroup;
	a->cgroup.cpu_stats = &a->cpu;
	a->cgroup.memory_stats = &a->memory;
	a->cgroup.pids_stats = &a->pids;
	a->cpu.cpu_usage = &a->usage;
	a->cpu.throttling_data = &a->throttling;
	a->memory.usage = &a->mem;
	a->memory.swap_usage = &a->swap;
	a->memory.stats = a->stats;
	a->memory.n_stats = 2;
	a->usage.total_usage = 9000001;
	a->usage.usage_in_usermode = 6000002;
	a->usage.usage_in_kernelmode = 3000003;
	a->throttling.periods = 4;
	a->throttling.throttled_periods = 5;
	a->throttling.throttled_time = 7000;
	a->mem.usage = 100;
	a->mem.limit = 200;
	a->mem.max_usage = 150;
	a->mem.failcnt = 6;
	a->swap.usage = 10;
	a->swap.limit = 20;
	a->stat[0].key = "anon";
	a->stat[0].value = 31;
	a->stat[1].key = "file";
	a->stat[1].value = 32;
	a->pids.current = 8;
	a->pids.limit = 9;
}

static void test_v1(void **state)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Io__Containerd__Cgroups__V1__Metrics *m;
	struct answer a;

	answer_init(&a);
	metrics_fill_v1(&a.resp, &any);
	assert_string_equal(any.type_url, "io.containerd.cgroups.v1.Metrics");
	m = io__containerd__cgroups__v1__metrics__unpack(NULL, any.value.len, any.value.data);
	assert_non_null(m);
	/* Nanoseconds. */
	assert_int_equal(m->cpu->usage->total, 9000001);
	assert_int_equal(m->cpu->usage->user, 6000002);
	assert_int_equal(m->cpu->usage->kernel, 3000003);
	assert_int_equal(m->cpu->throttling->periods, 4);
	assert_int_equal(m->cpu->throttling->throttled_periods, 5);
	assert_int_equal(m->cpu->throttling->throttled_time, 7000);
	assert_int_equal(m->memory->usage->usage, 100);
	assert_int_equal(m->memory->usage->limit, 200);
	assert_int_equal(m->memory->usage->max, 150);
	assert_int_equal(m->memory->usage->failcnt, 6);
	assert_int_equal(m->memory->swap->usage, 10);
	assert_int_equal(m->memory->rss, 31);
	assert_int_equal(m->memory->total_cache, 32);
	assert_int_equal(m->memory->mapped_file, 0); /* not told */
	assert_int_equal(m->memory->hierarchical_memory_limit, 200);
	assert_int_equal(m->pids->current, 8);
	assert_int_equal(m->pids->limit, 9);
	io__containerd__cgroups__v1__metrics__free_unpacked(m, NULL);
	free(any.value.data);
}

static void test_v2(void **state)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Io__Containerd__Cgroups__V2__Metrics *m;
	struct answer a;

	answer_init(&a);
	metrics_fill_v2(&a.resp, &any);
	assert_string_equal(any.type_url, "io.containerd.cgroups.v2.Metrics");
	m = io__containerd__cgroups__v2__metrics__unpack(NULL, any.value.len, any.value.data);
	assert_non_null(m);
	/* Microseconds. */
	assert_int_equal(m->cpu->usage_usec, 9000);
	assert_int_equal(m->cpu->user_usec, 6000);
	assert_int_equal(m->cpu->system_usec, 3000);
	assert_int_equal(m->cpu->throttled_usec, 7);
	assert_int_equal(m->memory->usage, 100);
	assert_int_equal(m->memory->usage_limit, 200);
	assert_int_equal(m->memory->swap_usage, 10);
	assert_int_equal(m->memory->swap_limit, 20);
	assert_int_equal(m->memory->anon, 31);
	assert_int_equal(m->memory->file, 32);
	assert_int_equal(m->pids->current, 8);
	io__containerd__cgroups__v2__metrics__free_unpacked(m, NULL);
	free(any.value.data);
}

/* An agent that tells nothing gives zeroes, not an end. */
static void test_nothing(void **state)
{
	Grpc__StatsContainerResponse r = GRPC__STATS_CONTAINER_RESPONSE__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Io__Containerd__Cgroups__V2__Metrics *m;

	metrics_fill_v1(&r, &any);
	free(any.value.data);
	metrics_fill_v2(&r, &any);
	m = io__containerd__cgroups__v2__metrics__unpack(NULL, any.value.len, any.value.data);
	assert_non_null(m);
	assert_int_equal(m->memory->usage, 0);
	io__containerd__cgroups__v2__metrics__free_unpacked(m, NULL);
	free(any.value.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v1),
		cmocka_unit_test(test_v2),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
