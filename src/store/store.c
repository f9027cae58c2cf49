/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - see store.h.
 *
 * A record is a table of fields; each type of field knows how to read itself from JSON, write
 * itself, and tell whether its value may stand. What is loaded gets used to kill processes and
 * remove directories, so it is checked as if a stranger had written it; the same checks before
 * saving keep us from writing what we would refuse to load.
 *
 * Unknown keys are ignored: within one version, fields may be added.
 */
#include "store/store.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "wire/json.h"

#include <errno.h>
#include <net/if.h>
#include <stddef.h>

#define STATE_FILE "state.json"
#define STATE_MODE 0600
#define STATE_VERSION 1
#define PROCESS_NAME_MAX 64

struct field {
	const char *key;
	const struct field_type *type;
	size_t offset; /* in the record */
	bool required; /* strings: not empty; numbers: not 0 */
};

struct record {
	const struct field *fields;
	size_t n;
};

/* @at is the field in the record. read is not called for null or an absent key; check may be
 * NULL. */
struct field_type {
	int (*read)(const struct json *v, void *at, struct error *e);
	void (*write)(struct json_writer *w, const char *key, const void *at);
	int (*check)(const struct field *f, const void *at, struct error *e);
};

static int record_read(const struct record *r, const struct json *object, void *out,
		       struct error *e);
static void record_write(const struct record *r, struct json_writer *w, const void *in);
static int record_check(const struct record *r, const void *in, struct error *e);

/* --- strings --- */

static int string_read(const struct json *v, void *at, struct error *e)
{
	const char *s = json_to_str(v);

	if (!s)
		return error_plain(e, EINVAL, "must be a string, not %s", json_type_name(v));
	*(char **)at = xstrdup(s);
	return 0;
}

static void string_write(struct json_writer *w, const char *key, const void *at)
{
	json_add_str(w, key, *(char *const *)at);
}

static int string_check(const struct field *f, const void *at, struct error *e)
{
	if (f->required && str_empty(*(char *const *)at))
		return error_plain(e, EINVAL, "is missing");
	return 0;
}

static int id_field_check(const struct field *f, const void *at, struct error *e)
{
	const char *id = *(char *const *)at;

	return id || f->required ? id_check(id ? id : "", "id", e) : 0;
}

static int path_check(const struct field *f, const void *at, struct error *e)
{
	const char *path = *(char *const *)at;

	if (str_empty(path))
		return string_check(f, at, e);
	if (path[0] != '/')
		return error_plain(e, EINVAL, "must be an absolute path, not \"%s\"", path);
	return 0;
}

static const struct field_type type_string = { string_read, string_write, string_check };
static const struct field_type type_id = { string_read, string_write, id_field_check };
static const struct field_type type_path = { string_read, string_write, path_check };

/* --- numbers and flags --- */

static int u64_read(const struct json *v, void *at, struct error *e)
{
	return json_to_u64(v, at) < 0 ? error_plain(e, EINVAL, "must be a whole number from 0") : 0;
}

static void u64_write(struct json_writer *w, const char *key, const void *at)
{
	json_add_u64(w, key, *(const uint64_t *)at);
}

static int u64_check(const struct field *f, const void *at, struct error *e)
{
	if (f->required && !*(const uint64_t *)at)
		return error_plain(e, EINVAL, "is missing");
	return 0;
}

static int pid_read(const struct json *v, void *at, struct error *e)
{
	return json_to_i64(v, at) < 0 ? error_plain(e, EINVAL, "must be a process id") : 0;
}

static void pid_write(struct json_writer *w, const char *key, const void *at)
{
	json_add_i64(w, key, *(const int64_t *)at);
}

/* Signals are sent to it: -1 would be everybody, 1 is init. */
static int pid_check(const struct field *f, const void *at, struct error *e)
{
	int64_t pid = *(const int64_t *)at;

	if ((pid == 0 && !f->required) || (pid > 1 && pid <= INT32_MAX))
		return 0;
	return error_plain(e, EINVAL, "must be a process id, not %lld", (long long)pid);
}

static int bool_read(const struct json *v, void *at, struct error *e)
{
	if (json_to_bool(v, at) < 0)
		return error_plain(e, EINVAL, "must be true or false, not %s", json_type_name(v));
	return 0;
}

static void bool_write(struct json_writer *w, const char *key, const void *at)
{
	json_add_bool(w, key, *(const bool *)at);
}

static const struct field_type type_u64 = { u64_read, u64_write, u64_check };
static const struct field_type type_pid = { pid_read, pid_write, pid_check };
static const struct field_type type_bool = { bool_read, bool_write, NULL };

/* --- an object kept as text --- */

static int object_read(const struct json *v, void *at, struct error *e)
{
	autodone(buf) text = BUF_INIT(LIMIT_STATE_FILE);
	struct json_writer w;

	if (v->type != JSON_OBJECT)
		return error_plain(e, EINVAL, "must be an object, not %s", json_type_name(v));
	json_writer_init(&w, &text, NULL);
	json_add_value(&w, NULL, v);
	if (json_writer_end(&w) < 0)
		return error_plain(e, EINVAL, "is too large");
	*(char **)at = xstrdup(buf_str(&text));
	return 0;
}

static int object_parse(const char *text, struct json **ret, struct error *e)
{
	autoptr(json) v = NULL;
	int r = json_parse(text, strlen(text), "JSON", &v, e);

	if (r < 0)
		return r;
	if (v->type != JSON_OBJECT)
		return error_plain(e, EINVAL, "must be an object, not %s", json_type_name(v));
	*ret = take_ptr(v);
	return 0;
}

static void object_write(struct json_writer *w, const char *key, const void *at)
{
	const char *text = *(char *const *)at;
	autoptr(json) v = NULL;

	if (!text || object_parse(text, &v, NULL) < 0)
		json_add_null(w, key);
	else
		json_add_value(w, key, v);
}

static int object_check(const struct field *f, const void *at, struct error *e)
{
	const char *text = *(char *const *)at;
	autoptr(json) v = NULL;

	return text ? object_parse(text, &v, e) : string_check(f, at, e);
}

static const struct field_type type_object = { object_read, object_write, object_check };

/* --- lists --- */

static int strv_read(const struct json *v, void *at, struct error *e)
{
	const struct json *item;

	if (v->type != JSON_ARRAY)
		return error_plain(e, EINVAL, "must be an array, not %s", json_type_name(v));
	json_for_each(item, v) {
		const char *s = json_to_str(item);

		if (!s)
			return error_plain(e, EINVAL, "must hold strings, not %s",
					   json_type_name(item));
		strv_add(at, s);
	}
	return 0;
}

static void strv_write(struct json_writer *w, const char *key, const void *at)
{
	const struct strv *v = at;

	json_add_strv(w, key, v->v, v->n);
}

static int ids_check(const struct field *f, const void *at, struct error *e)
{
	const struct strv *v = at;
	int r = 0;

	for (size_t i = 0; i < v->n && r == 0; i++)
		r = id_check(v->v[i], "id", e);
	return r;
}

/* They get removed: absolute, and nothing that leads elsewhere. */
static int cgroups_check(const struct field *f, const void *at, struct error *e)
{
	const struct strv *v = at;

	for (size_t i = 0; i < v->n; i++) {
		autodone(strv) parts = STRV_INIT;

		strv_split(&parts, v->v[i], "/");
		if (v->v[i][0] != '/' || !parts.n || strv_contains(&parts, ".."))
			return error_plain(e, EINVAL, "\"%s\" is no path of a cgroup", v->v[i]);
	}
	return 0;
}

/* Names of interfaces, as the kernel allows them. */
static int links_check(const struct field *f, const void *at, struct error *e)
{
	const struct strv *v = at;

	for (size_t i = 0; i < v->n; i++)
		if (!*v->v[i] || strlen(v->v[i]) >= IFNAMSIZ || strpbrk(v->v[i], "/: \t\n"))
			return error_plain(e, EINVAL, "\"%.32s\" is no name of an interface",
					   v->v[i]);
	return 0;
}

static const struct field_type type_links = { strv_read, strv_write, links_check };
static const struct field_type type_ids = { strv_read, strv_write, ids_check };
static const struct field_type type_cgroups = { strv_read, strv_write, cgroups_check };

/* --- processes --- */

static int process_name_check(const struct field *f, const void *at, struct error *e)
{
	const char *name = *(char *const *)at;

	if (str_empty(name) || strlen(name) > PROCESS_NAME_MAX)
		return error_plain(e, EINVAL, "must have 1 to %d characters", PROCESS_NAME_MAX);
	return 0;
}

static const struct field_type type_process_name = { string_read, string_write,
						     process_name_check };

#define FIELD(record, member, name, field_type, need)                                            \
	{                                                                                        \
		.key = (name), .type = &(field_type), .offset = offsetof(struct record, member), \
		.required = (need),                                                              \
	}

static const struct field process_fields[] = {
	FIELD(store_process, name, "name", type_process_name, true),
	FIELD(store_process, pid, "pid", type_pid, true),
	FIELD(store_process, start_time, "startTime", type_u64, true),
};
static const struct record process_record = { process_fields, ARRAY_SIZE(process_fields) };

/* The pointer and the count are two members of one record. */
struct process_list {
	struct store_process *v;
	size_t n;
};
_Static_assert(offsetof(struct store_sandbox, processes) + offsetof(struct process_list, n) ==
		       offsetof(struct store_sandbox, nprocesses),
	       "a process_list lies in store_sandbox");

static int processes_read(const struct json *v, void *at, struct error *e)
{
	struct process_list *list = at;
	const struct json *item;

	if (v->type != JSON_ARRAY)
		return error_plain(e, EINVAL, "must be an array, not %s", json_type_name(v));
	list->v = xnew_array(struct store_process, v->count);
	json_for_each(item, v) {
		int r = record_read(&process_record, item, &list->v[list->n++], e);

		if (r < 0)
			return r;
	}
	return 0;
}

static void processes_write(struct json_writer *w, const char *key, const void *at)
{
	const struct process_list *list = at;

	json_open_array(w, key);
	for (size_t i = 0; i < list->n; i++) {
		json_open_object(w, NULL);
		record_write(&process_record, w, &list->v[i]);
		json_close(w);
	}
	json_close(w);
}

static int processes_check(const struct field *f, const void *at, struct error *e)
{
	const struct process_list *list = at;
	int r = 0;

	for (size_t i = 0; i < list->n && r == 0; i++)
		r = record_check(&process_record, &list->v[i], e);
	return r;
}

static const struct field_type type_processes = { processes_read, processes_write,
						  processes_check };

/* --- records --- */

static const struct field container_fields[] = {
	FIELD(store_container, id, "id", type_id, true),
	FIELD(store_container, bundle, "bundle", type_path, true),
	FIELD(store_container, sandbox, "sandbox", type_id, true),
	FIELD(store_container, socket, "socket", type_string, false),
	FIELD(store_container, created, "created", type_string, false),
	FIELD(store_container, owner, "owner", type_string, false),
	FIELD(store_container, rootfs, "rootfs", type_path, false),
	FIELD(store_container, pid, "pid", type_pid, false),
	FIELD(store_container, pid_start, "pidStartTime", type_u64, false),
	FIELD(store_container, annotations, "annotations", type_object, false),
	FIELD(store_container, terminal, "terminal", type_bool, false),
};
static const struct record container_record = { container_fields, ARRAY_SIZE(container_fields) };

static const struct field sandbox_fields[] = {
	FIELD(store_sandbox, id, "id", type_id, true),
	FIELD(store_sandbox, ns, "namespace", type_string, false),
	FIELD(store_sandbox, bundle, "bundle", type_path, false),
	FIELD(store_sandbox, config_path, "configPath", type_path, false),
	FIELD(store_sandbox, engine, "engine", type_string, false),
	FIELD(store_sandbox, cgroups, "cgroups", type_cgroups, false),
	FIELD(store_sandbox, containers, "containers", type_ids, false),
	FIELD(store_sandbox, netns, "netns", type_string, false),
	FIELD(store_sandbox, links, "links", type_links, false),
	FIELD(store_sandbox, processes, "processes", type_processes, false),
};
static const struct record sandbox_record = { sandbox_fields, ARRAY_SIZE(sandbox_fields) };

static int record_read(const struct record *r, const struct json *object, void *out,
		       struct error *e)
{
	if (object->type != JSON_OBJECT)
		return error_plain(e, EINVAL, "must be an object, not %s", json_type_name(object));
	for (size_t i = 0; i < r->n; i++) {
		const struct field *f = &r->fields[i];
		const struct json *v = json_get(object, f->key);

		if (!v || v->type == JSON_NULL)
			continue;
		if (f->type->read(v, (char *)out + f->offset, e) < 0)
			return error_prefix(e, "%s", f->key);
	}
	return 0;
}

static void record_write(const struct record *r, struct json_writer *w, const void *in)
{
	for (size_t i = 0; i < r->n; i++)
		r->fields[i].type->write(w, r->fields[i].key,
					 (const char *)in + r->fields[i].offset);
}

static int record_check(const struct record *r, const void *in, struct error *e)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct field *f = &r->fields[i];

		if (f->type->check && f->type->check(f, (const char *)in + f->offset, e) < 0)
			return error_prefix(e, "%s", f->key);
	}
	return 0;
}

/* --- files --- */

static int version_check(const struct json *v, struct error *e)
{
	uint64_t version;
	int r = json_get_u64(v, "version", &version, e);

	if (r < 0)
		return r;
	if (version != STATE_VERSION)
		return error_plain(e, EINVAL, "has version %llu, this program reads version %d",
				   (unsigned long long)version, STATE_VERSION);
	return 0;
}

static int state_parse(const struct record *r, const char *text, size_t n, void *out,
		       struct error *e)
{
	autoptr(json) v = NULL;
	int err = json_parse(text, n, STATE_FILE, &v, e);

	if (err == 0)
		err = version_check(v, e);
	if (err == 0)
		err = record_read(r, v, out, e);
	return err == 0 ? record_check(r, out, e) : err;
}

static int state_load(const struct record *r, int dirfd, void *out, struct error *e)
{
	autofree char *text = NULL;
	size_t n;
	struct error why = ERROR_INIT;
	int err = file_read_at(dirfd, STATE_FILE, LIMIT_STATE_FILE, &text, &n);

	if (err < 0)
		return error_set(e, err, "read %s", STATE_FILE);
	if (state_parse(r, text, n, out, &why) < 0)
		return error_plain(e, EINVAL, "%s: %s", STATE_FILE, error_text(&why));
	return 0;
}

static int state_save(const struct record *r, int dirfd, const void *in, struct error *e)
{
	autodone(buf) text = BUF_INIT(LIMIT_STATE_FILE);
	struct json_writer w;
	int err;

	if (record_check(r, in, e) < 0)
		return error_prefix(e, "write %s", STATE_FILE);
	json_writer_init(&w, &text, "\t");
	json_open_object(&w, NULL);
	json_add_u64(&w, "version", STATE_VERSION);
	record_write(r, &w, in);
	json_close(&w);
	err = json_writer_end(&w);
	if (err == 0)
		err = buf_add_str(&text, "\n");
	if (err == 0)
		err = file_replace_at(dirfd, STATE_FILE, buf_ptr(&text), buf_len(&text),
				      STATE_MODE);
	return err < 0 ? error_set(e, err, "write %s", STATE_FILE) : 0;
}

void store_container_done(struct store_container *c)
{
	if (!c)
		return;
	free(c->id);
	free(c->bundle);
	free(c->sandbox);
	free(c->socket);
	free(c->created);
	free(c->owner);
	free(c->rootfs);
	free(c->annotations);
	*c = (struct store_container){ 0 };
}

void store_sandbox_done(struct store_sandbox *s)
{
	if (!s)
		return;
	free(s->id);
	free(s->ns);
	free(s->bundle);
	free(s->config_path);
	free(s->engine);
	strv_done(&s->cgroups);
	strv_done(&s->containers);
	free(s->netns);
	strv_done(&s->links);
	for (size_t i = 0; i < s->nprocesses; i++)
		free(s->processes[i].name);
	free(s->processes);
	*s = (struct store_sandbox){ 0 };
}

int store_container_load(int dirfd, struct store_container *ret, struct error *e)
{
	autodone(store_container) c = { 0 };
	int r = state_load(&container_record, dirfd, &c, e);

	if (r < 0)
		return r;
	*ret = c;
	c = (struct store_container){ 0 };
	return 0;
}

int store_container_save(int dirfd, const struct store_container *c, struct error *e)
{
	return state_save(&container_record, dirfd, c, e);
}

int store_sandbox_load(int dirfd, struct store_sandbox *ret, struct error *e)
{
	autodone(store_sandbox) s = { 0 };
	int r = state_load(&sandbox_record, dirfd, &s, e);

	if (r < 0)
		return r;
	*ret = s;
	s = (struct store_sandbox){ 0 };
	return 0;
}

int store_sandbox_save(int dirfd, const struct store_sandbox *s, struct error *e)
{
	return state_save(&sandbox_record, dirfd, s, e);
}
