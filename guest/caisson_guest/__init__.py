# SPDX-License-Identifier: Apache-2.0
"""The guest builder: from a packaged Linux kernel and a static agent to vmlinux and initrd.cpio.

kernel      builds the guest's own kernel from Debian's source package
config      reads kernel configurations and tells what containers miss in them
package     finds or downloads the kernel package
bzimage     takes the ELF kernel out of a bzImage
compression undoes what kernels and modules are compressed with
elf         reads ELF files, rewrites the kernel compactly, tells whether it has a PVH entry
modules     resolves, checks and orders the kernel modules
image       makes the disk image, with dm-verity's hash tree
strip       runs strip of binutils
cpio        writes the initrd, the same bytes for the same contents
product     puts it all together: inputs, products, manifest
"""


class GuestError(Exception):
    """What went wrong, in one line for a person. The command line prints it and exits 1."""
