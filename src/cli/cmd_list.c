/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list - the containers below --root, with runc's columns and keys.
 *
 * What is being made or was left half made (no readable state.json) is not listed, as runc has it;
 * `delete` knows it.
 */
#include "cli/cli.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "wire/json.h"

#include <errno.h>
#include <pwd.h>

/* runc's table: columns are at least this wide, with this many blanks behind the widest cell. */
#define COLUMN_MIN 12
#define COLUMN_PAD 3

struct list_options {
	const char *format;
	bool quiet;
};

#define OPT(...) CLI_OPT(list_options, __VA_ARGS__)
static const struct arg_option options[] = {
	OPT("format", 'f', ARG_STRING, format, "FORMAT", "table (default) or json"),
	OPT("quiet", 'q', ARG_BOOL, quiet, NULL, "only ids"),
};

enum { COL_ID, COL_PID, COL_STATUS, COL_BUNDLE, COL_CREATED, COL_OWNER, COLUMNS };
static const char *const titles[COLUMNS] = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" };

struct row {
	struct cli_container c;
	const char *status;
	pid_t pid;
	char *owner;
};

struct rows {
	struct row *v;
	size_t n;
};

static void rows_done(struct rows *r)
{
	for (size_t i = 0; i < r->n; i++) {
		cli_container_done(&r->v[i].c);
		free(r->v[i].owner);
	}
	free(r->v);
}
DEFINE_AUTODONE(rows, rows_done);

/* The name of a uid in decimal; "#uid" where it has none, as runc has it. */
static char *owner_name(const char *owner)
{
	uint32_t uid;
	const struct passwd *pw = str_to_u32(owner, 10, &uid) == 0 ? getpwuid(uid) : NULL;

	return pw ? xstrdup(pw->pw_name) : xasprintf("#%s", owner);
}

static void add_row(const struct cli *c, const char *id, bool ask, struct rows *rows)
{
	struct cli_container k = CLI_CONTAINER_INIT;
	struct error e = ERROR_INIT;
	struct row *row;

	if (cli_container_open(c, id, false, &k, &e) < 0) {
		log_debug("%s: %s", id, error_text(&e));
		cli_container_done(&k);
		return;
	}
	rows->v = xrealloc(rows->v, rows->n + 1, sizeof(*rows->v));
	row = &rows->v[rows->n++];
	*row = (struct row){ .c = k, .owner = owner_name(k.st.owner) };
	if (ask)
		row->status = cli_container_status(&k, &row->pid);
}

/* --- shapes --- */

static int print_json(const struct rows *rows, struct error *e)
{
	autodone(buf) out = BUF_INIT(LIMIT_STATE_FILE);
	struct json_writer w;

	if (!rows->n) {
		printf("null\n"); /* runc's empty list */
		return 0;
	}
	json_writer_init(&w, &out, NULL);
	json_open_array(&w, NULL);
	for (size_t i = 0; i < rows->n; i++) {
		const struct row *row = &rows->v[i];
		const struct oci_state st =
			cli_oci_state(&row->c, row->status, row->pid, row->owner);

		if (oci_state_write(&w, &st) < 0)
			log_warn("%s: its annotations are no JSON object", st.id);
	}
	json_close(&w);
	if (json_writer_end(&w) < 0)
		return error_plain(e, EFBIG, "the list is too large");
	printf("%s\n", buf_str(&out));
	return 0;
}

static const char *cell(const struct row *row, int column, char pid[16])
{
	switch (column) {
	case COL_ID:
		return row->c.st.id;
	case COL_PID:
		snprintf(pid, 16, "%d", (int)row->pid);
		return pid;
	case COL_STATUS:
		return row->status;
	case COL_BUNDLE:
		return row->c.st.bundle;
	case COL_CREATED:
		return row->c.st.created;
	default:
		return row->owner;
	}
}

static int print_table(const struct rows *rows, struct error *e)
{
	int width[COLUMNS];
	char pid[16];

	for (int col = 0; col < COLUMNS; col++) {
		size_t n = strlen(titles[col]);

		for (size_t i = 0; i < rows->n; i++)
			n = MAX(n, strlen(cell(&rows->v[i], col, pid)));
		width[col] = col == COL_OWNER ? 0 : MAX((int)n + COLUMN_PAD, COLUMN_MIN);
	}
	for (int col = 0; col < COLUMNS; col++)
		printf("%-*s", width[col], titles[col]);
	for (size_t i = 0; i < rows->n; i++) {
		printf("\n");
		for (int col = 0; col < COLUMNS; col++)
			printf("%-*s", width[col], cell(&rows->v[i], col, pid));
	}
	printf("\n");
	return 0;
}

static const struct {
	const char *name;
	int (*print)(const struct rows *rows, struct error *e);
} formats[] = { { "table", print_table }, { "json", print_json } };

static int cmd_list(const struct cli *c, void *opts, int nargs, char **args, struct error *e)
{
	const struct list_options *o = opts;
	autodone(rows) rows = { 0 };
	autodone(strv) ids = STRV_INIT;
	size_t f = 0;
	int r;

	while (o->format && f < ARRAY_SIZE(formats) && !str_eq(formats[f].name, o->format))
		f++;
	if (f == ARRAY_SIZE(formats))
		return error_plain(e, EINVAL, "invalid format option");
	r = cli_container_ids(c, &ids, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ids.n; i++)
		add_row(c, ids.v[i], !o->quiet, &rows);
	for (size_t i = 0; o->quiet && i < rows.n; i++)
		printf("%s\n", rows.v[i].c.st.id);
	return o->quiet ? 0 : formats[f].print(&rows, e);
}

const struct cli_command command_list = {
	.name = "list",
	.operands = "",
	.summary = "list the containers below --root",
	.options = CLI_OPTIONS(options),
	.size = sizeof(struct list_options),
	.run = cmd_list,
};
