/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template - a guest that was booted up to where its agent waits, and saved; sandboxes start as
 * copies of it.
 *
 * It is the directory PATH/TENANT/FINGERPRINT with "memory", "state" and "template.json". The
 * fingerprint is of everything that has a part in it: kernel, initrd or image, VMM (by name, inode,
 * size and times), the VM's configuration, our version, the host's boot. So one that does not fit
 * any more is not found, and the one that is made in its place removes it. template.json says what
 * the other files must be; one that was touched is not used. The files are read-only, of root.
 *
 * A tenant has a template of its own, so that the secrets that a boot makes (where the kernel lies,
 * the canaries of its stacks) are not those of another's guests.
 */
#pragma once

#include "hv/settings.h"

#include <stdint.h>

struct loop;

struct template_info {
	uint64_t memory; /* bytes in use */
	uint64_t state;  /* bytes */
	uint64_t built;  /* s since 1970 */
};

/* Where the template of this configuration is, or would be; owned. NULL and the reason: the
 * tenant's name is no file name, or a file that has a part in it is missing. */
char *template_dir(const char *path, const char *tenant, const struct hv_ops *ops,
		   const struct hv_config *c, struct error *e);
/* 0: whole; -ENOENT: there is none; -EBADMSG and the reason: damaged. @ret may be NULL. */
int template_check(const char *dir, struct template_info *ret, struct error *e);
/* Makes a template unusable, whatever is wrong with it. */
void template_spoil(const char *dir);
/* Removes all of a tenant's, of all tenants where @tenant is NULL. 0 also where there are none. */
int template_remove(const char *path, const char *tenant, struct error *e);

/*
 * Makes the template @dir: boots, waits for the agent's word (at most @timeout_ms), saves. @done is
 * called once from the loop. -EBUSY: somebody else is making one for this tenant.
 */
typedef void template_done_fn(void *data, const struct error *e); /* @e NULL: it is there */
struct template_build;
struct template_build *template_build_new(const char *dir, const struct hv_ops *ops,
					  const struct hv_config *c, int64_t timeout_ms,
					  struct loop *l, template_done_fn *done, void *data,
					  struct error *e);
/* Stops what is on its way, and leaves nothing of it. */
void template_build_free(struct template_build *b);
DEFINE_AUTOPTR(template_build, template_build_free);
