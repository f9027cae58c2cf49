/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks - programs that the spec wants run at points of a container's life.
 *
 * When which kind runs, and in which namespaces, is the caller's; here a kind's hooks run one
 * behind the other. What a hook prints goes to a memory file and, if it fails, into the error.
 */
#include "oci/internal.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"
#include "oci/names.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct hook_kind {
	size_t n, hooks; /* offsets into Grpc__Hooks */
	bool fatal;      /* a failure fails the container */
} kinds[] = {
#define KIND(member, is_fatal)                                                             \
	{                                                                                  \
		offsetof(Grpc__Hooks, n_##member), offsetof(Grpc__Hooks, member), is_fatal \
	}
	[OCI_HOOK_PRESTART] = KIND(prestart, true),
	[OCI_HOOK_CREATE_RUNTIME] = KIND(createruntime, true),
	[OCI_HOOK_CREATE_CONTAINER] = KIND(createcontainer, true),
	[OCI_HOOK_START_CONTAINER] = KIND(startcontainer, true),
	[OCI_HOOK_POSTSTART] = KIND(poststart, false),
	[OCI_HOOK_POSTSTOP] = KIND(poststop, false),
};

const char *oci_hook_name(enum oci_hook_kind kind)
{
	return oci_names_hooks[kind];
}

Grpc__Hook *const *oci_hooks_of(const oci_spec *s, enum oci_hook_kind kind, size_t *ret_n)
{
	const char *h = (const char *)s->hooks;

	*ret_n = h ? *(const size_t *)(h + kinds[kind].n) : 0;
	return h ? *(Grpc__Hook *const *const *)(h + kinds[kind].hooks) : NULL;
}

size_t oci_hooks_count(const oci_spec *s, enum oci_hook_kind kind)
{
	size_t n;

	oci_hooks_of(s, kind, &n);
	return n;
}

static int enter_netns(void *data, struct error *e)
{
	const int *fd = data;

	return setns(*fd, CLONE_NEWNET) < 0 ? error_set(e, errno, "enter the network namespace")
					    : 0;
}

/* ": <what it printed>", or "". */
static void describe_output(int fd, char *text, size_t size)
{
	ssize_t n;

	memcpy(text, ": ", 3);
	n = pread(fd, text + 2, size - 3, 0);
	while (n > 0 && strchr(" \n", text[1 + n]))
		n--;
	text[n > 0 ? 2 + n : 0] = '\0';
}

static int run_hook(const Grpc__Hook *h, const char *state, int netns_fd, struct error *e)
{
	autoclose int output = memfd_create("hook", MFD_CLOEXEC);
	char *only_path[] = { h->path, NULL };
	struct proc_spec spec = PROC_SPEC_INIT;
	autodone(strv) args = STRV_INIT;
	autodone(strv) env = STRV_INIT;
	char text[LIMIT_HOOK_OUTPUT];
	int timeout = h->timeout ? (int)MIN(h->timeout, (int64_t)INT_MAX / 1000) * 1000 : -1;
	int r;

	if (output < 0)
		return error_set(e, errno, "memfd_create");
	for (size_t i = 0; i < h->n_args; i++)
		strv_add(&args, h->args[i]);
	for (size_t i = 0; i < h->n_env; i++)
		strv_add(&env, h->env[i]);
	spec.path = h->path;
	spec.argv = args.n ? args.v : only_path;
	spec.env = env.v;
	spec.out = spec.err = output;
	spec.setup = netns_fd < 0 ? NULL : enter_netns;
	spec.data = &netns_fd;
	r = proc_run(&spec, state, strlen(state), timeout, 0, NULL, e);
	if (r > 0) {
		describe_output(output, text, sizeof(text));
		return error_plain(e, EIO, "exit status %d%s", r, text);
	}
	return r;
}

int oci_hooks_run(const oci_spec *s, enum oci_hook_kind kind, const struct oci_state *st,
		  int netns_fd, struct error *e)
{
	autofree char *state = NULL;
	size_t n;
	Grpc__Hook *const *hooks = oci_hooks_of(s, kind, &n);

	if (!n)
		return 0;
	state = oci_state_json(st);
	if (!state)
		return error_plain(e, EINVAL, "the state of %s cannot be written", st->id);
	for (size_t i = 0; i < n; i++) {
		struct error cause = ERROR_INIT;
		int r;

		log_debug("%s hook %s", oci_hook_name(kind), hooks[i]->path);
		r = run_hook(hooks[i], state, netns_fd, &cause);
		if (r == 0)
			continue;
		error_prefix(&cause, "%s hook %s", oci_hook_name(kind), hooks[i]->path);
		if (kinds[kind].fatal)
			return error_copy(e, &cause);
		log_warn("%s", error_text(&cause));
	}
	return 0;
}
