/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - one line a message, to one sink a process.
 *
 * The sink is a file descriptor; the format is text ("<time> <level> <program>[pid]: text"), the
 * JSON of runc's --log-format=json ({"level","msg","time"}), or kmsg style without time for a
 * guest's console. A message is written with one write(2), so that several processes may share a
 * file.
 */
#pragma once

#include <stdarg.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT_BARE };

struct error;

/* @program is kept by reference. The descriptor stays the caller's; -1 drops all messages. */
void log_init(const char *program, int fd, enum log_format format, enum log_level max);
void log_set_level(enum log_level max);
void log_set_fd(int fd);
enum log_level log_max_level(void);
/* "error", "warn"/"warning", "info", "debug"; -EINVAL for others. */
int log_level_parse(const char *s);
const char *log_level_name(enum log_level level);

void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_writev(enum log_level level, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
