/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - the object: defaults, warnings, what is settled after all values are known. Loading is
 * in load.c, annotations in annotate.c, output in print.c and template.c.
 */
#include "config/internal.h"
#include "config/value.h"

#include "base/limits.h"
#include "wire/toml.h"
#include "wire/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

void config_warn(struct config *c, const char *fmt, ...)
{
	char line[ERROR_TEXT_MAX];
	va_list ap;

	if (c->warnings.n > LIMIT_CONFIG_WARNINGS)
		return;
	if (c->warnings.n == LIMIT_CONFIG_WARNINGS) {
		strv_add(&c->warnings, "more warnings about the configuration are left out");
		return;
	}
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	str_make_printable(line);
	utf8_clean(line);
	strv_add(&c->warnings, line);
}

static int set_default(struct config *c, const struct config_key *k, struct error *e)
{
	autoptr(toml) t = NULL;
	int r = config_value_default(k, &t, e);

	if (r == 0)
		r = config_value_check(k, t->child, e);
	if (r < 0) {
		error_prefix(e, "default of %s", k->key);
		return r;
	}
	config_value_store(c, k, t->child);
	return 0;
}

int config_new(struct config **ret, struct error *e)
{
	autoptr(config) c = xnew(struct config);
	int r = 0;

	c->origins = xnew_array(struct config_origin, config_keys_n);
	for (size_t i = 0; i < config_keys_n && r == 0; i++)
		if (config_key_stored(&config_keys[i]))
			r = set_default(c, &config_keys[i], e);
	if (r < 0)
		return r;
	*ret = take_ptr(c);
	return 0;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < config_keys_n; i++)
		if (config_key_stored(&config_keys[i]))
			config_value_done(c, &config_keys[i]);
	free(c->path);
	strv_done(&c->files);
	strv_done(&c->warnings);
	free(c->origins);
	free(c);
}

static unsigned host_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (unsigned)n : 1;
}

/* Kata's rules: 0 is 1 (as boot CPUs) or all (as maximum), too many and negative are all. */
static void settle_cpus(struct config_hypervisor *h)
{
	unsigned host = host_cpus();

	if (h->default_vcpus == 0)
		h->default_vcpus = 1;
	if (h->default_vcpus < 0 || h->default_vcpus > host)
		h->default_vcpus = host;
	if (h->default_maxvcpus == 0 || h->default_maxvcpus > host)
		h->default_maxvcpus = host;
}

/* Where none is set: the first that is installed, else the name of the one to install. */
static void settle_virtio_fs_daemon(struct config_hypervisor *h)
{
	static const char *const usual[] = { "/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd",
					     "/usr/lib/virtiofsd" };
	size_t i = 0;

	if (h->virtio_fs_daemon)
		return;
	while (i < ARRAY_SIZE(usual) && access(usual[i], X_OK) < 0)
		i++;
	h->virtio_fs_daemon = xstrdup(usual[i < ARRAY_SIZE(usual) ? i : 0]);
}

int config_settle(struct config *c, struct error *e)
{
	struct config_hypervisor *h = &c->hypervisor;

	settle_cpus(h);
	settle_virtio_fs_daemon(h);
	if (!h->kernel)
		return error_plain(e, EINVAL, "hypervisor.%s.kernel is empty", h->name);
	if (!h->initrd == !h->image)
		return error_plain(e, EINVAL, "hypervisor.%s: set %s initrd and image", h->name,
				   h->initrd ? "only one of" : "one of");
	return 0;
}
