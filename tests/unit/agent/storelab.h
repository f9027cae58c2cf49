/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storelab - storages with a loop and jobs of their own, in a directory below /tmp; disks from
 * files.
 */
#pragma once

#include "agent/job.h"
#include "agent/storage.h"

#include "agent.pb-c.h"

#include <stdbool.h>

struct storelab {
	struct loop *loop;
	struct jobs jobs;
	struct storages s;
	int result; /* of the last operation; 1: none has ended */
	struct strv refs;
	char dir[64];
	char path[128];             /* of st: dir/a/b */
	Grpc__Storage st, *list[4]; /* st is the first */
	size_t n;
	struct error e;
	struct strv disks;
};

/* cmocka fixtures. */
int storelab_setup(void **state);
int storelab_teardown(void **state);

/* True if the test may mount; makes a mount namespace when first asked. Says aloud why not. */
bool storelab_can_mount(void);
/* Adds the list and waits for the end. */
int storelab_add(struct storelab *f);
int storelab_add_to(struct storelab *f, struct strv *refs);
void storelab_release(struct storelab *f, struct strv *refs);

/* A file of @mib as a loop device, with a file system by "mkfs.TYPE" (NULL: none); its path, good
 * until the end of the test, or NULL if that is not possible here. */
const char *storelab_disk(struct storelab *f, const char *type, unsigned mib);
/* Owned: "<dir>/<name>", made as a directory. */
char *storelab_dir(struct storelab *f, const char *name);
/* Writes "<dir>/<name>". */
void storelab_put(struct storelab *f, const char *name, const char *text);
/* True if "<dir>/<name>" contains this. */
bool storelab_has(struct storelab *f, const char *name, const char *text);
