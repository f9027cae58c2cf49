/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan - which sandbox an action means and where that is: from the command line, stdin and the
 * bundle's config.json. Looks, and changes nothing.
 */
#include "shim/shim.h"

#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

void shim_plan_done(struct shim_plan *p)
{
	bootstrap_done(&p->boot);
	free(p->bundle);
	free(p->sandbox);
	free(p->name);
	free(p->dir);
	free(p->socket);
}

/* Without a config.json, as the Sandbox API has it, a sandbox is its own. */
static int find_sandbox(struct shim_plan *p, struct error *e)
{
	const char *sandbox = p->options->id;
	oci_spec *spec = NULL;
	int r = oci_spec_load(p->bundle, &spec, e);

	if (r == -ENOENT)
		error_clear(e);
	else if (r < 0)
		return r;
	r = spec ? bootstrap_sandbox(spec, sandbox, &sandbox, e) : 0;
	if (r == 0) {
		p->member = !str_eq(sandbox, p->options->id);
		p->sandbox = xstrdup(sandbox);
	}
	oci_spec_free(spec);
	return r;
}

static int read_stdin(struct shim_plan *p, struct error *e)
{
	const struct shim_options *o = p->options;
	autofree char *text = NULL;
	size_t n;
	int r = shim_read_stdin(&text, &n, e);

	if (r == 0)
		r = bootstrap_parse(text, n, o->id, o->ns, &p->boot, e);
	return r;
}

/* What `start` wrote into the bundle; NULL if it did not come to that. Owned. */
static char *known_socket(const struct shim_plan *p)
{
	autofree char *path = xasprintf("%s/address", p->bundle);
	autofree char *text = NULL;
	const char *socket;

	if (file_read_at(AT_FDCWD, path, PATH_MAX, &text, NULL) < 0)
		return NULL;
	socket = str_skip_prefix(text, "unix://");
	return socket && *socket == '/' ? xstrdup(socket) : NULL;
}

static void name_things(struct shim_plan *p, bool start)
{
	const struct shim_options *o = p->options;

	p->name = bootstrap_name(o->address, o->ns, p->sandbox);
	p->dir = xasprintf("%s/%s", SHIM_RUN_DIR, p->name);
	p->socket = shim_for_engine(o) && !start ? known_socket(p) : NULL;
	if (p->socket)
		return;
	if (o->socket)
		p->socket = xstrdup(o->socket);
	else if (shim_for_engine(o))
		p->socket = bootstrap_socket(p->boot.socket_dir, o->address, o->ns, p->sandbox);
	else
		p->socket = xasprintf("%s/shim.sock", p->dir);
}

int shim_plan_make(const struct shim_options *o, bool start, struct shim_plan *p, struct error *e)
{
	int r = 0;

	p->options = o;
	p->bundle = path_absolute(o->bundle);
	if (!p->bundle)
		return error_set(e, errno, "bundle %s", o->bundle);
	if (shim_for_engine(o) && start)
		r = read_stdin(p, e);
	if (r < 0)
		return r;
	if (shim_for_engine(o))
		r = find_sandbox(p, e);
	else
		p->sandbox = xstrdup(o->id);
	if (r == 0)
		name_things(p, start);
	return r;
}
