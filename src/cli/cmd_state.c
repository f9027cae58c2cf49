/* SPDX-License-Identifier: Apache-2.0 */
/* state - a container's state as JSON, with runc's keys. */
#include "cli/cli.h"

#include "base/buf.h"
#include "base/limits.h"
#include "wire/json.h"

#include <errno.h>

static int print_state(const struct cli_container *k, struct error *e)
{
	autodone(buf) out = BUF_INIT(LIMIT_CONFIG_JSON);
	autoptr(json) annotations = NULL;
	struct json_writer w;
	pid_t pid = 0;
	const char *status = cli_container_status(k, &pid);
	int r = json_parse(k->st.annotations, strlen(k->st.annotations), "annotations",
			   &annotations, e);

	if (r < 0)
		return r;
	json_writer_init(&w, &out, "  ");
	json_open_object(&w, NULL);
	json_add_str(&w, "ociVersion", OCI_VERSION);
	json_add_str(&w, "id", k->st.id);
	json_add_i64(&w, "pid", pid);
	json_add_str(&w, "status", status);
	json_add_str(&w, "bundle", k->st.bundle);
	json_add_str(&w, "rootfs", k->st.rootfs);
	json_add_str(&w, "created", k->st.created);
	if (annotations->count)
		json_add_value(&w, "annotations", annotations);
	json_add_str(&w, "owner", "");
	json_close(&w);
	if (json_writer_end(&w) < 0)
		return error_plain(e, ENOBUFS, "the state is too large");
	printf("%s\n", buf_str(&out));
	return 0;
}

static int cmd_state(const struct cli *c, void *o, int nargs, char **args, struct error *e)
{
	autodone(cli_container) k = CLI_CONTAINER_INIT;
	int r = cli_container_open(c, args[0], false, &k, e);

	return r < 0 ? r : print_state(&k, e);
}

const struct cli_command command_state = {
	.name = "state",
	.operands = "ID",
	.summary = "print the state of a container as JSON",
	.min = 1,
	.max = 1,
	.run = cmd_state,
};
