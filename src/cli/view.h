/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view - the container's files, as the host sees them through the pid of its init proxy.
 *
 * Engines enter the mount namespace of that pid and take "/" for the container's: podman cp copies
 * there, as root. So "/" must not be the host's. It is the container's root file system with its
 * bind mounts; what exists in the guest alone (tmpfs, /dev, /sys) is an empty directory that cannot
 * be written to, so that copying there fails instead of disappearing; /proc is that of the proxy's
 * own pid namespace.
 */
#pragma once

#include "base/error.h"
#include "oci/oci.h"

/*
 * In a child with a mount and a pid namespace of its own: builds the view and makes it the working
 * directory. Entering it is left to the program that is executed, which would not find its
 * libraries in there.
 */
int view_make(const oci_spec *spec, struct error *e);
