/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmlog - a stream of foreign text (a guest's console, a VMM's stderr) into a log file that cannot
 * fill the disk.
 *
 * The file grows to a maximum, is then renamed to NAME.1 and begun anew. What comes faster than
 * LIMIT_HV_LOG_BURST in each LIMIT_HV_LOG_WINDOW_MS is left in the pipe, so the writer waits or
 * drops. The last line that is not empty stays in memory. When the file cannot be written (disk
 * full) that is logged once and the text is only looked at.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;
struct loop;
struct vmlog;

/* One line without its end, control bytes replaced, cut at LIMIT_HV_LOG_LINE. */
typedef void vmlog_line_fn(const char *line, void *data);

/* Reads @fd (taken; non-blocking) until its end. @fn may be NULL. NULL with the reason if the file
 * cannot be made. */
struct vmlog *vmlog_new(struct loop *l, int fd, const char *dir, const char *name, uint64_t max,
			vmlog_line_fn *fn, void *data, struct error *e);
void vmlog_free(struct vmlog *v);
/* Takes what is in the stream now, without waiting: for the end of its writer. At most @max bytes.
 */
void vmlog_drain(struct vmlog *v, size_t max);
/* The last line that was not empty, "" at first; one without its end counts after vmlog_drain.
 * Valid until more text comes. */
const char *vmlog_last(const struct vmlog *v);
