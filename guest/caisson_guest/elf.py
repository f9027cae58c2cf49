# SPDX-License-Identifier: Apache-2.0
"""The little of ELF64 (little endian) that a guest needs: kernels by segments, modules by sections."""

import struct
from collections import namedtuple

from . import GuestError

EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
PHDR = struct.Struct("<IIQQQQQQ")
SHDR = struct.Struct("<IIQQQQIIQQ")
NOTE = struct.Struct("<III")
PT_LOAD = 1
PT_NOTE = 4
SHT_NOBITS = 8
EM_X86_64 = 62
XEN_PHYS32_ENTRY = 18  # XEN_ELFNOTE_PHYS32_ENTRY: where a PVH loader jumps to
PAGE = 4096

Segment = namedtuple("Segment", "type flags offset vaddr paddr filesz memsz align")
Header = namedtuple("Header", "ident type machine version entry phoff shoff flags ehsize phentsize "
                              "phnum shentsize shnum shstrndx")


def header(data):
    if len(data) < EHDR.size or not data.startswith(b"\x7fELF\x02\x01"):
        raise GuestError("not a 64-bit little-endian ELF file")
    h = Header(*EHDR.unpack_from(data))
    if h.machine != EM_X86_64:
        raise GuestError(f"ELF machine {h.machine} is not x86-64")
    return h


def _bytes(data, offset, size):
    if offset + size > len(data):
        raise GuestError("damaged ELF file: contents beyond its end")
    return data[offset:offset + size]


def segments(data):
    h = header(data)
    if h.phentsize != PHDR.size:
        raise GuestError("damaged ELF file: size of program headers")
    table = _bytes(data, h.phoff, h.phnum * PHDR.size)
    return [Segment(*fields) for fields in PHDR.iter_unpack(table)]


def notes(blob):
    """(name, type, contents) of each note; names and contents are padded to 4 bytes."""
    pos = 0
    while pos + NOTE.size <= len(blob):
        namesz, descsz, kind = NOTE.unpack_from(blob, pos)
        name = pos + NOTE.size
        desc = name + (namesz + 3 & ~3)
        pos = desc + (descsz + 3 & ~3)
        yield blob[name:name + namesz].rstrip(b"\0"), kind, blob[desc:desc + descsz]


def pvh_entry(data):
    """The physical address of the PVH entry, or None for a kernel without one."""
    for s in segments(data):
        if s.type != PT_NOTE:
            continue
        for name, kind, contents in notes(_bytes(data, s.offset, s.filesz)):
            if name == b"Xen" and kind == XEN_PHYS32_ENTRY and len(contents) in (4, 8):
                return int.from_bytes(contents, "little")
    return None


def _place(s, pos):
    """The first offset from pos on that lies in its page as s.vaddr lies in its own."""
    return pos + (s.vaddr - pos) % PAGE


def compact(data):
    """The same kernel with its loadable segments and its notes only.

    Section headers, relocations for a randomising loader, the alignment holes between segments and
    zeros at the end of a segment go; addresses and sizes in memory stay as they are.
    """
    h = header(data)
    kept = [s for s in segments(data) if s.type in (PT_LOAD, PT_NOTE)]
    loads = [s for s in kept if s.type == PT_LOAD]
    if not loads:
        raise GuestError("the kernel has no loadable segment")
    out = bytearray(EHDR.size + len(kept) * PHDR.size)
    placed = {}
    for s in loads:
        contents = _bytes(data, s.offset, s.filesz).rstrip(b"\0")
        offset = _place(s, len(out))
        out += bytes(offset - len(out)) + contents
        placed[s] = s._replace(offset=offset, filesz=len(contents), align=PAGE)
    for s in kept:
        if s.type == PT_NOTE:
            contents = _bytes(data, s.offset, s.filesz)
            offset = len(out) + -len(out) % 8
            out += bytes(offset - len(out)) + contents
            placed[s] = s._replace(offset=offset)
    EHDR.pack_into(out, 0, *h._replace(phoff=EHDR.size, shoff=0, phnum=len(kept), shnum=0,
                                       shstrndx=0))
    for i, s in enumerate(kept):
        PHDR.pack_into(out, EHDR.size + i * PHDR.size, *placed[s])
    return bytes(out)


def section(data, wanted):
    """The contents of the section with that name (bytes), or None."""
    h = header(data)
    if h.shentsize != SHDR.size or h.shstrndx >= h.shnum:
        raise GuestError("damaged ELF file: section headers")
    table = list(SHDR.iter_unpack(_bytes(data, h.shoff, h.shnum * SHDR.size)))
    names = _bytes(data, table[h.shstrndx][4], table[h.shstrndx][5])
    for name, kind, _, _, offset, size, *_ in table:
        end = names.find(b"\0", name)
        if kind != SHT_NOBITS and names[name:end] == wanted:
            return _bytes(data, offset, size)
    return None


def is_static_executable(data):
    """Whether an executable needs no program interpreter."""
    h = header(data)
    return h.type in (2, 3) and all(s.type != 3 for s in segments(data))
