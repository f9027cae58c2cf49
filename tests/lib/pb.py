# SPDX-License-Identifier: Apache-2.0
"""pb - protobuf messages as dictionaries, for the tests' clients.

A message is described by {name: (number, kind)}: kind is int, bool, str, bytes, such a description, or a list of one of these. A map is a list of
{"key", "value"} and may be given as a dictionary. Fields of an answer that the description does not have are skipped.
"""


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, kind, value):
    if kind in (int, bool):
        return varint(number << 3) + varint(int(value))
    data = value.encode() if kind is str else value if kind is bytes else encode(kind, value)
    return varint(number << 3 | 2) + varint(len(data)) + data


def encode(message, values):
    out = b""
    for name, value in values.items():
        if name not in message:
            raise SystemExit(f"no field {name} here: {', '.join(message)}")
        number, kind = message[name]
        if isinstance(kind, list):
            items = [{"key": k, "value": v} for k, v in value.items()] if isinstance(value, dict) else value
            out += b"".join(field(number, kind[0], item) for item in items)
        else:
            out += field(number, kind, value)
    return out


def read_varint(data, at):
    n = shift = 0
    while True:
        byte = data[at]
        n |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return n, at


def fields(data):
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        elif key & 7 == 2:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            size = 8 if key & 7 == 1 else 4
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def scalar(kind, value):
    if kind is int:
        return value - (1 << 64) if value >> 63 else value
    if kind is bool:
        return bool(value)
    if kind is bytes:
        return bytes(value)
    return value.decode(errors="replace") if kind is str else decode(kind, value)


def decode(message, data):
    names = {number: (name, kind) for name, (number, kind) in message.items()}
    out = {name: [] for name, (_, kind) in message.items() if isinstance(kind, list)}
    for number, value in fields(data):
        name, kind = names.get(number, (None, None))
        if isinstance(kind, list):
            out[name].append(scalar(kind[0], value))
        elif name:
            out[name] = scalar(kind, value)
    return out
