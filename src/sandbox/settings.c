/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings - the configuration of one sandbox: the files', then what its first container's
 * annotations say. Those of later containers change nothing any more.
 */
#include "sandbox/internal.h"

#include "base/log.h"

#include <errno.h>
#include <unistd.h>

static int annotate(struct config *c, const oci_spec *spec, struct error *e)
{
	for (size_t i = 0; i < spec->n_annotations; i++) {
		const Caisson__StringEntry *a = spec->annotations[i];
		int r = config_annotate(c, a->key, a->value, e);

		if (r < 0 && r != -ENOENT)
			return r;
		error_clear(e);
	}
	return 0;
}

int sandbox_settings(struct sandbox *s, const oci_spec *spec, struct error *e)
{
	size_t said = s->config->warnings.n;
	int r = annotate(s->config, spec, e);

	for (; said < s->config->warnings.n; said++)
		log_warn("%s", s->config->warnings.v[said]);
	if (r < 0)
		return r;
	s->jail_uid = hv_jail_uid(s->config);
	return 0;
}
