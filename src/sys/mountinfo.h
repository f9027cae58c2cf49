/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mountinfo - /proc/PID/mountinfo and /proc/swaps: lines to fields (proc(5)).
 *
 * Blanks in their names are written as \040 and the like; they are turned back in place. A line
 * that does not have the form is an error: nothing here guesses.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Points into the line. */
struct mountinfo {
	unsigned id, parent;
	unsigned major, minor;
	char *root;    /* in its file system */
	char *point;   /* in the root of the process */
	char *options; /* of the mount */
	char *type;    /* "fuse.sshfs" with what is behind the dot */
	char *source;
	char *super; /* options of the file system */
};

/* Takes @line apart in place, which has no newline. -EINVAL. */
int mountinfo_parse(char *line, struct mountinfo *ret);

/* Calls @fn for each line of @text until it returns something else than 0, which is returned. Lines
 * that are not understood are -EINVAL at once. @text is changed. */
typedef int mountinfo_fn(const struct mountinfo *m, void *data);
int mountinfo_each(char *text, mountinfo_fn *fn, void *data);
/* The same for /proc/self/mountinfo, at most LIMIT_PROC_FILE bytes of it. */
int mountinfo_read(mountinfo_fn *fn, void *data);

/* True if @text, which has the form of /proc/swaps and is changed, names @path. */
bool swaps_have(char *text, const char *path);
