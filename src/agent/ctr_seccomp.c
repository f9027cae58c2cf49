/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctr_seccomp - linux.seccomp to a filter program (sys/filter.h). Compiled early, installed last.
 *
 * A filter that notifies has a supervisor: a socket of the guest (listenerPath), to which the
 * listener goes with the container process state of the runtime spec as soon as the filter is
 * there. So the filter must allow sendmsg(2), and must not ask the supervisor about it.
 */
#include "agent/ctr_setup.h"

#include "base/buf.h"
#include "base/fd.h"
#include "oci/oci.h"
#include "wire/json.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static int add_name(struct filter *f, const Grpc__LinuxSyscall *c, const char *name,
		    struct error *e)
{
	struct filter_arg args[LIMIT_SECCOMP_ARGS];
	bool has_err = c->has_errno_ret_case == GRPC__LINUX_SYSCALL__HAS_ERRNO_RET_ERRNO_RET;

	if (c->n_args > LIMIT_SECCOMP_ARGS)
		return error_plain(e, E2BIG, "seccomp: %.64s has more than %d conditions", name,
				   LIMIT_SECCOMP_ARGS);
	for (size_t i = 0; i < c->n_args; i++) {
		const Grpc__LinuxSeccompArg *a = c->args[i];

		args[i] = (struct filter_arg){ a->index, a->value, a->valuetwo, a->op };
	}
	return filter_add(f, name, c->action, has_err ? &c->errnoret : NULL, args, c->n_args, e);
}

static int add_rules(struct filter *f, const Grpc__LinuxSeccomp *sc, struct error *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sc->n_architectures; i++)
		r = filter_add_arch(f, sc->architectures[i], e);
	for (size_t i = 0; r == 0 && i < sc->n_flags; i++)
		r = filter_add_flag(f, sc->flags[i], e);
	for (size_t i = 0; r == 0 && i < sc->n_syscalls; i++) {
		const Grpc__LinuxSyscall *c = sc->syscalls[i];

		for (size_t j = 0; r == 0 && j < c->n_names; j++)
			r = add_name(f, c, c->names[j], e);
	}
	return r;
}

int ctr_seccomp_compile(struct ctr_setup *s, struct error *e)
{
	const Grpc__LinuxSeccomp *sc = s->spec->linux ? s->spec->linux->seccomp : NULL;
	autoptr(filter) f = NULL;
	bool has_err;
	int r;

	if (!sc || str_empty(sc->defaultaction))
		return 0;
	has_err = sc->has_default_errno_ret_case ==
		  GRPC__LINUX_SECCOMP__HAS_DEFAULT_ERRNO_RET_DEFAULT_ERRNO_RET;
	r = filter_new(sc->defaultaction, has_err ? &sc->defaulterrnoret : NULL, &f, e);
	if (r == 0)
		r = add_rules(f, sc, e);
	if (r == 0)
		r = filter_compile(f, &s->seccomp, e);
	if (r == 0 && filter_notifies(&s->seccomp) && s->listener < 0)
		return error_plain(e, EINVAL,
				   "seccomp: SCMP_ACT_NOTIFY needs a listenerPath in the guest");
	return r;
}

int ctr_seccomp_connect(struct ctr_setup *s, struct error *e)
{
	const Grpc__LinuxSeccomp *sc = s->spec->linux ? s->spec->linux->seccomp : NULL;

	if (!sc || str_empty(sc->listenerpath))
		return 0;
	s->listener = unix_connect(sc->listenerpath, SOCK_STREAM);
	return s->listener < 0
		       ? error_set(e, s->listener, "seccomp: listenerPath %.128s", sc->listenerpath)
		       : 0;
}

/* The process, as the agent sees it, and its container: what a supervisor gets with the listener.
 */
static char *process_state(const struct ctr_setup *s, const struct json *state, pid_t pid)
{
	autodone(buf) b = BUF_INIT(LIMIT_CONFIG_JSON);
	struct json_writer w;

	json_writer_init(&w, &b, NULL);
	json_open_object(&w, NULL);
	json_add_str(&w, "ociVersion", OCI_VERSION);
	json_open_array(&w, "fds");
	json_add_str(&w, NULL, "seccompFd");
	json_close(&w);
	json_add_i64(&w, "pid", pid);
	json_add_str(&w, "metadata", s->spec->linux->seccomp->listenermetadata);
	json_add_value(&w, "state", state);
	json_close(&w);
	return json_writer_end(&w) < 0 ? NULL : xstrdup(buf_str(&b));
}

static char *describe(const struct ctr_setup *s)
{
	struct oci_state st = { .id = s->rq->id,
				.status = s->exec ? "running" : "creating",
				.bundle = s->rq->bundle };
	autofree char *annotations = oci_annotations_json(s->spec), *text = NULL;
	autoptr(json) state = NULL;
	char self[24] = "";
	uint32_t pid;

	/* The agent's /proc knows us by another number than we do. */
	if (readlinkat(s->proc, "self", self, sizeof(self) - 1) < 0 ||
	    str_to_u32(self, 10, &pid) < 0)
		return NULL;
	st.pid = s->exec ? s->init_pid : (pid_t)pid;
	st.annotations_json = annotations;
	text = oci_state_json(&st);
	if (!text || json_parse(text, strlen(text), "state", &state, NULL) < 0)
		return NULL;
	return process_state(s, state, (pid_t)pid);
}

int ctr_seccomp_install(struct ctr_setup *s, struct error *e)
{
	autofree char *text = filter_notifies(&s->seccomp) ? describe(s) : NULL;
	int fd, r;
	ssize_t n;

	if (filter_notifies(&s->seccomp) && !text)
		return error_plain(e, EINVAL, "seccomp: the state for the listener");
	r = filter_install(&s->seccomp, &fd, e);
	if (r < 0 || fd < 0)
		return r;
	n = fd_send(s->listener, text, strlen(text), &fd, 1);
	return n < 0 ? error_set(e, (int)n, "seccomp: hand the listener over") : 0;
}
