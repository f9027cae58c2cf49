# SPDX-License-Identifier: Apache-2.0
"""Take the ELF kernel out of a bzImage, as the x86 boot protocol describes it.

The set-up header (at 0x1f1 of the file) says where the compressed kernel lies; its format shows in
its first bytes. A file that is an ELF kernel already is passed through.
"""

import struct

from . import GuestError, compression

SETUP_SECTS = 0x1f1
BOOT_FLAG = 0x1fe  # 0xaa55
HEADER_MAGIC = 0x202  # "HdrS"
PROTOCOL = 0x206
KERNEL_VERSION = 0x20e  # offset of a string, less 0x200
PAYLOAD_OFFSET = 0x248  # from the start of the protected-mode code; protocol 2.08
PAYLOAD_LENGTH = 0x24c
HEADER_END = 0x250
PROTOCOL_MIN = 0x208
SECTOR = 512


def _check(image):
    if len(image) < HEADER_END or image[BOOT_FLAG:BOOT_FLAG + 2] != b"\x55\xaa" or \
            image[HEADER_MAGIC:HEADER_MAGIC + 4] != b"HdrS":
        raise GuestError("not an x86 bzImage")
    protocol, = struct.unpack_from("<H", image, PROTOCOL)
    if protocol < PROTOCOL_MIN:
        raise GuestError(f"boot protocol {protocol >> 8}.{protocol & 255:02} is older than 2.08")


def release(image):
    """The kernel's release ("6.1.0-9-cloud-amd64"), or None where the image does not tell."""
    if image.startswith(b"\x7fELF"):
        return None
    _check(image)
    offset, = struct.unpack_from("<H", image, KERNEL_VERSION)
    if offset == 0:
        return None
    words = image[offset + 0x200:offset + 0x280].split(b"\0")[0].split()
    return words[0].decode("ascii", "replace") if words else None


def kernel(image):
    """The uncompressed kernel."""
    if image.startswith(b"\x7fELF"):
        return image
    _check(image)
    start = ((image[SETUP_SECTS] or 4) + 1) * SECTOR
    offset, length = struct.unpack_from("<II", image, PAYLOAD_OFFSET)
    payload = image[start + offset:start + offset + length]
    if len(payload) != length or length == 0:
        raise GuestError("the bzImage is cut short")
    out = compression.unpack(payload)
    if not out.startswith(b"\x7fELF"):
        raise GuestError("the bzImage's payload is no ELF kernel, or is compressed in an unknown way "
                         f"(it starts with {payload[:4].hex()})")
    return out
