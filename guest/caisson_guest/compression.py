# SPDX-License-Identifier: Apache-2.0
"""Undo the compression of kernel payloads and modules, told apart by their magic numbers.

Bytes after the end of the compressed stream are ignored: the kernel's build appends the
uncompressed size to its payload. gzip, bzip2, xz and lzma come from Python's library; lz4 and zstd
from liblz4 and libzstd, which apt and dpkg themselves are linked with, through ctypes. LZO, which no
distribution uses, is refused. Output is limited, so that a damaged file cannot eat the memory.
"""

import bz2
import ctypes
import lzma
import struct
import zlib

from . import GuestError

OUTPUT_MAX = 1 << 30
LZ4_LEGACY_BLOCK_MAX = 8 << 20
ZSTD_ERROR_MIN = (1 << 64) - 4096


def _stream(decompressor, data):
    out = decompressor.decompress(data, OUTPUT_MAX)
    if not decompressor.eof:
        raise GuestError("compressed data is cut short or unpacks to more than 1 GiB")
    return out


def _gzip(data):
    return _stream(zlib.decompressobj(wbits=31), data)


def _library(soname, package):
    try:
        return ctypes.CDLL(soname)
    except OSError:
        raise GuestError(f"{soname} not found (install {package})") from None


def _lz4_legacy(data):
    """The frame of `lz4 -l`: after the magic, blocks of {compressed size, bytes}."""
    decompress = _library("liblz4.so.1", "liblz4-1").LZ4_decompress_safe
    block = ctypes.create_string_buffer(LZ4_LEGACY_BLOCK_MAX)
    out = bytearray()
    pos = 4
    while pos + 4 <= len(data):
        size, = struct.unpack_from("<I", data, pos)
        pos += 4
        if size > len(data) - pos:
            break  # what follows the last block is not a block
        n = decompress(data[pos:pos + size], block, size, len(block))
        if n < 0 or len(out) + n > OUTPUT_MAX:
            raise GuestError("damaged lz4 data")
        out += memoryview(block)[:n]
        pos += size
    return bytes(out)


def _zstd(data):
    lib = _library("libzstd.so.1", "libzstd1")
    for name, args in (("ZSTD_findFrameCompressedSize", 2), ("ZSTD_decompressBound", 2),
                       ("ZSTD_decompress", 4)):
        function = getattr(lib, name)
        function.restype = ctypes.c_uint64
        function.argtypes = [ctypes.c_char_p, ctypes.c_size_t] * (args // 2)
    size = lib.ZSTD_findFrameCompressedSize(data, len(data))
    if size > len(data):
        raise GuestError("damaged zstd data")
    bound = lib.ZSTD_decompressBound(data, size)
    if bound > OUTPUT_MAX:
        raise GuestError("zstd data unpacks to more than 1 GiB")
    out = ctypes.create_string_buffer(bound)
    n = lib.ZSTD_decompress(ctypes.cast(out, ctypes.c_char_p), bound, data, size)
    if n >= ZSTD_ERROR_MIN:
        raise GuestError("damaged zstd data")
    return out.raw[:n]


FORMATS = (
    (b"\x1f\x8b", "gzip", _gzip),
    (b"BZh", "bzip2", lambda data: _stream(bz2.BZ2Decompressor(), data)),
    (b"\xfd7zXZ\x00", "xz", lambda data: _stream(lzma.LZMADecompressor(), data)),
    (b"\x5d\x00\x00", "lzma", lambda data: _stream(lzma.LZMADecompressor(), data)),
    (b"\x02\x21\x4c\x18", "lz4", _lz4_legacy),
    (b"\x28\xb5\x2f\xfd", "zstd", _zstd),
)


def format_of(data):
    """The name of the compression, or None where no magic number matches."""
    return next((name for magic, name, _ in FORMATS if data.startswith(magic)), None)


def unpack(data):
    """The uncompressed bytes; data itself where it is not compressed by anything known."""
    for magic, name, function in FORMATS:
        if data.startswith(magic):
            try:
                return function(data)
            except (zlib.error, lzma.LZMAError, OSError, EOFError) as e:
                raise GuestError(f"damaged {name} data: {e}") from None
    return data
