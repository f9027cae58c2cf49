/* SPDX-License-Identifier: Apache-2.0 */
/* log - see log.h. A message longer than a line buffer is cut; nothing is allocated. */
#include "base/log.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 2048

static struct {
	const char *program;
	int fd;
	enum log_format format;
	enum log_level max;
} sink = {
	.program = "caisson", .fd = STDERR_FILENO, .format = LOG_FORMAT_BARE, .max = LOG_LEVEL_WARN
};

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

void log_init(const char *program, int fd, enum log_format format, enum log_level max)
{
	sink.program = program;
	sink.fd = fd;
	sink.format = format;
	sink.max = max;
}

void log_set_level(enum log_level max)
{
	sink.max = max;
}

void log_set_fd(int fd)
{
	sink.fd = fd;
}

enum log_level log_max_level(void)
{
	return sink.max;
}

int log_level_parse(const char *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++)
		if (str_eq(s, level_names[i]))
			return (int)i;
	return str_eq(s, "warn") ? LOG_LEVEL_WARN : -EINVAL;
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

/* RFC 3339 with nanoseconds, UTC: what logrus writes. */
static void log_time(char *p, size_t n)
{
	char seconds[CLOCK_SECONDS_MAX];
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	clock_format_seconds(ts.tv_sec, seconds);
	snprintf(p, n, "%s.%09ldZ", seconds, ts.tv_nsec);
}

/* Appends @s escaped for a JSON string; leaves room for the closing `"}\n`. */
static size_t log_json_escape(char *out, size_t room, const char *s)
{
	size_t n = 0;

	for (; *s && n + 8 < room; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			out[n++] = '\\';
			out[n++] = (char)c;
		} else if (c < 0x20) {
			n += (size_t)snprintf(out + n, room - n, "\\u%04x", c);
		} else {
			out[n++] = (char)c;
		}
	}
	return n;
}

static size_t log_format_line(char *line, size_t room, enum log_level level, const char *text)
{
	char when[64];
	int n;

	log_time(when, sizeof(when));
	switch (sink.format) {
	case LOG_FORMAT_JSON:
		n = snprintf(line, room, "{\"level\":\"%s\",\"time\":\"%s\",\"msg\":\"",
			     level_names[level], when);
		n += (int)log_json_escape(line + n, room - (size_t)n - 4, text);
		n += snprintf(line + n, room - (size_t)n, "\"}");
		break;
	case LOG_FORMAT_TEXT:
		n = snprintf(line, room, "%s %s %s[%d]: %s", when, level_names[level], sink.program,
			     (int)getpid(), text);
		break;
	default:
		n = snprintf(line, room, "%s: %s", sink.program, text);
	}
	return MIN((size_t)n, room - 2);
}

void log_writev(enum log_level level, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX / 2], line[LOG_LINE_MAX];
	int saved = errno;
	size_t n;

	if (level > sink.max || sink.fd < 0)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	str_make_printable(text);
	n = log_format_line(line, sizeof(line), level, text);
	line[n++] = '\n';
	/* A log that cannot be written has nowhere to say so. */
	if (write(sink.fd, line, n) < 0)
		errno = saved;
	errno = saved;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_writev(level, fmt, ap);
	va_end(ap);
}
