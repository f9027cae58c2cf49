/* SPDX-License-Identifier: Apache-2.0 */
/* fixture - see fixture.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "fixture.h"

#include "base/fd.h"
#include "base/loop.h"
#include "base/path.h"
#include "rpc/handover.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

int fixture_setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	autofree char *conf = NULL, *dir = NULL;
	struct error e = ERROR_INIT;
	struct sandbox_params p = { .id = "s1", .ns = "test", .bundle = "/" };

	*state = f;
	strcpy(f->dir, "/tmp/test-sandbox-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	conf = xasprintf("%s/configuration.toml", f->dir);
	dir = xasprintf("%s/run", f->dir);
	if (file_replace_at(AT_FDCWD, conf, "", 0, 0600) < 0 || path_mkdir_all(dir, 0700) < 0)
		return -1;
	if (config_load(conf, NULL, &p.config, &e) < 0)
		fail_msg("%s", e.text);
	f->loop = p.loop = loop_new();
	p.dir = dir;
	f->sandbox = sandbox_new(&p);
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	int r;

	sandbox_free(f->sandbox);
	loop_run_once(f->loop, 0); /* those who wait are told */
	loop_free(f->loop);
	while (f->nproxies)
		fd_close(f->proxies[--f->nproxies]);
	r = path_remove_tree_at(AT_FDCWD, f->dir);
	free(f);
	return r;
}

oci_spec *fixture_spec(const char *json)
{
	struct error e = ERROR_INIT;
	oci_spec *s = NULL;

	if (oci_spec_parse(json, strlen(json), "test", &s, &e) < 0)
		fail_msg("%s", e.text);
	return s;
}

struct container *fixture_container(struct fixture *f, const char *id, const char *json,
				    sandbox_done_fn *done, void *data, int *ret_proxy)
{
	struct container_params p = { .id = id,
				      .bundle = "/",
				      .terminal = true,
				      .in = HANDOVER_STDIO,
				      .out = HANDOVER_STDIO,
				      .err = "" };
	struct error e = ERROR_INIT;
	struct container *c;
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	assert_int_equal(sandbox_attach_proxy(f->sandbox, id, "", getpid(), s[0], -1, &e), 0);
	p.spec = fixture_spec(json);
	if (container_create(f->sandbox, &p, done, data, &e) < 0)
		fail_msg("%s", e.text);
	/* The boot has not begun: it comes from the loop. */
	op_abandon(&f->sandbox->boot);
	c = sandbox_find(f->sandbox, id);
	assert_non_null(c);
	list_del(&c->boot_link);
	if (ret_proxy) {
		*ret_proxy = s[1];
	} else {
		assert_true(f->nproxies < ARRAY_SIZE(f->proxies));
		f->proxies[f->nproxies++] = s[1];
	}
	return c;
}
