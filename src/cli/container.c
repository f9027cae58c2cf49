/* SPDX-License-Identifier: Apache-2.0 */
/* container - a container's directory below --root, and what its shim says of it. */
#include "cli/cli.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void cli_container_done(struct cli_container *c)
{
	fd_close(c->dirfd);
	free(c->dir);
	store_container_done(&c->st);
	*c = CLI_CONTAINER_INIT;
}

static int open_dir(struct cli_container *c, struct error *e)
{
	c->dirfd = open(c->dir, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (c->dirfd >= 0)
		return 0;
	return errno == ENOENT ? error_plain(e, ENOENT, "container does not exist")
			       : error_set(e, errno, "open %s", c->dir);
}

int cli_container_open(const struct cli *c, const char *id, bool any, struct cli_container *ret,
		       struct error *e)
{
	int r = id_check(id, "container id", e);

	if (r < 0)
		return r;
	ret->dir = xasprintf("%s/%s", c->root, id);
	r = open_dir(ret, e);
	if (r < 0)
		return r;
	r = store_container_load(ret->dirfd, &ret->st, e);
	ret->known = r == 0;
	if (r == -ENOENT)
		r = error_plain(e, ENOENT, "container does not exist");
	return any ? 0 : r;
}

int cli_container_make(const struct cli *c, const char *id, struct cli_container *ret,
		       struct error *e)
{
	int r = id_check(id, "container id", e);

	if (r < 0)
		return r;
	r = path_mkdir_all(c->root, 0700);
	if (r < 0)
		return error_set(e, r, "create %s", c->root);
	ret->dir = xasprintf("%s/%s", c->root, id);
	if (mkdir(ret->dir, 0700) < 0)
		return errno == EEXIST
			       ? error_plain(e, EEXIST,
					     "container with given ID already exists: %s", id)
			       : error_set(e, errno, "create %s", ret->dir);
	return open_dir(ret, e);
}

int cli_container_lock(const struct cli_container *c, int how, struct error *e)
{
	autoclose int fd = openat(c->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, how) < 0)
		return error_set(e, errno, "lock %s", c->dir);
	return take_fd(fd);
}

int cli_container_remove(const struct cli *c, const char *id, struct error *e)
{
	autofree char *dir = xasprintf("%s/%s", c->root, id);
	int r = path_remove_tree_at(AT_FDCWD, dir);

	return r < 0 ? error_set(e, r, "remove %s", dir) : 0;
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int cli_container_ids(const struct cli *c, struct strv *ret, struct error *e)
{
	DIR *d = opendir(c->root);
	const struct dirent *ent;

	if (!d)
		return errno == ENOENT ? 0 : error_set(e, errno, "open %s", c->root);
	while ((ent = readdir(d)))
		if (id_check(ent->d_name, "container id", NULL) == 0)
			strv_add(ret, ent->d_name);
	closedir(d);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), compare_ids);
	return 0;
}

static int for_matches(const struct cli *c, const regex_t *re, cli_id_fn *fn, void *data,
		       struct error *e)
{
	autodone(strv) ids = STRV_INIT;
	int first = cli_container_ids(c, &ids, e);

	for (size_t i = 0; i < ids.n; i++) {
		int r = regexec(re, ids.v[i], 0, NULL, 0) == 0
				? fn(c, ids.v[i], data, first < 0 ? NULL : e)
				: 0;

		if (first >= 0)
			first = r;
	}
	return first;
}

int cli_for_ids(const struct cli *c, const char *id, bool regex, cli_id_fn *fn, void *data,
		struct error *e)
{
	char why[128];
	regex_t re;
	int r;

	if (!regex)
		return fn(c, id, data, e);
	r = regcomp(&re, id, REG_EXTENDED | REG_NOSUB);
	if (r) {
		regerror(r, &re, why, sizeof(why));
		return error_plain(e, EINVAL, "invalid regular expression \"%s\": %s", id, why);
	}
	r = for_matches(c, &re, fn, data, e);
	regfree(&re);
	return r;
}

struct oci_state cli_oci_state(const struct cli_container *c, const char *status, pid_t pid,
			       const char *owner)
{
	return (struct oci_state){
		.id = c->st.id,
		.status = status,
		.bundle = c->st.bundle,
		.annotations_json = c->st.annotations,
		.pid = pid,
		.rootfs = c->st.rootfs,
		.owner = owner,
		.created = c->st.created,
	};
}

/* FNV-1a. */
static uint32_t hash(uint32_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

/* Two roots may hold containers of one name: the root's hash, and, as a long id is cut, the id's
 * too. */
char *cli_sandbox_name(const struct cli *c, const char *id)
{
	uint32_t h = hash(hash(hash(2166136261u, c->root), "/"), id);

	return c->default_root ? xstrdup(id) : xasprintf("%.*s.%08x", LIMIT_ID_MAX - 9, id, h);
}

char *cli_sandbox_dir(const char *sandbox)
{
	return xasprintf("%s/%s", CLI_RUN_DIR, sandbox);
}

static const char *const status_names[] = {
	[CONTAINERD__V1__TYPES__STATUS__UNKNOWN] = "creating",
	[CONTAINERD__V1__TYPES__STATUS__CREATED] = "created",
	[CONTAINERD__V1__TYPES__STATUS__RUNNING] = "running",
	[CONTAINERD__V1__TYPES__STATUS__STOPPED] = "stopped",
	[CONTAINERD__V1__TYPES__STATUS__PAUSED] = "paused",
	[CONTAINERD__V1__TYPES__STATUS__PAUSING] = "paused",
};

static const char *ask_status(struct rpc_client *r, const char *id, pid_t *ret_pid)
{
	Containerd__Task__V2__StateRequest rq = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	Containerd__Task__V2__StateResponse *st;
	ProtobufCMessage *resp = NULL;
	const char *name = "stopped";

	rq.id = (char *)(uintptr_t)id;
	if (cli_task_call(r, "State", &rq.base, CLI_STATE_MS, &resp, NULL) < 0)
		return name;
	st = (Containerd__Task__V2__StateResponse *)resp;
	if ((size_t)st->status < ARRAY_SIZE(status_names))
		name = status_names[st->status];
	if (ret_pid)
		*ret_pid = str_eq(name, "stopped") ? 0 : (pid_t)st->pid;
	protobuf_c_message_free_unpacked(resp, NULL);
	return name;
}

/* A shim that is dead or does not answer has no container that lives. */
const char *cli_container_status(const struct cli_container *c, pid_t *ret_pid)
{
	autoptr(rpc_client) r = NULL;

	if (ret_pid)
		*ret_pid = 0;
	if (cli_shim_connect(c->st.socket, &r, NULL) < 0)
		return c->st.pid ? "stopped" : "creating";
	return ask_status(r, c->st.id, ret_pid);
}
