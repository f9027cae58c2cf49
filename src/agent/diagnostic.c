/* SPDX-License-Identifier: Apache-2.0 */
/* diagnostic - see diagnostic.h. */
#include "agent/diagnostic.h"

#include "agent/container.h"

#include "oci/oci.h"
#include "rpc/ttrpc.h"
#include "wire/utf8.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_ANNOTATION "io.kubernetes.container.terminationMessagePath"

/* The file at @path of the container (O_PATH): a mount of its own as Kubernetes has it, or in the
 * root file system, which belongs to the container: nothing is followed out of it. */
static int find_message(const Grpc__Spec *spec, const char *path)
{
	autoclose int root = -1;

	for (size_t i = spec->n_mounts; i-- > 0;) {
		const Grpc__Mount *m = spec->mounts[i];
		int fd;

		if (!str_eq(m->destination, path) || *m->source != '/')
			continue;
		fd = open(m->source, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	root = open(spec->root->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -errno : path_open_in_root(root, path, O_PATH, 0);
}

/* The last bytes of a regular file; others are not opened, which could have effects. */
static ssize_t read_end(int place, char *text, size_t max)
{
	char name[PATH_FD_MAX];
	autoclose int fd = -1;
	struct stat st;

	if (fstat(place, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	fd = open(path_of_fd(place, name), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (st.st_size > (off_t)max && lseek(fd, st.st_size - (off_t)max, SEEK_SET) < 0)
		return -errno;
	return fd_read_full(fd, text, max);
}

static int reply_message(const Grpc__Spec *spec, struct rpc_call *call, struct error *e)
{
	Grpc__GetDiagnosticDataResponse resp = GRPC__GET_DIAGNOSTIC_DATA_RESPONSE__INIT;
	const char *path = oci_annotation(spec, PATH_ANNOTATION);
	char text[LIMIT_AGENT_DIAGNOSTIC + 1];
	autoclose int place = -1;
	ssize_t n;

	if (str_empty(path))
		return error_plain(e, ENOENT, "the container has no annotation " PATH_ANNOTATION);
	place = find_message(spec, path);
	n = place < 0 ? place : read_end(place, text, LIMIT_AGENT_DIAGNOSTIC);
	if (n < 0)
		return error_set(e, (int)n, "termination message %.256s", path);
	text[n] = '\0';
	utf8_clean(text);
	resp.data = text;
	rpc_call_reply(call, &resp.base);
	return 0;
}

int diagnostic_reply(struct container *c, const char *log_type, struct rpc_call *call,
		     struct error *e)
{
	Grpc__Spec *spec;
	int r;

	if (!str_eq(log_type, "termination_log"))
		return error_plain(e, EINVAL, "log_type \"%.32s\": only termination_log is known",
				   log_type);
	spec = grpc__spec__unpack(NULL, c->spec_len, c->spec);
	if (!spec)
		return error_plain(e, ENOMEM, "no memory for the container's specification");
	r = reply_message(spec, call, e);
	grpc__spec__free_unpacked(spec, NULL);
	return r;
}
