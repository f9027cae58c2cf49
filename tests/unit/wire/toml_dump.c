/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toml_dump - for toml_compare.py: reads documents from stdin, each as "<length>\n<bytes>", and
 * answers each with one line of JSON: the tree with every scalar as {"type", "value"}, or
 * {"error"}.
 */
#include "base/buf.h"
#include "base/error.h"
#include "base/limits.h"
#include "wire/json.h"
#include "wire/toml.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void add_scalar(struct json_writer *w, const char *key, const char *type, const char *value)
{
	json_open_object(w, key);
	json_add_str(w, "type", type);
	json_add_str(w, "value", value);
	json_close(w);
}

static void add_time(struct json_writer *w, const char *key, const struct toml_time *t)
{
	char date[32] = "", time[48] = "", offset[16] = "", all[96];

	if (t->has_date)
		snprintf(date, sizeof(date), "%04u-%02u-%02u", t->year, t->month, t->day);
	if (t->has_time)
		snprintf(time, sizeof(time), "%s%02u:%02u:%02u.%06u", t->has_date ? "T" : "",
			 t->hour, t->minute, t->second, t->nanosecond / 1000);
	if (t->has_offset)
		snprintf(offset, sizeof(offset), "%+d", t->offset);
	snprintf(all, sizeof(all), "%s%s%s", date, time, offset);
	add_scalar(w, key, "time", all);
}

static void add_value(struct json_writer *w, const char *key, const struct toml *v)
{
	const struct toml *m;
	char text[64];

	switch (v->type) {
	case TOML_TABLE:
	case TOML_ARRAY:
		if (v->type == TOML_TABLE)
			json_open_object(w, key);
		else
			json_open_array(w, key);
		toml_for_each(m, v)
			add_value(w, m->key, m);
		json_close(w);
		break;
	case TOML_STRING:
		add_scalar(w, key, "string", v->string);
		break;
	case TOML_INT:
		snprintf(text, sizeof(text), "%" PRIi64, v->integer);
		add_scalar(w, key, "integer", text);
		break;
	case TOML_FLOAT:
		snprintf(text, sizeof(text), "%.17g", v->real);
		add_scalar(w, key, "float", isnan(v->real) ? "nan" : text);
		break;
	case TOML_BOOL:
		add_scalar(w, key, "bool", v->boolean ? "true" : "false");
		break;
	case TOML_TIME:
		add_time(w, key, &v->time);
		break;
	}
}

static void answer(const char *text, size_t len)
{
	autodone(buf) b = BUF_INIT((size_t)64 << 20);
	autoptr(toml) t = NULL;
	struct error e = ERROR_INIT;
	struct json_writer w;

	json_writer_init(&w, &b, NULL);
	if (toml_parse(text, len, "t", &t, &e) < 0) {
		json_open_object(&w, NULL);
		json_add_str(&w, "error", e.text);
		json_close(&w);
	} else {
		add_value(&w, NULL, t);
	}
	if (json_writer_end(&w) < 0)
		exit(2);
	puts(buf_str(&b));
}

int main(void)
{
	size_t len;

	while (scanf("%zu", &len) == 1) {
		autofree char *text = malloc(len + 1);

		if (getchar() != '\n' || !text || fread(text, 1, len, stdin) != len)
			return 2;
		answer(text, len);
	}
	return 0;
}
